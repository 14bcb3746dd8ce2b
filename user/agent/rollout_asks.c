// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asks, each of which is a job or one after another. What takes libcurl is this program itself, run
 * anew, not a fork of the agent: that has had threads, which may have held locks, and much memory and
 * secrets that are no business of who talks to others.
 */
#include "agent/rollout_asks.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job.h"
#include "agent/rollout_asked.h"
#include "agent/rollout_asks_internal.h"
#include "agent/rollout_verdict.h"

#define PAUSE_MIN_MS 500u
#define PAUSE_MAX_MS 30000u
#define US_IN_MS     1000u
#define WHY_MAX	     (ROLLOUT_WHY_LEN - 24) /* with room for how often it was asked */

struct rollout_ask {
	sd_event *event;
	rollout_answered *answered;
	void *arg;
	struct ask_plan plan;
	sd_event_source *turn; /* begins the next try */
	struct job *job;       /* the try under way */
	uint32_t tries;
	uint64_t began_us;
};

static void free_ask(struct rollout_ask *a)
{
	sd_event_source_disable_unref(a->turn);
	job_cancel(a->job);
	ask_plan_fini(&a->plan);
	free(a);
}

void rollout_ask_cancel(struct rollout_ask *a)
{
	if (a)
		free_ask(a);
}

static uint64_t now_us(const struct rollout_ask *a)
{
	uint64_t us = 0;

	sd_event_now(a->event, CLOCK_MONOTONIC, &us);
	return us;
}

static uint64_t pause_us(const struct rollout_ask *a)
{
	uint32_t doublings = a->tries < 7 ? a->tries - 1 : 6;
	uint64_t ms = (uint64_t)PAUSE_MIN_MS << doublings;

	return (ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS) * US_IN_MS;
}

/* The ask goes first: whoever hears of it may ask anew. */
static void answer(struct rollout_ask *a, struct ask_reply *reply)
{
	struct rollout_answer *out = &reply->answer;
	rollout_answered *answered = a->answered;
	void *arg = a->arg;
	char why[ROLLOUT_WHY_LEN];

	out->tries = a->tries;
	out->took_ms = (now_us(a) - a->began_us) / US_IN_MS;
	if (!reply->is_answer && a->tries > 1) {
		verdict_first_line(out->why, strnlen(out->why, WHY_MAX), why);
		snprintf(out->why, sizeof(out->why), "%.*s (%u tries)", WHY_MAX, why, a->tries);
	}
	free_ask(a);
	answered(out, arg);
	json_decref(out->details);
}

static void take_reply(struct rollout_ask *a, struct ask_reply *reply)
{
	bool is_again = !reply->is_answer && a->tries <= a->plan.retries;

	if (is_again && sd_event_source_set_time_relative(a->turn, pause_us(a)) >= 0 &&
	    sd_event_source_set_enabled(a->turn, SD_EVENT_ONESHOT) >= 0)
		json_decref(reply->answer.details);
	else
		answer(a, reply);
}

static void on_end(const struct job_result *r, void *arg)
{
	struct rollout_ask *a = arg;
	struct ask_reply reply = {.answer.finding = ROLLOUT_INCONCLUSIVE};

	a->job = NULL;
	a->plan.read(r, a->plan.limit_ms, &reply);
	take_reply(a, &reply);
}

static int on_turn(sd_event_source *source, uint64_t usec, void *arg)
{
	static char *const itself[] = {"serin", ROLLOUT_ASKED, NULL};
	struct rollout_ask *a = arg;
	const struct ask_plan *p = &a->plan;
	const struct job_spec spec = {
		.path = p->argv ? p->argv[0] : "/proc/self/exe",
		.argv = p->argv ? p->argv : itself,
		.environment = p->environment,
		.input = p->input,
		.input_len = strlen(p->input),
		.output_max = p->output_max,
		.limit_ms = p->limit_ms,
	};
	struct ask_reply reply = {.answer.finding = ROLLOUT_INCONCLUSIVE};
	int err;

	(void)source, (void)usec;
	a->tries++;
	err = job_start(a->event, &spec, on_end, a, &a->job);
	if (!err)
		return 0;
	snprintf(reply.answer.why, sizeof(reply.answer.why), "%.150s cannot be run: %s",
		 p->argv ? p->argv[0] : "serin", strerror(-err));
	take_reply(a, &reply);
	return 0;
}

/* The first try, too, begins with the loop's next turn: nobody hears of it from within. */
static int begin(struct rollout_ask *a, struct rollout_ask **out)
{
	int err = sd_event_add_time_relative(a->event, &a->turn, CLOCK_MONOTONIC, 0, 1, on_turn, a);

	if (err < 0) {
		free_ask(a);
		return err;
	}
	a->began_us = now_us(a);
	*out = a;
	return 0;
}

static struct rollout_ask *make(sd_event *event, rollout_answered *answered, void *arg)
{
	struct rollout_ask *a = calloc(1, sizeof(*a));

	if (a)
		*a = (struct rollout_ask){.event = event, .answered = answered, .arg = arg};
	return a;
}

int rollout_ask_hook(sd_event *event, const struct strategy_hook *hook, const json_t *payload,
		     rollout_answered *answered, void *arg, struct rollout_ask **out)
{
	struct rollout_ask *a = make(event, answered, arg);

	if (!a)
		return -ENOMEM;
	if (ask_plan_hook(hook, payload, &a->plan)) {
		free_ask(a);
		return -ENOMEM;
	}
	return begin(a, out);
}

int rollout_ask_look(sd_event *event, const struct rollout_look_ask *look,
		     rollout_answered *answered, void *arg, struct rollout_ask **out)
{
	struct rollout_ask *a = make(event, answered, arg);

	if (!a)
		return -ENOMEM;
	if (ask_plan_look(look, &a->plan)) {
		free_ask(a);
		return -ENOMEM;
	}
	return begin(a, out);
}

/* ---- plans ---- */

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void ask_plan_fini(struct ask_plan *p)
{
	free_list(p->argv);
	free_list(p->environment);
	free(p->input);
	*p = (struct ask_plan){0};
}

int ask_set_variable(char **environment, size_t room, const char *name, const char *value)
{
	size_t at = 0;

	while (environment[at])
		at++;
	if (!value)
		return 0;
	if (at + 1 >= room || asprintf(&environment[at], "%s=%s", name, value) < 0) {
		environment[at] = NULL;
		return -ENOMEM;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A rollout's hooks: those it waits for, one after the other until one says no, and those that are only
 * told. A question that was under way when an agent died is asked again with the same key.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "lib/log.h"

#define KEY_LEN 96

static void make_key(const struct rollout_run *run, const char *what, char key[KEY_LEN])
{
	snprintf(key, KEY_LEN, "%s-%llu-%s", run->state.service, (unsigned long long)run->state.id,
		 what);
}

/* Those whose turn it is; NULL where batches are not the matter. */
static json_t *backends_json(const struct rollout_state *s)
{
	json_t *names = s->plan.type == STRATEGY_ROLLING ? json_array() : NULL;

	for (size_t i = 0; names && i < s->batch_count; i++)
		json_array_append_new(names, json_string(s->batch[i]));
	return names;
}

static json_t *payload(const struct rollout_run *run, enum strategy_moment at, const char *key,
		       const char *why)
{
	const struct rollout_state *s = &run->state;

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:o*}",
			 "service", s->service, "release", s->release, "strategy", s->plan.name,
			 "rollout", (json_int_t)s->id, "step", (json_int_t)rollout_step_number(s),
			 "step_count", (json_int_t)s->plan.step_count, "moment",
			 strategy_moment_name(at), "key", key, "phase",
			 rollout_phase_name(s->phase), "candidate", s->candidate, "production",
			 s->production, "why", why, "backends", backends_json(s));
}

static void record(struct rollout_run *run, const struct strategy_hook *hook, const char *key,
		   const struct rollout_answer *a)
{
	rollout_run_tell(run, STORE_HOOKS,
			 json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:b, s:s}", "at_ms",
				   (json_int_t)rollout_now_unix_ms(), "at",
				   strategy_moment_name(hook->at), "name",
				   hook->name ? hook->name : "", "key", key, "tries",
				   (json_int_t)a->tries, "took_ms", (json_int_t)a->took_ms,
				   "is_yes", a->is_yes, "why", a->why));
}

/* ---- those that it waits for ---- */

static const struct strategy_hook *find_hook(const struct rollout_hooks *q)
{
	const struct model_strategy *plan = &q->run->state.plan;
	size_t skip = q->next;

	for (size_t i = 0; i < plan->hook_count; i++)
		if (plan->hooks[i].at == q->of.at && !skip--)
			return &plan->hooks[i];
	return NULL;
}

static void question_key(const struct rollout_hooks *q, char key[KEY_LEN])
{
	char what[24];

	snprintf(what, sizeof(what), "%llu", (unsigned long long)q->of.number);
	make_key(q->run, what, key);
}

static void on_answer(const struct rollout_answer *a, void *arg)
{
	struct rollout_hooks *q = arg;
	char key[KEY_LEN];

	q->ask = NULL;
	question_key(q, key);
	record(q->run, find_hook(q), key, a);
	q->tries = a->tries;
	q->next++;
	snprintf(q->why, sizeof(q->why), "%s", a->why);
	q->is_answered = !a->is_yes || !find_hook(q);
	q->is_yes = a->is_yes;
	rollouts_look_in(q->run->all, 0);
}

static void fail(struct rollout_hooks *q, int err)
{
	snprintf(q->why, sizeof(q->why), "it cannot be asked: %s", strerror(-err));
	q->is_answered = true;
	q->is_yes = false;
	rollouts_look_in(q->run->all, 1000000);
}

static void ask_next(struct rollout_hooks *q)
{
	const struct strategy_hook *hook = find_hook(q);
	char key[KEY_LEN];
	json_t *body;
	int err;

	if (!hook) {
		q->is_answered = q->is_yes = true;
		rollouts_look_in(q->run->all, 0);
		return;
	}
	question_key(q, key);
	body = payload(q->run, q->of.at, key, q->run->state.why);
	err = body ? rollout_ask_hook(q->run->all->event, hook, body, on_answer, q, &q->ask) : -12;
	json_decref(body);
	if (err)
		fail(q, err);
}

void rollout_hooks_cancel(struct rollout_run *run)
{
	rollout_ask_cancel(run->question.ask);
	run->question = (struct rollout_hooks){.run = run};
}

void rollout_hooks_follow(struct rollout_run *run)
{
	struct rollout_hooks *q = &run->question;
	const struct rollout_question *wanted = &run->state.question;

	if (q->of.number != wanted->number) {
		rollout_hooks_cancel(run);
		q->of = *wanted;
		q->asked_ms = rollout_now_unix_ms();
	}
	if (q->is_answered) {
		run->look.answered = q->of.number;
		run->look.is_yes = q->is_yes;
		snprintf(run->look.answer_why, sizeof(run->look.answer_why), "%s", q->why);
	} else if (q->of.number && !q->ask) {
		ask_next(q);
	}
}

json_t *rollout_question_json(const struct rollout_run *run)
{
	const struct rollout_hooks *q = &run->question;
	const struct strategy_hook *hook = find_hook(q);

	if (!run->state.question.number)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:I, s:s}", "at",
			 strategy_moment_name(run->state.question.at), "name",
			 hook && hook->name ? hook->name : "", "asked_ms", (json_int_t)q->asked_ms,
			 "tries", (json_int_t)q->tries, "why", q->why);
}

/* ---- those that are only told ---- */

/* Goes with its answer, whatever becomes of the rollout meanwhile. */
struct telling {
	struct rollouts *all;
	char service[SERIN_NAME_LEN];
	int64_t id;
	size_t hook;
	char key[KEY_LEN];
	struct telling *next;
	struct rollout_ask *ask;
};

static void take_out(struct telling *t)
{
	struct telling **at = &t->all->tellings;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
}

static void on_told(const struct rollout_answer *a, void *arg)
{
	struct telling *t = arg;
	struct rollout_run *run = rollouts_find(t->all, t->service, t->id);

	if (!a->is_yes)
		log_warning("service %s: a hook that was told of its rollout did not take it: %s",
			    t->service, a->why);
	if (run) {
		record(run, &run->state.plan.hooks[t->hook], t->key, a);
		rollouts_look_in(t->all, 1000000);
	}
	take_out(t);
	free(t);
}

static void tell(struct rollout_run *run, size_t hook, const char *why)
{
	const struct strategy_hook *h = &run->state.plan.hooks[hook];
	struct telling *t = calloc(1, sizeof(*t));
	char what[40];
	json_t *body;

	if (!t)
		return;
	t->all = run->all;
	memcpy(t->service, run->state.service, sizeof(t->service));
	t->id = (int64_t)run->state.id;
	t->hook = hook;
	snprintf(what, sizeof(what), "%s-%zu", strategy_moment_name(h->at),
		 json_array_size(run->transitions));
	make_key(run, what, t->key);
	body = payload(run, h->at, t->key, why);
	if (!body || rollout_ask_hook(run->all->event, h, body, on_told, t, &t->ask)) {
		log_warning("service %s: a hook cannot be told of its rollout", t->service);
		free(t);
	} else {
		t->next = run->all->tellings;
		run->all->tellings = t;
	}
	json_decref(body);
}

void rollout_hooks_tell(struct rollout_run *run, enum strategy_moment at, const char *why)
{
	const struct model_strategy *plan = &run->state.plan;

	for (size_t i = 0; i < plan->hook_count; i++)
		if (plan->hooks[i].at == at)
			tell(run, i, why);
}

void rollout_tellings_cancel(struct rollouts *r)
{
	while (r->tellings) {
		struct telling *t = r->tellings;

		r->tellings = t->next;
		rollout_ask_cancel(t->ask);
		free(t);
	}
}

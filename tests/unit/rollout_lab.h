/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout, and a world that does at once what it wants. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "rollout/rollout.h"

#define SECOND	1000u
#define MINUTE	(60 * SECOND)
#define PERCENT 10000u

struct lab {
	struct rollout_state s;
	struct rollout_look look;
	struct rollout_notes notes;
	char why[ROLLOUT_WHY_LEN];
	bool is_stuck; /* shifts and drains fail */
	uint64_t seed; /* of its release */
	struct rollout_backend backends[ROLLOUT_BACKENDS_MAX];
	bool answers; /* each question with yes */
};

static inline void set_split(struct rollout_split *split, const char *primary, size_t count,
			     const struct rollout_share *of)
{
	*split = (struct rollout_split){.count = count};
	snprintf(split->primary, sizeof(split->primary), "%s", primary);
	for (size_t i = 0; i < count; i++)
		split->of[i] = of[i];
}

#define SPLIT(split, primary, ...)                                                              \
	set_split(split, primary,                                                               \
		  sizeof((struct rollout_share[]){__VA_ARGS__}) / sizeof(struct rollout_share), \
		  (struct rollout_share[]){__VA_ARGS__})

static inline uint32_t ppm_in(const struct rollout_split *split, const char *pool)
{
	for (size_t i = 0; i < split->count; i++)
		if (!strcmp(split->of[i].pool, pool))
			return split->of[i].ppm;
	fail_msg("no pool %s", pool);
	return 0;
}

static inline uint32_t wanted(const struct lab *l, const char *pool)
{
	return ppm_in(&l->s.want, pool);
}

/* "Blue" has everything, "green" nothing. */
static inline int lab_begin_of(struct lab *l, const struct model_strategy *plan)
{
	struct rollout_begin b = {.service = "web",
				  .release = "v2",
				  .primary = "blue",
				  .strategy = plan,
				  .split = l->look.split,
				  .seed = l->seed,
				  .now_unix_ms = 1700000000000};

	return rollout_begin(&l->s, &b, l->why);
}

static inline void lab_begin(struct lab *l, const struct model_strategy *plan)
{
	l->look.is_loaded = l->look.has_traffic = true;
	if (!l->look.split.count)
		SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 1000000});
	if (lab_begin_of(l, plan))
		fail_msg("%s", l->why);
}

static inline bool is_wanted_drained(const struct lab *l, const char *name)
{
	for (size_t i = 0; i < l->s.drain_count; i++)
		if (!strcmp(l->s.drained[i], name))
			return true;
	return false;
}

static inline void lab_make(struct lab *l)
{
	if (l->is_stuck || rollout_has_ended(l->s.phase))
		return;
	l->look.split = l->s.want;
	if (l->s.wants_seed && !*l->look.seed_refusal)
		l->look.seed = l->s.seed;
	for (size_t i = 0; i < l->look.backend_count; i++)
		l->backends[i].is_drained = is_wanted_drained(l, l->backends[i].name);
}

static inline void lab_look(struct lab *l, uint64_t passed_ms)
{
	l->look.passed_ms = passed_ms;
	l->look.backends = l->backends;
	rollout_step(&l->s, &l->look, &l->notes);
	l->look.has_metrics = false;
	l->look.answered = 0;
	if (l->answers && l->s.question.number) {
		l->look.answered = l->s.question.number;
		l->look.is_yes = true;
	}
	lab_make(l);
}

static inline void lab_looks(struct lab *l, int count)
{
	while (count--)
		lab_look(l, SECOND);
}

static inline void lab_answer(struct lab *l, bool is_yes, const char *why)
{
	l->look.answered = l->s.question.number;
	l->look.is_yes = is_yes;
	snprintf(l->look.answer_why, sizeof(l->look.answer_why), "%s", why);
	lab_look(l, SECOND);
}

static inline void lab_metrics(struct lab *l, enum rollout_finding finding)
{
	l->look.has_metrics = true;
	l->look.metrics = finding;
	lab_look(l, SECOND);
}

static inline int lab_say(struct lab *l, enum rollout_command c)
{
	int error = rollout_obey(&l->s, c, "root", "because", &l->notes, l->why);

	if (!error)
		lab_make(l);
	return error;
}

/* Looks until it is so, a thousand at most. */
#define lab_until(l, condition)                                                 \
	do {                                                                    \
		int looks_ = 0;                                                 \
		while (!(condition) && looks_++ < 1000)                         \
			lab_look(l, SECOND);                                    \
		if (!(condition))                                               \
			fail_msg("never: " #condition "; %s, step %u, %s: %s",  \
				 rollout_phase_name((l)->s.phase), (l)->s.step, \
				 rollout_stage_name((l)->s.stage), (l)->s.why); \
	} while (0)

static inline void lab_end(struct lab *l)
{
	rollout_fini(&l->s);
}

/* ---- strategies, of which a test keeps steps and hooks ---- */

static inline struct model_strategy plan_of(enum strategy_type type, struct strategy_step *steps,
					    size_t count)
{
	struct model_strategy plan;

	strategy_init(&plan);
	snprintf(plan.name, sizeof(plan.name), "careful");
	plan.type = type;
	snprintf(plan.candidate, sizeof(plan.candidate), "%s",
		 type == STRATEGY_ROLLING ? "" : "green");
	plan.steps = steps;
	plan.step_count = count;
	return plan;
}

static inline struct strategy_hook hook_at(enum strategy_moment at)
{
	return (struct strategy_hook){
		.at = at, .name = (char *)"gate", .url = (char *)"http://x/", .timeout_ms = 1000};
}

/* The state must come back as it was, to the last bit of what is kept. */
static inline void lab_restart(struct lab *l)
{
	json_t *kept = rollout_to_json(&l->s), *read, *again;
	char *text;

	assert_non_null(kept);
	text = json_dumps(kept, JSON_COMPACT);
	read = json_loads(text, 0, NULL);
	rollout_fini(&l->s);
	assert_int_equal(rollout_from_json(read, &l->s), 0);
	again = rollout_to_json(&l->s);
	assert_true(json_equal(kept, again));
	json_decref(kept);
	json_decref(read);
	json_decref(again);
	free(text);
}

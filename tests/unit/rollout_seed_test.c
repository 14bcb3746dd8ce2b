// SPDX-License-Identifier: GPL-2.0-or-later
/* A seed for each release, before its first step or not at all. */
#include <errno.h>

#include "rollout_lab.h"

#define OLD  7u
#define SEED 0xfedcba9876543210ull

static struct strategy_step steps[] = {{.has_weight = true, .weight_ppm = 10 * PERCENT}};

static struct lab *begin(struct model_strategy *plan)
{
	static struct lab l;

	l = (struct lab){.seed = SEED, .look.seed = OLD};
	lab_begin(&l, plan);
	return &l;
}

static void expect_first_step(struct lab *l, uint64_t seed, const char *why)
{
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	assert_int_equal(l->s.step, 0);
	assert_true(l->look.seed == seed && l->s.found_seed == seed);
	assert_int_equal(l->notes.count, 1);
	assert_string_equal(l->notes.of[0].why, why);
	lab_end(l);
}

static void it_is_taken_before_the_first_weight(void **state)
{
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = begin(&plan);

	(void)state;
	l->is_stuck = true;
	for (int i = 0; i < 3; i++) { /* as long as it takes */
		lab_look(l, SECOND);
		assert_true(l->s.wants_seed);
		assert_true(l->s.seed == SEED);
		assert_int_equal(l->s.phase, ROLLOUT_STARTING);
		assert_int_equal(wanted(l, "green"), 0);
		assert_string_equal(l->s.why, "waits for its seed");
	}
	l->is_stuck = false;
	lab_look(l, SECOND);
	lab_look(l, SECOND);
	assert_false(l->s.wants_seed);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
	expect_first_step(l, SEED, "step 1 of 1");
}

/* The hook at start may say no for days: until then nothing is touched. */
static void it_comes_after_the_hook(void **state)
{
	struct strategy_hook hook = hook_at(STRATEGY_AT_START);
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l;

	(void)state;
	plan.hooks = &hook;
	plan.hook_count = 1;
	l = begin(&plan);
	lab_looks(l, 5);
	assert_false(l->s.wants_seed);
	lab_answer(l, true, "");
	assert_true(l->s.wants_seed);
	lab_look(l, SECOND);
	expect_first_step(l, SEED, "step 1 of 1");
}

static void one_that_is_there_already_is_not_wanted(void **state)
{
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = begin(&plan);

	(void)state;
	l->look.seed = SEED;
	lab_look(l, SECOND);
	expect_first_step(l, SEED, "step 1 of 1");
}

/* It would move those of other pools. */
static void others_with_a_weight_keep_the_old_one(void **state)
{
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l;

	(void)state;
	l = begin(&plan);
	rollout_fini(&l->s);
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 999999}, {"eu", 1});
	lab_begin(l, &plan);
	lab_look(l, SECOND);
	assert_false(l->s.wants_seed);
	expect_first_step(l, OLD, "step 1 of 1, with the seed of before: eu has 0.0001 %");
}

static void a_refusal_keeps_the_old_one(void **state)
{
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = begin(&plan);

	(void)state;
	strcpy(l->look.seed_refusal, "the maps are of another ABI");
	lab_look(l, SECOND);
	assert_false(l->s.wants_seed);
	expect_first_step(l, OLD,
			  "step 1 of 1, with the seed of before: the maps are of another ABI");
}

static void those_without_a_cohort_want_none(void **state)
{
	struct strategy_hook hook = hook_at(STRATEGY_AT_BATCH);
	struct model_strategy at_once = plan_of(STRATEGY_BLUE_GREEN, NULL, 0);
	struct model_strategy rolling = plan_of(STRATEGY_ROLLING, NULL, 0);
	struct model_strategy *plans[] = {&at_once, &rolling};

	(void)state;
	rolling.hooks = &hook;
	rolling.hook_count = 1;
	for (int i = 0; i < 2; i++) {
		struct lab *l = begin(plans[i]);

		lab_looks(l, 5);
		assert_true(l->look.seed == OLD && l->s.found_seed == OLD);
		assert_int_not_equal(l->s.phase, ROLLOUT_STARTING);
		lab_end(l);
	}
}

/* Nothing is asked of the world by one that is stopped, or goes another way. */
static void a_command_ends_the_wish(void **state)
{
	static const enum rollout_command commands[] = {ROLLOUT_PAUSE, ROLLOUT_ABORT,
							ROLLOUT_PROMOTE_FULL, ROLLOUT_SUPERSEDE};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct lab *l = begin(&plan);

		l->is_stuck = true;
		lab_look(l, SECOND);
		assert_true(l->s.wants_seed);
		assert_int_equal(lab_say(l, commands[i]), 0);
		assert_false(l->s.wants_seed);
		lab_look(l, SECOND);
		assert_false(l->s.wants_seed);
		if (commands[i] == ROLLOUT_PAUSE) {
			assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
			lab_look(l, SECOND);
			assert_true(l->s.wants_seed);
		}
		lab_end(l);
	}
}

static void a_retry_has_the_same(void **state)
{
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = begin(&plan);

	(void)state;
	lab_until(l, l->s.phase == ROLLOUT_STEPPING);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	lab_until(l, l->s.phase == ROLLOUT_ABORTED);
	l->look.seed = 99; /* of another release meanwhile */
	assert_int_equal(lab_say(l, ROLLOUT_RETRY), 0);
	lab_look(l, SECOND);
	assert_true(l->s.wants_seed);
	lab_look(l, SECOND);
	expect_first_step(l, SEED, "step 1 of 1");
}

/* What an older agent kept says nothing of seeds: such a one goes on with the service's. */
static void one_that_knew_of_none_goes_on(void **state)
{
	static const char *const keys[] = {"has_seed", "seed", "wants_seed", "found_seed"};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = begin(&plan);
	json_t *kept = rollout_to_json(&l->s), *broken = json_copy(kept);

	(void)state;
	rollout_fini(&l->s);
	json_object_set_new(broken, "seed", json_null());
	assert_int_equal(rollout_from_json(broken, &l->s), -EINVAL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_int_equal(json_object_del(kept, keys[i]), 0);
	assert_int_equal(rollout_from_json(kept, &l->s), 0);
	json_decref(kept);
	json_decref(broken);
	lab_look(l, SECOND);
	expect_first_step(l, OLD, "step 1 of 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_taken_before_the_first_weight),
		cmocka_unit_test(it_comes_after_the_hook),
		cmocka_unit_test(one_that_is_there_already_is_not_wanted),
		cmocka_unit_test(others_with_a_weight_keep_the_old_one),
		cmocka_unit_test(a_refusal_keeps_the_old_one),
		cmocka_unit_test(those_without_a_cohort_want_none),
		cmocka_unit_test(a_command_ends_the_wish),
		cmocka_unit_test(a_retry_has_the_same),
		cmocka_unit_test(one_that_knew_of_none_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Step by step to 100 %, and what holds it up. */
#include "rollout_lab.h"

static struct lab *fresh(void)
{
	static struct lab l;

	l = (struct lab){0};
	return &l;
}

static struct strategy_step weight(uint32_t percent, uint64_t hold_ms)
{
	return (struct strategy_step){
		.has_weight = true, .weight_ppm = percent * PERCENT, .hold_ms = hold_ms};
}

static void it_walks_to_everything_and_swaps(void **state)
{
	struct strategy_step steps[] = {weight(1, 5 * SECOND), weight(10, 3 * SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();

	(void)state;
	lab_begin(l, &plan);
	lab_look(l, SECOND);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	assert_int_equal(wanted(l, "green"), 1 * PERCENT);
	assert_false(l->s.is_want_made);
	lab_look(l, SECOND); /* seen as wanted: what passed before that is not its hold's */
	assert_int_equal(l->s.stage, ROLLOUT_HOLD);
	lab_looks(l, 4);
	assert_int_equal(wanted(l, "green"), 1 * PERCENT);
	assert_int_equal(rollout_left_ms(&l->s), 1 * SECOND);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
	assert_int_equal(l->s.step, 1);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTING);
	assert_int_equal(wanted(l, "green"), 100 * PERCENT);
	assert_string_equal(l->s.want.primary, "blue");
	assert_string_equal(l->look.split.primary, "blue");
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_string_equal(l->look.split.primary, "green");
	assert_int_equal(ppm_in(&l->look.split, "blue"), 0);
	lab_end(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_walks_to_everything_and_swaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

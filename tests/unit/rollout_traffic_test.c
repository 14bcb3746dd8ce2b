// SPDX-License-Identifier: GPL-2.0-or-later
/* Time counts only while somebody comes. */
#include "rollout_lab.h"

static struct lab lab;
static struct strategy_step steps[2];
static struct model_strategy plan;

/* At 10 %, which is held for a minute. */
static struct lab *holding(void)
{
	struct lab *l = &lab;

	lab_begin(l, &plan);
	lab_until(l, l->s.stage == ROLLOUT_HOLD);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
	return l;
}

static int set_up(void **state)
{
	(void)state;
	lab = (struct lab){0};
	steps[0] = (struct strategy_step){
		.has_weight = true, .weight_ppm = 10 * PERCENT, .hold_ms = MINUTE};
	steps[1] = (struct strategy_step){.has_weight = true, .weight_ppm = 20 * PERCENT};
	plan = plan_of(STRATEGY_CANARY, steps, 2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_end(&lab);
	return 0;
}

static void without_traffic_it_waits_and_then_pauses(void **state)
{
	struct lab *l;

	(void)state;
	plan.analysis.deadline_ms = 5 * MINUTE;
	l = holding();
	lab_looks(l, 30);
	l->look.kernel = ROLLOUT_NO_TRAFFIC;
	lab_looks(l, 299);
	assert_int_equal(rollout_left_ms(&l->s), 30 * SECOND);
	l->look.kernel = ROLLOUT_UNKNOWN;
	lab_look(l, SECOND);
	assert_int_equal(rollout_left_ms(&l->s), 29 * SECOND);
	l->look.kernel = ROLLOUT_NO_TRAFFIC;
	lab_looks(l, 299);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	assert_non_null(strstr(l->s.why, "no traffic"));
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_DEADLINE);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_looks(l, 299);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
}

static void only_time_between_flows_is_held(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.analysis.initial_delay_ms = 20 * SECOND;
	lab_begin(l, &plan);
	l->look.has_traffic = false;
	lab_until(l, l->s.stage == ROLLOUT_HOLD);
	lab_looks(l, 15); /* nobody came, whatever the judge says by now */
	assert_int_equal(l->s.stage_ms, 0);
	assert_non_null(strstr(l->s.why, "no traffic"));
	l->look.kernel = ROLLOUT_NO_TRAFFIC;
	lab_looks(l, 100);
	assert_int_equal(rollout_left_ms(&l->s), MINUTE);
	l->look.kernel = ROLLOUT_UNKNOWN;
	l->look.has_traffic = true;
	lab_look(l, SECOND);
	assert_int_equal(l->s.stage_ms, ROLLOUT_NOBODY_MS);
	for (int flow = 1; flow <= 7; flow++) { /* one in seven seconds is enough to go on */
		assert_int_equal(l->s.stage_ms, ROLLOUT_NOBODY_MS + (flow - 1) * 7 * SECOND);
		l->look.has_traffic = false;
		lab_looks(l, 6);
		l->look.has_traffic = true;
		lab_look(l, SECOND);
	}
	assert_int_equal(l->s.step, 0);
	lab_looks(l, 1);
	assert_int_equal(l->s.step, 1);
}

static void a_hold_does_not_end_while_nobody_comes(void **state)
{
	struct lab *l = &lab;

	(void)state;
	steps[0].hold_ms = 3 * SECOND; /* less than it takes to see that there is no traffic */
	lab_begin(l, &plan);
	l->look.has_traffic = false;
	lab_looks(l, 9);
	assert_int_equal(l->s.stage, ROLLOUT_HOLD);
	lab_restart(l);
	l->look.has_traffic = true;
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_time_between_flows_is_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hold_does_not_end_while_nobody_comes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_traffic_it_waits_and_then_pauses, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

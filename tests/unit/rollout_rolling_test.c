// SPDX-License-Identifier: GPL-2.0-or-later
/* Batch by batch, and never too few that serve. */
#include "rollout_lab.h"

#define BACKENDS 5

static struct lab lab;
static struct model_strategy plan;
static struct strategy_hook hooks[1];

static int set_up(void **state)
{
	(void)state;
	lab = (struct lab){0};
	plan = plan_of(STRATEGY_ROLLING, NULL, 0);
	plan.batch = 2;
	plan.min_healthy = 2;
	plan.drain_ms = 10 * SECOND;
	plan.health_ms = 5 * SECOND;
	hooks[0] = hook_at(STRATEGY_AT_BATCH);
	plan.hooks = hooks;
	plan.hook_count = 1;
	lab.look.backend_count = BACKENDS;
	for (int i = 0; i < BACKENDS; i++) {
		snprintf(lab.backends[i].name, sizeof(lab.backends[i].name), "10.0.0.%d:80", i);
		lab.backends[i].is_healthy = true;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_end(&lab);
	return 0;
}

static int drained(const struct lab *l)
{
	int count = 0;

	for (size_t i = 0; i < l->look.backend_count; i++)
		count += l->backends[i].is_drained;
	return count;
}

static void batches_follow_each_other(void **state)
{
	struct lab *l = &lab;
	uint32_t last = 0;
	int asked = 0;

	(void)state;
	lab_begin(l, &plan);
	l->answers = true;
	for (int look = 0; look < 200 && l->s.phase != ROLLOUT_PROMOTED; look++) {
		lab_look(l, SECOND);
		asked += l->s.question.number != 0;
		assert_true(drained(l) <= 2);
		for (size_t i = 0; i < l->notes.count; i++) {
			assert_null(strstr(l->notes.of[i].why, "batch 4"));
			last = l->notes.of[i].step;
		}
		if (l->s.question.number) /* only what is drained is upgraded */
			assert_int_equal(drained(l), l->s.step < 2 ? 2 : 1);
	}
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTED);
	assert_int_equal(l->s.done_count, BACKENDS);
	assert_int_equal(asked, 3);
	assert_int_equal(last, 2);
	assert_int_equal(rollout_step_number(&l->s), 3);
	assert_int_equal(drained(l), 0);
	assert_int_equal(lab_say(l, ROLLOUT_UNDO), -22);
}

static void sizes_in_percent_are_rounded_up(void **state)
{
	static const uint32_t of[][2] = {{1, 1}, {20, 1}, {21, 2}, {40, 2}, {41, 3}};
	struct lab *l = &lab;

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		set_up(NULL);
		plan.batch = 0;
		plan.batch_percent = of[i][0];
		lab_begin(l, &plan);
		lab_until(l, l->s.question.number);
		assert_int_equal(drained(l), of[i][1]);
		if (i < 4)
			lab_end(l);
	}
}

static void flows_are_waited_for_but_not_for_ever(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	l->backends[1].flows = 3;
	lab_looks(l, 2);
	assert_int_equal(drained(l), 2);
	lab_looks(l, 8);
	assert_int_equal(l->s.question.number, 0);
	lab_looks(l, 1);
	assert_int_equal(l->s.question.number, 1);
	lab_end(l);
	lab_begin(l, &plan);
	lab_looks(l, 4);
	l->backends[1].flows = 0;
	lab_look(l, SECOND);
	assert_int_equal(l->s.question.number, 1);
}

static void never_too_few_serve(void **state)
{
	struct lab *l = &lab;

	(void)state;
	l->backends[3].is_healthy = false;
	l->backends[4].is_drained = true; /* by somebody: it stays so */
	l->is_stuck = true;
	lab_begin(l, &plan);
	lab_looks(l, 20);
	assert_int_equal(l->s.drain_count, 0);
	assert_non_null(strstr(l->s.why, "1 other backends serve, 2 have to"));
	l->backends[3].is_healthy = true;
	lab_look(l, SECOND);
	assert_int_equal(l->s.drain_count, 2);
	l->backends[2].is_healthy = false; /* meanwhile */
	lab_look(l, SECOND);
	assert_int_equal(l->s.drain_count, 0);
}

static void one_that_somebody_drained_is_left_alone(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.batch = 1;
	lab_begin(l, &plan);
	l->answers = true;
	l->is_stuck = true; /* made below */
	for (int look = 0; look < 200 && l->s.phase != ROLLOUT_PROMOTED; look++) {
		for (int i = 0; i < 4; i++)
			l->backends[i].is_drained = is_wanted_drained(l, l->backends[i].name);
		l->backends[4].is_drained = true;
		lab_look(l, SECOND);
		assert_false(is_wanted_drained(l, l->backends[4].name));
	}
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTED);
	assert_int_equal(l->s.done_count, 4);
}

static void a_hook_that_fails_stops_and_holds(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.question.number);
	lab_answer(l, false, "no such image");
	assert_int_equal(l->s.cause, ROLLOUT_BY_BATCH);
	assert_non_null(strstr(l->s.why, "no such image"));
	lab_looks(l, 50);
	assert_int_equal(drained(l), 2);
	assert_int_equal(l->s.question.number, 0);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_look(l, SECOND);
	assert_int_equal(l->s.question.number, 2);
	assert_int_equal(drained(l), 2);
	lab_answer(l, true, "");
	assert_int_equal(drained(l), 0);
}

static void a_batch_that_stays_ill_stops_and_holds(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.question.number);
	l->backends[1].is_healthy = false;
	lab_answer(l, true, "");
	assert_int_equal(drained(l), 0);
	lab_looks(l, 4);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_BATCH);
	assert_true(is_wanted_drained(l, l->backends[1].name));
	assert_false(is_wanted_drained(l, l->backends[0].name)); /* it serves */
	assert_int_equal(l->s.done_count, 0);
	lab_restart(l);
	l->backends[1].is_healthy = true;
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_looks(l, 2);
	assert_int_equal(l->s.done_count, 2);
	assert_int_equal(l->s.step, 1);
}

static void a_person_may_pass_by_an_ill_batch(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.question.number);
	l->backends[1].is_healthy = false;
	lab_answer(l, true, "");
	lab_until(l, l->s.cause == ROLLOUT_BY_BATCH);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0);
	lab_until(l, l->s.done_count == 2);
	assert_false(is_wanted_drained(l, l->backends[1].name));
	assert_false(l->backends[1].is_drained);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), -22);
}

static void an_abort_gives_back_who_is_well(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.question.number);
	l->backends[1].is_healthy = false;
	l->is_stuck = true;
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	assert_int_equal(l->s.question.number, 0);
	lab_looks(l, 3);
	assert_int_equal(l->s.phase, ROLLOUT_ROLLING_BACK); /* until it is seen to be so */
	assert_false(is_wanted_drained(l, l->backends[0].name));
	assert_true(is_wanted_drained(l, l->backends[1].name));
	l->is_stuck = false;
	lab_make(l);
	lab_look(l, SECOND);
	assert_int_equal(l->s.phase, ROLLOUT_ABORTED);
	assert_true(l->backends[1].is_drained);
	l->backends[1].is_healthy = true;
	assert_int_equal(lab_say(l, ROLLOUT_RETRY), 0);
	l->answers = true;
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(drained(l), 0);
	assert_int_equal(l->s.done_count, BACKENDS);
}

static void batches_are_held_and_analysed(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.after_batch =
		(struct strategy_step){.hold_ms = 5 * SECOND, .analysis_ms = 10 * SECOND};
	lab_begin(l, &plan);
	l->answers = true;
	l->look.kernel = ROLLOUT_GOOD;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	assert_int_equal(rollout_left_ms(&l->s), 15 * SECOND);
	lab_looks(l, 4);
	assert_int_equal(l->s.step, 0);
	assert_int_equal(l->s.done_count, 0);
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 1);
	assert_int_equal(l->s.done_count, 2);
	l->look.kernel = ROLLOUT_UNKNOWN;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	lab_looks(l, 14);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_INCONCLUSIVE);
	assert_int_equal(drained(l), 0);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0);
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 2);
}

static void the_last_batch_has_to_be_not_bad(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.after_batch = (struct strategy_step){.analysis_ms = 10 * SECOND};
	lab_begin(l, &plan);
	l->answers = true;
	l->look.kernel = ROLLOUT_GOOD;
	while (l->s.step < 2) {
		assert_false(l->s.wants_promoted);
		lab_look(l, SECOND);
	}
	l->look.kernel = ROLLOUT_UNKNOWN; /* there is none to compare with */
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	assert_true(l->s.wants_promoted);
	lab_looks(l, 9);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_look(l, SECOND);
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTED);
}

static void a_batch_that_does_harm_stops_and_is_drained(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.after_batch = (struct strategy_step){.hold_ms = 10 * SECOND};
	lab_begin(l, &plan);
	l->answers = true;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_ANALYSIS);
	lab_restart(l);
	lab_looks(l, 50);
	assert_int_equal(l->s.cause, ROLLOUT_BY_ANALYSIS);
	assert_int_equal(drained(l), 2);
	assert_int_equal(l->s.done_count, 0);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	l->look.kernel = ROLLOUT_UNKNOWN;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	assert_int_equal(drained(l), 0);
	lab_looks(l, 9);
	assert_int_equal(l->s.step, 0);
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	lab_until(l, l->s.phase == ROLLOUT_ABORTED);
	assert_int_equal(drained(l), 2);
	assert_non_null(strstr(l->s.why, "2 backends stay drained"));
}

static void harm_that_cannot_be_spared_goes_on_serving(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.min_healthy = 3;
	plan.after_batch = (struct strategy_step){.hold_ms = 10 * SECOND};
	lab_begin(l, &plan);
	l->answers = true;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	l->backends[4].is_healthy = false;
	l->look.kernel = ROLLOUT_BAD;
	lab_looks(l, 10);
	assert_int_equal(l->s.cause, ROLLOUT_BY_ANALYSIS);
	assert_int_equal(drained(l), 0);
	assert_int_equal(l->s.done_count, 0);
}

static void harm_found_late_gives_back_the_batch_that_drains(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	l->answers = true;
	l->backends[3].flows = 1;
	lab_until(l, l->s.step == 1 && l->s.stage == ROLLOUT_SHIFT && drained(l) == 2);
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_ANALYSIS);
	assert_int_equal(drained(l), 0);
	l->look.kernel = ROLLOUT_UNKNOWN;
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
}

static void a_batch_that_falls_ill_again_is_waited_for(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.after_batch = (struct strategy_step){.hold_ms = 10 * SECOND};
	lab_begin(l, &plan);
	l->answers = true;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	lab_looks(l, 5);
	l->backends[1].is_healthy = false;
	lab_look(l, SECOND);
	assert_int_equal(l->s.stage, ROLLOUT_HOLD);
	lab_until(l, l->s.cause == ROLLOUT_BY_BATCH);
	assert_int_equal(l->s.step, 0);
}

static void somebody_may_have_to_look_at_each(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.after_batch = (struct strategy_step){.pauses = true};
	lab_begin(l, &plan);
	l->answers = true;
	for (uint32_t batch = 0; batch < 3; batch++) {
		lab_until(l, l->s.cause == ROLLOUT_BY_STEP);
		assert_int_equal(l->s.step, batch);
		assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	}
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
}

static void a_split_is_not_its_business(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	lab_looks(l, 2);
	SPLIT(&l->look.split, "blue", {"green", 500000}, {"blue", 500000});
	l->answers = true;
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(ppm_in(&l->look.split, "green"), 50 * PERCENT);
}

static void nothing_is_begun_that_upgrades_nothing(void **state)
{
	(void)state;
	SPLIT(&lab.look.split, "blue", {"blue", 1000000});
	plan.hook_count = 0;
	assert_int_equal(lab_begin_of(&lab, &plan), -22);
	assert_non_null(strstr(lab.why, "hook at batch"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(batches_follow_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes_in_percent_are_rounded_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flows_are_waited_for_but_not_for_ever, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(never_too_few_serve, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_somebody_drained_is_left_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_hook_that_fails_stops_and_holds, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_batch_that_stays_ill_stops_and_holds, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_person_may_pass_by_an_ill_batch, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_abort_gives_back_who_is_well, set_up, tear_down),
		cmocka_unit_test_setup_teardown(batches_are_held_and_analysed, set_up, tear_down),
		TEST(the_last_batch_has_to_be_not_bad),
		TEST(a_batch_that_does_harm_stops_and_is_drained),
		TEST(harm_that_cannot_be_spared_goes_on_serving),
		TEST(harm_found_late_gives_back_the_batch_that_drains),
		TEST(a_batch_that_falls_ill_again_is_waited_for),
		TEST(somebody_may_have_to_look_at_each),
		cmocka_unit_test_setup_teardown(a_split_is_not_its_business, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_begun_that_upgrades_nothing, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

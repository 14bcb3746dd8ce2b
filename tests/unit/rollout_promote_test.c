// SPDX-License-Identifier: GPL-2.0-or-later
/* Blue-green, standby, undo, and giving the traffic back. */
#include "rollout_lab.h"

static struct lab lab;
static struct model_strategy plan;
static struct strategy_hook hooks[1];

static int set_up(void **state)
{
	(void)state;
	lab = (struct lab){0};
	plan = plan_of(STRATEGY_BLUE_GREEN, NULL, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_end(&lab);
	return 0;
}

static struct lab *standing_by(void)
{
	plan.standby_ms = MINUTE;
	lab_begin(&lab, &plan);
	lab_until(&lab, lab.s.phase == ROLLOUT_STANDBY);
	return &lab;
}

static void is_before(struct lab *l, enum rollout_phase ended)
{
	assert_string_equal(l->s.want.primary, "blue");
	assert_int_equal(wanted(l, "green"), 0);
	assert_int_equal(wanted(l, "blue"), 100 * PERCENT);
	lab_until(l, rollout_has_ended(l->s.phase));
	assert_int_equal(l->s.phase, ended);
}

static void everything_flips_at_once(void **state)
{
	struct lab *l = &lab;
	int flips = 0;

	(void)state;
	lab_begin(l, &plan);
	while (!rollout_has_ended(l->s.phase) && flips < 100) {
		uint32_t before = wanted(l, "green");

		lab_look(l, SECOND);
		assert_true(wanted(l, "green") == 0 || wanted(l, "green") == 100 * PERCENT);
		flips += wanted(l, "green") != before;
	}
	assert_int_equal(flips, 1);
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTED);
	assert_string_equal(l->look.split.primary, "green");
}

static void a_preview_is_analysed_at_nothing(void **state)
{
	struct strategy_step steps[] = {
		{.has_weight = true, .hold_ms = 5 * SECOND, .analysis_ms = MINUTE}};
	struct lab *l = &lab;

	(void)state;
	plan.steps = steps;
	plan.step_count = 1;
	lab_begin(l, &plan);
	l->look.kernel = ROLLOUT_NO_TRAFFIC;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE); /* nobody is expected at 0 % */
	lab_looks(l, 100);
	assert_int_equal(l->s.stage, ROLLOUT_ANALYSE);
	assert_true(l->s.wants_analysis);
	assert_int_equal(wanted(l, "green"), 0);
	l->look.kernel = ROLLOUT_GOOD;
	lab_until(l, wanted(l, "green") == 100 * PERCENT);
}

static void a_primary_changes_when_that_moves_nobody(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	l->is_stuck = true;
	lab_looks(l, 10);
	assert_int_equal(wanted(l, "green"), 100 * PERCENT);
	assert_string_equal(l->s.want.primary, "blue");
	lab_restart(l);
	l->look.split = l->s.want; /* the agent was killed when it had shifted */
	lab_look(l, 0);
	assert_string_equal(l->s.want.primary, "green");
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTING);
	l->is_stuck = false;
	lab_make(l);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
}

/* It would be promoted by nobody, the moment that a backend comes back. */
static void everything_waits_for_somebody_to_take_it(void **state)
{
	struct lab *l = &lab;

	(void)state;
	l->look.is_candidate_down = true;
	lab_begin(l, &plan);
	lab_looks(l, 10);
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTING);
	assert_string_equal(l->s.why, "waits for a healthy backend of green");
	assert_int_equal(wanted(l, "green"), 0);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), -22);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), -22);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 0);
	l->look.is_candidate_down = false;
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
}

static void a_step_to_everything_waits_too(void **state)
{
	struct strategy_step steps[] = {{.has_weight = true, .weight_ppm = 50 * PERCENT},
					{.has_weight = true, .weight_ppm = 100 * PERCENT}};
	struct lab *l = &lab;

	(void)state;
	plan.steps = steps;
	plan.step_count = 2;
	l->look.is_candidate_down = true;
	lab_begin(l, &plan);
	lab_looks(l, 10);
	assert_int_equal(wanted(l, "green"), 50 * PERCENT);
	assert_string_equal(l->s.why, "waits for a healthy backend of green");
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), -22);
	l->look.is_candidate_down = false;
	lab_until(l, wanted(l, "green") == 100 * PERCENT);
}

#define CAN(command) (1u << ROLLOUT_##command)

static void what_can_be_said_is_what_is_taken(void **state)
{
	struct lab *l = &lab;

	(void)state;
	plan.standby_ms = MINUTE;
	lab_begin(l, &plan);
	assert_int_equal(rollout_can(&l->s), CAN(PAUSE) | CAN(PROMOTE) | CAN(PROMOTE_FULL) |
						     CAN(ABORT) | CAN(SUPERSEDE));
	lab_until(l, l->s.phase == ROLLOUT_STANDBY);
	assert_int_equal(rollout_can(&l->s), CAN(PAUSE) | CAN(PROMOTE) | CAN(PROMOTE_FULL) |
						     CAN(ABORT) | CAN(UNDO) | CAN(SUPERSEDE));
	assert_int_equal(l->s.phase, ROLLOUT_STANDBY); /* as it was */
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(rollout_can(&l->s), CAN(UNDO));
	l->s.plan.finish = STRATEGY_RETURN;
	assert_int_equal(rollout_can(&l->s), 0);
}

static void standby_ends_well(void **state)
{
	struct lab *l = standing_by();

	(void)state;
	assert_true(l->s.wants_promoted && l->s.wants_analysis);
	assert_in_range(rollout_left_ms(&l->s), 59 * SECOND, MINUTE);
	lab_looks(l, 58);
	assert_int_equal(l->s.phase, ROLLOUT_STANDBY);
	lab_looks(l, 2);
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTED);
	assert_false(l->s.wants_promoted || l->s.wants_analysis);
}

static void bad_in_standby_is_undone(void **state)
{
	struct lab *l = standing_by();

	(void)state;
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	is_before(l, ROLLOUT_UNDONE);
}

static void standby_may_be_cut_short(void **state)
{
	static const struct {
		enum rollout_command command;
		enum rollout_phase ends;
	} of[] = {{ROLLOUT_PROMOTE, ROLLOUT_PROMOTED},
		  {ROLLOUT_PROMOTE_FULL, ROLLOUT_PROMOTED},
		  {ROLLOUT_SUPERSEDE, ROLLOUT_PROMOTED},
		  {ROLLOUT_UNDO, ROLLOUT_UNDONE},
		  {ROLLOUT_ABORT, ROLLOUT_UNDONE}};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		struct lab *l;

		lab_end(&lab);
		set_up(NULL);
		l = standing_by();
		assert_int_equal(lab_say(l, of[i].command), 0);
		lab_until(l, rollout_has_ended(l->s.phase));
		assert_int_equal(l->s.phase, of[i].ends);
		assert_string_equal(l->look.split.primary,
				    of[i].ends == ROLLOUT_PROMOTED ? "green" : "blue");
	}
}

static void what_was_promoted_can_be_undone(void **state)
{
	struct lab *l = &lab;

	(void)state;
	strcpy(plan.baseline, "old");
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 900000}, {"old", 100000});
	lab_begin(l, &plan);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(wanted(l, "green"), 90 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), -22);
	lab_restart(l);
	assert_int_equal(lab_say(l, ROLLOUT_UNDO), 0);
	assert_int_equal(wanted(l, "old"), 10 * PERCENT);
	assert_int_equal(wanted(l, "blue"), 90 * PERCENT);
	assert_string_equal(l->s.want.primary, "blue");
	lab_until(l, l->s.phase == ROLLOUT_UNDONE);
}

static struct lab *returning(void)
{
	plan.finish = STRATEGY_RETURN;
	plan.standby_ms = MINUTE;
	hooks[0] = hook_at(STRATEGY_AT_UPGRADE);
	plan.hooks = hooks;
	plan.hook_count = 1;
	lab_begin(&lab, &plan);
	lab_until(&lab, lab.s.question.number);
	return &lab;
}

static void the_traffic_is_given_back_when_the_primary_is_upgraded(void **state)
{
	struct lab *l = returning();

	(void)state;
	assert_int_equal(l->s.question.at, STRATEGY_AT_UPGRADE);
	assert_int_equal(ppm_in(&l->look.split, "green"), 100 * PERCENT);
	assert_string_equal(l->look.split.primary, "blue");
	lab_answer(l, false, "disk full");
	lab_looks(l, 5);
	assert_int_equal(wanted(l, "green"), 100 * PERCENT);
	lab_until(l, l->s.question.number);
	lab_answer(l, true, "");
	assert_int_equal(wanted(l, "green"), 0);
	is_before(l, ROLLOUT_PROMOTED);
	assert_int_equal(lab_say(l, ROLLOUT_UNDO), -22);
}

static void an_upgrade_may_be_said_to_be_done(void **state)
{
	struct lab *l = returning();

	(void)state;
	lab_answer(l, false, "disk full");
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0); /* between two times of asking */
	lab_look(l, SECOND);
	is_before(l, ROLLOUT_PROMOTED);
}

static void bad_while_promoting_takes_it_back(void **state)
{
	struct lab *l = returning();

	(void)state;
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	is_before(l, ROLLOUT_ABORTED);
}

static void another_hand_pauses_promotion_and_standby(void **state)
{
	struct lab *l = standing_by();

	(void)state;
	SPLIT(&l->look.split, "green", {"green", 900000}, {"blue", 100000});
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_FOREIGN);
	lab_looks(l, 100);
	assert_int_equal(ppm_in(&l->look.split, "blue"), 10 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "blue"), 0);
	assert_string_equal(l->s.want.primary, "green");
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_flips_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_preview_is_analysed_at_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_primary_changes_when_that_moves_nobody, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(everything_waits_for_somebody_to_take_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_step_to_everything_waits_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_can_be_said_is_what_is_taken, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(standby_ends_well, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_in_standby_is_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(standby_may_be_cut_short, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_promoted_can_be_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_traffic_is_given_back_when_the_primary_is_upgraded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_upgrade_may_be_said_to_be_done, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(bad_while_promoting_takes_it_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_hand_pauses_promotion_and_standby, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

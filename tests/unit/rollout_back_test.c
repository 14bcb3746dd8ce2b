// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings, and the ways back: exactly 0 %, whatever else happens. */
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

static void is_back(struct lab *l, enum rollout_phase ended)
{
	assert_int_equal(wanted(l, "green"), 0);
	assert_string_equal(l->s.want.primary, "blue");
	lab_until(l, rollout_has_ended(l->s.phase));
	assert_int_equal(l->s.phase, ended);
	assert_int_equal(ppm_in(&l->look.split, "green"), 0);
	assert_false(l->s.wants_analysis || l->s.wants_reset || l->s.wants_promoted);
}

static void an_abort_is_at_once(void **state)
{
	struct lab *l = holding();
	uint64_t wants = l->s.wants;

	(void)state;
	l->is_stuck = true;
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	assert_int_equal(wanted(l, "green"), 0);
	assert_int_equal(l->s.wants, wants + 1);
	assert_false(l->s.wants_analysis);
	lab_looks(l, 5);
	assert_int_equal(l->s.phase, ROLLOUT_ROLLING_BACK);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), -22);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), -22);
	l->is_stuck = false;
	lab_make(l);
	is_back(l, ROLLOUT_ABORTED);
	assert_int_equal(lab_say(l, ROLLOUT_UNDO), -22);
}

static void a_bad_finding_takes_it_back(void **state)
{
	struct lab *l = holding();

	(void)state;
	l->look.kernel = ROLLOUT_BAD;
	strcpy(l->look.kernel_why, "failures");
	lab_look(l, SECOND);
	assert_int_equal(l->s.phase, ROLLOUT_ROLLING_BACK);
	assert_non_null(strstr(l->notes.of[0].why, "failures"));
	is_back(l, ROLLOUT_ABORTED);
	assert_non_null(strstr(l->s.why, "failures")); /* to the end */
}

static void it_is_taken_back_in_a_pause_too(void **state)
{
	struct lab *l = holding();

	(void)state;
	assert_int_equal(lab_say(l, ROLLOUT_PAUSE), 0);
	lab_look(l, SECOND);
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	is_back(l, ROLLOUT_ABORTED);
}

static void a_pause_on_failure_can_be_overruled(void **state)
{
	struct lab *l;
	uint64_t analyses;

	(void)state;
	plan.analysis.on_failure = STRATEGY_PAUSE;
	l = holding();
	analyses = l->s.analyses;
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_ANALYSIS);
	assert_int_equal(l->notes.count, 1);
	lab_looks(l, 10);
	assert_int_equal(l->notes.count, 0);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	assert_int_equal(l->s.analyses, analyses + 1);
	lab_looks(l, 10); /* the judge says what it said */
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	l->look.kernel = ROLLOUT_UNKNOWN;
	lab_look(l, SECOND);
	l->look.kernel = ROLLOUT_BAD; /* and says it anew */
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_ANALYSIS);
}

static void an_alarm_pauses(void **state)
{
	struct lab *l = holding();

	(void)state;
	l->look.kernel = ROLLOUT_INCONCLUSIVE;
	lab_look(l, SECOND);
	assert_int_equal(l->s.phase, ROLLOUT_PAUSED);
	assert_int_equal(l->s.cause, ROLLOUT_BY_INCONCLUSIVE);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
}

static void a_dry_run_shows_and_does_nothing(void **state)
{
	struct lab *l;

	(void)state;
	plan.analysis.is_dry_run = true;
	steps[1].analysis_ms = 5 * SECOND;
	l = holding();
	l->look.kernel = ROLLOUT_BAD;
	lab_looks(l, 3);
	assert_int_equal(l->s.finding, ROLLOUT_BAD);
	l->look.kernel = ROLLOUT_NO_TRAFFIC;
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
}

static struct strategy_metric metric = {.name = (char *)"errors", .query = (char *)"up"};

static void looks_at_metrics_are_borne_up_to_a_limit(void **state)
{
	struct lab *l;

	(void)state;
	plan.analysis.metrics = &metric;
	plan.analysis.metric_count = 1;
	plan.analysis.failure_limit = 2;
	plan.analysis.inconclusive_limit = 1;
	plan.analysis.initial_delay_ms = 10 * SECOND;
	l = holding();
	assert_false(l->s.wants_analysis);
	for (int i = 0; i < 5; i++)
		lab_metrics(l, ROLLOUT_BAD); /* too early */
	lab_until(l, l->s.wants_analysis);
	assert_int_equal(l->s.bad_looks, 0);
	lab_metrics(l, ROLLOUT_BAD);
	lab_metrics(l, ROLLOUT_GOOD);
	lab_metrics(l, ROLLOUT_UNKNOWN);
	lab_metrics(l, ROLLOUT_BAD);
	lab_metrics(l, ROLLOUT_NO_TRAFFIC);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_metrics(l, ROLLOUT_INCONCLUSIVE);
	assert_int_equal(l->s.cause, ROLLOUT_BY_INCONCLUSIVE);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	for (int i = 0; i < 2; i++)
		lab_metrics(l, ROLLOUT_BAD);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_metrics(l, ROLLOUT_BAD);
	is_back(l, ROLLOUT_ABORTED);
}

static void an_analysis_needs_a_good_finding_of_all(void **state)
{
	struct lab *l;

	(void)state;
	plan.analysis.metrics = &metric;
	plan.analysis.metric_count = 1;
	steps[0].hold_ms = SECOND;
	steps[0].analysis_ms = 20 * SECOND;
	l = holding();
	lab_metrics(l, ROLLOUT_GOOD); /* of the hold, not of the analysis */
	assert_int_equal(l->s.stage, ROLLOUT_ANALYSE);
	l->look.kernel = ROLLOUT_GOOD;
	lab_looks(l, 5);
	assert_int_equal(l->s.stage, ROLLOUT_ANALYSE);
	lab_metrics(l, ROLLOUT_GOOD);
	assert_int_equal(l->s.step, 1);
}

static void an_analysis_without_an_answer_pauses(void **state)
{
	struct lab *l;

	(void)state;
	steps[0].hold_ms = 0;
	steps[0].analysis_ms = 20 * SECOND;
	lab_begin(&lab, &plan);
	l = &lab;
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	lab_looks(l, 19);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_INCONCLUSIVE);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_looks(l, 19);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_INCONCLUSIVE);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0);
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 1);
}

/* ---- what becomes of flows ---- */

static void flows_are_left_drained_or_reset(void **state)
{
	static const struct {
		enum strategy_flows flows;
		int looks_to_reset; /* -1: none */
	} of[] = {{STRATEGY_FLOWS_LEAVE, -1}, {STRATEGY_FLOWS_DRAIN, 4}, {STRATEGY_FLOWS_RESET, 1}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct lab *l;

		set_up(NULL);
		plan.flows = of[i].flows;
		plan.drain_ms = 3 * SECOND;
		l = holding();
		l->look.has_flows = true;
		assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
		assert_false(l->s.wants_reset);
		for (int look = 1; look <= of[i].looks_to_reset; look++) {
			assert_false(l->s.wants_reset);
			lab_look(l, SECOND);
			assert_int_equal(l->s.phase, ROLLOUT_ROLLING_BACK);
		}
		assert_int_equal(l->s.wants_reset, of[i].looks_to_reset > 0);
		l->look.has_flows = of[i].flows == STRATEGY_FLOWS_LEAVE;
		lab_look(l, SECOND);
		assert_int_equal(l->s.phase, ROLLOUT_ABORTED);
		assert_false(l->s.wants_reset);
		if (i < 2)
			lab_end(l);
	}
}

/* ---- others ---- */

static void shift_by_hand(struct lab *l, uint32_t percent)
{
	SPLIT(&l->look.split, "blue", {"green", percent * PERCENT},
	      {"blue", (100 - percent) * PERCENT});
	strcpy(l->look.actor, "weight by root");
}

static void another_hand_pauses_it_and_is_left_alone(void **state)
{
	struct lab *l = holding();
	uint64_t left = rollout_left_ms(&l->s);

	(void)state;
	shift_by_hand(l, 10); /* the same weights */
	lab_look(l, SECOND);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	shift_by_hand(l, 33);
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_FOREIGN);
	assert_non_null(strstr(l->s.why, "weight by root"));
	assert_false(l->s.wants_analysis);
	l->look.kernel = ROLLOUT_BAD;
	lab_looks(l, 5);
	shift_by_hand(l, 44);
	lab_looks(l, 5);
	assert_int_equal(ppm_in(&l->look.split, "green"), 44 * PERCENT);
	l->look.kernel = ROLLOUT_UNKNOWN;
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_look(l, SECOND);
	assert_int_equal(ppm_in(&l->look.split, "green"), 10 * PERCENT);
	lab_look(l, SECOND);
	assert_in_range(rollout_left_ms(&l->s), left - 2 * SECOND, left);
}

static void a_shift_that_failed_is_not_another_hand(void **state)
{
	struct lab *l = &lab;

	(void)state;
	lab_begin(l, &plan);
	l->is_stuck = true;
	lab_looks(l, 10);
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
	shift_by_hand(l, 7); /* that is neither what was nor what is wanted */
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_FOREIGN);
	assert_int_equal(wanted(l, "green"), 7 * PERCENT);
}

static void it_stays_at_nothing_while_rolling_back(void **state)
{
	struct lab *l;

	(void)state;
	plan.flows = STRATEGY_FLOWS_DRAIN;
	SPLIT(&lab.look.split, "blue", {"green", 0}, {"blue", 900000}, {"eu", 100000});
	l = holding();
	l->look.has_flows = true;
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	lab_looks(l, 3);
	SPLIT(&l->look.split, "green", {"green", 750000}, {"blue", 50000}, {"eu", 200000});
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 0);
	assert_int_equal(wanted(l, "eu"), 20 * PERCENT);
	assert_int_equal(wanted(l, "blue"), 80 * PERCENT);
	assert_int_equal(l->s.phase, ROLLOUT_ROLLING_BACK);
	SPLIT(&l->look.split, "eu", {"green", 10000}, {"blue", 0}, {"eu", 990000});
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 0);
	assert_string_equal(l->s.want.primary, "eu");
	l->look.has_flows = false;
	lab_looks(l, 2);
	assert_int_equal(l->s.phase, ROLLOUT_ABORTED);
}

static void what_leaves_no_room_is_not_resumed(void **state)
{
	struct lab *l;

	(void)state;
	SPLIT(&lab.look.split, "blue", {"green", 0}, {"blue", 1000000}, {"eu", 0});
	l = holding();
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 100000}, {"eu", 900000});
	lab_look(l, SECOND);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), -22);
	assert_non_null(strstr(l->why, "step 2"));
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), -22);
	assert_int_equal(l->s.cause, ROLLOUT_BY_FOREIGN);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	assert_int_equal(wanted(l, "eu"), 90 * PERCENT);
	is_back(l, ROLLOUT_ABORTED);
}

static void another_release_takes_its_place(void **state)
{
	struct lab *l;

	(void)state;
	plan.flows = STRATEGY_FLOWS_RESET;
	l = holding();
	l->look.has_flows = true;
	assert_int_equal(lab_say(l, ROLLOUT_SUPERSEDE), 0);
	is_back(l, ROLLOUT_SUPERSEDED);
	assert_int_equal(lab_say(l, ROLLOUT_SUPERSEDE), -22);
	assert_int_equal(lab_say(l, ROLLOUT_RETRY), -22);
}

static void an_aborted_one_can_be_tried_again(void **state)
{
	struct lab *l = holding();

	(void)state;
	l->look.kernel = ROLLOUT_BAD;
	lab_look(l, SECOND);
	is_back(l, ROLLOUT_ABORTED);
	l->look.kernel = ROLLOUT_UNKNOWN;
	assert_int_equal(lab_say(l, ROLLOUT_RETRY), 0);
	assert_int_equal(l->s.phase, ROLLOUT_STARTING);
	lab_until(l, l->s.stage == ROLLOUT_HOLD);
	assert_int_equal(l->s.step, 0);
	assert_int_equal(rollout_left_ms(&l->s), MINUTE);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	is_back(l, ROLLOUT_ABORTED);
	shift_by_hand(l, 3); /* while nobody looked */
	assert_int_equal(lab_say(l, ROLLOUT_RETRY), 0);
	shift_by_hand(l, 3);
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_FOREIGN);
	assert_int_equal(wanted(l, "green"), 3 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	is_back(l, ROLLOUT_ABORTED);
	assert_int_equal(lab_say(l, ROLLOUT_RETRY), 0);
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0); /* before anybody looked */
	shift_by_hand(l, 3);
	lab_look(l, SECOND);
	is_back(l, ROLLOUT_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_abort_is_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_finding_takes_it_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_taken_back_in_a_pause_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pause_on_failure_can_be_overruled, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_alarm_pauses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dry_run_shows_and_does_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(looks_at_metrics_are_borne_up_to_a_limit, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_analysis_needs_a_good_finding_of_all, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_analysis_without_an_answer_pauses, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(flows_are_left_drained_or_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_hand_pauses_it_and_is_left_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_shift_that_failed_is_not_another_hand, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(it_stays_at_nothing_while_rolling_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_leaves_no_room_is_not_resumed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_release_takes_its_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_aborted_one_can_be_tried_again, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

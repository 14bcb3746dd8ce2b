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

/* What people are told of steps is of those there are. */
static void no_note_tells_of_a_step_too_many(void **state)
{
	struct strategy_step steps[] = {weight(1, SECOND), weight(10, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();
	uint32_t last = 0;

	(void)state;
	lab_begin(l, &plan);
	assert_int_equal(rollout_step_number(&l->s), 0);
	while (l->s.phase != ROLLOUT_PROMOTED) {
		lab_look(l, SECOND);
		for (size_t i = 0; i < l->notes.count; i++)
			assert_in_range(last = l->notes.of[i].step, 0, 1);
		assert_in_range(rollout_step_number(&l->s), 1, 2);
	}
	assert_int_equal(last, 1);
	assert_int_equal(rollout_step_number(&l->s), 2);
	lab_end(l);
	plan.type = STRATEGY_BLUE_GREEN;
	plan.step_count = 0;
	lab_begin(l, &plan);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTING);
	assert_int_equal(rollout_step_number(&l->s), 0);
	lab_end(l);
}

static void a_ramp_is_linear_in_looked_at_time(void **state)
{
	struct strategy_step steps[] = {
		weight(10, 0),
		{.has_weight = true, .weight_ppm = 30 * PERCENT + 1, .ramp_ms = 10 * SECOND},
		{.has_weight = true, .weight_ppm = 20 * PERCENT, .ramp_ms = 4 * SECOND}};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 3);
	struct lab *l = fresh();

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.stage == ROLLOUT_RAMP);
	assert_int_equal(wanted(l, "green"), 10 * PERCENT);
	lab_look(l, 2500);
	assert_int_equal(wanted(l, "green"), 15 * PERCENT);
	lab_look(l, 2500);
	assert_int_equal(wanted(l, "green"), 20 * PERCENT);
	assert_int_equal(rollout_left_ms(&l->s), 5 * SECOND);
	lab_look(l, 4999);
	assert_in_range(wanted(l, "green"), 29 * PERCENT, 30 * PERCENT);
	l->is_stuck = true; /* what was not made is not built upon */
	lab_look(l, 0);
	lab_look(l, 1);
	assert_int_equal(wanted(l, "green"), 30 * PERCENT + 1);
	assert_int_equal(l->s.step, 1);
	lab_looks(l, 5);
	assert_int_equal(l->s.step, 1);
	l->is_stuck = false;
	lab_make(l);
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 2);
	assert_int_equal(wanted(l, "green"), 30 * PERCENT + 1);
	lab_looks(l, 2);
	assert_int_equal(wanted(l, "green"), 25 * PERCENT + 1);
	lab_looks(l, 2);
	assert_int_equal(wanted(l, "green"), 20 * PERCENT);
	lab_end(l);
}

static void the_baseline_follows_and_goes_first(void **state)
{
	struct strategy_step steps[] = {weight(5, SECOND), weight(40, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();

	(void)state;
	strcpy(plan.baseline, "old");
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 870000}, {"old", 30000},
	      {"eu", 100000});
	lab_begin(l, &plan);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 5 * PERCENT);
	assert_int_equal(wanted(l, "old"), 5 * PERCENT);
	assert_int_equal(wanted(l, "eu"), 10 * PERCENT);
	assert_int_equal(wanted(l, "blue"), 80 * PERCENT);
	lab_until(l, l->s.step == 1);
	assert_int_equal(wanted(l, "old"), 40 * PERCENT);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTING);
	assert_int_equal(wanted(l, "green"), 40 * PERCENT);
	assert_int_equal(wanted(l, "old"), 3 * PERCENT);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 87 * PERCENT); /* all that blue had */
	assert_int_equal(wanted(l, "blue"), 0);
	assert_string_equal(l->s.want.primary, "blue");
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(ppm_in(&l->look.split, "eu"), 10 * PERCENT);
	lab_end(l);
}

/* ---- what is not begun ---- */

static void refused(struct lab *l, const struct model_strategy *plan, const char *why)
{
	assert_int_equal(lab_begin_of(l, plan), -22);
	if (!strstr(l->why, why))
		fail_msg("\"%s\" says nothing of \"%s\"", l->why, why);
}

static void what_cannot_be_made_is_not_begun(void **state)
{
	struct strategy_step steps[] = {weight(50, SECOND), weight(51, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();

	(void)state;
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 1000000}, {"old", 0});
	strcpy(plan.baseline, "old");
	refused(l, &plan, "step 2");
	steps[1] = weight(50, SECOND);
	assert_int_equal(lab_begin_of(l, &plan), 0);
	lab_end(l);
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 999999}, {"old", 0}, {"eu", 1});
	refused(l, &plan, "step 1");
	*plan.baseline = '\0';
	assert_int_equal(lab_begin_of(l, &plan), 0);
	lab_end(l);
	SPLIT(&l->look.split, "blue", {"green", 20000}, {"blue", 980000});
	refused(l, &plan, "has 2 % already");
	SPLIT(&l->look.split, "eu", {"green", 0}, {"blue", 0}, {"eu", 1000000});
	refused(l, &plan, "neither");
	SPLIT(&l->look.split, "blue", {"blue", 1000000});
	refused(l, &plan, "no pool green");
	SPLIT(&l->look.split, "blue", {"green", 0}, {"blue", 1000000});
	strcpy(plan.baseline, "blue");
	refused(l, &plan, "baseline");
	*plan.baseline = '\0';
	plan.finish = STRATEGY_RETURN;
	refused(l, &plan, "hook at upgrade");
	plan.finish = STRATEGY_SWAP;
	plan.analysis.has_kernel = false;
	steps[1].analysis_ms = 1;
	refused(l, &plan, "step 2");
	plan.step_count = 0;
	refused(l, &plan, "no steps");
}

static void after_a_swap_the_pools_change_places(void **state)
{
	struct strategy_step steps[] = {weight(50, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct rollout_begin b = {.service = "web", .release = "v3", .strategy = &plan};
	struct lab *l = fresh();

	(void)state;
	SPLIT(&l->look.split, "green", {"green", 1000000}, {"blue", 0}, {"eu", 0});
	lab_begin(l, &plan);
	assert_string_equal(l->s.candidate, "blue");
	assert_string_equal(l->s.production, "green");
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_string_equal(l->look.split.primary, "blue");
	lab_end(l);
	SPLIT(&b.split, "green", {"green", 1000000}, {"blue", 0}, {"eu", 0});
	assert_int_equal(rollout_begin(&l->s, &b, l->why), -22); /* blue or eu? */
	SPLIT(&b.split, "green", {"green", 1000000}, {"blue", 0});
	assert_int_equal(rollout_begin(&l->s, &b, l->why), 0);
	assert_string_equal(l->s.candidate, "blue");
	lab_end(l);
}

/* ---- hooks and pauses ---- */

static void a_hook_that_says_no_holds(void **state)
{
	struct strategy_hook hooks[] = {hook_at(STRATEGY_AT_STEP), hook_at(STRATEGY_AT_START),
					hook_at(STRATEGY_AT_PROMOTION)};
	struct strategy_step steps[] = {weight(5, SECOND), weight(40, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();
	int notes = 0;

	(void)state;
	plan.hooks = hooks;
	plan.hook_count = 3;
	lab_begin(l, &plan);
	lab_looks(l, 3);
	assert_int_equal(l->s.phase, ROLLOUT_STARTING);
	assert_int_equal(l->s.question.number, 1);
	assert_int_equal(l->s.question.at, STRATEGY_AT_START);
	lab_answer(l, true, "");
	assert_int_equal(l->s.phase, ROLLOUT_STEPPING);
	assert_int_equal(l->s.question.number, 2);
	assert_int_equal(l->s.question.at, STRATEGY_AT_STEP);
	l->look.answered = 1; /* of another one */
	l->look.is_yes = true;
	lab_look(l, SECOND);
	assert_int_equal(l->s.stage, ROLLOUT_GATE);
	for (int no = 0; no < 3; no++) {
		lab_answer(l, false, "not on Fridays");
		notes += (int)l->notes.count;
		assert_non_null(strstr(l->s.why, "not on Fridays"));
		assert_int_equal(l->s.question.number, 0);
		lab_looks(l, 9);
		assert_int_equal(l->s.question.number, 0);
		lab_look(l, SECOND);
		assert_int_equal(l->s.question.number, 3 + no);
	}
	assert_int_equal(notes, 1);
	assert_int_equal(wanted(l, "green"), 0);
	lab_answer(l, true, "");
	assert_int_equal(wanted(l, "green"), 5 * PERCENT);
	lab_until(l, l->s.question.number == 6);
	assert_int_equal(l->s.step, 1);
	lab_answer(l, true, "");
	lab_until(l, l->s.question.number == 7);
	assert_int_equal(l->s.question.at, STRATEGY_AT_PROMOTION);
	assert_int_equal(l->s.phase, ROLLOUT_PROMOTING);
	assert_int_equal(wanted(l, "green"), 40 * PERCENT);
	lab_answer(l, true, "");
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	lab_end(l);
}

static void what_a_hook_says_can_be_kept_whatever_it_is(void **state)
{
	struct strategy_hook hooks[] = {hook_at(STRATEGY_AT_START)};
	struct strategy_step steps[] = {weight(5, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = fresh();
	char said[ROLLOUT_WHY_LEN - 1];

	(void)state;
	plan.hooks = hooks;
	plan.hook_count = 1;
	lab_begin(l, &plan);
	lab_look(l, SECOND);
	lab_answer(l, false, "\xff gr\xc3\xbc\xc3\x9f");
	assert_non_null(strstr(l->s.why, "? gr\xc3\xbc\xc3\x9f"));
	lab_restart(l);
	for (size_t i = 0; i < sizeof(said) - 1; i++)
		said[i] = i % 2 ? (char)0xc3 : (char)0xbc;
	said[sizeof(said) - 1] = '\0';
	lab_until(l, l->s.question.number);
	lab_answer(l, false, said); /* cut within a letter */
	lab_restart(l);
	lab_end(l);
}

static void an_answer_in_a_pause_is_kept(void **state)
{
	struct strategy_hook hooks[] = {hook_at(STRATEGY_AT_STEP)};
	struct strategy_step steps[] = {weight(5, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = fresh();

	(void)state;
	plan.hooks = hooks;
	plan.hook_count = 1;
	lab_begin(l, &plan);
	lab_look(l, SECOND);
	assert_int_equal(lab_say(l, ROLLOUT_PAUSE), 0);
	lab_answer(l, true, "");
	assert_int_equal(l->s.question.number, 0);
	lab_restart(l);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 5 * PERCENT);
	assert_int_equal(l->s.questions, 1);
	lab_end(l);
}

static void a_step_that_pauses_waits_for_somebody(void **state)
{
	struct strategy_step steps[] = {weight(5, SECOND), {.pauses = true}, weight(9, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 3);
	struct lab *l = fresh();

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.phase == ROLLOUT_PAUSED);
	assert_int_equal(l->s.cause, ROLLOUT_BY_STEP);
	lab_looks(l, 100);
	assert_int_equal(wanted(l, "green"), 5 * PERCENT);
	assert_true(l->s.wants_analysis);
	assert_int_equal(lab_say(l, ROLLOUT_PAUSE), -22);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	assert_non_null(strstr(l->notes.of[0].why, "because"));
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 2);
	assert_int_equal(wanted(l, "green"), 9 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), -22);
	lab_end(l);
}

static void time_of_a_pause_or_without_serin_is_not_held(void **state)
{
	struct strategy_step steps[] = {weight(5, 10 * SECOND), weight(9, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();

	(void)state;
	lab_begin(l, &plan);
	lab_looks(l, 7);
	assert_int_equal(rollout_left_ms(&l->s), 5 * SECOND);
	assert_int_equal(lab_say(l, ROLLOUT_PAUSE), 0);
	lab_looks(l, 100);
	assert_int_equal(lab_say(l, ROLLOUT_RESUME), 0);
	l->look.is_loaded = false;
	lab_look(l, 100 * SECOND);
	l->look.is_loaded = true;
	lab_restart(l);
	lab_look(l, 0);
	assert_int_equal(rollout_left_ms(&l->s), 5 * SECOND);
	assert_int_equal(l->s.step, 0);
	lab_looks(l, 5);
	assert_int_equal(l->s.step, 1);
	lab_end(l);
}

static void why_it_goes_back_is_told_while_nothing_runs(void **state)
{
	struct strategy_step steps[] = {weight(5, MINUTE)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 1);
	struct lab *l = fresh();

	(void)state;
	lab_begin(l, &plan);
	lab_until(l, l->s.stage == ROLLOUT_HOLD);
	l->look.is_loaded = false;
	lab_looks(l, 2);
	assert_non_null(strstr(l->s.why, "nothing runs here"));
	assert_int_equal(lab_say(l, ROLLOUT_ABORT), 0);
	lab_looks(l, 2);
	assert_int_equal(l->s.phase, ROLLOUT_ROLLING_BACK);
	assert_non_null(strstr(l->s.why, "because"));
	l->look.is_loaded = true;
	lab_until(l, l->s.phase == ROLLOUT_ABORTED);
	assert_non_null(strstr(l->s.why, "because"));
	lab_end(l);
}

static void promoting_passes_what_is_waited_for(void **state)
{
	struct strategy_hook hooks[] = {hook_at(STRATEGY_AT_STEP)};
	struct strategy_step steps[] = {
		weight(5, MINUTE),
		{.has_weight = true, .weight_ppm = 20 * PERCENT, .ramp_ms = MINUTE},
		{.analysis_ms = MINUTE, .pauses = true},
		weight(50, 0)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 4);
	struct lab *l = fresh();

	(void)state;
	plan.hooks = hooks;
	plan.hook_count = 1;
	lab_begin(l, &plan);
	lab_look(l, SECOND);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0); /* the hook */
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 5 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), -22); /* the split is made first */
	lab_look(l, SECOND);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0); /* the hold */
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 1);
	lab_say(l, ROLLOUT_PROMOTE);
	lab_looks(l, 2);
	assert_int_equal(l->s.stage, ROLLOUT_RAMP);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0); /* the ramp */
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 20 * PERCENT);
	lab_look(l, SECOND);
	assert_int_equal(l->s.step, 2);
	lab_say(l, ROLLOUT_PROMOTE);
	lab_until(l, l->s.stage == ROLLOUT_ANALYSE);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0); /* the analysis */
	lab_look(l, SECOND);
	assert_int_equal(l->s.cause, ROLLOUT_BY_STEP);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE), 0); /* the pause */
	assert_int_equal(l->s.step, 3);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), 0);
	assert_int_equal(l->s.skipped, l->s.plan.step_count - 3);
	lab_look(l, SECOND);
	assert_int_equal(wanted(l, "green"), 100 * PERCENT);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), -22);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(l->s.questions, 3);
	lab_end(l);
}

/* What was begun is done; what nobody began was left out, until it is tried again. */
static void steps_that_nobody_began_are_left_out(void **state)
{
	struct strategy_step steps[] = {weight(5, SECOND), weight(40, SECOND)};
	struct model_strategy plan = plan_of(STRATEGY_CANARY, steps, 2);
	struct lab *l = fresh();

	(void)state;
	lab_begin(l, &plan);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), 0);
	assert_int_equal(l->s.skipped, l->s.plan.step_count);
	lab_say(l, ROLLOUT_ABORT);
	lab_until(l, l->s.phase == ROLLOUT_ABORTED);
	lab_say(l, ROLLOUT_RETRY);
	assert_int_equal(l->s.skipped, 0);
	lab_until(l, l->s.phase == ROLLOUT_STEPPING && l->s.stage == ROLLOUT_HOLD);
	assert_int_equal(lab_say(l, ROLLOUT_PROMOTE_FULL), 0);
	assert_int_equal(l->s.skipped, l->s.plan.step_count - 1);
	lab_until(l, l->s.phase == ROLLOUT_PROMOTED);
	assert_int_equal(l->s.skipped, l->s.plan.step_count - 1);
	lab_end(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_walks_to_everything_and_swaps),
		cmocka_unit_test(no_note_tells_of_a_step_too_many),
		cmocka_unit_test(a_ramp_is_linear_in_looked_at_time),
		cmocka_unit_test(the_baseline_follows_and_goes_first),
		cmocka_unit_test(what_cannot_be_made_is_not_begun),
		cmocka_unit_test(after_a_swap_the_pools_change_places),
		cmocka_unit_test(a_hook_that_says_no_holds),
		cmocka_unit_test(what_a_hook_says_can_be_kept_whatever_it_is),
		cmocka_unit_test(an_answer_in_a_pause_is_kept),
		cmocka_unit_test(a_step_that_pauses_waits_for_somebody),
		cmocka_unit_test(time_of_a_pause_or_without_serin_is_not_held),
		cmocka_unit_test(why_it_goes_back_is_told_while_nothing_runs),
		cmocka_unit_test(promoting_passes_what_is_waited_for),
		cmocka_unit_test(steps_that_nobody_began_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Random courses of random strategies: what rollout.h promises holds at each look, restarts and all. */
#include "rollout_lab.h"

#define SEED	 0x51c64f0ab8e23d97ull
#define COURSES	 3000
#define LOOKS	 160
#define STEPS	 5
#define ALL	 1000000u
#define BACKENDS 7

static uint64_t rng;

static uint32_t below(uint32_t n) /* xorshift64* */
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * 0x2545f4914f6cdd1dull >> 32) * n >> 32);
}

static bool one_in(uint32_t n)
{
	return !below(n);
}

/* What a course is checked against; none of it is taken from the machine's own reckoning. */
struct watch {
	struct lab lab;
	struct strategy_step steps[STEPS];
	struct strategy_hook hooks[4];
	struct model_strategy plan;
	uint32_t step;	  /* last seen in STEPPING */
	uint64_t held_ms; /* looked at with the step's weight, at most */
	bool is_excused;  /* a person passed something by in this step */
	bool is_back;	  /* was aborted, undone or superseded */
};

static struct strategy_step random_step(void)
{
	struct strategy_step s = {
		.has_weight = !one_in(4),
		.weight_ppm = one_in(8) ? 0 : below(400000),
		.ramp_ms = one_in(3) ? below(8) * SECOND : 0,
		.hold_ms = one_in(3) ? 0 : below(8) * SECOND,
		.analysis_ms = one_in(5) ? (1 + below(8)) * SECOND : 0,
		.pauses = one_in(6),
	};

	if (!s.has_weight)
		s.weight_ppm = s.ramp_ms = 0;
	return s;
}

static void random_analysis(struct strategy_analysis *a)
{
	static struct strategy_metric metric = {.name = (char *)"m", .query = (char *)"up"};

	a->has_kernel = !one_in(6);
	if (!a->has_kernel || one_in(3)) {
		a->metrics = &metric;
		a->metric_count = 1;
	}
	a->failure_limit = below(3);
	a->inconclusive_limit = below(3);
	a->initial_delay_ms = one_in(3) ? below(5) * SECOND : 0;
	a->is_dry_run = one_in(8);
	a->on_failure = one_in(3) ? STRATEGY_PAUSE : STRATEGY_ROLLBACK;
	a->deadline_ms = one_in(2) ? (1 + below(10)) * SECOND : 0;
}

static void random_plan(struct watch *w)
{
	enum strategy_type type = (enum strategy_type)below(STRATEGY_TYPE_MAX);

	for (int i = 0; i < STEPS; i++)
		w->steps[i] = random_step();
	w->plan =
		plan_of(type, w->steps, type == STRATEGY_CANARY ? 1 + below(STEPS) : below(STEPS));
	random_analysis(&w->plan.analysis);
	w->plan.finish = one_in(3) ? STRATEGY_RETURN : STRATEGY_SWAP;
	w->plan.flows = (enum strategy_flows)below(STRATEGY_FLOWS_MAX);
	w->plan.drain_ms = below(5) * SECOND;
	w->plan.standby_ms = one_in(2) ? below(8) * SECOND : 0;
	w->plan.batch = below(4);
	w->plan.batch_percent = 1 + below(100);
	w->plan.min_healthy = below(4);
	w->plan.health_ms = below(6) * SECOND;
	w->hooks[0] = hook_at(STRATEGY_AT_UPGRADE);
	w->hooks[1] = hook_at(STRATEGY_AT_BATCH);
	w->hooks[2] = hook_at(STRATEGY_AT_STEP);
	w->hooks[3] = hook_at(STRATEGY_AT_START);
	w->plan.hooks = w->hooks;
	w->plan.hook_count = 2 + below(3);
	if (type == STRATEGY_ROLLING)
		w->plan.after_batch = random_step();
	if (type != STRATEGY_ROLLING && one_in(2))
		strcpy(w->plan.baseline, "old");
}

static void random_world(struct watch *w)
{
	uint32_t old = one_in(2) ? below(100000) : 0, eu = one_in(2) ? below(100000) : 0;
	struct rollout_share of[] = {
		{"green", 0}, {"blue", ALL - old - eu}, {"old", old}, {"eu", eu}};

	set_split(&w->lab.look.split, "blue", 4, of);
	w->lab.seed = below(3);
	w->lab.look.backend_count = BACKENDS;
	for (int i = 0; i < BACKENDS; i++) {
		struct rollout_backend *b = &w->lab.backends[i];

		snprintf(b->name, sizeof(b->name), "10.0.0.%d:80", i);
		b->is_healthy = !one_in(8);
	}
}

/* ---- what happens ---- */

static void shift_by_another_hand(struct rollout_split *split)
{
	uint32_t green = below(500000), old = below(200000), eu = below(200000);

	for (size_t i = 0; i < split->count; i++)
		split->of[i].ppm = (const uint32_t[]){green, ALL - green - old - eu, old, eu}[i];
	strcpy(split->primary, one_in(8) ? "eu" : "blue");
}

static void say_something(struct watch *w)
{
	static const enum rollout_command often[] = {ROLLOUT_RESUME, ROLLOUT_RESUME, ROLLOUT_PAUSE,
						     ROLLOUT_PROMOTE};
	enum rollout_command c = one_in(6) ? (enum rollout_command)below(ROLLOUT_COMMAND_MAX)
					   : often[below(4)];
	struct lab *l = &w->lab;
	enum rollout_phase before = l->s.phase;

	if (rollout_obey(&l->s, c, "root", "", &l->notes, l->why)) {
		assert_int_equal(l->s.phase, before);
		return;
	}
	if (c == ROLLOUT_PROMOTE || c == ROLLOUT_PROMOTE_FULL)
		w->is_excused = true;
	if (c == ROLLOUT_RETRY) {
		w->is_back = w->is_excused = false;
		w->step = 0;
		w->held_ms = 0;
	}
	if (l->s.phase == ROLLOUT_ROLLING_BACK)
		w->is_back = true;
}

static void answer(struct watch *w)
{
	struct lab *l = &w->lab;

	l->look.answered = 0;
	if (l->s.question.number && one_in(2)) {
		l->look.answered = l->s.question.number - one_in(8);
		l->look.is_yes = !one_in(5);
	}
}

static void find_something(struct watch *w)
{
	struct rollout_look *look = &w->lab.look;
	uint32_t dice = below(300);

	look->kernel = dice < 2	    ? ROLLOUT_BAD
		       : dice < 4   ? ROLLOUT_INCONCLUSIVE
		       : dice < 60  ? ROLLOUT_NO_TRAFFIC
		       : dice < 180 ? ROLLOUT_UNKNOWN
				    : ROLLOUT_GOOD;
	look->has_metrics = one_in(4);
	look->metrics = one_in(10) ? (enum rollout_finding)below(ROLLOUT_FINDING_MAX)
				   : ROLLOUT_GOOD;
	look->has_flows = one_in(3);
}

static void look_around(struct watch *w)
{
	struct lab *l = &w->lab;

	l->look.is_loaded = !one_in(20);
	strcpy(l->look.seed_refusal, one_in(10) ? "no" : "");
	l->look.passed_ms = below(2000);
	find_something(w);
	answer(w);
	for (int i = 0; i < BACKENDS; i++) {
		l->backends[i].flows = one_in(2) ? 0 : below(9);
		if (one_in(15))
			l->backends[i].is_healthy ^= true;
	}
	l->look.backends = l->backends;
}

/* ---- what holds ---- */

static uint32_t weight_before_step(const struct watch *w, uint32_t step)
{
	while (step--)
		if (w->steps[step].has_weight)
			return w->steps[step].weight_ppm;
	return 0;
}

static bool is_between(uint32_t x, uint32_t a, uint32_t b)
{
	return a < b ? x >= a && x <= b : x >= b && x <= a;
}

static bool is_chosen(const struct watch *w, uint32_t ppm)
{
	const struct rollout_state *s = &w->lab.s;
	uint32_t eu = ppm_in(&s->want, "eu"),
		 old = *s->baseline ? ppm_in(&s->before, "old") : ppm_in(&s->want, "old");

	if (!ppm || ppm == ALL - eu - old)
		return true;
	for (uint32_t i = 0; i < s->plan.step_count; i++)
		if (w->steps[i].has_weight &&
		    (ppm == w->steps[i].weight_ppm ||
		     (i == s->step && w->steps[i].ramp_ms &&
		      is_between(ppm, weight_before_step(w, i), w->steps[i].weight_ppm))))
			return true;
	return false;
}

static void check_want(const struct watch *w, const struct rollout_split *was)
{
	const struct rollout_state *s = &w->lab.s;
	uint64_t sum = 0;

	for (size_t i = 0; i < s->want.count; i++)
		sum += s->want.of[i].ppm;
	assert_int_equal(sum, ALL);
	if (s->plan.type == STRATEGY_ROLLING || rollout_has_ended(s->phase))
		return;
	if (s->phase == ROLLOUT_ROLLING_BACK || w->is_back) {
		assert_int_equal(ppm_in(&s->want, "green"), 0);
		return;
	}
	assert_int_equal(ppm_in(&s->want, "eu"), ppm_in(was, "eu"));
	if (s->cause == ROLLOUT_BY_FOREIGN || s->phase == ROLLOUT_STARTING || s->is_adopting ||
	    (s->phase == ROLLOUT_PAUSED && s->resumes_to == ROLLOUT_STARTING))
		return;
	if (!w->lab.look.is_loaded)
		return;
	assert_true(is_chosen(w, ppm_in(&s->want, "green")));
}

/* Steps follow each other, none before its hold is over. */
static void check_steps(struct watch *w, uint64_t passed_ms)
{
	const struct rollout_state *s = &w->lab.s;
	uint64_t hold_ms = w->step < s->plan.step_count ? w->steps[w->step].hold_ms : 0;

	if (s->plan.type == STRATEGY_ROLLING)
		return;
	w->held_ms += passed_ms;
	if (s->step == w->step)
		return;
	if (w->is_excused) {
		w->is_excused = false;
		w->step = s->step;
		w->held_ms = 0;
		return;
	}
	assert_true(s->step > w->step);
	for (uint32_t i = w->step + 1; i < s->step; i++) /* those with nothing to wait for */
		assert_true(!w->steps[i].hold_ms && !w->steps[i].analysis_ms &&
			    !w->steps[i].pauses && !w->steps[i].ramp_ms);
	assert_true(w->held_ms >=
		    hold_ms + (w->steps[w->step].has_weight ? w->steps[w->step].ramp_ms : 0));
	w->step = s->step;
	w->held_ms = 0;
}

static void check_batches(const struct watch *w)
{
	const struct rollout_state *s = &w->lab.s;

	if (s->plan.type != STRATEGY_ROLLING)
		return;
	for (size_t d = 0; d < s->done_count; d++) {
		for (size_t i = 0; i < s->batch_count; i++)
			assert_string_not_equal(s->batch[i], s->done[d]);
		assert_false(is_wanted_drained(&w->lab, s->done[d]));
	}
	if (s->phase == ROLLOUT_PROMOTED) {
		assert_int_equal(s->drain_count, 0);
		assert_int_equal(s->done_count, BACKENDS);
	}
}

static void check_flags(const struct watch *w)
{
	const struct rollout_state *s = &w->lab.s;

	assert_true((s->phase == ROLLOUT_PAUSED) == (s->cause != ROLLOUT_NO_CAUSE));
	if (rollout_has_ended(s->phase)) {
		assert_false(s->wants_analysis || s->wants_promoted || s->wants_reset);
		assert_int_equal(s->question.number, 0);
	}
	if (s->wants_reset)
		assert_int_equal(s->phase, ROLLOUT_ROLLING_BACK);
	if (!s->wants_seed)
		return;
	assert_int_equal(s->phase, ROLLOUT_STARTING);
	assert_int_equal(ppm_in(&s->found, s->found.primary), ALL); /* it moves nobody */
}

/* ---- a course ---- */

static void take_notes_of(struct watch *w)
{
	for (size_t i = 0; i < w->lab.notes.count; i++) {
		const struct rollout_note *n = &w->lab.notes.of[i];

		assert_true(strlen(n->why) > 0);
		if (n->to == ROLLOUT_ROLLING_BACK)
			w->is_back = true;
	}
}

static void make_or_meddle(struct watch *w)
{
	struct lab *l = &w->lab;

	if (one_in(40))
		shift_by_another_hand(&l->look.split);
	else if (!one_in(6))
		lab_make(l);
}

static void restart(struct watch *w)
{
	struct rollout_state *s = &w->lab.s, twin;
	struct rollout_notes notes, twin_notes;
	struct rollout_look look = w->lab.look;
	json_t *kept = rollout_to_json(s), *a, *b;

	assert_int_equal(rollout_from_json(kept, &twin), 0);
	rollout_step(s, &look, &notes);
	rollout_step(&twin, &look, &twin_notes);
	a = rollout_to_json(s);
	b = rollout_to_json(&twin);
	assert_true(json_equal(a, b));
	assert_int_equal(notes.count, twin_notes.count);
	json_decref(kept);
	json_decref(a);
	json_decref(b);
	rollout_fini(s);
	*s = twin;
	w->lab.notes = notes;
}

static void look(struct watch *w)
{
	struct rollout_split was;
	uint64_t passed_ms;

	make_or_meddle(w);
	look_around(w);
	was = w->lab.look.is_loaded ? w->lab.look.split : w->lab.s.found;
	passed_ms = w->lab.look.is_loaded ? w->lab.look.passed_ms : 0;
	if (one_in(16))
		restart(w);
	else
		rollout_step(&w->lab.s, &w->lab.look, &w->lab.notes);
	take_notes_of(w);
	check_want(w, &was);
	check_steps(w, passed_ms);
	check_batches(w);
	check_flags(w);
}

/* What ended stays as it is, whatever is looked at; begins again by word alone. */
static void course(struct watch *w, uint32_t *ends)
{
	random_plan(w);
	random_world(w);
	if (lab_begin_of(&w->lab, &w->plan))
		return;
	for (int i = 0; i < LOOKS; i++) {
		enum rollout_phase before = w->lab.s.phase;

		look(w);
		if (rollout_has_ended(before))
			assert_int_equal(w->lab.s.phase, before);
		if (one_in(12))
			say_something(w);
	}
	ends[w->lab.s.phase]++;
	rollout_fini(&w->lab.s);
}

static void promises_hold_in_random_courses(void **state)
{
	static struct watch w;
	uint32_t ends[ROLLOUT_PHASE_MAX] = {0};

	(void)state;
	for (uint64_t i = 0; i < COURSES; i++) {
		memset(&w, 0, sizeof(w));
		rng = SEED + i * 0x9e3779b97f4a7c15ull;
		course(&w, ends);
	}
	for (int p = 0; p < ROLLOUT_PHASE_MAX; p++) {
		print_message("%s: %u\n", rollout_phase_name((enum rollout_phase)p), ends[p]);
		if (rollout_has_ended((enum rollout_phase)p))
			assert_true(ends[p] > 20); /* else little was tested */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promises_hold_in_random_courses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A short `make simulate`: equal pools, shares that ramp, rates that swing by 90 %, a look each tick. At a
 * probability of at most alpha of each run's false verdict, more than LIMIT of RUNS come of it less often
 * than once in a thousand seeds; this is one seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "seq_lab.h"

#define RUNS  300
#define LOOKS 600
#define SEED  0x5e9

#define ALPHA 0.05
#define LIMIT 28 /* qbinom(.999, 300, .05) */

struct setting {
	double rate, canary, canary_end, p, ratio;
	struct seq_lab_bursts bursts;
};

static struct seq_pool pool_of(struct seq_lab *lab, struct seq_lab_pool *past, int tick,
			       const struct setting *at, double flows, double p)
{
	struct seq_pool pool = {.flows = seq_lab_poisson(lab, flows)};

	seq_lab_fail(lab, past, (uint64_t)tick, &at->bursts, &pool, p);
	return pool;
}

static bool has_verdict(struct seq_lab *lab, const struct setting *at, const struct seq_options *o,
			enum seq_verdict wanted)
{
	struct seq_lab_pool canary = {0}, baseline = {0};
	double phase = 6.28 * seq_lab_unit(lab);
	struct seq_state s;

	seq_begin(&s, o);
	for (int tick = 0; tick < LOOKS && s.verdict != (uint32_t)wanted; tick++) {
		double share = at->canary + (at->canary_end - at->canary) * tick / LOOKS;
		double p = at->p * (1 + 0.9 * sin(tick / 40.0 + phase));
		struct seq_tick t = {0};

		t.of[SEQ_CANARY] = pool_of(lab, &canary, tick, at, at->rate * share, p * at->ratio);
		t.of[SEQ_BASELINE] = pool_of(lab, &baseline, tick, at, at->rate * (1 - share), p);
		assert_int_equal(seq_step(&s, &t), 0);
	}
	return s.verdict == (uint32_t)wanted;
}

static int count_verdicts(const struct setting *at, const struct seq_options *o,
			  enum seq_verdict wanted)
{
	struct seq_lab lab = {SEED};
	int count = 0;

	for (int i = 0; i < RUNS; i++)
		count += has_verdict(&lab, at, o, wanted);
	return count;
}

static void an_equal_canary_is_aborted_no_more_often_than_alpha(void **state)
{
	struct setting at = {40, 0.01, 0.5, 0.01, 1, {0, 0, 0, 0}};
	struct seq_options o;

	(void)state;
	seq_lab_alone(&o, SEQ_FAILURES, ALPHA);
	assert_in_range(count_verdicts(&at, &o, SEQ_ABORT), 0, LIMIT);
	at.rate = 400; /* and of a canary that is greater than the baseline in the end */
	at.canary_end = 0.95;
	assert_in_range(count_verdicts(&at, &o, SEQ_ABORT), 0, LIMIT);
}

static void nor_is_one_as_bad_as_is_allowed(void **state)
{
	struct setting at = {200, 0.01, 0.5, 0.01, 1.5, {0, 0, 0, 0}};
	struct seq_options o;

	(void)state;
	seq_lab_alone(&o, SEQ_FAILURES, ALPHA);
	o.harm.ratio = 1.5;
	assert_in_range(count_verdicts(&at, &o, SEQ_ABORT), 0, LIMIT);
}

static void bursts_counted_once_a_client_do_no_harm(void **state)
{
	struct setting at = {200, 0.01, 0.5, 0.005, 1, {4, 0, 1, 0}};
	struct seq_options o;

	(void)state;
	seq_lab_alone(&o, SEQ_FAILURES, ALPHA);
	assert_in_range(count_verdicts(&at, &o, SEQ_ABORT), 0, LIMIT);
	/* counted each time they do: the world is one in which a judge can fail */
	at.bursts.once_ticks = 0;
	assert_in_range(count_verdicts(&at, &o, SEQ_ABORT), RUNS / 3, RUNS);
}

static void one_as_bad_as_that_is_called_not_worse_no_more_often_than_beta(void **state)
{
	struct setting at = {200, 0.01, 0.5, 0.01, 2, {0, 0, 0, 0}};
	struct seq_options o;

	(void)state;
	seq_lab_alone(&o, SEQ_FAILURES, 0.01);
	o.harm.ratio = 100;
	o.fine.ratio = 2;
	o.required = 1u << SEQ_FAILURES;
	o.beta = ALPHA;
	assert_in_range(count_verdicts(&at, &o, SEQ_NOT_WORSE), 0, LIMIT);
	/* and a good one nearly always */
	at.ratio = 0.7;
	assert_in_range(count_verdicts(&at, &o, SEQ_NOT_WORSE), RUNS * 9 / 10, RUNS);
}

static void a_bad_canary_is_nearly_always_aborted(void **state)
{
	struct setting at = {200, 0.1, 0.5, 0.01, 3, {0, 0, 0, 0}};
	struct seq_options o;

	(void)state;
	seq_lab_alone(&o, SEQ_FAILURES, 0.001);
	assert_in_range(count_verdicts(&at, &o, SEQ_ABORT), RUNS * 98 / 100, RUNS);
}

/* ---- all tests together ---- */

#define ALL_LOOKS 100
#define SHAPES	  16

static struct seq_lab_shape shapes[SHAPES];
static struct serin_histogram histogram[SEQ_ROLE_MAX];

static void make_tick(struct seq_lab *lab, int tick, struct seq_tick *t)
{
	const struct seq_lab_shape *shape = &shapes[tick / 4 % SHAPES];

	memset(t, 0, sizeof(*t));
	memset(histogram, 0, sizeof(histogram));
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		struct seq_pool *p = &t->of[role];

		p->flows = seq_lab_poisson(lab, role == SEQ_STABLE ? 30 : 10);
		p->failures = seq_lab_binomial(lab, p->flows, 0.02);
		p->resets = seq_lab_binomial(lab, p->flows, 0.02);
		p->share = role == SEQ_STABLE ? 3 : 1;
		seq_lab_latencies(lab, shape, p->flows, &histogram[role]);
		p->latency[SEQ_HANDSHAKE] = &histogram[role];
	}
}

static enum seq_verdict verdict_of_all(struct seq_lab *lab, const struct seq_options *o)
{
	struct serin_histogram before = {0};
	struct seq_state s;

	seq_begin(&s, o);
	seq_lab_latencies(lab, &shapes[0], 1000, &before);
	seq_freeze(&s, SEQ_HANDSHAKE, &before);
	for (int tick = 0; tick < ALL_LOOKS; tick++) {
		struct seq_tick t;

		make_tick(lab, tick, &t);
		assert_int_equal(seq_step(&s, &t), 0);
	}
	return (enum seq_verdict)s.verdict;
}

/* Without a margin, and of latencies whose median goes from a half to one and a half and back. */
static void nor_do_all_tests_together(void **state)
{
	struct seq_lab lab = {SEED};
	int count[SEQ_VERDICT_MAX] = {0};
	struct seq_options o;

	(void)state;
	for (int i = 0; i < SHAPES; i++)
		seq_lab_shape(&shapes[i], 1000 * (1 + 0.5 * sin(6.283 * i / SHAPES)), 0.5, 0, 1);
	seq_options_init(&o);
	o.harm = (struct seq_margins){1, 1, 0};
	o.alpha = o.alpha_alarm = ALPHA;
	for (int i = 0; i < RUNS; i++)
		count[verdict_of_all(&lab, &o)]++;
	assert_in_range(count[SEQ_ABORT], 0, LIMIT);
	assert_in_range(count[SEQ_INCONCLUSIVE], 0, LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_equal_canary_is_aborted_no_more_often_than_alpha),
		cmocka_unit_test(nor_is_one_as_bad_as_is_allowed),
		cmocka_unit_test(bursts_counted_once_a_client_do_no_harm),
		cmocka_unit_test(one_as_bad_as_that_is_called_not_worse_no_more_often_than_beta),
		cmocka_unit_test(a_bad_canary_is_nearly_always_aborted),
		cmocka_unit_test(nor_do_all_tests_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

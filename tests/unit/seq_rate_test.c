// SPDX-License-Identifier: GPL-2.0-or-later
/* Factors of failures and ranks: means of at most 1 under their null hypotheses, summed up exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "judge/seq_grid.h"
#include "judge/seq_rate.h"
#include "seq_lab.h"

#define CLOSE 1e-9

static double choose(int n, int k)
{
	return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1));
}

static double binomial(int n, int k, double p)
{
	return choose(n, k) * pow(p, k) * pow(1 - p, n - k);
}

static double hypergeometric(int pool, int reference, int failures, int k)
{
	return choose(pool, k) * choose(reference, failures - k) /
	       choose(pool + reference, failures);
}

/* Given how many failed, the mean factor of each alternative over who they were of. */
static double mean_factor(int pool, int reference, int failures, double ratio, int alternative)
{
	double mean = 0, factor[SEQ_GRID];

	for (int k = 0; k <= failures; k++) {
		struct seq_rates r = {pool, reference, k, failures - k};

		if (k > pool || failures - k > reference)
			continue;
		seq_rate_is_more(&r, ratio, factor);
		mean += exp(factor[alternative]) * hypergeometric(pool, reference, failures, k);
	}
	return mean;
}

static void flows_of_equal_pools_that_fail_lead_to_a_mean_of_at_most_1(void **state)
{
	(void)state;
	for (int pool = 1; pool <= 16; pool += 5)
		for (int reference = 1; reference <= 31; reference += 10)
			for (int failures = 1; failures <= pool + reference; failures += 3)
				for (int i = 0; i < SEQ_GRID; i++)
					assert_true(mean_factor(pool, reference, failures, 1, i) <=
						    1 + CLOSE);
}

/* At the boundary of the hypothesis it is exactly 1: nothing is given away. */
static double poisson_mean(double ratio, double truth,
			   void (*factors)(const struct seq_rates *, double, double *),
			   int alternative)
{
	const double pool = 30, reference = 170;
	const double part = pool * truth / (pool * truth + reference);
	double mean = 0, factor[SEQ_GRID];

	for (int k = 0; k <= 9; k++) {
		struct seq_rates r = {pool, reference, k, 9 - k};

		factors(&r, ratio, factor);
		mean += exp(factor[alternative]) * binomial(9, k, part);
	}
	return mean;
}

static void at_the_ratio_allowed_the_mean_is_1(void **state)
{
	(void)state;
	for (int i = 0; i < SEQ_GRID; i++) {
		assert_near(poisson_mean(1.25, 1.25, seq_rate_is_more, i), 1, CLOSE);
		assert_near(poisson_mean(2, 2, seq_rate_is_less, i), 1, CLOSE);
		assert_true(poisson_mean(1.25, 1, seq_rate_is_more, i) < 1);
		assert_true(poisson_mean(1.25, 1.6, seq_rate_is_more, i) > 1);
		assert_true(poisson_mean(2, 2.5, seq_rate_is_less, i) < 1);
		assert_true(poisson_mean(2, 1, seq_rate_is_less, i) > 1 || i == SEQ_GRID - 1);
	}
}

static double bound_mean(void (*factors)(double, double, double, double *), double bound, double p,
			 int alternative)
{
	double mean = 0, factor[SEQ_GRID];

	for (int k = 0; k <= 12; k++) {
		factors(12, k, bound, factor);
		mean += exp(factor[alternative]) * binomial(12, k, p);
	}
	return mean;
}

static void at_the_floor_the_mean_is_1_and_above_it_less(void **state)
{
	(void)state;
	for (int i = 0; i < SEQ_GRID; i++) {
		assert_near(bound_mean(seq_rate_is_below, 0.02, 0.02, i), 1, CLOSE);
		assert_true(bound_mean(seq_rate_is_below, 0.02, 0.03, i) < 1);
		assert_true(bound_mean(seq_rate_is_below, 0.02, 0.01, i) > 1);
	}
}

static void at_what_is_expected_the_mean_is_1_and_below_it_less(void **state)
{
	(void)state;
	for (int i = 0; i < SEQ_GRID; i++) {
		assert_near(bound_mean(seq_rate_is_above, 0.02, 0.02, i), 1, CLOSE);
		assert_true(bound_mean(seq_rate_is_above, 0.02, 0.01, i) < 1);
		assert_true(bound_mean(seq_rate_is_above, 0.02, 0.03, i) > 1);
		assert_true(bound_mean(seq_rate_is_above, 0.9, 0.95, i) > 1);
	}
}

static void a_tick_of_one_pool_or_of_no_failure_tells_nothing(void **state)
{
	(void)state;
	assert_false(seq_rates_tell(&(struct seq_rates){0, 10, 0, 3}));
	assert_false(seq_rates_tell(&(struct seq_rates){10, 0, 3, 0}));
	assert_false(seq_rates_tell(&(struct seq_rates){10, 10, 0, 0}));
	assert_true(seq_rates_tell(&(struct seq_rates){10, 10, 0, 1}));
}

static void of_a_greater_pool_the_same_tells_less(void **state)
{
	double small[SEQ_GRID], great[SEQ_GRID];

	(void)state;
	seq_rate_is_more(&(struct seq_rates){10, 100, 5, 5}, 1, small);
	seq_rate_is_more(&(struct seq_rates){20, 100, 5, 5}, 1, great);
	for (int i = 0; i < SEQ_GRID; i++)
		assert_true(great[i] < small[i]);
	seq_rate_is_less(&(struct seq_rates){10, 100, 5, 5}, 1, small);
	seq_rate_is_less(&(struct seq_rates){20, 100, 5, 5}, 1, great);
	for (int i = 0; i < SEQ_GRID; i++)
		assert_true(great[i] > small[i]);
}

/* ln 2 for one of two equal pools; the formulas of the design document, by hand. */
static void the_formula_is_the_one_of_the_document(void **state)
{
	double factor[SEQ_GRID];

	(void)state;
	seq_rate_is_more(&(struct seq_rates){100, 300, 4, 3}, 1.25, factor);
	/* g = 2, at 6: rho = 1/4, r0 = 1.25, r = 2.5 */
	assert_near(factor[6], 4 * log(2) + 7 * log((0.25 * 1.25 + 0.75) / (0.25 * 2.5 + 0.75)),
		    CLOSE);
	seq_rate_is_less(&(struct seq_rates){100, 300, 4, 3}, 1.25, factor);
	assert_near(factor[6], -4 * log(2) + 7 * log((0.25 * 1.25 + 0.75) / (0.25 * 0.625 + 0.75)),
		    CLOSE);
}

/* ---- evidence over ticks ---- */

static void a_mixture_is_the_mean_of_its_alternatives(void **state)
{
	struct seq_grid g;
	double factor[SEQ_GRID] = {0};

	(void)state;
	seq_grid_begin(&g, SEQ_START_ONCE);
	assert_near(seq_grid_log_e(&g), 0, CLOSE);
	factor[3] = log(25);
	seq_grid_add(&g, SEQ_START_ONCE, factor);
	assert_near(exp(seq_grid_log_e(&g)), (25 + SEQ_GRID - 1) / (double)SEQ_GRID, CLOSE);
}

/* With factors of 1 evidence is the sum of what has been staked. */
static void all_stakes_together_are_at_most_1(void **state)
{
	struct seq_grid g;
	double factor[SEQ_GRID] = {0}, before = 0.7;

	(void)state;
	seq_grid_begin(&g, SEQ_START_SPREAD);
	for (int tick = 0; tick < 200000; tick++) {
		double now;

		seq_grid_add(&g, SEQ_START_SPREAD, factor);
		now = exp(seq_grid_log_e(&g));
		assert_true(tick == 0 || now > before);
		assert_true(now < 1);
		before = now;
	}
	assert_true(before > 0.9);
}

static void an_e_detector_stakes_1_on_each_tick(void **state)
{
	struct seq_grid g;
	double factor[SEQ_GRID] = {0};

	(void)state;
	seq_grid_begin(&g, SEQ_START_ALWAYS);
	assert_true(isinf(seq_grid_log_e(&g)));
	for (int tick = 1; tick <= 1000; tick++) {
		seq_grid_add(&g, SEQ_START_ALWAYS, factor);
		assert_near(exp(seq_grid_log_e(&g)), tick, 1e-6);
	}
}

static void evidence_against_harm_does_not_outlast_it(void **state)
{
	struct seq_grid once, spread;
	double calm[SEQ_GRID], harm[SEQ_GRID];
	int ticks = 0;

	(void)state;
	seq_rate_is_more(&(struct seq_rates){500, 500, 1, 1}, 1, calm);
	seq_rate_is_more(&(struct seq_rates){500, 500, 10, 1}, 1, harm);
	seq_grid_begin(&once, SEQ_START_ONCE);
	seq_grid_begin(&spread, SEQ_START_SPREAD);
	for (int i = 0; i < 3600; i++) {
		seq_grid_add(&once, SEQ_START_ONCE, calm);
		seq_grid_add(&spread, SEQ_START_SPREAD, calm);
	}
	for (; seq_grid_log_e(&spread) < log(100); ticks++) {
		seq_grid_add(&once, SEQ_START_ONCE, harm);
		seq_grid_add(&spread, SEQ_START_SPREAD, harm);
	}
	assert_in_range(ticks, 1, 6);
	assert_true(seq_grid_log_e(&once) < 0);
}

static void sums_do_not_overflow(void **state)
{
	double great[] = {1e9, 1e9}, none[] = {-INFINITY, -INFINITY}, one[] = {-INFINITY, -1e12};

	(void)state;
	assert_near(seq_log_sum(great, 2), 1e9 + log(2), 1e-6);
	assert_true(isinf(seq_log_sum(none, 2)));
	assert_near(seq_log_sum(one, 2), -1e12, 1e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_of_equal_pools_that_fail_lead_to_a_mean_of_at_most_1),
		cmocka_unit_test(at_the_ratio_allowed_the_mean_is_1),
		cmocka_unit_test(at_the_floor_the_mean_is_1_and_above_it_less),
		cmocka_unit_test(at_what_is_expected_the_mean_is_1_and_below_it_less),
		cmocka_unit_test(a_tick_of_one_pool_or_of_no_failure_tells_nothing),
		cmocka_unit_test(of_a_greater_pool_the_same_tells_less),
		cmocka_unit_test(the_formula_is_the_one_of_the_document),
		cmocka_unit_test(a_mixture_is_the_mean_of_its_alternatives),
		cmocka_unit_test(all_stakes_together_are_at_most_1),
		cmocka_unit_test(an_e_detector_stakes_1_on_each_tick),
		cmocka_unit_test(evidence_against_harm_does_not_outlast_it),
		cmocka_unit_test(sums_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

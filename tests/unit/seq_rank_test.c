// SPDX-License-Identifier: GPL-2.0-or-later
/* What is read off histograms: ranks, edges, bands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "judge/seq_bands.h"
#include "judge/seq_grid.h"
#include "judge/seq_rank.h"
#include "seq_lab.h"

#define CLOSE 1e-12

static struct serin_histogram pool, reference;

static int setup(void **state)
{
	(void)state;
	memset(&pool, 0, sizeof(pool));
	memset(&reference, 0, sizeof(reference));
	return 0;
}

/* ---- ranks ---- */

static void superiority_is_counted_over_all_pairs(void **state)
{
	struct seq_ranks r;

	(void)state;
	pool.bucket[5] = 1;
	pool.bucket[9] = 2;
	reference.bucket[3] = 4;
	reference.bucket[9] = 1;
	reference.bucket[20] = 1;
	r = seq_rank(&pool, &reference);
	/* 5 beats four; each 9 beats four and ties with one; of 18 pairs */
	assert_near(r.superior, (4 + 2 * 4.5) / 18, CLOSE);
	assert_near(r.pairs, 3, 0);
	assert_near(seq_rank_turned(r).superior, 1 - r.superior, CLOSE);
	assert_near(seq_rank(&reference, &pool).superior, 1 - r.superior, CLOSE);
}

static void all_in_one_bucket_is_a_tie(void **state)
{
	(void)state;
	pool.bucket[40] = 1000000000;
	reference.bucket[40] = 7;
	assert_near(seq_rank(&pool, &reference).superior, 0.5, 0);
	assert_near(seq_rank(&pool, &reference).pairs, 7, 0);
}

static void a_pool_without_samples_has_no_pairs(void **state)
{
	(void)state;
	pool.bucket[40] = 1;
	assert_near(seq_rank(&pool, &reference).pairs, 0, 0);
	assert_near(seq_rank(&reference, &pool).pairs, 0, 0);
	assert_near(seq_rank(NULL, &pool).pairs, 0, 0);
	assert_near(seq_rank(&pool, NULL).superior, 0.5, 0);
}

/* One pair that is won or lost is the widest kernel in [0, 1]: Hoeffding's bound is nearly met. */
static void means_of_rank_factors_are_at_most_1(void **state)
{
	double won[SEQ_GRID], lost[SEQ_GRID];

	(void)state;
	seq_rank_is_more((struct seq_ranks){1, 1}, 0, won);
	seq_rank_is_more((struct seq_ranks){1, 0}, 0, lost);
	for (int i = 0; i < SEQ_GRID; i++) {
		double mean = (exp(won[i]) + exp(lost[i])) / 2;

		assert_true(mean <= 1 && (i > 0 || mean > 1 - 1e-6));
	}
	seq_rank_is_less((struct seq_ranks){1, 0}, 0, lost);
	assert_memory_equal(won, lost, sizeof(won));
}

static void a_margin_is_what_has_to_be_exceeded(void **state)
{
	double factor[SEQ_GRID];

	(void)state;
	seq_rank_is_more((struct seq_ranks){1e9, 0.55}, 0.05, factor);
	for (int i = 0; i < SEQ_GRID; i++)
		assert_true(factor[i] < 0);
	seq_rank_is_more((struct seq_ranks){1e9, 0.56}, 0.05, factor);
	assert_true(factor[0] > 0 && isfinite(factor[SEQ_GRID - 1]));
	seq_rank_is_less((struct seq_ranks){1e9, 0.54}, 0.05, factor);
	assert_true(factor[0] > 0);
}

/* ---- edges ---- */

static void an_edge_is_the_nearest_to_its_part(void **state)
{
	uint32_t edge;

	(void)state;
	for (int i = 10; i < 110; i++)
		pool.bucket[i] = 10;
	edge = seq_histogram_edge(&pool, 0.1);
	assert_int_equal(edge, 100);
	assert_near(seq_histogram_above(&pool, edge), 100, 0);
	assert_int_equal(seq_histogram_edge(&pool, 0.01), 109);
	assert_near(seq_histogram_count(&pool), 1000, 0);
}

static void above_all_in_one_bucket_is_the_next_edge(void **state)
{
	(void)state;
	pool.bucket[40] = 5;
	assert_int_equal(seq_histogram_edge(&pool, 0.1), 41);
	memset(&pool, 0, sizeof(pool));
	pool.bucket[SERIN_BUCKETS - 1] = 5; /* there is none beyond */
	assert_in_range(seq_histogram_edge(&pool, 0.1), 1, SERIN_BUCKETS - 1);
	memset(&pool, 0, sizeof(pool));
	assert_int_equal(seq_histogram_edge(&pool, 0.1), SEQ_NO_EDGE);
}

/* ---- bands ---- */

/* ln(1/miss) at both ends, by the formula itself. */
static double against(double flows, double failures, double p)
{
	return lgamma(0.5 + failures) + lgamma(0.5 + flows - failures) - lgamma(1 + flows) -
	       2 * lgamma(0.5) - failures * log(p) - (flows - failures) * log1p(-p);
}

static void ends_of_a_proportion_meet_its_condition(void **state)
{
	struct seq_interval b = seq_band_proportion(2000, 30, 0.05);

	(void)state;
	assert_true(b.low < 0.015 && b.high > 0.015);
	assert_near(against(2000, 30, b.low), log(20), 1e-6);
	assert_near(against(2000, 30, b.high), log(20), 1e-6);
}

static void a_proportion_of_nothing_or_of_all_has_a_band(void **state)
{
	struct seq_interval b = seq_band_proportion(0, 0, 0.05);

	(void)state;
	assert_true(b.low == 0 && b.high == 1);
	b = seq_band_proportion(1000, 0, 0.05);
	assert_true(b.low == 0 && b.high > 0.001 && b.high < 0.02);
	b = seq_band_proportion(1000, 1000, 0.05);
	assert_true(b.low > 0.98 && b.high == 1);
	b = seq_band_proportion(1000000000, 500000000, 1e-9);
	assert_true(b.low > 0.4998 && b.low < 0.5 && b.high > 0.5 && b.high < 0.5002);
	b = seq_band_proportion(3, 7, 0.05); /* counted twice somewhere: all of them */
	assert_true(b.high == 1);
}

static void a_proportion_stays_in_its_band_at_every_look(void **state)
{
	struct seq_lab lab = {7};
	int missed = 0;

	(void)state;
	for (int run = 0; run < 300; run++) {
		uint64_t failures = 0;
		bool is_missed = false;

		for (uint64_t tick = 1; tick <= 60 && !is_missed; tick++) {
			struct seq_interval b;

			failures += seq_lab_binomial(&lab, 50, 0.03);
			b = seq_band_proportion(50 * tick, failures, 0.1);
			is_missed = b.low > 0.03 || b.high < 0.03;
		}
		missed += is_missed;
	}
	assert_in_range(missed, 1, 46); /* .1 of 300, and three standard errors */
}

static void a_ratio_of_bands(void **state)
{
	struct seq_interval b = seq_band_ratio((struct seq_interval){0.02, 0.06},
					       (struct seq_interval){0.01, 0.04});

	(void)state;
	assert_near(b.low, 0.5, CLOSE);
	assert_near(b.high, 6, CLOSE);
	b = seq_band_ratio((struct seq_interval){0.02, 0.06}, (struct seq_interval){0, 0.04});
	assert_true(isinf(b.high));
}

/* The design document's, computed from the published condition. */
static void constants_of_the_dkw_type_band(void **state)
{
	static const struct {
		double miss, c;
	} known[] = {{0.1, 7.623},   {0.05, 8.123},   {0.025, 8.623},  {0.01, 9.284},
		     {0.005, 9.783}, {0.001, 10.943}, {0.0005, 11.442}};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		assert_near(seq_dkw_constant(known[i].miss), known[i].c, 0.002);
	assert_near(seq_dkw_radius(99, 0.05), 1, 0);
	assert_near(seq_dkw_radius(10000, 0.05), 0.85 * sqrt((log(1 + log(100)) + 8.123) / 10000),
		    1e-5);
}

static void a_quantile_lies_between_edges(void **state)
{
	struct seq_interval b;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		pool.bucket[i] = 1;
	b = seq_band_quantile(&pool, 0.5, 0.1);
	assert_near(b.low, (double)serin_bucket_low(40), 0);
	assert_near(b.high, (double)serin_bucket_low(61), 0);
	b = seq_band_quantile(&pool, 0.95, 0.1);
	assert_true(b.low > 0 && isinf(b.high));
	b = seq_band_quantile(&pool, 0.05, 0.1);
	assert_true(b.low == 0 && isfinite(b.high));
	b = seq_band_quantile(&reference, 0.5, 1);
	assert_true(b.low == 0 && isinf(b.high));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(superiority_is_counted_over_all_pairs, setup),
		cmocka_unit_test_setup(all_in_one_bucket_is_a_tie, setup),
		cmocka_unit_test_setup(a_pool_without_samples_has_no_pairs, setup),
		cmocka_unit_test_setup(means_of_rank_factors_are_at_most_1, setup),
		cmocka_unit_test_setup(a_margin_is_what_has_to_be_exceeded, setup),
		cmocka_unit_test_setup(an_edge_is_the_nearest_to_its_part, setup),
		cmocka_unit_test_setup(above_all_in_one_bucket_is_the_next_edge, setup),
		cmocka_unit_test_setup(ends_of_a_proportion_meet_its_condition, setup),
		cmocka_unit_test_setup(a_proportion_of_nothing_or_of_all_has_a_band, setup),
		cmocka_unit_test_setup(a_proportion_stays_in_its_band_at_every_look, setup),
		cmocka_unit_test_setup(a_ratio_of_bands, setup),
		cmocka_unit_test_setup(constants_of_the_dkw_type_band, setup),
		cmocka_unit_test_setup(a_quantile_lies_between_edges, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

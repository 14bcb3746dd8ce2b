// SPDX-License-Identifier: GPL-2.0-or-later
/* From labels to a score, and ranks against ranks counted one by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/rank_sum.h"
#include "judge/score.h"
#include "judge_lab.h"

#define METRICS_MAX 8

struct lab {
	struct judge_metric metrics[METRICS_MAX];
	struct judge_result results[METRICS_MAX];
	struct judge_weight weights[4];
	struct judge_config config;
	struct judge_report report;
};

static void lab_init(struct lab *l)
{
	memset(l, 0, sizeof(*l));
	judge_config_init(&l->config);
	l->config.weights = l->weights;
	l->report.results = l->results;
}

/* The metric, for what else there is to say of it. */
static struct judge_metric *add(struct lab *l, const char *const *group, enum judge_label label)
{
	size_t i = l->report.result_count++;

	judge_metric_init(&l->metrics[i], "m", JUDGE_MEAN_RATIO);
	l->metrics[i].groups = group;
	l->metrics[i].group_count = 1;
	l->results[i] = (struct judge_result){.metric = &l->metrics[i], .label = label};
	return &l->metrics[i];
}

static double scored(struct lab *l)
{
	assert_int_equal(judge_score_results(&l->config, &l->report), 0);
	free(l->report.groups);
	l->report.groups = NULL;
	return l->report.score.score;
}

static const char *const a = "a", *const b = "b";

static void groups_share_what_weights_leave(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	add(&l, &a, JUDGE_PASS);
	add(&l, &b, JUDGE_HIGH);
	assert_true(scored(&l) == 50.0);
	lab_init(&l);
	l.weights[0] = (struct judge_weight){"a", 80.0};
	l.config.weight_count = 1;
	add(&l, &a, JUDGE_PASS);
	add(&l, &b, JUDGE_HIGH);
	assert_true(scored(&l) == 80.0 && l.report.score.verdict == JUDGE_VERDICT_PASS);
	lab_init(&l); /* more than there is: what is left is negative */
	l.weights[0] = (struct judge_weight){"a", 130.0};
	l.config.weight_count = 1;
	add(&l, &a, JUDGE_PASS);
	add(&l, &b, JUDGE_PASS);
	assert_true(scored(&l) == 100.0);
	lab_init(&l); /* of a group that is not there: lost */
	l.weights[0] = (struct judge_weight){"x", 40.0};
	l.config.weight_count = 1;
	add(&l, &a, JUDGE_PASS);
	assert_true(scored(&l) == 60.0 && l.report.score.verdict == JUDGE_VERDICT_MARGINAL);
}

static void what_counts_and_what_does_not(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	assert_true(scored(&l) == 0.0 && !l.report.score.reason);
	lab_init(&l);
	add(&l, &a, JUDGE_PASS);
	add(&l, &a, JUDGE_NODATA_FAIL_METRIC);
	add(&l, &a, JUDGE_LOW);
	add(&l, &a, JUDGE_ERROR);
	add(&l, &a, JUDGE_NODATA);
	assert_true(scored(&l) == 33.33);
	lab_init(&l);
	add(&l, &a, JUDGE_PASS);
	add(&l, &a, JUDGE_HIGH)->is_muted = true;
	l.results[1].is_critical = true;
	assert_true(scored(&l) == 100.0);
	lab_init(&l); /* a group without data counts as passed */
	add(&l, &a, JUDGE_HIGH);
	add(&l, &a, JUDGE_HIGH);
	add(&l, &b, JUDGE_NODATA);
	assert_true(scored(&l) == 50.0);
}

static void what_fails_a_canary_at_once(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	add(&l, &a, JUDGE_NODATA);
	add(&l, &a, JUDGE_PASS);
	assert_true(scored(&l) == 0.0);
	assert_string_equal(l.report.score.reason,
			    "Canary Failed: 50% or more metrics returned NODATA");
	free(l.report.score.reason);
	lab_init(&l); /* the first critical one is named, before the lack of data */
	add(&l, &a, JUDGE_NODATA);
	add(&l, &a, JUDGE_HIGH);
	add(&l, &a, JUDGE_LOW);
	l.results[1].is_critical = l.results[2].is_critical = true;
	l.results[1].reason = (char *)"this";
	l.results[2].reason = (char *)"that";
	assert_true(scored(&l) == 0.0 && l.report.score.verdict == JUDGE_VERDICT_FAIL);
	assert_string_equal(l.report.score.reason, "Canary Failed: this");
	free(l.report.score.reason);
	lab_init(&l); /* critical, and passed */
	add(&l, &a, JUDGE_PASS);
	l.results[0].is_critical = true;
	assert_true(scored(&l) == 100.0);
}

static void rounds_as_people_do(void **state)
{
	static const double pairs[][2] = {
		{0.0, 0.0},
		{2.675, 2.68},
		{33.335, 33.34},
		{99.995, 100.0},
		{0.005, 0.01},
		{0.0049, 0.0},
		{66.66666666666666, 66.67},
		{-2.675, -2.68},
		{1e300, 1e300},
		{100.0, 100.0},
		{0.1, 0.1},
		{1.005, 1.01},
		{86.66499999, 86.66},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (judge_round2(pairs[i][0]) != pairs[i][1])
			fail_msg("%.17g: %.17g", pairs[i][0], judge_round2(pairs[i][0]));
	assert_true(isnan(judge_round2(NAN)) && isinf(judge_round2(INFINITY)));
}

static void thresholds_may_be_absent(void **state)
{
	(void)state;
	assert_true(judge_final_passes(0.0, NAN, NAN));
	assert_false(judge_final_passes(50.0, 50.0, NAN));
	assert_true(judge_final_passes(75.0, 50.0, 75.0));
	assert_false(judge_final_passes(74.0, 50.0, 75.0));
}

/* ---- ranks ---- */

/* By the definition: the mean rank of each of x - shift among all. */
static double score_one_by_one(const double *x, size_t m, const double *y, size_t n, double shift)
{
	double all[64], sum = 0.0, ties = 0.0, size = (double)(m + n), distance, pairs;

	for (size_t i = 0; i < m; i++)
		all[i] = x[i] - shift;
	memcpy(all + m, y, n * sizeof(*y));
	for (size_t i = 0; i < m + n; i++) {
		double below = 0.0, same = 0.0;

		for (size_t j = 0; j < m + n; j++) {
			below += all[j] < all[i];
			same += all[j] == all[i];
		}
		sum += i < m ? below + (same + 1.0) / 2.0 : 0.0;
		ties += same * same - 1.0; /* t values, each t * t - 1: t * t * t - t */
	}
	pairs = (double)m * (double)n;
	distance = sum - (double)m * ((double)m + 1.0) / 2.0 - pairs / 2.0;
	distance -= distance > 0.0 ? 0.5 : distance < 0.0 ? -0.5 : 0.0;
	return distance / sqrt(pairs / 12.0 * (size + 1.0 - ties / (size * (size - 1.0))));
}

static double draw(uint64_t *state, unsigned int values)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (double)((*state >> 33) % values) / 10.0;
}

static void ranks_as_counted_one_by_one(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t m = 2 + (size_t)round % 13, n = 2 + (size_t)round % 7;
		unsigned int values = 3 + (unsigned int)round % 40;
		double x[16], y[16], shift = draw(&seed, values) - draw(&seed, values), score;
		struct rank_sum *r;

		for (size_t i = 0; i < m; i++)
			x[i] = draw(&seed, values);
		for (size_t i = 0; i < n; i++)
			y[i] = draw(&seed, values);
		assert_int_equal(judge_sort(x, m) | judge_sort(y, n), 0);
		assert_int_equal(rank_sum_new(x, m, y, n, &r), 0);
		if (!rank_sum_score(r, shift, true, &score))
			assert_true(fabs(score - score_one_by_one(x, m, y, n, shift)) < 1e-9);
		else
			assert_true(x[0] == x[m - 1] && y[0] == y[n - 1]);
		rank_sum_free(r);
	}
}

static void zeros_of_two_signs_do_not_tie(void **state)
{
	const double x[] = {0.0}, y[] = {-0.0, -0.0};
	struct rank_sum *r;

	(void)state;
	assert_int_equal(rank_sum_new(x, 1, y, 2, &r), 0);
	assert_true(rank_sum_u(r) == 2.0);
	rank_sum_free(r);
	assert_int_equal(rank_sum_new(y, 2, x, 1, &r), 0);
	assert_true(rank_sum_u(r) == 0.0);
	rank_sum_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_share_what_weights_leave),
		cmocka_unit_test(what_counts_and_what_does_not),
		cmocka_unit_test(what_fails_a_canary_at_once),
		cmocka_unit_test(rounds_as_people_do),
		cmocka_unit_test(thresholds_may_be_absent),
		cmocka_unit_test(ranks_as_counted_one_by_one),
		cmocka_unit_test(zeros_of_two_signs_do_not_tie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

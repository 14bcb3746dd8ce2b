/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the vectors about samples: effect sizes, cleaning, descriptive statistics. */
#pragma once

#include "judge/clean.h"
#include "judge/effect.h"
#include "judge/rank_sum.h"
#include "judge/rival.h"
#include "judge_vector.h"

static inline struct rank_sum *rank_sum_of(const struct vector *v)
{
	struct rank_sum *r = NULL;

	assert_int_equal(judge_sort(v->x, v->m), 0);
	assert_int_equal(judge_sort(v->y, v->n), 0);
	assert_int_equal(rank_sum_new(v->x, v->m, v->y, v->n, &r), 0);
	return r;
}

static inline void run_effectsize(struct vector *v)
{
	const char *measure = text_of(v->inputs, "measure");
	struct judge_stats x, y;
	struct rank_sum *r;

	judge_summarise(v->x, v->m, &x);
	judge_summarise(v->y, v->n, &y);
	if (!strcmp(measure, "meanRatio")) {
		expect(v, "effect_size", judge_mean_ratio(&x, &y));
	} else if (!strcmp(measure, "cohenD")) {
		expect(v, "effect_size", judge_cohen_d(&x, &y));
	} else {
		assert_string_equal(measure, "cles");
		r = rank_sum_of(v);
		expect(v, "effect_size", rank_sum_cles(r));
		rank_sum_free(r);
	}
}

static inline void expect_values(const struct vector *v, const double *values, size_t count)
{
	json_t *wanted = json_object_get(v->expected, "data");

	assert_int_equal(count, json_array_size(wanted));
	for (size_t i = 0; i < count; i++)
		assert_true(lab_is_near(values[i], lab_number(json_array_get(wanted, i)),
					v->tolerance));
}

static inline void expect_outliers(const struct vector *v, const bool *is_outlier)
{
	json_t *wanted = json_object_get(v->expected, "is_outlier");

	assert_int_equal(v->m, json_array_size(wanted));
	for (size_t i = 0; i < v->m; i++)
		assert_int_equal(is_outlier[i], json_is_true(json_array_get(wanted, i)));
}

/* Detection or removal, of what *_detect and *_remove have found. */
static inline void expect_marked(struct vector *v, const bool *is_outlier)
{
	size_t kept = 0;

	if (json_object_get(v->expected, "is_outlier")) {
		expect_outliers(v, is_outlier);
		return;
	}
	for (size_t i = 0; i < v->m; i++)
		if (!is_outlier[i])
			v->x[kept++] = v->x[i];
	expect_values(v, v->x, kept);
}

static inline void run_iqr(struct vector *v)
{
	bool is_reduced = json_is_true(json_object_get(v->inputs, "reduce_sensitivity"));
	bool *is_outlier = calloc(v->m + 1, sizeof(bool));
	double *sorted = calloc(v->m + 1, sizeof(double)), fence[2];

	memcpy(sorted, v->x, v->m * sizeof(double));
	assert_int_equal(judge_sort(sorted, v->m), 0);
	judge_iqr_fences(sorted, v->m, input(v, "factor"), is_reduced, fence);
	for (size_t i = 0; i < v->m; i++)
		is_outlier[i] = v->x[i] > fence[1] || v->x[i] < fence[0];
	expect_marked(v, is_outlier);
	free(is_outlier);
	free(sorted);
}

static inline void run_ksigma(struct vector *v)
{
	bool *is_outlier = calloc(v->m + 1, sizeof(bool));

	judge_ksigma(v->x, v->m, input(v, "k"), is_outlier);
	expect_marked(v, is_outlier);
	free(is_outlier);
}

static inline void run_nan(const struct vector *v, enum judge_nan strategy)
{
	struct judge_series in = {v->x, v->m};
	struct judge_side side;

	assert_int_equal(judge_clean_values(&in, strategy, false, &side), 0);
	expect_values(v, side.values, side.count);
	judge_side_fini(&side);
}

static inline void run_noise(const struct vector *v)
{
	size_t n = (size_t)input(v, "n");
	double *drawn = calloc(n, sizeof(double));
	struct judge_stats stats;

	for (size_t i = 0; i < n; i++)
		drawn[i] = judge_noise(input(v, "mean"), input(v, "stdev"),
				       ((double)i + 0.5) / (double)n);
	judge_summarise(drawn, n, &stats);
	expect(v, "mean", stats.mean);
	expect(v, "stdev", stats.std);
	if (json_object_get(v->expected, "data"))
		expect_values(v, drawn, n);
	free(drawn);
}

static inline void run_transform(struct vector *v)
{
	const char *op = text_of(v->inputs, "op");
	struct judge_stats stats;

	if (!strncmp(op, "iqr_", 4)) {
		run_iqr(v);
	} else if (!strncmp(op, "ksigma_", 7)) {
		run_ksigma(v);
	} else if (!strcmp(op, "nan_remove")) {
		run_nan(v, JUDGE_NAN_REMOVE);
	} else if (!strcmp(op, "nan_replace")) {
		run_nan(v, JUDGE_NAN_REPLACE);
	} else if (!strcmp(op, "gaussian_noise")) {
		run_noise(v);
	} else if (!strcmp(op, "percentile")) {
		assert_int_equal(judge_sort(v->x, v->m), 0);
		expect(v, "value", judge_percentile(v->x, v->m, input(v, "p")));
	} else {
		assert_string_equal(op, "summary");
		judge_summarise(v->x, v->m, &stats);
		expect_stats(v->expected, &stats, v->tolerance);
	}
}

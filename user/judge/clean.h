/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns data cleaning: what becomes of values that are not numbers, and of outliers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "judge/judge.h"

/* One side of a metric, cleaned. */
struct judge_side {
	double *values; /* in the order they came */
	double *sorted; /* the same, ascending */
	size_t count;
	struct judge_dropped dropped;
};

/*
 * judge_clean_values() - copy @in without what is not a number.
 * @drops_infinite: infinities are no numbers either
 * NaN is left out or, by @strategy, becomes 0.0. The result is not sorted yet: judge_clean_finish().
 *
 * Returns 0 or -ENOMEM; judge_side_fini() @out whatever the result.
 */
int judge_clean_values(const struct judge_series *in, enum judge_nan strategy, bool drops_infinite,
		       struct judge_side *out);

/* Sorts, and leaves out outliers where @m says so. Returns 0 or -ENOMEM. */
int judge_clean_finish(const struct judge_metric *m, struct judge_side *side);

void judge_side_fini(struct judge_side *side);

/*
 * judge_iqr_fences() - below @fence[0] or above @fence[1] a value is an outlier: quartiles less and
 * plus @factor times their distance (Tukey 1977); @is_reduced widens them to the 1st and 99th
 * percentile. @sorted holds no NaN and at least one value.
 */
void judge_iqr_fences(const double *sorted, size_t count, double factor, bool is_reduced,
		      double fence[2]);

/* The exponent of the power of two that brings the greatest of two sides near 1; 0 where squares
 * and sums of the values cannot overflow nor vanish as they are. */
int judge_scale_exponent(const struct judge_side *a, const struct judge_side *b);
void judge_scale(struct judge_side *side, int exponent);

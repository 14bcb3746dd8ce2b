// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/clean.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "judge/summary.h"

#define SAFE_EXPONENT 400 /* squares of a million such values are far from the ends of double */

int judge_clean_values(const struct judge_series *in, enum judge_nan strategy, bool drops_infinite,
		       struct judge_side *out)
{
	*out = (struct judge_side){.values = calloc(in->count + 1, sizeof(double))};
	if (!out->values)
		return -ENOMEM;
	for (size_t i = 0; i < in->count; i++) {
		bool is_infinite = drops_infinite && isinf(in->values[i]);

		out->dropped.nan += isnan(in->values[i]) != 0;
		out->dropped.infinite += is_infinite;
		if (!is_infinite && !isnan(in->values[i]))
			out->values[out->count++] = in->values[i];
		else if (strategy == JUDGE_NAN_REPLACE)
			out->values[out->count++] = 0.0;
	}
	return 0;
}

/* A NaN among them stays: a fence that is not a number excludes nothing. */
static double lesser(double a, double b)
{
	return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
}

void judge_iqr_fences(const double *sorted, size_t count, double factor, bool is_reduced,
		      double fence[2])
{
	double q25 = judge_percentile(sorted, count, 25.0);
	double q75 = judge_percentile(sorted, count, 75.0);
	double range = q75 - q25;

	fence[0] = q25 - factor * range;
	fence[1] = q75 + factor * range;
	if (!is_reduced)
		return;
	fence[0] = lesser(judge_percentile(sorted, count, 1.0), fence[0]);
	fence[1] = -lesser(-judge_percentile(sorted, count, 99.0), -fence[1]);
}

static size_t keep_between(double *values, size_t count, const double fence[2])
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!(values[i] > fence[1] || values[i] < fence[0]))
			values[kept++] = values[i];
	return kept;
}

int judge_clean_finish(const struct judge_metric *m, struct judge_side *side)
{
	double fence[2];
	size_t kept;

	side->sorted = calloc(side->count + 1, sizeof(double));
	if (!side->sorted)
		return -ENOMEM;
	memcpy(side->sorted, side->values, side->count * sizeof(double));
	if (judge_sort(side->sorted, side->count))
		return -ENOMEM;
	if (!m->removes_outliers || !side->count)
		return 0;
	judge_iqr_fences(side->sorted, side->count, m->outlier_factor, true, fence);
	kept = keep_between(side->values, side->count, fence);
	keep_between(side->sorted, side->count, fence);
	side->dropped.outliers = side->count - kept;
	side->count = kept;
	return 0;
}

void judge_side_fini(struct judge_side *side)
{
	free(side->values);
	free(side->sorted);
	*side = (struct judge_side){0};
}

static double greatest(const struct judge_side *side, double so_far)
{
	for (size_t i = 0; i < side->count; i++)
		so_far = fabs(side->values[i]) > so_far ? fabs(side->values[i]) : so_far;
	return so_far;
}

int judge_scale_exponent(const struct judge_side *a, const struct judge_side *b)
{
	int exponent;

	frexp(greatest(a, greatest(b, 0.0)), &exponent);
	return abs(exponent) > SAFE_EXPONENT ? exponent : 0;
}

void judge_scale(struct judge_side *side, int exponent)
{
	for (size_t i = 0; exponent && i < side->count; i++)
		side->values[i] = ldexp(side->values[i], -exponent);
}

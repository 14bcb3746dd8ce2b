/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns sorting and descriptive statistics of samples. All sums run from the first value to the last:
 * another order gives other last digits, and verdicts would no longer agree with Kayenta's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct judge_stats {
	double min, max, mean, std; /* in the samples' unit; all 0 where there is no sample */
	size_t count;
};

/*
 * judge_sort() - ascending, in place, in time and memory that grow with @count alone: -0.0 before
 * 0.0, NaN of either sign last.
 *
 * Returns 0 or -ENOMEM (nothing has changed).
 */
int judge_sort(double *values, size_t count);

/* The mean with one round of correction for rounding; 0.0 of no value. */
double judge_mean(const double *values, size_t count);

/* Corrected two-pass variance (Chan, Golub, LeVeque 1983), by count - 1 or, of a population, by
 * count; 0.0 of fewer than two values. @mean: judge_mean() of the same. */
double judge_variance(const double *values, size_t count, double mean, bool is_population);

/* Of values that hold no NaN. */
void judge_summarise(const double *values, size_t count, struct judge_stats *out);

/* Percentile @percent (above 0, up to 100) of values sorted and free of NaN, interpolated as R's type
 * 7 (Hyndman and Fan 1996); NaN of no value. */
double judge_percentile(const double *sorted, size_t count, double percent);

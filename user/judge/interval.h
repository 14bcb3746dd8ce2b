/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns where the canary lies against the baseline: the shift between them and its interval, found
 * by inverting the rank-sum test (Bauer 1972), as R's wilcox.test(conf.int = TRUE, exact = FALSE). */
#pragma once

#include <stdbool.h>

#include "judge/judge.h"

struct rank_sum;

/* The normal distribution's quantile, to a few units of the last place; infinite at 0 and 1. */
double judge_normal_quantile(double probability);

/*
 * judge_root() - where a function crosses zero between two points (Brent 1973, chapter 4, "zeroin").
 * The steps are part of the result: of a step function they decide where in the tolerance it lies.
 * @f: 0 and the value, or a negative error, which ends the search
 * @at, @value: the two points and the function there
 * @tolerance: absolute, beyond what double can tell apart
 *
 * Returns 0 and *out, or the error of @f.
 */
int judge_root(int (*f)(void *context, double at, double *value), void *context, const double at[2],
	       const double value[2], double tolerance, double *out);

/*
 * judge_locate() - the shift at which the score is @quantile, between the least and the greatest.
 * Beyond these there is no crossing, and judge_root() says what it finds.
 *
 * Returns 0 and *out, or -EDOM where all values are tied.
 */
int judge_locate(const struct rank_sum *r, double quantile, bool is_corrected, double tolerance,
		 double *out);

/*
 * judge_interval() - the shift of x against y, and its interval.
 * @confidence: of the interval, above 0 and below 1
 * @tolerance: of each end, absolute, in the samples' unit
 *
 * Returns 0 and *out, or -EDOM where all values are tied.
 */
int judge_interval(const struct rank_sum *r, double confidence, double tolerance,
		   struct judge_interval *out);

/*
 * judge_interval_sharpen() - move what lies within @tolerance of a difference of two values, where
 * the steps are, onto it: else ties leave the sign of an end to the search's last digit.
 */
void judge_interval_sharpen(const struct rank_sum *r, double tolerance,
			    struct judge_interval *found);

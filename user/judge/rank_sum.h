/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the rank sum of two samples (Wilcoxon 1945; Mann and Whitney 1947) while one of them is
 * shifted against the other. Of the shift the standardised sum is a step function that falls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rank_sum;

/*
 * rank_sum_new() - of samples sorted by judge_sort(), neither of them empty.
 * @x, @m: the one that is shifted (the canary)
 * @y, @n: the other (the baseline)
 *
 * Returns 0 and *out (rank_sum_free() it), or -ENOMEM.
 */
int rank_sum_new(const double *x, size_t m, const double *y, size_t n, struct rank_sum **out);
void rank_sum_free(struct rank_sum *r);

/* The ends of what shifts can be told apart: min(x) - max(y) and max(x) - min(y). */
double rank_sum_low(const struct rank_sum *r);
double rank_sum_high(const struct rank_sum *r);

/*
 * rank_sum_score() - how many standard deviations the rank sum of x - @shift lies above that of two
 * samples of one distribution; ties have their mean rank, and the deviation is corrected for them.
 * @is_corrected: half a rank towards zero, for continuity
 * Time grows with the number of distinct values.
 *
 * Returns 0 and *score, or -EDOM where all values are tied: there is no deviation then.
 */
int rank_sum_score(const struct rank_sum *r, double shift, bool is_corrected, double *score);

/* The difference of a value of x and one of y that is nearest to @shift. The score steps at these and
 * nowhere else. */
double rank_sum_nearest(const struct rank_sum *r, double shift);

/* The probability that a value of x exceeds one of y, ties counted half: U / mn. */
double rank_sum_cles(const struct rank_sum *r);
/* U of x: as R's wilcox.test calls W. */
double rank_sum_u(const struct rank_sum *r);

/*
 * rank_sum_p_value() - two-sided, of "both are of one distribution", by the normal approximation,
 * as R's wilcox.test(exact = FALSE, correct = @is_corrected). NaN where all values are tied.
 */
double rank_sum_p_value(const struct rank_sum *r, bool is_corrected);

/* How many of the values that are not tied with most others the smaller sample has to expect: the
 * normal approximation needs 5 or so (Cochran 1954). */
double rank_sum_expected(const struct rank_sum *r);

/* The greatest score that @m values against @n can reach, that is with all of x above all of y
 * and no ties: below the quantile wanted, no interval can be closed, whatever the values. */
double rank_sum_score_max(size_t m, size_t n);

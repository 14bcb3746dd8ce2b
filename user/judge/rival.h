/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what Kayenta has besides its judge, to measure the judge against: no verdict comes from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "judge/judge.h"

/* Marks values more than @k population standard deviations from the mean. */
void judge_ksigma(const double *values, size_t count, double k, bool *is_outlier);

/* One draw from a normal distribution, from @uniform between 0 and 1. */
double judge_noise(double mean, double std, double uniform);

/*
 * judge_mean_inequality() - the plainest classifier: the greater mean is High. Values without NaN.
 * Sets label, is_critical and ratio of @out and nothing else.
 */
void judge_mean_inequality(const struct judge_metric *m, const struct judge_pair *pair,
			   struct judge_result *out);

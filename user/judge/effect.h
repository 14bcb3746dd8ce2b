/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns effect sizes: how great a difference is, beside whether there is one. */
#pragma once

#include "judge/summary.h"

/* Mean of the canary over mean of the baseline; NaN where either is 0. */
double judge_mean_ratio(const struct judge_stats *experiment, const struct judge_stats *control);

/* The distance of the means in pooled standard deviations, without its sign (Cohen 1988). */
double judge_cohen_d(const struct judge_stats *experiment, const struct judge_stats *control);

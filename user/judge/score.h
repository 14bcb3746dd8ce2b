/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the way from labels to a score and a verdict. */
#pragma once

#include <stdbool.h>

#include "judge/judge.h"

/*
 * judge_score_results() - groups and score of a report whose results are there; a muted metric
 * counts nowhere. Reads label, is_critical, reason and metric of each.
 *
 * Returns 0 or -ENOMEM (judge_report_fini() still has to be called).
 */
int judge_score_results(const struct judge_config *c, struct judge_report *report);

/* To two decimals, half away from zero, of the shortest decimal number that reads back as @value:
 * 2.675 is 2.68, though the double lies below. */
double judge_round2(double value);

/*
 * judge_final_passes() - of an analysis of several judgements: by the score of the last of them.
 * @marginal, @pass: thresholds, NaN where there is none. At the marginal one it fails.
 */
bool judge_final_passes(double score, double marginal, double pass);

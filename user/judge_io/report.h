/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns a judge run as JSON, in the words of Kayenta's. */
#pragma once

#include "judge/judge.h"
#include "judge_io/samples.h"

/* One judgement and what it came from: what every report is made of. */
struct judgement {
	const struct judge_config *config;
	const struct samples *samples;
	const struct judge_report *report;
};

/* A new json_t, or NULL without memory. By JUDGE_EXACT each result has a `why`, too. */
struct json_t *judgement_json(const struct judgement *j);

/* How many metrics have fewer points of the baseline than a judgement should have. */
size_t judgement_count_thin(const struct judgement *j);

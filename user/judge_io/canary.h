/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns reading Kayenta's canary configuration: its JSON, of which the judge's part counts. */
#pragma once

#include <stddef.h>

#include "judge/judge.h"
#include "judge_io/complaint.h"

struct canary {
	struct judge_config config; /* mode and thresholds of judge_config_init() */
	struct judge_metric *metrics;
	struct judge_weight *weights;
	const char **groups;	 /* of all metrics, one after the other */
	struct json_t *document; /* which the names are in */
};

/*
 * canary_parse() - metrics, groups, `analysisConfigurations.canary` and `classifier.groupWeights`.
 * Keys of no concern to the judge are passed over; words it does not know mean the default, as in
 * Kayenta, and are warned of.
 * @out: canary_fini() it; unchanged on failure
 *
 * Returns 0, -EINVAL after complaining, or -ENOMEM.
 */
int canary_parse(const struct source *s, const char *text, size_t len, struct canary *out);
void canary_fini(struct canary *c);

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "judge/score.h"

static const char *const label_names[] = {
	[JUDGE_PASS] = "Pass",
	[JUDGE_HIGH] = "High",
	[JUDGE_LOW] = "Low",
	[JUDGE_NODATA] = "Nodata",
	[JUDGE_NODATA_FAIL_METRIC] = "NodataFailMetric",
	[JUDGE_ERROR] = "Error",
};
_Static_assert(sizeof(label_names) / sizeof(*label_names) == JUDGE_LABEL_MAX, "a name each");

static const char *const verdict_names[] = {
	[JUDGE_VERDICT_PASS] = "Pass",
	[JUDGE_VERDICT_MARGINAL] = "Marginal",
	[JUDGE_VERDICT_FAIL] = "Fail",
};
_Static_assert(sizeof(verdict_names) / sizeof(*verdict_names) == JUDGE_VERDICT_MAX, "a name each");

const char *judge_label_name(enum judge_label label)
{
	return label_names[label];
}

const char *judge_verdict_name(enum judge_verdict verdict)
{
	return verdict_names[verdict];
}

const char *judge_effect_name(enum judge_effect effect)
{
	return effect == JUDGE_CLES ? "cles" : "meanRatio";
}

void judge_metric_init(struct judge_metric *m, const char *name, enum judge_effect effect)
{
	double none = effect == JUDGE_CLES ? 0.5 : 1.0; /* what the effect is when there is none */

	*m = (struct judge_metric){
		.name = name,
		.outlier_factor = 3.0,
		.effect = effect,
		.allowed_increase = none,
		.allowed_decrease = none,
		.critical_increase = none,
		.critical_decrease = none,
	};
}

void judge_config_init(struct judge_config *c)
{
	*c = (struct judge_config){
		.tolerance = JUDGE_TOLERANCE,
		.confidence = JUDGE_CONFIDENCE,
		.pass = 75.0,
		.marginal = 50.0,
	};
}

static const struct judge_metric *find_metric(const struct judge_config *c, const char *name)
{
	for (size_t i = 0; i < c->metric_count; i++)
		if (!strcmp(c->metrics[i].name, name))
			return &c->metrics[i];
	return NULL;
}

int judge_run(const struct judge_config *c, const struct judge_pair *pairs, size_t count,
	      struct judge_report *out)
{
	struct judge_report made = {.results = calloc(count + 1, sizeof(*made.results))};
	int error = made.results ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < count; i++) {
		const struct judge_metric *m = find_metric(c, pairs[i].name);

		error = m ? judge_metric(c, m, &pairs[i], &made.results[i]) : -ENOENT;
		made.result_count += !error;
	}
	if (!error)
		error = judge_score_results(c, &made);
	if (error)
		judge_report_fini(&made);
	else
		*out = made;
	return error;
}

void judge_report_fini(struct judge_report *report)
{
	for (size_t i = 0; i < report->result_count; i++)
		free(report->results[i].reason);
	free(report->results);
	free(report->groups);
	free(report->score.reason);
	*report = (struct judge_report){0};
}

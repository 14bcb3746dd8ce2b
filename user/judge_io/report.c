// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_io/report.h"

#include <jansson.h>
#include <math.h>

#include "judge/explain.h"

/* As Kayenta writes what JSON has no number for. */
static json_t *number(double value)
{
	if (isnan(value))
		return json_string("NaN");
	return isinf(value) ? json_string(value > 0 ? "Infinity" : "-Infinity") : json_real(value);
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* What is not UTF-8 cannot come here: names come from JSON, or have been keys of it. */
static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *stats_json(const struct judge_stats *s)
{
	return json_pack("{s:{s:o, s:o, s:o, s:o, s:I}}", "stats", "min", number(s->min), "max",
			 number(s->max), "mean", number(s->mean), "std", number(s->std), "count",
			 (json_int_t)s->count);
}

static json_t *groups_json(const struct judge_metric *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->group_count; i++)
		json_array_append_new(list, json_string(m->groups[i]));
	return list;
}

static json_t *dropped_json(const struct judge_dropped *d)
{
	return json_pack("{s:I, s:I, s:I}", "nan", (json_int_t)d->nan, "infinite",
			 (json_int_t)d->infinite, "outliers", (json_int_t)d->outliers);
}

static json_t *shift_json(const struct judge_interval *shift)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:b}", "estimate", number_or_null(shift->estimate),
			 "low", number_or_null(shift->low), "high", number_or_null(shift->high),
			 "confidence", number_or_null(shift->confidence), "closed",
			 !shift->is_low_clamped && !shift->is_high_clamped &&
				 !isnan(shift->estimate));
}

static json_t *thresholds_json(const struct judge_result *r)
{
	return json_pack("{s:o, s:f, s:f, s:f, s:f}", "shift", number_or_null(r->why.bound),
			 "allowedIncrease", r->metric->allowed_increase, "allowedDecrease",
			 r->metric->allowed_decrease, "criticalIncrease",
			 r->metric->critical_increase, "criticalDecrease",
			 r->metric->critical_decrease);
}

static json_t *why_json(const struct judge_result *r)
{
	const struct judge_why *why = &r->why;
	char text[JUDGE_EXPLAIN_LEN];

	return json_pack("{s:s, s:s, s:{s:I, s:I}, s:{s:o, s:o}, s:{s:o, s:o}, s:o, s:o, s:o, "
			 "s:{s:s, s:o}, s:o}",
			 "rule", judge_rule_name(why->rule), "text", judge_explain(r, text),
			 "points", "experiment", (json_int_t)r->experiment.count, "control",
			 (json_int_t)r->control.count, "dropped", "experiment",
			 dropped_json(&why->experiment_dropped), "control",
			 dropped_json(&why->control_dropped), "median", "experiment",
			 number_or_null(why->experiment_median), "control",
			 number_or_null(why->control_median), "shift", shift_json(&why->shift),
			 "pValue", number_or_null(why->p_value), "cles", number_or_null(why->cles),
			 "effectSize", "measure", judge_effect_name(r->metric->effect), "value",
			 number_or_null(why->effect), "thresholds", thresholds_json(r));
}

static json_t *ratio_json(const struct judge_result *r)
{
	json_t *data = json_object();

	if (r->label != JUDGE_ERROR)
		json_object_set_new(data, "ratio", number(r->ratio));
	return data;
}

static json_t *result_json(const struct judgement *j, size_t i)
{
	const struct judge_result *r = &j->report->results[i];
	json_t *tags = j->samples->tags[i];
	json_t *json = json_pack(
		"{s:s, s:o, s:o, s:s, s:o, s:b, s:b, s:o, s:o, s:o}", "name", r->metric->name,
		"tags", tags ? json_incref(tags) : json_object(), "groups", groups_json(r->metric),
		"classification", judge_label_name(r->label), "classificationReason",
		text_or_null(r->reason), "critical", r->is_critical, "muted", r->metric->is_muted,
		"resultMetadata", ratio_json(r), "experimentMetadata", stats_json(&r->experiment),
		"controlMetadata", stats_json(&r->control));

	if (json && j->config->mode == JUDGE_EXACT)
		json_object_set_new(json, "why", why_json(r));
	return json;
}

static json_t *group_json(const struct judge_group *g)
{
	return json_pack("{s:s, s:f, s:s, s:s}", "name", g->name, "score", g->score,
			 "classification", "", "classificationReason", "");
}

static json_t *score_json(const struct judgement *j)
{
	const struct judge_score *s = &j->report->score;
	json_t *json = json_pack("{s:f, s:s, s:s}", "score", s->score, "classification",
				 judge_verdict_name(s->verdict), "classificationReason",
				 s->reason ? s->reason : "");

	if (json && j->config->mode == JUDGE_EXACT)
		json_object_set_new(json, "thresholds",
				    json_pack("{s:f, s:f}", "pass", j->config->pass, "marginal",
					      j->config->marginal));
	return json;
}

size_t judgement_count_thin(const struct judgement *j)
{
	size_t count = 0;

	for (size_t i = 0; i < j->report->result_count; i++)
		count += j->report->results[i].control.count < JUDGE_POINTS_WISH;
	return count;
}

json_t *judgement_json(const struct judgement *j)
{
	json_t *results = json_array(), *groups = json_array();

	for (size_t i = 0; i < j->report->result_count; i++)
		json_array_append_new(results, result_json(j, i));
	for (size_t i = 0; i < j->report->group_count; i++)
		json_array_append_new(groups, group_json(&j->report->groups[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "judgeName", JUDGE_NAME, "mode",
			 j->config->mode == JUDGE_EXACT ? "exact" : "kayenta", "results", results,
			 "groupScores", groups, "score", score_json(j));
}

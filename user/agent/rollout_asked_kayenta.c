// SPDX-License-Identifier: GPL-2.0-or-later
/* Kayenta's judge over the whole stretch, by its own configuration. */
#include "agent/rollout_asked.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_verdict.h"
#include "config/read_file.h"
#include "judge/explain.h"
#include "judge_io/canary.h"
#include "judge_io/samples.h"
#include "metrics_source/retrieve.h"
#include "rollout/rollout.h"

#define NAME "kayenta"

struct kayenta {
	struct canary canary;
	struct samples samples;
	struct judge_report report;
	enum rollout_finding finding;
	char why[ROLLOUT_WHY_LEN];
};

static const char *text_of(const json_t *json, const char *name)
{
	return json_string_value(json_object_get(json, name));
}

/* ---- what it found ---- */

static bool has_number(const struct judge_series *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (isfinite(s->values[i]))
			return true;
	return false;
}

static bool has_numbers(const struct samples *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (has_number(&s->pairs[i].experiment) || has_number(&s->pairs[i].control))
			return true;
	return false;
}

/* Those with a label of @labels, a bit each. */
static size_t count_labels(const struct judge_report *r, unsigned int labels)
{
	size_t count = 0;

	for (size_t i = 0; i < r->result_count; i++)
		count += !r->results[i].metric->is_muted && labels >> r->results[i].label & 1;
	return count;
}

/* A critical one without the data it must have is no less than another without. */
static size_t count_missing(const struct judge_report *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->result_count; i++)
		count += !r->results[i].metric->is_muted && r->results[i].is_critical &&
			 r->results[i].metric->must_have_data &&
			 r->results[i].label == JUDGE_NODATA;
	return count;
}

static size_t count_too_few(const struct judge_report *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->result_count; i++)
		count += !r->results[i].metric->is_muted &&
			 r->results[i].why.rule == JUDGE_RULE_TOO_FEW;
	return count;
}

/* A Prometheus that has nothing to say of anything fails no canary, even if data must be there; nor does
 * a rollout's begin, of which there are few points yet. */
static void find(struct kayenta *k)
{
	const unsigned int shifted = 1u << JUDGE_HIGH | 1u << JUDGE_LOW;
	const unsigned int harmful = shifted | 1u << JUDGE_NODATA_FAIL_METRIC | 1u << JUDGE_ERROR;
	const struct judge_score *score = &k->report.score;
	bool is_shifted = count_labels(&k->report, shifted) > 0;

	k->finding = ROLLOUT_INCONCLUSIVE;
	snprintf(k->why, sizeof(k->why), NAME ": score %g (pass %g, marginal %g)%s%.150s",
		 score->score, k->canary.config.pass, k->canary.config.marginal,
		 score->reason ? ": " : "", score->reason ? score->reason : "");
	if (!has_numbers(&k->samples)) {
		snprintf(k->why, sizeof(k->why), NAME ": no query finds a number");
	} else if (count_too_few(&k->report) && !is_shifted) {
		k->finding = ROLLOUT_UNKNOWN;
		snprintf(k->why, sizeof(k->why), NAME ": too few points yet");
	} else if (score->verdict == JUDGE_VERDICT_PASS) {
		k->finding = ROLLOUT_GOOD;
	} else if (score->verdict == JUDGE_VERDICT_FAIL &&
		   (count_labels(&k->report, harmful) || count_missing(&k->report))) {
		k->finding = ROLLOUT_BAD;
	}
}

/* ---- the run ---- */

static int read_canary(const struct source *s, const json_t *request, struct canary *out)
{
	char *text = NULL;
	size_t len = 0;
	int err = config_read_file(s->file, &text, &len);

	if (err)
		return complain(s, "%s cannot be read: %s", s->file, strerror(-err));
	err = canary_parse(s, text, len, out);
	free(text);
	if (!err) {
		out->config.pass = json_number_value(json_object_get(request, "pass"));
		out->config.marginal = json_number_value(json_object_get(request, "marginal"));
	}
	return err;
}

static int judge(const struct source *s, const json_t *request, struct prometheus *p,
		 struct kayenta *k)
{
	const struct retrieval r = {
		.service = text_of(request, "service"),
		.experiment = text_of(request, "candidate"),
		.control = text_of(request, "control"),
		.grid = rollout_asked_grid(request),
	};
	int err = read_canary(s, request, &k->canary);

	if (!err)
		err = retrieve_samples(p, s, &k->canary, &r, &k->samples);
	if (!err)
		err = judge_run(&k->canary.config, k->samples.pairs, k->samples.count, &k->report);
	if (!err)
		find(k);
	return err;
}

/* ---- telling ---- */

static json_t *result_list(const struct judge_report *r)
{
	char why[JUDGE_EXPLAIN_LEN];
	json_t *list = json_array();

	for (size_t i = 0; i < r->result_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name",
						      r->results[i].metric->name, "classification",
						      judge_label_name(r->results[i].label), "why",
						      judge_explain(&r->results[i], why)));
	return list;
}

static int tell(const struct kayenta *k, const json_t *request, bool has_score)
{
	double value = has_score ? k->report.score.score : NAN;
	json_t *score = isfinite(value) ? json_real(value) : json_null();

	return rollout_asked_tell(json_pack(
		"{s:s, s:s, s:o, s:O, s:O, s:n, s:O, s:b, s:o, s:o}", "name", NAME, "finding",
		verdict_finding_name(k->finding), "why", verdict_text(k->why, strlen(k->why)),
		"value", score, "min", json_object_get(request, "pass"), "max", "marginal",
		json_object_get(request, "marginal"), "dry_run", false, "score", score, "results",
		result_list(&k->report)));
}

int rollout_asked_kayenta(const json_t *request, struct prometheus *p)
{
	struct kayenta k = {.finding = ROLLOUT_INCONCLUSIVE};
	char *said = NULL, why[ROLLOUT_WHY_LEN];
	size_t len = 0;
	struct source s = {text_of(request, "kayenta"), open_memstream(&said, &len)};
	int err = s.messages ? judge(&s, request, p, &k) : -ENOMEM;

	if (s.messages)
		fclose(s.messages);
	if (err) {
		rollout_asked_plain(said && *said ? said : strerror(-err), why);
		snprintf(k.why, sizeof(k.why), NAME ": %.240s", why);
	}
	err = tell(&k, request, !err);
	free(said);
	judge_report_fini(&k.report);
	samples_fini(&k.samples);
	canary_fini(&k.canary);
	return err;
}

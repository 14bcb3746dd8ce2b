// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/score.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODATA_PERCENT 50.0
#define DIGITS_MAX     17 /* significant ones that tell any two doubles apart */
#define FAILED	       "Canary Failed: "

/* ---- groups ---- */

struct tally {
	size_t passed, failed;
};

static int find_group(const struct judge_report *report, const char *name)
{
	for (size_t i = 0; i < report->group_count; i++)
		if (!strcmp(report->groups[i].name, name))
			return (int)i;
	return -1;
}

/* High, Low and data that must be there count against a group; Nodata and Error not at all. */
static void count_label(struct tally *t, enum judge_label label)
{
	t->passed += label == JUDGE_PASS;
	t->failed += label == JUDGE_HIGH || label == JUDGE_LOW || label == JUDGE_NODATA_FAIL_METRIC;
}

static void count_groups(struct judge_report *report, struct tally *tally)
{
	for (size_t i = 0; i < report->result_count; i++) {
		const struct judge_result *r = &report->results[i];

		for (size_t j = 0; !r->metric->is_muted && j < r->metric->group_count; j++) {
			int at = find_group(report, r->metric->groups[j]);

			if (at < 0) {
				at = (int)report->group_count++;
				report->groups[at].name = r->metric->groups[j];
			}
			count_label(&tally[at], r->label);
		}
	}
}

static void score_groups(struct judge_report *report, const struct tally *tally)
{
	for (size_t i = 0; i < report->group_count; i++) {
		struct judge_group *g = &report->groups[i];
		size_t all = tally[i].passed + tally[i].failed;

		g->has_data = all > 0;
		g->score = all ? (double)tally[i].passed / (double)all * 100.0 : 0.0;
	}
}

static int make_groups(struct judge_report *report)
{
	struct tally *tally;
	size_t room = 1;

	for (size_t i = 0; i < report->result_count; i++)
		room += report->results[i].metric->group_count;
	tally = calloc(room, sizeof(*tally));
	report->groups = calloc(room, sizeof(*report->groups));
	if (tally && report->groups) {
		count_groups(report, tally);
		score_groups(report, tally);
	}
	free(tally);
	return tally && report->groups ? 0 : -ENOMEM;
}

/* ---- the sum ---- */

static const struct judge_weight *find_weight(const struct judge_config *c, const char *group)
{
	for (size_t i = 0; i < c->weight_count; i++)
		if (!strcmp(c->weights[i].group, group))
			return &c->weights[i];
	return NULL;
}

/* What weights leave of 100, shared by the groups without one. Weights of groups that no metric is
 * in are lost; a group without data counts as passed. */
static double weighted_sum(const struct judge_config *c, const struct judge_report *report)
{
	double left = 100.0, sum = 0.0;
	size_t unweighted = 0;

	for (size_t i = 0; i < c->weight_count; i++)
		left -= c->weights[i].weight;
	for (size_t i = 0; i < report->group_count; i++)
		unweighted += !find_weight(c, report->groups[i].name);
	for (size_t i = 0; i < report->group_count; i++) {
		const struct judge_group *g = &report->groups[i];
		const struct judge_weight *w = find_weight(c, g->name);
		double weight = w ? w->weight : left / (double)unweighted;

		sum += (g->has_data ? g->score : 100.0) * (weight / 100.0);
	}
	return judge_round2(sum);
}

/* "d.ddde-xx" as digits and the power of ten of the first. */
static int split_decimal(double value, char digits[DIGITS_MAX + 1])
{
	char text[40];
	size_t length = 0;
	const char *c;

	for (int precision = 0; precision < DIGITS_MAX; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	for (c = text; *c != 'e'; c++)
		if (*c >= '0' && *c <= '9')
			digits[length++] = *c;
	digits[length] = '\0';
	return atoi(c + 1);
}

double judge_round2(double value)
{
	char digits[DIGITS_MAX + 1];
	double hundredths = 0.0;
	int exponent, wanted;

	if (!isfinite(value) || fabs(value) >= 1e13) /* no decimals there to round */
		return value;
	exponent = split_decimal(fabs(value), digits);
	wanted = exponent + 3; /* digits in front of the place where it is cut */
	if (wanted < 0 || wanted >= (int)strlen(digits))
		return wanted < 0 ? copysign(0.0, value) : value;
	for (int i = 0; i < wanted; i++)
		hundredths = hundredths * 10.0 + (digits[i] - '0');
	hundredths += digits[wanted] >= '5';
	return copysign(hundredths / 100.0, value);
}

/* ---- the verdict ---- */

static enum judge_verdict verdict_of(const struct judge_config *c, double score)
{
	if (score >= c->pass)
		return JUDGE_VERDICT_PASS;
	return score >= c->marginal ? JUDGE_VERDICT_MARGINAL : JUDGE_VERDICT_FAIL;
}

/* The first metric that fails the canary by itself, or NULL. */
static const struct judge_result *find_critical(const struct judge_report *report)
{
	for (size_t i = 0; i < report->result_count; i++) {
		const struct judge_result *r = &report->results[i];

		if (!r->metric->is_muted && r->is_critical && r->label != JUDGE_PASS)
			return r;
	}
	return NULL;
}

static bool lacks_data(const struct judge_report *report)
{
	size_t all = 0, missing = 0;

	for (size_t i = 0; i < report->result_count; i++) {
		all += !report->results[i].metric->is_muted;
		missing += !report->results[i].metric->is_muted &&
			   report->results[i].label == JUDGE_NODATA;
	}
	return all && (double)missing / (double)all * 100.0 >= NODATA_PERCENT;
}

int judge_score_results(const struct judge_config *c, struct judge_report *report)
{
	const struct judge_result *critical = find_critical(report);
	struct judge_score *score = &report->score;
	int error = make_groups(report), length = 0;

	if (error)
		return error;
	score->score = 0.0;
	if (critical)
		length = asprintf(&score->reason, FAILED "%s",
				  critical->reason ? critical->reason : "");
	else if (lacks_data(report))
		length = asprintf(&score->reason, FAILED "50%% or more metrics returned NODATA");
	else
		score->score = weighted_sum(c, report);
	score->verdict = verdict_of(c, score->score);
	if (length >= 0)
		return 0;
	score->reason = NULL;
	return -ENOMEM;
}

bool judge_final_passes(double score, double marginal, double pass)
{
	if (!isnan(marginal) && score <= marginal)
		return false;
	return isnan(pass) || score >= pass;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* One metric: validation, cleaning and comparison. */
#include "judge/judge.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "judge/clean.h"
#include "judge/effect.h"
#include "judge/interval.h"
#include "judge/rank_sum.h"

#define EXPECTED_LEAST 5.0  /* of values off the common one, for the score to be normal */
#define CONSTANTS_NEAR 1e-4 /* of the greater: where Kayenta's noise drowns the difference */

/* What one comparison is about. */
struct comparison {
	const struct judge_config *config;
	const struct judge_metric *metric;
	struct judge_side x, y; /* canary, baseline */
	int exponent;		/* the values are scaled by 2 to this, less */
	struct judge_result *out;
};

static int give_reason(struct judge_result *out, const char *format, const char *name)
{
	if (asprintf(&out->reason, format, name) >= 0)
		return 0;
	out->reason = NULL;
	return -ENOMEM;
}

/* ---- validation ---- */

/* Missing data, or too few to say anything. */
static int label_nodata(struct comparison *c, enum judge_rule rule, const char *reason)
{
	const struct judge_metric *m = c->metric;

	c->out->why.rule = rule;
	if (m->must_have_data && !m->is_critical) {
		c->out->label = JUDGE_NODATA_FAIL_METRIC;
	} else {
		c->out->label = JUDGE_NODATA;
		c->out->is_critical = m->is_critical;
	}
	return give_reason(c->out, reason, m->name);
}

static bool is_constant(const struct judge_side *side)
{
	return side->sorted[0] == side->sorted[side->count - 1];
}

static bool is_identical(const struct judge_side *x, const struct judge_side *y)
{
	if (x->count != y->count)
		return false;
	for (size_t i = 0; i < x->count; i++)
		if (x->sorted[i] != y->sorted[i])
			return false;
	return true;
}

/* The normal quantile, below 0, at which intervals end. */
static double level_quantile(const struct judge_config *c)
{
	return judge_normal_quantile((1.0 - c->confidence) / 2.0);
}

/* Whether no values of so many points could close an interval. */
static bool is_too_few(const struct comparison *c)
{
	return c->config->mode == JUDGE_EXACT &&
	       rank_sum_score_max(c->x.count, c->y.count) <= -level_quantile(c->config);
}

/* ---- comparison ---- */

/* A bare interval where neither side varies; what Kayenta's noise makes of it when it is certain. */
static int locate_constants(struct comparison *c, struct judge_interval *shift)
{
	double a = c->x.sorted[0], b = c->y.sorted[0];

	if ((c->x.count == 1 && (c->y.count == 1 || b == 0.0)) || (c->y.count == 1 && a == 0.0))
		return -EDOM;
	c->out->why.rule = JUDGE_RULE_CONSTANTS;
	if (fabs(a - b) < CONSTANTS_NEAR * fmax(fabs(a), fabs(b)))
		c->out->why.rule = JUDGE_RULE_CONSTANTS_NEAR;
	shift->low = shift->high = shift->estimate = a - b;
	return 0;
}

static int locate_samples(const struct comparison *c, const struct rank_sum *r,
			  struct judge_interval *shift)
{
	double tolerance = JUDGE_EXACT_SPAN * (rank_sum_high(r) - rank_sum_low(r));
	int error;

	if (c->config->mode == JUDGE_KAYENTA)
		return judge_interval(r, c->config->confidence, JUDGE_KAYENTA_ROOT, shift);
	error = judge_interval(r, c->config->confidence, tolerance, shift);
	if (!error)
		judge_interval_sharpen(r, tolerance, shift);
	return error;
}

/* The shift with its interval, and what is said besides of the two samples. */
static int locate(struct comparison *c, struct judge_interval *shift)
{
	struct judge_why *why = &c->out->why;
	struct rank_sum *r = NULL;
	int error = rank_sum_new(c->x.sorted, c->x.count, c->y.sorted, c->y.count, &r);

	if (error)
		return error;
	why->cles = rank_sum_cles(r);
	why->p_value = rank_sum_p_value(r, true);
	if (rank_sum_expected(r) < EXPECTED_LEAST || rank_sum_score(r, 0.0, true, &why->score))
		why->score = NAN;
	if (is_constant(&c->x) && is_constant(&c->y))
		error = locate_constants(c, shift);
	else
		error = locate_samples(c, r, shift);
	rank_sum_free(r);
	return error;
}

/* Whether the interval lies beyond the bound: above with a @sign of 1, below with -1. */
static bool is_beyond(const struct comparison *c, const struct judge_interval *shift, double sign)
{
	const struct judge_why *why = &c->out->why;
	double near = sign > 0.0 ? shift->low : -shift->high;

	if (why->rule == JUDGE_RULE_CONSTANTS_NEAR)
		return false;
	if (c->config->mode == JUDGE_KAYENTA)
		return near > why->bound;
	if (shift->is_low_clamped || shift->is_high_clamped)
		return false;
	return near > why->bound || (near == 0.0 && sign * why->score > -level_quantile(c->config));
}

static enum judge_label label_of(const struct comparison *c)
{
	const struct judge_metric *m = c->metric;
	const struct judge_why *why = &c->out->why;

	if (m->direction != JUDGE_DECREASE && why->is_above &&
	    (isnan(why->effect) || why->effect >= m->allowed_increase))
		return JUDGE_HIGH;
	if (m->direction != JUDGE_INCREASE && why->is_below &&
	    (isnan(why->effect) || why->effect <= m->allowed_decrease))
		return JUDGE_LOW;
	return JUDGE_PASS;
}

static bool is_critical(const struct judge_metric *m, enum judge_label label, double effect)
{
	if (!m->is_critical || label == JUDGE_PASS)
		return false;
	if (label == JUDGE_HIGH)
		return isnan(effect) || effect >= m->critical_increase;
	return isnan(effect) || effect <= m->critical_decrease;
}

static int give_label(struct comparison *c, enum judge_label label)
{
	struct judge_result *out = c->out;

	out->label = label;
	out->is_critical = is_critical(c->metric, label, out->why.effect);
	if (label == JUDGE_PASS)
		return 0;
	if (label == JUDGE_HIGH)
		return give_reason(out,
				   out->is_critical
					   ? "The metric %s was classified as High (Critical)"
					   : "%s was classified as High",
				   c->metric->name);
	return give_reason(out,
			   out->is_critical ? "The metric %s was classified as Low (Critical)"
					    : "%s was classified as Low",
			   c->metric->name);
}

static int label_error(struct comparison *c)
{
	struct judge_result *out = c->out;

	out->label = JUDGE_ERROR;
	out->why.rule = JUDGE_RULE_FAILED;
	out->ratio = NAN;
	out->is_critical = c->config->mode == JUDGE_EXACT && c->metric->is_critical;
	return give_reason(out, "%s", "Metric Classification Failed");
}

static int compare(struct comparison *c)
{
	struct judge_interval shift = {.confidence = c->config->confidence};
	struct judge_why *why = &c->out->why;
	int error;

	why->rule = JUDGE_RULE_INTERVAL;
	error = locate(c, &shift);
	if (error == -EDOM)
		return label_error(c);
	if (error)
		return error;
	c->out->ratio = judge_mean_ratio(&c->out->experiment, &c->out->control);
	why->effect = c->metric->effect == JUDGE_CLES ? why->cles : c->out->ratio;
	why->bound = c->config->tolerance * fabs(shift.estimate);
	why->shift = shift;
	why->is_above = is_beyond(c, &shift, 1.0);
	why->is_below = is_beyond(c, &shift, -1.0);
	return give_label(c, label_of(c));
}

static int classify(struct comparison *c)
{
	struct judge_result *out = c->out;

	if (!c->x.count || !c->y.count) {
		if (c->metric->nan == JUDGE_NAN_REMOVE)
			return label_nodata(c, JUDGE_RULE_NO_DATA, "Missing data for %s");
		out->why.rule = JUDGE_RULE_NO_DATA;
		return 0;
	}
	if (is_identical(&c->x, &c->y)) {
		out->why.rule = JUDGE_RULE_IDENTICAL;
		return give_reason(out, "%s", "The Canary and Baseline data are identical");
	}
	if (is_constant(&c->x) && is_constant(&c->y) && c->x.sorted[0] == c->y.sorted[0]) {
		out->why.rule = JUDGE_RULE_ONE_VALUE;
		return 0;
	}
	if (is_too_few(c))
		return label_nodata(c, JUDGE_RULE_TOO_FEW, "Too few points to judge %s");
	return compare(c);
}

/* ---- all of it ---- */

static int clean(struct comparison *c, const struct judge_pair *pair)
{
	bool is_exact = c->config->mode == JUDGE_EXACT;
	int error = judge_clean_values(&pair->experiment, c->metric->nan, is_exact, &c->x);

	if (!error)
		error = judge_clean_values(&pair->control, c->metric->nan, is_exact, &c->y);
	if (error)
		return error;
	if (is_exact)
		c->exponent = judge_scale_exponent(&c->x, &c->y);
	judge_scale(&c->x, c->exponent);
	judge_scale(&c->y, c->exponent);
	error = judge_clean_finish(c->metric, &c->x);
	return error ? error : judge_clean_finish(c->metric, &c->y);
}

static void describe(struct comparison *c)
{
	struct judge_result *out = c->out;

	judge_summarise(c->x.values, c->x.count, &out->experiment);
	judge_summarise(c->y.values, c->y.count, &out->control);
	out->why.experiment_dropped = c->x.dropped;
	out->why.control_dropped = c->y.dropped;
	out->why.experiment_median = judge_percentile(c->x.sorted, c->x.count, 50.0);
	out->why.control_median = judge_percentile(c->y.sorted, c->y.count, 50.0);
}

/* Back to the samples' unit. */
static void unscale(struct judge_result *out, int exponent)
{
	double *numbers[] = {
		&out->experiment.min,	  &out->experiment.max, &out->experiment.mean,
		&out->experiment.std,	  &out->control.min,	&out->control.max,
		&out->control.mean,	  &out->control.std,	&out->why.experiment_median,
		&out->why.control_median, &out->why.shift.low,	&out->why.shift.high,
		&out->why.shift.estimate, &out->why.bound,
	};

	for (size_t i = 0; exponent && i < sizeof(numbers) / sizeof(*numbers); i++)
		*numbers[i] = ldexp(*numbers[i], exponent);
}

int judge_metric(const struct judge_config *c, const struct judge_metric *m,
		 const struct judge_pair *pair, struct judge_result *out)
{
	static const struct judge_interval no_interval = {
		.low = NAN, .high = NAN, .estimate = NAN, .confidence = NAN};
	struct judge_result made = {
		.metric = m,
		.ratio = 1.0,
		.why = {.shift = no_interval,
			.p_value = NAN,
			.cles = NAN,
			.effect = NAN,
			.bound = NAN,
			.score = NAN},
	};
	struct comparison comparison = {.config = c, .metric = m, .out = &made};
	int error;

	if (m->removes_outliers && !(m->outlier_factor > 0.0))
		return -EINVAL;
	error = clean(&comparison, pair);
	if (!error) {
		describe(&comparison);
		error = classify(&comparison);
		unscale(&made, comparison.exponent);
	}
	judge_side_fini(&comparison.x);
	judge_side_fini(&comparison.y);
	if (error)
		free(made.reason);
	else
		*out = made;
	return error;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the judgement of a canary by time series of metrics: samples in, verdict out. The stages are
 * those of Kayenta's judge (NetflixACAJudge-v1.0): data are validated (metric.c), cleaned (clean.c) and
 * compared (metric.c, interval.c), and the labels make a score (score.c). No I/O, no clock, no chance.
 *
 * By JUDGE_KAYENTA label, score, reason and statistics are Kayenta's on the same data. JUDGE_EXACT
 * keeps its rules, except that
 * - the interval's ends are differences of two values, to the last digit, not to 1e-4 of the unit;
 * - an interval that ends at 0 itself, as those of counts with many zeros do, is beyond 0 where the
 *   test refuses a shift of 0;
 * - an interval with an end that the test could not close shows no difference, and where the
 *   samples are too few to close any, that is missing data;
 * - infinities are no numbers, and no size of a number overflows;
 * - a critical metric that cannot be compared fails the canary.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "judge/summary.h"

enum judge_mode {
	JUDGE_EXACT,
	JUDGE_KAYENTA,
};

enum judge_direction {
	JUDGE_EITHER,
	JUDGE_INCREASE,
	JUDGE_DECREASE,
};

enum judge_nan {
	JUDGE_NAN_REMOVE,
	JUDGE_NAN_REPLACE, /* by 0.0 */
};

enum judge_effect {
	JUDGE_MEAN_RATIO, /* mean of the canary / mean of the baseline */
	JUDGE_CLES,	  /* the probability that a value of the canary is the greater */
};

enum judge_label {
	JUDGE_PASS,
	JUDGE_HIGH,
	JUDGE_LOW,
	JUDGE_NODATA,
	JUDGE_NODATA_FAIL_METRIC,
	JUDGE_ERROR,
	JUDGE_LABEL_MAX,
};

enum judge_verdict {
	JUDGE_VERDICT_PASS,
	JUDGE_VERDICT_MARGINAL,
	JUDGE_VERDICT_FAIL,
	JUDGE_VERDICT_MAX,
};

/* What a metric's label came from. */
enum judge_rule {
	JUDGE_RULE_NO_DATA,
	JUDGE_RULE_TOO_FEW,   /* points to close an interval, whatever their values; exact only */
	JUDGE_RULE_IDENTICAL, /* both sides hold the same values */
	JUDGE_RULE_ONE_VALUE, /* ... which is the only one */
	JUDGE_RULE_CONSTANTS_NEAR, /* one value each, so near that they count as one */
	JUDGE_RULE_CONSTANTS,	   /* one value each */
	JUDGE_RULE_INTERVAL,
	JUDGE_RULE_FAILED, /* could not be compared */
	JUDGE_RULE_MAX,
};

struct judge_metric {
	const char *name;
	const char *const *groups;
	size_t group_count;
	enum judge_direction direction; /* in which a change does harm */
	enum judge_nan nan;
	bool removes_outliers;
	double outlier_factor; /* quartile distances beyond the quartiles; above 0 */
	bool is_critical, must_have_data, is_muted;
	enum judge_effect effect;
	double allowed_increase, allowed_decrease; /* of the effect: a change short of it is none */
	double critical_increase, critical_decrease;
};

struct judge_weight {
	const char *group;
	double weight; /* percent */
};

struct judge_config {
	const struct judge_metric *metrics;
	size_t metric_count;
	const struct judge_weight *weights;
	size_t weight_count;
	enum judge_mode mode;
	double tolerance;      /* fraction of the shift that is none: JUDGE_TOLERANCE */
	double confidence;     /* of intervals: JUDGE_CONFIDENCE */
	double pass, marginal; /* the least scores of these verdicts */
};

#define JUDGE_NAME	   "NetflixACAJudge-v1.0"
#define JUDGE_TOLERANCE	   0.25
#define JUDGE_CONFIDENCE   0.98
#define JUDGE_POINTS_WISH  50	 /* with fewer, Kayenta warns of low confidence */
#define JUDGE_EXACT_SPAN   1e-12 /* tolerance of an interval's ends, of the span of shifts */
#define JUDGE_KAYENTA_ROOT 1e-4	 /* the same in Kayenta: absolute, in the metric's unit */

struct judge_series {
	const double *values; /* NaN: no value at that time */
	size_t count;
};

/* One metric's samples. */
struct judge_pair {
	const char *name;
	struct judge_series experiment; /* the canary */
	struct judge_series control;	/* the baseline */
};

struct judge_dropped {
	size_t nan, infinite, outliers;
};

/* The canary less the baseline. */
struct judge_interval {
	double low, high, estimate;
	double confidence;
	bool is_low_clamped, is_high_clamped; /* the test could not close this end */
};

/* Why a metric has its label; numbers that do not exist are NaN. */
struct judge_why {
	enum judge_rule rule;
	struct judge_dropped experiment_dropped, control_dropped;
	double experiment_median, control_median;
	struct judge_interval shift;
	double p_value; /* of "no difference", two-sided, with continuity correction */
	double cles;
	double effect;		 /* by the metric's measure */
	double bound;		 /* what the shift's near end has to exceed */
	double score;		 /* of a shift of 0: rank_sum_score() */
	bool is_above, is_below; /* the interval lies beyond the bound */
};

struct judge_result {
	const struct judge_metric *metric;
	enum judge_label label;
	char *reason; /* NULL: none */
	bool is_critical;
	double ratio; /* mean ratio, or what Kayenta reports in its place; NaN: none */
	struct judge_stats experiment, control;
	struct judge_why why;
};

struct judge_group {
	const char *name;
	double score; /* percent of passes; 0 without data */
	bool has_data;
};

struct judge_score {
	double score; /* 0 .. 100 unless weights sum to more; two decimals */
	enum judge_verdict verdict;
	char *reason; /* NULL: none */
};

struct judge_report {
	struct judge_result *results; /* one a pair, in their order */
	size_t result_count;
	struct judge_group *groups; /* in the order in which they are met */
	size_t group_count;
	struct judge_score score;
};

/* A metric as Kayenta takes it where nothing is said; thresholds depend on the measure. */
void judge_metric_init(struct judge_metric *m, const char *name, enum judge_effect effect);
/* Neither metrics nor weights; 75 to pass, 50 for marginal. */
void judge_config_init(struct judge_config *c);

/*
 * judge_run() - judge a canary.
 * @c, @pairs: must outlive the report; each pair's metric is the first of its name
 * @out: judge_report_fini() it; unchanged on failure
 *
 * Returns 0; -ENOENT where a pair has no metric; -EINVAL where outliers are to be removed by a
 * factor that is not above 0; or -ENOMEM.
 */
int judge_run(const struct judge_config *c, const struct judge_pair *pairs, size_t count,
	      struct judge_report *out);
void judge_report_fini(struct judge_report *report);

/*
 * judge_metric() - one metric alone: the label and all that explains it.
 * @out: free its reason; unchanged on failure
 *
 * Returns 0, -EINVAL (the outlier factor) or -ENOMEM.
 */
int judge_metric(const struct judge_config *c, const struct judge_metric *m,
		 const struct judge_pair *pair, struct judge_result *out);

/* "Pass", "High", ..., as Kayenta writes them. */
const char *judge_label_name(enum judge_label label);
const char *judge_verdict_name(enum judge_verdict verdict);
const char *judge_effect_name(enum judge_effect effect);

// SPDX-License-Identifier: GPL-2.0-or-later
/* Kayenta's judge and R by their own results: each vector of a file is a test.
 * judge_vectors_test [FILE] */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/interval.h"
#include "judge/rank_sum.h"
#include "judge/rival.h"
#include "judge/score.h"
#include "judge/windows.h"
#include "judge_io/canary.h"
#include "judge_io/samples.h"
#include "judge_vector.h"
#include "judge_vector_samples.h"

#define VECTORS "tests/judge/kayenta_vectors.json"

/* ---- ranks ---- */

static double score_at(const struct rank_sum *r, double shift, double quantile, bool is_corrected)
{
	double score = NAN;

	assert_int_equal(rank_sum_score(r, shift, is_corrected, &score), 0);
	return score - quantile;
}

static double locate(const struct rank_sum *r, double quantile, bool is_corrected, double tolerance)
{
	double shift = NAN;

	assert_int_equal(judge_locate(r, quantile, is_corrected, tolerance, &shift), 0);
	return shift;
}

static void run_intermediate(const struct vector *v)
{
	struct rank_sum *r = rank_sum_of(v);
	double upper = judge_normal_quantile((1.0 - input(v, "conf_level")) / 2.0);
	double low = rank_sum_low(r), high = rank_sum_high(r);

	expect(v, "mu_min", low);
	expect(v, "mu_max", high);
	expect(v, "zq_lower", -upper);
	expect(v, "zq_upper", upper);
	expect(v, "f_lower_at_zq_lower", score_at(r, low, -upper, true));
	expect(v, "f_upper_at_zq_lower", score_at(r, high, -upper, true));
	expect(v, "f_lower_at_zq_upper", score_at(r, low, upper, true));
	expect(v, "f_upper_at_zq_upper", score_at(r, high, upper, true));
	expect(v, "ci_low_root", locate(r, -upper, true, JUDGE_KAYENTA_ROOT));
	expect(v, "ci_high_root", locate(r, upper, true, JUDGE_KAYENTA_ROOT));
	expect(v, "estimate_root", locate(r, 0.0, true, JUDGE_KAYENTA_ROOT));
	rank_sum_free(r);
}

/* The median of all differences lies where the uncorrected score crosses zero. */
static void check_median_of_differences(const struct vector *v, const struct rank_sum *r)
{
	json_t *wanted = json_object_get(v->expected, "hodges_lehmann");
	double step = 1e-9 * (rank_sum_high(r) - rank_sum_low(r));

	if (!wanted)
		return;
	assert_true(score_at(r, lab_number(wanted) - step, 0.0, false) >= 0.0);
	assert_true(score_at(r, lab_number(wanted) + step, 0.0, false) <= 0.0);
}

static void run_wilcox(struct vector *v)
{
	struct rank_sum *r = rank_sum_of(v);
	double range = rank_sum_high(r) - rank_sum_low(r), given = v->tolerance;
	struct judge_interval kayenta, tight;
	double level = input(v, "conf_level");

	assert_int_equal(judge_interval(r, level, JUDGE_KAYENTA_ROOT, &kayenta), 0);
	assert_int_equal(judge_interval(r, level, 1e-13, &tight), 0);
	expect(v, "W", rank_sum_u(r));
	expect(v, "p_value", rank_sum_p_value(r, true));
	expect(v, "p_value_uncorrected", rank_sum_p_value(r, false));
	expect(v, "ci_low", kayenta.low);
	expect(v, "ci_high", kayenta.high);
	expect(v, "kayenta_estimate", kayenta.estimate);
	expect(v, "r_estimate", locate(r, 0.0, false, JUDGE_KAYENTA_ROOT));
	v->tolerance = 1e-6 * range;
	expect(v, "ci_low_tight", tight.low);
	expect(v, "ci_high_tight", tight.high);
	expect(v, "r_estimate_tight", locate(r, 0.0, false, 1e-13));
	v->tolerance = given;
	check_median_of_differences(v, r);
	rank_sum_free(r);
}

static void run_mannwhitney(struct vector *v)
{
	const char *op = text_of(v->inputs, "op");
	struct judge_interval found;
	struct rank_sum *r;

	if (!strcmp(op, "normal_quantile")) {
		expect(v, "value", judge_normal_quantile(input(v, "p")));
	} else if (!strcmp(op, "intermediate")) {
		run_intermediate(v);
	} else if (!strcmp(op, "wilcox_full")) {
		run_wilcox(v);
	} else if (!strcmp(op, "wilcoxon_diff")) {
		r = rank_sum_of(v);
		expect(v, "value", score_at(r, input(v, "mu"), input(v, "quantile"), true));
		rank_sum_free(r);
	} else if (!strcmp(op, "confidence_interval")) {
		r = rank_sum_of(v);
		assert_int_equal(
			judge_interval(r, input(v, "conf_level"), JUDGE_KAYENTA_ROOT, &found), 0);
		expect_within(v, "ci_low", found.low, tolerance_of(v, "tolerance_ci"));
		expect_within(v, "ci_high", found.high, tolerance_of(v, "tolerance_ci"));
		expect_within(v, "estimate", found.estimate, tolerance_of(v, "tolerance_estimate"));
		rank_sum_free(r);
	} else {
		fail_msg("no such operation: %s", op);
	}
}

/* ---- one metric ---- */

static enum judge_direction direction_of(const char *text)
{
	return !strcmp(text, "increase")   ? JUDGE_INCREASE
	       : !strcmp(text, "decrease") ? JUDGE_DECREASE
					   : JUDGE_EITHER;
}

static void take(const struct vector *v, const char *key, double *out)
{
	json_t *value = json_object_get(v->inputs, key);

	*out = value ? lab_number(value) : *out;
}

static void make_metric(const struct vector *v, struct judge_metric *m)
{
	bool is_cles = !strcmp(text_of(v->inputs, "effect_size_measure"), "cles");

	judge_metric_init(m, text_of(v->inputs, "metric_name"),
			  is_cles ? JUDGE_CLES : JUDGE_MEAN_RATIO);
	m->direction = direction_of(text_of(v->inputs, "direction"));
	if (!strcmp(text_of(v->inputs, "nan_strategy"), "replace"))
		m->nan = JUDGE_NAN_REPLACE;
	m->is_critical = json_is_true(json_object_get(v->inputs, "critical"));
	m->must_have_data = json_is_true(json_object_get(v->inputs, "must_have_data"));
	take(v, "allowed_increase", &m->allowed_increase);
	take(v, "allowed_decrease", &m->allowed_decrease);
	take(v, "critical_increase", &m->critical_increase);
	take(v, "critical_decrease", &m->critical_decrease);
}

static void run_classifier(struct vector *v)
{
	struct judge_pair pair = {"", {v->x, v->m}, {v->y, v->n}};
	struct judge_result r = {0};
	struct judge_config c;
	struct judge_metric m;

	judge_config_init(&c);
	c.mode = JUDGE_KAYENTA;
	take(v, "tolerance_fraction", &c.tolerance);
	take(v, "conf_level", &c.confidence);
	make_metric(v, &m);
	if (!strcmp(text_of(v->inputs, "classifier"), "mean_inequality"))
		judge_mean_inequality(&m, &pair, &r);
	else
		assert_int_equal(judge_metric(&c, &m, &pair, &r), 0);
	expect_text(v->expected, "classification", judge_label_name(r.label));
	expect_text(v->expected, "reason", r.reason);
	expect_bool(v->expected, "critical", r.is_critical);
	expect_bool(v->expected, "reason_nonempty", r.reason && *r.reason);
	expect(v, "deviation", r.ratio);
	free(r.reason);
}

/* ---- scores ---- */

static enum judge_label label_of(const char *text)
{
	for (int label = 0; label < JUDGE_LABEL_MAX; label++)
		if (!strcmp(text, judge_label_name((enum judge_label)label)))
			return (enum judge_label)label;
	fail_msg("no such classification: %s", text);
	return JUDGE_PASS;
}

static void expect_groups(json_t *wanted, const struct judge_report *report, double tolerance)
{
	if (!wanted)
		return;
	assert_int_equal(report->group_count, json_object_size(wanted));
	for (size_t i = 0; i < report->group_count; i++) {
		json_t *score = json_object_get(wanted, report->groups[i].name);

		assert_non_null(score);
		assert_true(lab_is_near(report->groups[i].score, lab_number(score), tolerance));
	}
}

/* A canary configuration of a vector's metrics and weights, by the reader of those. */
static int read_canary(const struct vector *v, struct canary *out)
{
	struct source s = {"vector", stderr};
	json_t *config = json_pack("{s:O, s:{s:O}}", "metrics",
				   json_object_get(v->inputs, "metrics"), "classifier",
				   "groupWeights", json_object_get(v->inputs, "group_weights"));
	char *text = json_dumps(config, 0);
	int error = canary_parse(&s, text, strlen(text), out);

	free(text);
	json_decref(config);
	return error;
}

static void run_scores(const struct vector *v)
{
	json_t *metrics = json_object_get(v->inputs, "metrics"), *metric;
	struct judge_report report = {0};
	struct canary canary;
	size_t i;

	assert_int_equal(read_canary(v, &canary), 0);
	report.results = calloc(json_array_size(metrics) + 1, sizeof(*report.results));
	json_array_foreach(metrics, i, metric)
	{
		struct judge_result *r = &report.results[report.result_count++];

		canary.metrics[i].is_muted = json_is_true(json_object_get(metric, "muted"));
		r->metric = &canary.metrics[i];
		r->label = label_of(text_of(metric, "classification"));
		r->is_critical = json_is_true(json_object_get(metric, "critical"));
	}
	assert_int_equal(judge_score_results(&canary.config, &report), 0);
	expect(v, "summary_score", report.score.score);
	expect_groups(json_object_get(v->expected, "group_scores"), &report, v->tolerance);
	judge_report_fini(&report);
	canary_fini(&canary);
}

static void run_score(struct vector *v)
{
	const char *op = text_of(v->inputs, "op");

	if (!strcmp(op, "round2"))
		expect(v, "value", judge_round2(input(v, "value")));
	else if (!strcmp(op, "aggregate"))
		expect_bool(v->expected, "did_pass",
			    judge_final_passes(input(v, "final_score"), input(v, "marginal"),
					       input(v, "pass")));
	else
		run_scores(v);
}

/* ---- whole runs ---- */

static void run_windows(const struct vector *v)
{
	size_t count = (size_t)input(v, "judgements");
	struct judge_plan plan = {
		.warmup_ms = (int64_t)input(v, "warmup_min") * 60000,
		.lookback_ms = (int64_t)input(v, "lookback_min") * 60000,
		.interval_ms = (int64_t)input(v, "interval_min") * 60000,
		.lifetime_ms = (int64_t)(input(v, "interval_min") * (double)count) * 60000,
	};
	json_t *windows = json_object_get(v->expected, "windows_min");

	assert_int_equal(judge_window_count(&plan), count);
	assert_int_equal(json_array_size(windows), count);
	for (size_t i = 0; i < count; i++) {
		json_t *wanted = json_array_get(windows, i);
		struct judge_window w;

		assert_int_equal(judge_window(&plan, i, &w), 0);
		assert_int_equal(w.begin_ms,
				 60000 * (int64_t)lab_number(json_array_get(wanted, 0)));
		assert_int_equal(w.end_ms, 60000 * (int64_t)lab_number(json_array_get(wanted, 1)));
	}
}

static int read_samples(const struct vector *v, struct samples *out)
{
	json_t *pairs = json_array(), *metric;
	struct source s = {"vector", stderr};
	char *text;
	size_t i;
	int error;

	json_array_foreach(json_object_get(v->inputs, "metrics"), i, metric)
	{
		json_array_append_new(pairs,
				      json_pack("{s:O, s:{s:O, s:O}}", "name",
						json_object_get(metric, "name"), "values",
						"experiment", json_object_get(metric, "experiment"),
						"control", json_object_get(metric, "control")));
	}
	text = json_dumps(pairs, 0);
	error = samples_parse_json(&s, text, strlen(text), out);
	free(text);
	json_decref(pairs);
	return error;
}

static void expect_result(json_t *wanted, const struct judge_result *r, double tolerance)
{
	struct vector v = {.expected = wanted, .tolerance = tolerance};

	expect_text(wanted, "name", r->metric->name);
	expect_text(wanted, "classification", judge_label_name(r->label));
	expect_text(wanted, "reason", r->reason);
	expect_bool(wanted, "critical", r->is_critical);
	expect_bool(wanted, "muted", r->metric->is_muted);
	expect(&v, "ratio", r->ratio);
	expect_stats(json_object_get(wanted, "experiment_stats"), &r->experiment, tolerance);
	expect_stats(json_object_get(wanted, "control_stats"), &r->control, tolerance);
}

static void expect_report(const struct vector *v, const struct judge_report *report)
{
	json_t *results = json_object_get(v->expected, "results");

	expect(v, "score", report->score.score);
	expect_text(v->expected, "classification", judge_verdict_name(report->score.verdict));
	expect_text(v->expected, "reason", report->score.reason);
	expect_groups(json_object_get(v->expected, "group_scores"), report, v->tolerance);
	assert_int_equal(report->result_count, json_array_size(results));
	for (size_t i = 0; i < report->result_count; i++)
		expect_result(json_array_get(results, i), &report->results[i], v->tolerance);
}

static void run_judge(struct vector *v)
{
	json_t *thresholds = json_object_get(v->inputs, "score_thresholds");
	struct judge_report report;
	struct samples samples;
	struct canary canary;

	if (!strcmp(text_of(v->inputs, "op"), "windows")) {
		run_windows(v);
		return;
	}
	assert_int_equal(read_canary(v, &canary), 0);
	assert_int_equal(read_samples(v, &samples), 0);
	canary.config.mode = JUDGE_KAYENTA;
	canary.config.pass = lab_number(json_object_get(thresholds, "pass"));
	canary.config.marginal = lab_number(json_object_get(thresholds, "marginal"));
	assert_int_equal(judge_run(&canary.config, samples.pairs, samples.count, &report), 0);
	expect_report(v, &report);
	judge_report_fini(&report);
	samples_fini(&samples);
	canary_fini(&canary);
}

/* ---- the list ---- */

static void run_vector(void **state)
{
	static const struct {
		const char *kind;
		void (*run)(struct vector *v);
	} kinds[] = {
		{"mannwhitney", run_mannwhitney},
		{"effectsize", run_effectsize},
		{"transform", run_transform},
		{"classifier", run_classifier},
		{"score", run_score},
		{"judge", run_judge},
	};
	json_t *json = *state, *tolerance = json_object_get(json, "tolerance");
	struct vector v = {
		.inputs = json_object_get(json, "inputs"),
		.expected = json_object_get(json, "expected"),
		.tolerance = tolerance ? json_number_value(tolerance) : 1e-9,
	};
	json_t *data = json_object_get(v.inputs, "data");
	size_t i;

	v.x = lab_values(data ? data : json_object_get(v.inputs, "experiment"), &v.m);
	v.y = lab_values(json_object_get(v.inputs, "control"), &v.n);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].kind, text_of(json, "kind")))
			break;
	if (i == sizeof(kinds) / sizeof(*kinds))
		fail_msg("no such kind: %s", text_of(json, "kind"));
	kinds[i].run(&v);
	free(v.x);
	free(v.y);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : VECTORS;
	json_error_t error;
	json_t *vectors = json_load_file(path, 0, &error), *vector;
	struct CMUnitTest *tests;
	size_t i;
	int failed;

	if (!json_array_size(vectors)) {
		fprintf(stderr, "%s: %s\n", path, vectors ? "no vectors" : error.text);
		return 1;
	}
	tests = calloc(json_array_size(vectors), sizeof(*tests));
	json_array_foreach(vectors, i, vector)
	{
		tests[i] = (struct CMUnitTest){.name = text_of(vector, "name"),
					       .test_func = run_vector,
					       .initial_state = vector};
	}
	failed = _cmocka_run_group_tests("vectors", tests, json_array_size(vectors), NULL, NULL);
	free(tests);
	json_decref(vectors);
	return failed;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The judge's rules by themselves: what vectors of Kayenta's cannot show, and the exact mode. */
#include <errno.h>
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/clean.h"
#include "judge/explain.h"
#include "judge/interval.h"
#include "judge/rank_sum.h"
#include "lib/count_of.h"
#include "judge_lab.h"

#define MANY 1000000

static uint64_t random_state;

static double uniform(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (double)(random_state >> 11) * 0x1p-53;
}

/* Log-normal, of about the spread latencies have. */
static void draw(double *values, size_t count, double scale)
{
	for (size_t i = 0; i < count; i++) {
		double sum = -6.0;

		for (int j = 0; j < 12; j++)
			sum += uniform();
		values[i] = scale * exp(0.3 * sum);
	}
}

static struct judge_result judged(enum judge_mode mode, const struct judge_metric *m,
				  const double *x, size_t xs, const double *y, size_t ys)
{
	struct judge_pair pair = {m->name, {x, xs}, {y, ys}};
	struct judge_result r;
	struct judge_config c;

	judge_config_init(&c);
	c.mode = mode;
	assert_int_equal(judge_metric(&c, m, &pair, &r), 0);
	return r;
}

/* Label, and whether it is critical, of a metric about which nothing is said. */
static enum judge_label label_of(enum judge_mode mode, const double *x, size_t xs, const double *y,
				 size_t ys)
{
	struct judge_metric m;
	struct judge_result r;

	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	r = judged(mode, &m, x, xs, y, ys);
	free(r.reason);
	return r.label;
}

/* ---- sorting and statistics ---- */

static void sorts_in_the_order_of_doubles(void **state)
{
	double few[] = {3.0, NAN, -0.0, 0.0, -INFINITY, INFINITY, -1.0, 5e-324, -5e-324};
	double *many = calloc(5000, sizeof(double));

	(void)state;
	assert_int_equal(judge_sort(few, COUNT_OF(few)), 0);
	assert_true(few[0] == -INFINITY && few[1] == -1.0 && few[2] == -5e-324);
	assert_true(signbit(few[3]) && few[3] == 0.0 && !signbit(few[4]) && few[5] == 5e-324);
	assert_true(few[6] == 3.0 && few[7] == INFINITY && isnan(few[8]));
	random_state = 1;
	for (size_t i = 0; i < 5000; i++)
		many[i] = i % 7 ? (uniform() - 0.5) * pow(10.0, floor(uniform() * 600.0 - 300.0))
				: few[i % COUNT_OF(few)];
	assert_int_equal(judge_sort(many, 5000), 0);
	for (size_t i = 1; i < 5000; i++)
		assert_true(many[i - 1] <= many[i] || isnan(many[i]));
	free(many);
}

static void describes_nothing_and_one(void **state)
{
	const double tenths[] = {0.1, 0.1, 0.1};
	double one = 7.0;
	struct judge_stats s;

	(void)state;
	assert_true(judge_mean(tenths, 3) == 0.1); /* their sum over 3 is not */
	judge_summarise(&one, 0, &s);
	assert_true(s.count == 0 && s.min == 0.0 && s.max == 0.0 && s.mean == 0.0 && s.std == 0.0);
	judge_summarise(&one, 1, &s);
	assert_true(s.count == 1 && s.min == 7.0 && s.max == 7.0 && s.mean == 7.0 && s.std == 0.0);
	assert_true(isnan(judge_percentile(&one, 0, 50.0)));
	assert_true(judge_percentile(&one, 1, 1.0) == 7.0);
}

/* ---- cleaning ---- */

static void cleans_what_is_no_number(void **state)
{
	const double values[] = {1.0, NAN, INFINITY, 2.0};
	struct judge_series in = {values, COUNT_OF(values)};
	struct judge_side side;

	(void)state;
	assert_int_equal(judge_clean_values(&in, JUDGE_NAN_REMOVE, false, &side), 0);
	assert_true(side.count == 3 && isinf(side.values[1]) && side.dropped.nan == 1);
	judge_side_fini(&side);
	assert_int_equal(judge_clean_values(&in, JUDGE_NAN_REMOVE, true, &side), 0);
	assert_true(side.count == 2 && side.values[1] == 2.0 && side.dropped.infinite == 1);
	judge_side_fini(&side);
	assert_int_equal(judge_clean_values(&in, JUDGE_NAN_REPLACE, true, &side), 0);
	assert_true(side.count == 4 && side.values[1] == 0.0 && side.values[2] == 0.0);
	judge_side_fini(&side);
}

static void removes_outliers_where_asked(void **state)
{
	double values[200];
	struct judge_series in = {values, COUNT_OF(values)};
	struct judge_metric m;
	struct judge_side side;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++)
		values[i] = (double)(i % 10);
	values[5] = 1e6;
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	for (int asked = 0; asked < 2; asked++) {
		m.removes_outliers = asked;
		assert_int_equal(judge_clean_values(&in, JUDGE_NAN_REMOVE, false, &side), 0);
		assert_int_equal(judge_clean_finish(&m, &side), 0);
		assert_int_equal(side.count, COUNT_OF(values) - (size_t)asked);
		assert_int_equal(side.dropped.outliers, asked);
		assert_true(side.sorted[side.count - 1] == (asked ? 9.0 : 1e6));
		judge_side_fini(&side);
	}
}

static void refuses_a_factor_that_is_none(void **state)
{
	const double one = 1.0;
	struct judge_pair pair = {"m", {&one, 1}, {&one, 1}};
	struct judge_result r;
	struct judge_config c;
	struct judge_metric m;

	(void)state;
	judge_config_init(&c);
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	m.outlier_factor = 0.0;
	assert_int_equal(judge_metric(&c, &m, &pair, &r), 0);
	free(r.reason);
	m.removes_outliers = true;
	assert_int_equal(judge_metric(&c, &m, &pair, &r), -EINVAL);
	m.outlier_factor = NAN;
	assert_int_equal(judge_metric(&c, &m, &pair, &r), -EINVAL);
}

/* Thresholds belong to what they allow or call critical. */
static void thresholds_are_inclusive(void **state)
{
	double x[10], y[10];
	struct judge_metric m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(x); i++) {
		y[i] = (double)(10 + i);
		x[i] = 2.0 * y[i];
	}
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	m.is_critical = true;
	for (int step = 0; step < 3; step++) {
		struct judge_result up, down;

		m.allowed_increase = step < 2 ? 2.0 : nextafter(2.0, 3.0);
		m.allowed_decrease = step < 2 ? 0.5 : nextafter(0.5, 0.0);
		m.critical_increase = step < 1 ? 2.0 : nextafter(2.0, 3.0);
		m.critical_decrease = step < 1 ? 0.5 : nextafter(0.5, 0.0);
		up = judged(JUDGE_KAYENTA, &m, x, COUNT_OF(x), y, COUNT_OF(y));
		down = judged(JUDGE_KAYENTA, &m, y, COUNT_OF(y), x, COUNT_OF(x));
		assert_true(up.ratio == 2.0 && down.ratio == 0.5);
		assert_int_equal(up.label, step < 2 ? JUDGE_HIGH : JUDGE_PASS);
		assert_int_equal(down.label, step < 2 ? JUDGE_LOW : JUDGE_PASS);
		assert_true(up.is_critical == (step < 1) && down.is_critical == (step < 1));
		free(up.reason);
		free(down.reason);
	}
}

/* ---- the exact mode ---- */

static void does_not_depend_on_the_unit(void **state)
{
	double x[60], y[60], x2[60], y2[60];

	(void)state;
	random_state = 42;
	for (int round = 0; round < 40; round++) {
		double ratio = round % 2 ? 1.0 : 1.3;
		enum judge_label wanted;

		draw(x, 60, ratio);
		draw(y, 60, 1.0);
		wanted = label_of(JUDGE_EXACT, x, 60, y, 60);
		for (int power = -1000; power <= 1000; power += 250) {
			for (size_t i = 0; i < 60; i++) {
				x2[i] = ldexp(x[i], power);
				y2[i] = ldexp(y[i], power);
			}
			assert_int_equal(label_of(JUDGE_EXACT, x2, 60, y2, 60), wanted);
		}
	}
}

/* What Kayenta misses 5 times of 6: 20 us, told in seconds, three times slower. */
static void sees_small_units(void **state)
{
	double x[30], y[30];
	size_t exact = 0, kayenta = 0;

	(void)state;
	random_state = 43;
	for (int round = 0; round < 30; round++) {
		draw(x, 30, 60e-6);
		draw(y, 30, 20e-6);
		exact += label_of(JUDGE_EXACT, x, 30, y, 30) == JUDGE_HIGH;
		kayenta += label_of(JUDGE_KAYENTA, x, 30, y, 30) == JUDGE_HIGH;
	}
	assert_int_equal(exact, 30);
	assert_true(kayenta < 20);
}

static void too_few_points_are_missing_data(void **state)
{
	const double one[] = {5.0}, few[] = {1.0, 2.0, 3.0}, high[] = {11, 12, 13, 14, 15};
	const double low[] = {1, 2, 3, 4, 5};
	struct judge_metric m;
	struct judge_result r;

	(void)state;
	assert_int_equal(label_of(JUDGE_KAYENTA, one, 1, few, 3), JUDGE_HIGH);
	assert_int_equal(label_of(JUDGE_EXACT, one, 1, few, 3), JUDGE_NODATA);
	assert_int_equal(label_of(JUDGE_EXACT, high, 4, low, 4), JUDGE_NODATA);
	assert_int_equal(label_of(JUDGE_EXACT, high, 5, low, 5), JUDGE_HIGH);
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	m.must_have_data = true;
	r = judged(JUDGE_EXACT, &m, high, 4, low, 4);
	assert_int_equal(r.label, JUDGE_NODATA_FAIL_METRIC);
	assert_string_equal(r.reason, "Too few points to judge m");
	free(r.reason);
	m.is_critical = true;
	r = judged(JUDGE_EXACT, &m, high, 4, low, 4);
	assert_true(r.label == JUDGE_NODATA && r.is_critical);
	free(r.reason);
}

/* Two points against 45: enough for an interval, were it not for the tie at its end. */
static void an_open_interval_shows_nothing(void **state)
{
	const double x[] = {100.0, 101.0};
	double y[45];
	struct judge_metric m;
	struct judge_result r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(y); i++)
		y[i] = (double)(i + 1);
	assert_int_equal(label_of(JUDGE_KAYENTA, x, 2, y, COUNT_OF(y)), JUDGE_HIGH);
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	r = judged(JUDGE_EXACT, &m, x, 2, y, COUNT_OF(y));
	assert_int_equal(r.label, JUDGE_PASS);
	assert_true(r.why.rule == JUDGE_RULE_INTERVAL && r.why.shift.is_low_clamped);
	free(r.reason);
}

static void infinity_is_no_number(void **state)
{
	double x[20], y[20];
	struct judge_metric m;
	struct judge_result r;

	(void)state;
	random_state = 44;
	draw(x, 20, 100.0);
	draw(y, 20, 1.0);
	x[3] = INFINITY;
	assert_int_equal(label_of(JUDGE_KAYENTA, x, 20, y, 20), JUDGE_PASS);
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	r = judged(JUDGE_EXACT, &m, x, 20, y, 20);
	assert_int_equal(r.label, JUDGE_HIGH);
	assert_true(r.experiment.count == 19 && r.why.experiment_dropped.infinite == 1);
	assert_true(isfinite(r.ratio) && isfinite(r.why.shift.low));
	free(r.reason);
	y[0] = -INFINITY;
	x[4] = -INFINITY;
	label_of(JUDGE_KAYENTA, x, 20, y, 20); /* ends */
	assert_int_equal(label_of(JUDGE_EXACT, x, 20, y, 20), JUDGE_HIGH);
}

/* Ties put the interval's end at 0: its sign is the test's, not the search's last digit's. */
static void counts_with_many_zeros(void **state)
{
	double x[60], y[60];

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		x[i] = i % 5 ? 0.0 : 1.0;
		y[i] = 0.0;
	}
	assert_int_equal(label_of(JUDGE_EXACT, x, 60, y, 60), JUDGE_HIGH);
	assert_int_equal(label_of(JUDGE_EXACT, y, 60, x, 60), JUDGE_LOW);
	assert_int_equal(label_of(JUDGE_EXACT, x, 6, y, 60), JUDGE_PASS); /* 2 ones prove nothing */
	for (size_t i = 5; i < 60; i++)
		x[i] = 0.0;
	assert_int_equal(label_of(JUDGE_EXACT, x, 60, y, 60), JUDGE_PASS);
}

/* False alarms of one look: no more than the level allows, whatever the number of points. */
static void seldom_cries_wolf(void **state)
{
	double x[60], y[60];

	(void)state;
	random_state = 45;
	for (size_t n = 2; n <= 60; n = n < 8 ? n + 1 : n * 2) {
		size_t alarms = 0;

		for (int round = 0; round < 1000; round++) {
			enum judge_label label;

			draw(x, n, 1.0);
			draw(y, n, 1.0);
			label = label_of(JUDGE_EXACT, x, n, y, n);
			alarms += label == JUDGE_HIGH || label == JUDGE_LOW;
		}
		assert_true(alarms <= 20);
		assert_true(n >= 5 || !alarms);
	}
}

static void an_error_of_a_critical_metric_fails(void **state)
{
	struct judge_metric m;
	const double x = 5.0, y = 3.0, zeros[5] = {0};
	struct judge_pair pair = {"m", {&x, 1}, {zeros, COUNT_OF(zeros)}};
	struct judge_result r;
	struct judge_config c;

	(void)state;
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	m.is_critical = true;
	r = judged(JUDGE_KAYENTA, &m, &x, 1, &y, 1);
	assert_true(r.label == JUDGE_ERROR && !r.is_critical && isnan(r.ratio));
	assert_string_equal(r.reason, "Metric Classification Failed");
	free(r.reason);
	r = judged(JUDGE_EXACT, &m, &x, 1, &y, 1);
	assert_true(r.label != JUDGE_PASS && r.is_critical);
	free(r.reason);
	judge_config_init(&c); /* at a level for which a point is not too few */
	c.confidence = 0.5;
	assert_int_equal(judge_metric(&c, &m, &pair, &r), 0);
	assert_true(r.label == JUDGE_ERROR && r.is_critical && isnan(r.ratio));
	free(r.reason);
}

static void every_label_is_explained(void **state)
{
	const double none[1] = {0}, five[] = {1, 2, 3, 4, 5}, up[] = {11, 12, 13, 14, 15};
	const double same[] = {2, 2, 2, 2, 2, 2}, other[] = {3, 3, 3, 3, 3, 3};
	const struct {
		const double *x;
		size_t m;
		const double *y;
		size_t n;
		enum judge_rule rule;
	} cases[] = {
		{none, 0, five, 5, JUDGE_RULE_NO_DATA},	   {five, 2, up, 2, JUDGE_RULE_TOO_FEW},
		{five, 5, five, 5, JUDGE_RULE_IDENTICAL},  {same, 5, same, 6, JUDGE_RULE_ONE_VALUE},
		{same, 6, other, 6, JUDGE_RULE_CONSTANTS}, {up, 5, five, 5, JUDGE_RULE_INTERVAL},
	};
	char text[JUDGE_EXPLAIN_LEN];
	struct judge_metric m;

	(void)state;
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct judge_result r =
			judged(JUDGE_EXACT, &m, cases[i].x, cases[i].m, cases[i].y, cases[i].n);

		assert_int_equal(r.why.rule, cases[i].rule);
		assert_true(strlen(judge_explain(&r, text)) > 10);
		free(r.reason);
	}
}

/* ---- numbers at the ends of double ---- */

static void no_number_is_too_great_or_small(void **state)
{
	const double scales[] = {1e-320, DBL_MIN, 1e-300, 1.0, 1e300, 8e306};
	double x[40], y[40];
	struct judge_metric m;

	(void)state;
	judge_metric_init(&m, "m", JUDGE_MEAN_RATIO);
	for (size_t s = 0; s < COUNT_OF(scales); s++) {
		struct judge_result r;

		for (size_t i = 0; i < 40; i++) {
			x[i] = scales[s] * (double)(12 + i % 10);
			y[i] = scales[s] * (double)(1 + i % 11);
		}
		r = judged(JUDGE_EXACT, &m, x, 40, y, 40);
		assert_int_equal(r.label, JUDGE_HIGH);
		assert_true(isfinite(r.experiment.mean) && isfinite(r.experiment.std));
		assert_true(r.experiment.max == x[9] && r.control.min == y[0]);
		assert_true(r.ratio > 2.0 && r.ratio < 4.0);
		free(r.reason);
		label_of(JUDGE_KAYENTA, x, 40, y, 40); /* ends */
	}
	for (size_t i = 0; i < 40; i++) { /* what lies between them is no double */
		x[i] = i % 2 ? DBL_MAX : -DBL_MAX;
		y[i] = i % 3 ? -DBL_MAX : DBL_MAX;
	}
	assert_true(label_of(JUDGE_EXACT, x, 40, y, 40) < JUDGE_LABEL_MAX);
	assert_true(label_of(JUDGE_KAYENTA, x, 40, y, 40) < JUDGE_LABEL_MAX);
}

/* What takes time by the square of the points would take days. */
static void a_million_points(void **state)
{
	double *x = malloc(MANY * sizeof(double)), *y = malloc(MANY * sizeof(double));

	(void)state;
	random_state = 46;
	for (size_t i = 0; i < MANY; i++) {
		x[i] = uniform() * 1.05;
		y[i] = uniform();
	}
	assert_int_equal(label_of(JUDGE_EXACT, x, MANY, y, MANY), JUDGE_HIGH);
	for (size_t i = 0; i < MANY; i++)
		x[i] = y[i] = 4.0;
	x[0] = 5.0;
	assert_int_equal(label_of(JUDGE_KAYENTA, x, MANY, y, MANY), JUDGE_PASS);
	free(x);
	free(y);
}

static void quantiles_reach_the_tails(void **state)
{
	const double tails[] = {1e-300, 1e-100, 1e-20, 1e-9, 1e-3, 0.2, 0.4999};

	(void)state;
	assert_true(judge_normal_quantile(0.5) == 0.0 || fabs(judge_normal_quantile(0.5)) < 1e-15);
	assert_true(judge_normal_quantile(0.0) == -INFINITY);
	assert_true(judge_normal_quantile(1.0) == INFINITY);
	assert_true(isnan(judge_normal_quantile(NAN)) && isnan(judge_normal_quantile(-1.0)));
	for (size_t i = 0; i < COUNT_OF(tails); i++) {
		double back = erfc(-judge_normal_quantile(tails[i]) * M_SQRT1_2) / 2.0;

		assert_true(fabs(back / tails[i] - 1.0) < 1e-11);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_in_the_order_of_doubles),
		cmocka_unit_test(describes_nothing_and_one),
		cmocka_unit_test(cleans_what_is_no_number),
		cmocka_unit_test(removes_outliers_where_asked),
		cmocka_unit_test(refuses_a_factor_that_is_none),
		cmocka_unit_test(thresholds_are_inclusive),
		cmocka_unit_test(does_not_depend_on_the_unit),
		cmocka_unit_test(sees_small_units),
		cmocka_unit_test(too_few_points_are_missing_data),
		cmocka_unit_test(an_open_interval_shows_nothing),
		cmocka_unit_test(infinity_is_no_number),
		cmocka_unit_test(counts_with_many_zeros),
		cmocka_unit_test(seldom_cries_wolf),
		cmocka_unit_test(an_error_of_a_critical_metric_fails),
		cmocka_unit_test(every_label_is_explained),
		cmocka_unit_test(no_number_is_too_great_or_small),
		cmocka_unit_test(a_million_points),
		cmocka_unit_test(quantiles_reach_the_tails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

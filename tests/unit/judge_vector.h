/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns a vector of the judge's while it runs, and how what came is held against what should have. */
#pragma once

#include "judge_lab.h"

/* One vector while it runs. */
struct vector {
	json_t *inputs, *expected;
	double tolerance;
	double *x, *y; /* experiment and control, or data */
	size_t m, n;
};

static inline const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static inline double input(const struct vector *v, const char *key)
{
	return lab_number(json_object_get(v->inputs, key));
}

static inline void expect_within(const struct vector *v, const char *key, double value,
				 double tolerance)
{
	json_t *wanted = json_object_get(v->expected, key);

	if (wanted && !lab_is_near(value, lab_number(wanted), tolerance))
		fail_msg("%s: %.17g, wanted %.17g", key, value, lab_number(wanted));
}

static inline void expect(const struct vector *v, const char *key, double value)
{
	expect_within(v, key, value, v->tolerance);
}

/* Where a vector has a tolerance for this number alone. */
static inline double tolerance_of(const struct vector *v, const char *key)
{
	json_t *own = json_object_get(v->expected, key);

	return own ? lab_number(own) : v->tolerance;
}

static inline void expect_text(json_t *expected, const char *key, const char *text)
{
	json_t *wanted = json_object_get(expected, key);

	if (wanted)
		assert_string_equal(text ? text : "",
				    json_is_string(wanted) ? json_string_value(wanted) : "");
}

static inline void expect_bool(json_t *expected, const char *key, bool value)
{
	json_t *wanted = json_object_get(expected, key);

	if (wanted)
		assert_int_equal(value, json_is_true(wanted));
}

static inline void expect_stats(json_t *wanted, const struct judge_stats *stats, double tolerance)
{
	struct vector v = {.expected = wanted, .tolerance = tolerance};

	expect(&v, "min", stats->min);
	expect(&v, "max", stats->max);
	expect(&v, "mean", stats->mean);
	expect(&v, "std", stats->std);
	expect(&v, "count", (double)stats->count);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics from Prometheus: queries from templates, values from answers. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/http.h"
#include "metrics_source/moment.h"
#include "metrics_source/range.h"
#include "model/query.h"
#include "lib/count_of.h"

/* ---- templates ---- */

static void expect_query(const char *template, const char *pool, const char *wanted)
{
	struct query_values v = {"web", pool, 1700000000000, 1700000600250, 15000, "base"};
	struct query_error error;
	char *query = NULL;
	int err = query_expand(template, &v, &query, &error);

	if (err)
		fail_msg("%s: %zu: %s", template, error.column, error.text);
	assert_string_equal(query, wanted);
	free(query);
}

static void expect_refused(const char *template, const char *pool, size_t column, const char *why)
{
	struct query_values v = {"web", pool, 0, 0, 1000, "base"};
	struct query_error error;
	char *query = NULL;

	assert_int_equal(query_expand(template, &v, &query, &error), -EINVAL);
	assert_null(query);
	assert_int_equal(error.column, column);
	assert_non_null(strstr(error.text, why));
}

static void values_take_their_places(void **state)
{
	(void)state;
	expect_query("rate(x{s=\"${service}\",p='${pool}'}[${step}] @ ${end}) + ${start}", "canary",
		     "rate(x{s=\"web\",p='canary'}[15000ms] @ 1700000600.250) + 1700000000.000");
	expect_query("x{p=\"${scope}\"} / x{p=\"$\\{scope}\"}", "b", "x{p=\"b\"} / x{p=\"b\"}");
	expect_query("x{p='${pool}'} / x{p='${control}'}", "b", "x{p='b'} / x{p='base'}");
	expect_query("$x + {} $", "b", "$x + {} $");
	expect_query("requests_${pool}_total", "b_1", "requests_b_1_total");
}

static void names_do_not_leave_their_strings(void **state)
{
	(void)state;
	expect_query("x{p=\"${pool}\"}", "a\"b'c\\d\n", "x{p=\"a\\x22b\\x27c\\x5cd\\x0a\"}");
	expect_query("x{p=`${pool}`}", "a\"\\", "x{p=`a\"\\`}");
	expect_query("x{q=\"\\\"\",p=\"${pool}\"}", "a\"", "x{q=\"\\\"\",p=\"a\\x22\"}");
	expect_query("# it's\nx{p=\"${pool}\"}", "a'", "# it's\nx{p=\"a\\x27\"}");
	expect_refused("x{p=`${pool}`}", "a`b", 6, "between backticks");
	expect_refused("x_${pool}", "a-b", 3, "put quotes round it");
	expect_refused("x{p=\"a\"}${pool}", "}", 9, "put quotes round it");
}

static void names_are_no_patterns(void **state)
{
	(void)state;
	expect_query("x{p=~\"${pool}\"}", "v1.2", "x{p=~\"v1\\\\.2\"}");
	expect_query("x{p!~ '${pool}|b.*'}", "a|\\", "x{p!~ 'a\\\\|\\\\\\x5c|b.*'}");
	expect_query("x{p=~`${pool}`,q=\"${pool}\"}", "v1.2", "x{p=~`v1\\.2`,q=\"v1.2\"}");
}

static void unknown_places_are_told(void **state)
{
	(void)state;
	expect_refused("x{p=\"${location}\"}", "a", 6, "${location} is not known");
	expect_refused("x{p=\"${poo}\"}", "a", 6, "${poo} is not known");
	expect_refused("x ${}", "a", 3, "${} is not known");
	expect_refused("x ${pool", "a", 3, "without its");
}

static void what_is_broken_is_told(void **state)
{
	static const struct {
		const char *template;
		size_t column; /* 0: nothing is wrong */
		const char *unknown;
	} of[] = {
		{"sum(rate(x{p=~\"${pool}|(\"}[${step}])) # )", 0, ""},
		{"x{p='\\'${pool}'} / y[5m:]", 0, ""},
		{"x{p=`\\`} + ${start}", 0, ""},
		{"${", 1, ""},
		{"x ${stepp}", 3, "stepp"},
		{"x{p='\\'}", 5, ""},
		{"(x[5m)]", 6, ""},
		{"((x)", 1, ""},
		{"x}", 2, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(of); i++) {
		struct query_error error = {0};

		assert_int_equal(query_check(of[i].template, &error), of[i].column ? -EINVAL : 0);
		assert_int_equal(error.column, of[i].column);
		assert_string_equal(error.unknown, of[i].unknown);
	}
}

/* ---- answers ---- */

static const struct range_grid grid = {1700000000000, 1700000004000, 1000};

/* What was said of the answer is for the caller to free. */
static int parse(const char *text, bool is_summed, struct range *out, char **said)
{
	size_t len;
	FILE *file = open_memstream(said, &len);
	struct source s = {"prometheus", file};
	int error;

	assert_non_null(file);
	error = range_parse(&s, text, strlen(text), &grid, is_summed, out);
	fclose(file);
	return error;
}

static void expect_values(const char *text, bool is_summed, const double *wanted, size_t count)
{
	struct range range = {0};
	char *said = NULL;

	if (parse(text, is_summed, &range, &said))
		fail_msg("%s", said);
	assert_string_equal(said, "");
	assert_int_equal(range.count, count);
	for (size_t i = 0; i < count; i++)
		if (isnan(wanted[i]) ? !isnan(range.values[i]) : range.values[i] != wanted[i])
			fail_msg("step %zu: %g, wanted %g", i, range.values[i], wanted[i]);
	range_fini(&range);
	free(said);
}

static void expect_complaint(const char *text, const char *wanted)
{
	struct range range = {0};
	char *said = NULL;

	assert_int_equal(parse(text, false, &range, &said), -EINVAL);
	assert_null(range.values);
	if (!strstr(said, wanted))
		fail_msg("\"%s\", wanted \"%s\"", said, wanted);
	free(said);
}

#define MATRIX(result) \
	"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" result "]}}"
#define SERIES(labels, values) "{\"metric\":{" labels "},\"values\":[" values "]}"

static void a_series_is_its_values(void **state)
{
	static const double wanted[] = {0.5, 1e-7, 12345, -3, 0};

	(void)state;
	expect_values(MATRIX(SERIES("\"pool\":\"canary\"",
				    "[1700000000,\"0.5\"],[1700000001,\"1e-07\"],[1700000002,"
				    "\"12345\"],[1700000003,\"-3\"],[1700000004,\"0\"]")),
		      false, wanted, COUNT_OF(wanted));
}

static void gaps_and_odd_numbers_keep_their_places(void **state)
{
	static const double wanted[] = {NAN, INFINITY, NAN, -INFINITY, NAN};

	(void)state;
	expect_values(MATRIX(SERIES("", "[1700000001,\"+Inf\"],[1700000002,\"NaN\"],"
					"[1700000003.000,\"-Inf\"]")),
		      false, wanted, COUNT_OF(wanted));
}

static void times_go_to_the_nearest_step(void **state)
{
	static const double wanted[] = {NAN, 1, NAN, 2, NAN};

	(void)state;
	expect_values(MATRIX(SERIES("", "[1700000000.781,\"1\"],[1700000003.2,\"2\"]")), false,
		      wanted, COUNT_OF(wanted));
	expect_complaint(MATRIX(SERIES("", "[1700000004.6,\"1\"]")), "not among those asked for");
	expect_complaint(MATRIX(SERIES("", "[1699999999.4,\"1\"]")), "not among those asked for");
	expect_complaint(MATRIX(SERIES("", "[1700000001,\"1\"],[1700000001.2,\"2\"]")),
			 "a second value");
}

static void nothing_found_is_no_error(void **state)
{
	(void)state;
	expect_values(MATRIX(""), false, NULL, 0);
}

static void several_series_are_added_where_asked(void **state)
{
	static const char text[] = MATRIX(SERIES(
		"\"cpu\":\"0\"",
		"[1700000000,\"1\"],[1700000001,"
		"\"2\"],[1700000003,\"NaN\"]") "," SERIES("\"cpu\":\"1\"",
							  "[1700000001,\"3\"],[1700000002,\"4\"],"
							  "[1700000003,\"5\"]"));
	static const double wanted[] = {1, 5, 4, NAN, NAN};

	(void)state;
	expect_values(text, true, wanted, COUNT_OF(wanted));
	expect_complaint(text, "2 series ({\"cpu\":\"0\"}, {\"cpu\":\"1\"}) where one is needed");
}

static void warnings_are_passed_on(void **state)
{
	struct range range = {0};
	char *said = NULL;

	(void)state;
	assert_int_equal(parse("{\"status\":\"success\",\"warnings\":[\"a store is \\u001bdown\"],"
			       "\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
			       false, &range, &said),
			 0);
	assert_string_equal(said, "prometheus: warning: a store is ?down\n");
	free(said);
}

static void wrong_answers_are_told(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
		 "\\\"query\\\": 1:5: parse error: unexpected <EOF>\"}",
		 "error: bad_data: invalid parameter \"query\": 1:5: parse error"},
		{"<html>", "prometheus:1:"},
		{"", "prometheus:1:"},
		{"[]", "$.status"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
		 "matrix"},
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\"}}", "matrix"},
		{MATRIX("{\"metric\":{}}"), "$.data.result[0].values: must be a list"},
		{MATRIX("{\"metric\":{},\"histograms\":[]}"), "is a histogram"},
		{MATRIX(SERIES("", "[1700000000]")), "values[0]: must be"},
		{MATRIX(SERIES("", "[1700000000,1.5]")), "values[0]: must be"},
		{MATRIX(SERIES("", "[1700000000,\"\"]")), "values[0]: must be"},
		{MATRIX(SERIES("", "[1700000000,\"0x1\"]")), "values[0]: must be"},
		{MATRIX(SERIES("", "[1700000000,\"1\"],[1700000001,\"nan\"]")), "values[1]"},
		{MATRIX(SERIES("", "[\"1700000000\",\"1\"]")), "values[0]: must be"},
		{MATRIX(SERIES("", "[1e300,\"1\"]")), "not among"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect_complaint(cases[i].text, cases[i].said);
}

static void a_grid_has_its_ends(void **state)
{
	(void)state;
	assert_int_equal(range_steps(&grid), 5);
	assert_int_equal(range_steps(&(struct range_grid){0, 999, 1000}), 1);
	assert_int_equal(range_steps(&(struct range_grid){1, 0, 1000}), 0);
	assert_int_equal(range_steps(&(struct range_grid){0, 1, 0}), 0);
	assert_int_equal(range_steps(&(struct range_grid){0, RANGE_STEPS_MAX - 1, 1}),
			 RANGE_STEPS_MAX);
	assert_int_equal(range_steps(&(struct range_grid){0, RANGE_STEPS_MAX, 1}), 0);
}

/* ---- moments and access ---- */

static void moments_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {{"1700000000", 1700000000000},
		     {"2024-02-29T12:00:00Z", 1709208000000},
		     {"now", 5000000},
		     {"now-30m", 3200000},
		     {"now-0", 5000000}};
	static const char *const wrong[] = {"",
					    "-5",
					    "1.5",
					    "nowish",
					    "now-",
					    "now+5m",
					    "now-5x",
					    "now-2h",
					    "2024-02-29T12:00:00",
					    "2024-02-29",
					    "99999999999999999999"};
	int64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_int_equal(moment_parse(wrong[i], 5000000, &ms), -EINVAL);
	assert_int_equal(ms, 7);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(moment_parse(cases[i].text, 5000000, &ms), 0);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void access_is_read(void **state)
{
	static const char text[] = "basic_auth: {username: u, password_file: p}\n"
				   "tls_config: {ca_file: ca, cert_file: c, key_file: k, "
				   "insecure_skip_verify: true}\n";
	struct config_errors errors;
	struct http_config c;

	(void)state;
	assert_int_equal(http_config_parse(text, strlen(text), &c, &errors), 0);
	assert_string_equal(c.username, "u");
	assert_string_equal(c.password, "p");
	assert_string_equal(c.ca_file, "ca");
	assert_string_equal(c.cert_file, "c");
	assert_string_equal(c.key_file, "k");
	assert_true(c.is_unverified && !c.token);
	http_config_fini(&c);
	config_errors_fini(&errors);
}

static void wrong_access_is_told(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"basic_auth: {username: u, password_file: f, password: p}",
		 "unknown key 'password'"},
		{"basic_auth: {username: u}", "password_file"},
		{"tls_config: {cert_file: c}", "need each other"},
		{"authorization: {credentials_file: ''}", "must not be empty"},
		{"basic_auth: {username: u, password_file: p}\n"
		 "authorization: {credentials_file: t}",
		 "exclude each other"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config_errors errors;
		struct http_config c;

		assert_int_equal(
			http_config_parse(cases[i].text, strlen(cases[i].text), &c, &errors),
			-EINVAL);
		if (!strstr(errors.list[0].message, cases[i].said))
			fail_msg("\"%s\", wanted \"%s\"", errors.list[0].message, cases[i].said);
		http_config_fini(&c);
		config_errors_fini(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_take_their_places),
		cmocka_unit_test(names_do_not_leave_their_strings),
		cmocka_unit_test(names_are_no_patterns),
		cmocka_unit_test(unknown_places_are_told),
		cmocka_unit_test(what_is_broken_is_told),
		cmocka_unit_test(a_series_is_its_values),
		cmocka_unit_test(gaps_and_odd_numbers_keep_their_places),
		cmocka_unit_test(times_go_to_the_nearest_step),
		cmocka_unit_test(nothing_found_is_no_error),
		cmocka_unit_test(several_series_are_added_where_asked),
		cmocka_unit_test(warnings_are_passed_on),
		cmocka_unit_test(wrong_answers_are_told),
		cmocka_unit_test(a_grid_has_its_ends),
		cmocka_unit_test(moments_are_read),
		cmocka_unit_test(access_is_read),
		cmocka_unit_test(wrong_access_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

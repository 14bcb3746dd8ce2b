// SPDX-License-Identifier: GPL-2.0-or-later
/* What answers mean, be they as they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "agent/rollout_verdict.h"

static void expect_http(long status, const char *body, enum verdict_kind kind, const char *why)
{
	struct verdict v;

	verdict_of_http(status, body, strlen(body), false, &v);
	if (v.kind != kind || strcmp(v.why, why))
		fail_msg("%ld %s: %d \"%s\", wanted %d \"%s\"", status, body, v.kind, v.why, kind,
			 why);
}

static void statuses(void **state)
{
	struct verdict v;

	(void)state;
	expect_http(200, "", VERDICT_YES, "HTTP status 200");
	expect_http(204, "", VERDICT_YES, "HTTP status 204");
	expect_http(299, "\n ok \n", VERDICT_YES, "HTTP status 299: ok");
	expect_http(301, "x", VERDICT_NO, "HTTP status 301: redirects are not followed");
	expect_http(400, "x\ny", VERDICT_NO, "HTTP status 400: x");
	expect_http(404, "{\"allow\": true}", VERDICT_NO, "HTTP status 404: {\"allow\": true}");
	expect_http(408, "", VERDICT_NONE, "HTTP status 408");
	expect_http(429, "slow down", VERDICT_NONE, "HTTP status 429: slow down");
	expect_http(500, "{\"allow\": true}", VERDICT_NONE, "HTTP status 500: {\"allow\": true}");
	expect_http(503, "", VERDICT_NONE, "HTTP status 503");
	expect_http(100, "", VERDICT_NO, "HTTP status 100");
	expect_http(0, "", VERDICT_NO, "HTTP status 0");
	verdict_of_http(200, "ok", 2, true, &v);
	assert_int_equal(v.kind, VERDICT_NO);
}

static void bodies(void **state)
{
	(void)state;
	expect_http(200, "{\"allow\": true}", VERDICT_YES, "HTTP status 200");
	expect_http(200, "{\"allow\": true, \"reason\": \"go\"}", VERDICT_YES, "go");
	expect_http(200, " \n{\"allow\": false}", VERDICT_NO, "it does not allow it");
	expect_http(200, "{\"allow\": false, \"reason\": \"a\\nb\"}", VERDICT_NO, "a");
	expect_http(200, "{\"ok\": true}", VERDICT_YES, "HTTP status 200");
	expect_http(200, "{\"allow\": \"false\"}", VERDICT_NO,
		    "its \"allow\" is neither true nor false");
	expect_http(200, "{\"allow\": null}", VERDICT_NO,
		    "its \"allow\" is neither true nor false");
	expect_http(200, "{\"allow\": 0, \"reason\": 5}", VERDICT_NO,
		    "its \"allow\" is neither true nor false");
	expect_http(200, "{\"allow\": false, \"allow\": true}", VERDICT_NO,
		    "its answer is no JSON: duplicate object key near '\"allow\"'");
	expect_http(200, "{\"allow\": fal", VERDICT_NO,
		    "its answer is no JSON: invalid token near 'fal'");
	expect_http(200, "[{\"allow\": false}]", VERDICT_YES,
		    "HTTP status 200: [{\"allow\": false}]");
}

static void expect_look(const char *text, const char *trouble, enum rollout_finding finding,
			const char *why, size_t entries)
{
	struct verdict_look l;

	verdict_of_look(text, strlen(text), trouble, &l);
	if (l.finding != finding || strcmp(l.why, why))
		fail_msg("%s: %d \"%s\", wanted %d \"%s\"", text, l.finding, l.why, finding, why);
	assert_int_equal(json_array_size(l.entries), entries);
	json_decref(l.entries);
}

#define LINE(finding, why) "{\"finding\":\"" finding "\",\"why\":\"" why "\"}\n"
#define DRY		   "{\"finding\":\"bad\",\"why\":\"dry\",\"dry_run\":true}\n"

static void looks(void **state)
{
	(void)state;
	expect_look(LINE("good", "a"), NULL, ROLLOUT_GOOD, "a", 1);
	expect_look(LINE("good", "a") LINE("good", "b") LINE("good", "c"), NULL, ROLLOUT_GOOD,
		    "a; 2 more are good", 3);
	expect_look(LINE("good", "a") LINE("unknown", "b"), NULL, ROLLOUT_UNKNOWN, "b", 2);
	expect_look(LINE("inconclusive", "a") LINE("unknown", "b"), NULL, ROLLOUT_INCONCLUSIVE, "a",
		    2);
	expect_look(LINE("inconclusive", "a") LINE("bad", "b") LINE("bad", "c"), NULL, ROLLOUT_BAD,
		    "b", 3);
	expect_look(DRY LINE("good", "a"), NULL, ROLLOUT_GOOD, "a", 2);
	expect_look(DRY, NULL, ROLLOUT_GOOD, "nothing but dry runs was looked at", 1);
	expect_look("", NULL, ROLLOUT_INCONCLUSIVE, "nothing was looked at", 0);
	expect_look("no JSON\n{\"finding\":\"fine\",\"why\":\"\"}\n{\"finding\":\"bad\"}\n3\n",
		    NULL, ROLLOUT_INCONCLUSIVE, "nothing was looked at", 0);
}

static void looks_that_are_not_whole(void **state)
{
	(void)state;
	expect_look(LINE("good", "a") "{\"finding\":\"ba", "late", ROLLOUT_INCONCLUSIVE, "late", 1);
	expect_look(LINE("bad", "a"), "late", ROLLOUT_BAD, "a", 1);
	expect_look(LINE("inconclusive", "a"), "late", ROLLOUT_INCONCLUSIVE, "late", 1);
	expect_look(DRY, "late", ROLLOUT_INCONCLUSIVE, "late", 1);
	expect_look("", "late", ROLLOUT_INCONCLUSIVE, "late", 0);
}

/* The rest is not read: no child of ours says so much. */
static void looks_with_too_many_lines(void **state)
{
	struct verdict_look l;
	char text[8192] = "";

	(void)state;
	for (size_t i = 0; i < VERDICT_ENTRIES_MAX + 9; i++)
		strcat(text, LINE("good", "a"));
	verdict_of_look(text, strlen(text), NULL, &l);
	assert_int_equal(json_array_size(l.entries), VERDICT_ENTRIES_MAX);
	json_decref(l.entries);
}

static void lines_are_cut_between_characters(void **state)
{
	char text[400], line[ROLLOUT_WHY_LEN];
	struct verdict v;
	json_t *json;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t at = ROLLOUT_WHY_LEN - 40; at < ROLLOUT_WHY_LEN + 10; at += 3)
		memcpy(text + at, "\342\202\254", 3);
	verdict_first_line(text, sizeof(text), line);
	assert_int_equal(strlen(line), ROLLOUT_WHY_LEN - 1);
	verdict_of_http(403, text, sizeof(text), false, &v);
	json = json_string(v.why);
	assert_non_null(json);
	json_decref(json);
	json = verdict_text("a\0\033\n\377\355\240\200", 8);
	assert_string_equal(json_string_value(json), "a??\n????");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(bodies),
		cmocka_unit_test(looks),
		cmocka_unit_test(looks_that_are_not_whole),
		cmocka_unit_test(looks_with_too_many_lines),
		cmocka_unit_test(lines_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

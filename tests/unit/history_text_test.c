// SPDX-License-Identifier: GPL-2.0-or-later
/* How an entry of the history is put. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/history_text.h"
#include "store/store.h"

#define STATE(weights, drained)                                                    \
	"{\"epoch\":2,\"seed\":\"1\",\"primary\":\"stable\",\"weights\":{" weights \
	"},\"drained\":[" drained "]}"

static const struct history_entry none = {
	.actor = "weight",
	.service = "web",
	.reason = "",
	.detail = "",
	.uid = 0,
	.sudo_uid = -1,
	.user = "root",
	.sudo_user = "",
	.outcome = "done",
	.epoch = 2,
	.before = "",
	.after = "",
	.pool = "",
	.backend = "",
	.client = "",
};

static void expect_summary(const struct history_entry *e, const char *wanted)
{
	char text[HISTORY_SUMMARY_LEN];

	assert_string_equal(history_summary(e, text), wanted);
}

static void expect_change(const char *before, const char *after, const char *detail,
			  const char *wanted)
{
	struct history_entry e = none;

	e.before = before;
	e.after = after;
	e.detail = detail;
	expect_summary(&e, wanted);
}

static void test_what_has_changed(void **state)
{
	(void)state;
	expect_change(STATE("\"canary\":5.0,\"stable\":95.0", ""),
		      STATE("\"canary\":0.0001,\"stable\":99.9999", ""), "",
		      "canary 5 -> 0.0001 %");
	expect_change(STATE("\"a\":5,\"b\":1,\"stable\":94", ""),
		      STATE("\"a\":0,\"c\":1,\"stable\":99", ""), "", "a 5 -> 0 %, c 1 %, b gone");
	expect_change(STATE("", "\"10.0.0.1:80\",\"10.0.0.2:80\""),
		      STATE("", "\"10.0.0.2:80\",\"10.0.0.3:80\""), "",
		      "10.0.0.3:80 drained, 10.0.0.1:80 undrained");
	expect_change("", STATE("\"canary\":5,\"stable\":95", ""), "+ service web 1.2.3.4:80/tcp",
		      "begins, canary 5 %");
	expect_change(STATE("\"canary\":5,\"stable\":95", ""), "", "", "ends");
	expect_change("", "", "", "");
}

static void test_what_was_told(void **state)
{
	static const char same[] = STATE("\"canary\":5,\"stable\":95", "");

	(void)state;
	expect_change(same, same, "+ service web: pool canary: backend 10.0.0.1:80",
		      "+ pool canary: backend 10.0.0.1:80");
	expect_change(same, same,
		      "= service web: pool canary keeps its live weight 5 % (file: 1 %)\n"
		      "~ service web: 3 DSCP rules\n- service web: pool old\n",
		      "~ 3 DSCP rules, 1 more");
	expect_change("", "", "+ service web2: pool a", "+ service web2: pool a");
	expect_change("", "", "+", "");
}

static void test_a_summary_has_an_end(void **state)
{
	char detail[2000] = "+ ", text[HISTORY_SUMMARY_LEN];
	struct history_entry e = none;

	(void)state;
	memset(detail + 2, 'x', sizeof(detail) - 3);
	e.detail = detail;
	assert_int_equal(strlen(history_summary(&e, text)), HISTORY_SUMMARY_LEN - 1);
}

static void test_who_it_was(void **state)
{
	struct history_entry e = none;
	char text[64];

	(void)state;
	assert_string_equal(history_who(&e, text, sizeof(text)), "root");
	e.sudo_uid = 1000;
	assert_string_equal(history_who(&e, text, sizeof(text)), "uid 1000 (root)");
	e.sudo_user = "anna";
	assert_string_equal(history_who(&e, text, sizeof(text)), "anna (root)");
	e.is_event = true;
	assert_string_equal(history_who(&e, text, sizeof(text)), "kernel");
}

static void test_an_event(void **state)
{
	struct history_entry e = none;
	json_t *json;

	(void)state;
	e.is_event = true;
	e.actor = "breaker_opened";
	e.reason = "failures";
	e.pool = "canary";
	e.backend = "10.0.0.1:80";
	e.count = 3;
	expect_summary(&e, "pool canary, backend 10.0.0.1:80, 3 times");
	json = history_json(&e);
	assert_string_equal(json_string_value(json_object_get(json, "kind")), "breaker_opened");
	assert_true(json_is_null(json_object_get(json, "client")));
	assert_null(json_object_get(json, "outcome"));
	json_decref(json);
}

static void test_json_of_a_change(void **state)
{
	struct history_entry e = none;
	char *text;
	json_t *json;

	(void)state;
	e.at_ms = 1700000000123;
	e.after = STATE("\"canary\":5.0", "");
	json = history_json(&e);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(
		text,
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"type\":\"change\",\"actor\":\"weight\","
		"\"service\":\"web\",\"uid\":0,\"user\":\"root\",\"sudo_uid\":null,\"sudo_user\":"
		"null,\"reason\":null,\"outcome\":\"done\",\"epoch\":2,\"before\":null,\"after\":"
		"{\"epoch\":2,\"seed\":\"1\",\"primary\":\"stable\",\"weights\":{\"canary\":5.0},"
		"\"drained\":[]},\"detail\":null}");
	free(text);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_has_changed),
		cmocka_unit_test(test_what_was_told),
		cmocka_unit_test(test_a_summary_has_an_end),
		cmocka_unit_test(test_who_it_was),
		cmocka_unit_test(test_an_event),
		cmocka_unit_test(test_json_of_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

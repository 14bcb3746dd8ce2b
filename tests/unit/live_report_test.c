// SPDX-License-Identifier: GPL-2.0-or-later
/* What is told of a live judge, in cells, JSON and Markdown. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "judge_live/live_report.h"

static struct live_judge j;
static struct live_account a;
static struct live_tick tick;

static int setup(void **state)
{
	struct seq_options o;

	(void)state;
	live_options_init(&o);
	j = (struct live_judge){.roles = {"web", {"canary", "a|b", ""}}};
	seq_begin(&j.seq, &o);
	a = (struct live_account){.judge = &j, .limit_ms = 60000};
	tick = (struct live_tick){};
	for (int role = SEQ_CANARY; role <= SEQ_BASELINE; role++) {
		tick.of[role] = (struct live_gain){.flows = 100, .weight_ppm = 123456};
		tick.of[role].latency[SEQ_FIRST_BYTE].bucket[serin_latency_bucket(2000)] = 100;
	}
	return 0;
}

/* So many seconds, in each of which so many of the canary's hundred fail. */
static void pass(int seconds, uint64_t failures)
{
	for (int i = 0; i < seconds; i++) {
		struct seq_tick in = {};

		for (int role = SEQ_CANARY; role <= SEQ_BASELINE; role++)
			in.of[role] = (struct seq_pool){.flows = tick.of[role].flows};
		in.of[SEQ_CANARY].failures = failures;
		seq_step(&j.seq, &in);
		live_account_add(&a, &tick, a.passed_ms + 1000);
	}
}

static void pools_are_told(void **state)
{
	live_cell cells[LIVE_POOL_COLUMNS];

	(void)state;
	pass(3, 2);
	assert_true(live_pool_cells(&a, SEQ_CANARY, cells));
	assert_string_equal(cells[LIVE_POOL_WEIGHT], "12.35 %");
	assert_string_equal(cells[LIVE_POOL_FLOWS], "300");
	assert_string_equal(cells[LIVE_POOL_FAILURES], "6");
	assert_string_equal(cells[LIVE_POOL_HANDSHAKE], "-");
	assert_memory_equal(cells[LIVE_POOL_FIRST_BYTE], "1.98 ", 5); /* of its bucket's middle */
	assert_false(live_pool_cells(&a, SEQ_STABLE, cells));
}

static void skipped_ticks_add_nothing(void **state)
{
	char line[LIVE_LINE_LEN];

	(void)state;
	tick.skip = LIVE_BACK;
	live_account_add(&a, &tick, 1000);
	assert_int_equal(a.latency[SEQ_CANARY][SEQ_FIRST_BYTE].bucket[serin_latency_bucket(2000)],
			 0);
	assert_string_equal(live_headline(&a, line), "web: canary against a|b, 1 s: continue; "
						     "not counted: counters went back");
}

static void who_is_over_without_a_verdict_is_undecided(void **state)
{
	(void)state;
	assert_string_equal(live_account_verdict(&a), "continue");
	a.is_over = true;
	assert_string_equal(live_account_verdict(&a), "undecided");
	seq_stop(&j.seq);
	assert_string_equal(live_account_verdict(&a), "inconclusive");
}

static void distances_are_told(void **state)
{
	live_cell cells[LIVE_TEST_COLUMNS];
	char line[LIVE_LINE_LEN];
	struct seq_report r;

	(void)state;
	seq_report_make(&j.seq, LIVE_REPORT_MISS, &r);
	assert_true(live_test_cells(&a, &r, SEQ_FAILURES, cells));
	assert_string_equal(cells[LIVE_TEST_CANARY], "-");
	assert_string_equal(cells[LIVE_TEST_WORSE], "0.75 of 167, 0 %");
	assert_string_equal(cells[LIVE_TEST_ALARM], "-");
	assert_false(live_test_cells(&a, &r, SEQ_RESETS, cells));
	assert_false(live_test_cells(&a, &r, SEQ_HANDSHAKE_P99, cells));
	while (j.seq.verdict == SEQ_CONTINUE)
		pass(1, 20);
	seq_report_make(&j.seq, LIVE_REPORT_MISS, &r);
	assert_true(live_test_cells(&a, &r, SEQ_TEST_MAX, cells));
	assert_non_null(strstr(cells[LIVE_TEST_WORSE], " of 100, 100 %"));
	assert_non_null(strstr(live_headline(&a, line), ": abort (worse: failures)"));
}

static void json_is_whole(void **state)
{
	json_t *json, *test;

	(void)state;
	pass(2, 1);
	json = live_report_json(&a);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "continue");
	assert_int_equal(json_array_size(json_object_get(json, "pools")), 2);
	assert_int_equal(json_array_size(json_object_get(json, "tests")), SEQ_TEST_MAX);
	test = json_array_get(json_object_get(json, "tests"), SEQ_FAILURES);
	assert_true(json_is_real(json_object_get(
		json_object_get(json_object_get(test, "evidence"), "worse"), "log_bound")));
	/* a ratio to none: JSON has no infinity */
	assert_true(json_is_null(json_object_get(json_object_get(test, "effect"), "value")));
	json_decref(json);
}

static void markdown_is_of_one_table_each(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	pass(2, 1);
	assert_int_equal(live_report_write_md(&a, out), 0);
	fclose(out);
	assert_memory_equal(text, "### ", 4);
	assert_non_null(strstr(text, "\n| canary | canary | 12.35 % | 200 | 2 | 0 |"));
	assert_null(strstr(text, "| a|b |")); /* escaped, or it would be two cells */
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pools_are_told, setup),
		cmocka_unit_test_setup(skipped_ticks_add_nothing, setup),
		cmocka_unit_test_setup(who_is_over_without_a_verdict_is_undecided, setup),
		cmocka_unit_test_setup(distances_are_told, setup),
		cmocka_unit_test_setup(json_is_whole, setup),
		cmocka_unit_test_setup(markdown_is_of_one_table_each, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

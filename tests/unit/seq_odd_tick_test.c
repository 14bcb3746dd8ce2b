// SPDX-License-Identifier: GPL-2.0-or-later
/* The sequential judge on ticks that are odd: failures that lag, counts that are huge or make no sense. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "seq_judge_lab.h"

/* ---- what lags ---- */

/* Of a share that fell to a tenth, failures of the old one are still to come. */
static void failures_of_an_older_share_are_not_held_against_it(void **state)
{
	struct seq_tick t = tick_of(1000, 5, 5, 5);

	(void)state;
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		t.of[role].share = 100;
	assert_int_equal(seq_step(&s, &t), 0);
	t.of[SEQ_CANARY].flows = 100;
	t.of[SEQ_CANARY].share = 10;
	step(&t, SEQ_LAG - 1);
	assert_verdict(SEQ_CONTINUE, SEQ_NO_REASON);
	/* but what is so for good is */
	step(&t, 20);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
}

static void without_a_share_any_more_nothing_is_told(void **state)
{
	struct seq_tick t = tick_of(1000, 1, 1, 1);
	double before;

	(void)state;
	t.of[SEQ_CANARY].share = t.of[SEQ_BASELINE].share = 100;
	assert_int_equal(seq_step(&s, &t), 0);
	before = seq_line_log_e(&s, SEQ_LINE_HARM);
	t.of[SEQ_CANARY] = (struct seq_pool){.flows = 20, .failures = 20};
	for (int i = 1; i < SEQ_LAG; i++)
		assert_int_equal(seq_step(&s, &t), 0);
	assert_near(seq_line_log_e(&s, SEQ_LINE_HARM), before, 0);
}

/* The other way about: flows of a share that has grown have not had the time to fail. */
static void flows_too_young_to_fail_do_not_prove(void **state)
{
	struct seq_tick t = tick_of(100, 1, 10, 0);
	double before, as_before;

	(void)state;
	t.of[SEQ_BASELINE].flows = 1000;
	t.of[SEQ_CANARY].share = 10;
	t.of[SEQ_BASELINE].share = 100;
	assert_int_equal(seq_step(&s, &t), 0);
	before = seq_line_log_e(&s, SEQ_LINE_FINE);
	assert_int_equal(seq_step(&s, &t), 0);
	as_before = seq_line_log_e(&s, SEQ_LINE_FINE);
	seq_begin(&s, &options);
	assert_int_equal(seq_step(&s, &t), 0);
	assert_near(seq_line_log_e(&s, SEQ_LINE_FINE), before, 0);
	t.of[SEQ_CANARY].flows = 1000;
	t.of[SEQ_CANARY].share = 100;
	assert_int_equal(seq_step(&s, &t), 0);
	assert_near(seq_line_log_e(&s, SEQ_LINE_FINE), as_before, 1e-12);
	assert_verdict(SEQ_CONTINUE, SEQ_NO_REASON);
	assert_true(as_before != before);
}

/* ---- numbers ---- */

static void counts_of_billions_do_not_overflow(void **state)
{
	const uint64_t many = 1000000000;
	struct seq_tick t = tick_of(many, many / 2, many / 2, many / 2);
	struct seq_report report;

	(void)state;
	usual.bucket[80] = slow.bucket[90] = many;
	seq_freeze(&s, SEQ_HANDSHAKE, &usual);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		t.of[role].latency[SEQ_HANDSHAKE] = &usual;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(seq_step(&s, &t), 0);
	assert_verdict(SEQ_NOT_WORSE, SEQ_FINE);
	t.of[SEQ_CANARY].failures = many;
	t.of[SEQ_CANARY].latency[SEQ_HANDSHAKE] = &slow;
	assert_int_equal(seq_step(&s, &t), 0);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	seq_report_make(&s, 1e-9, &report);
	for (int line = 0; line < SEQ_LINE_MAX; line++)
		assert_true(isfinite(report.log_e[line]));
	for (int t2 = 0; t2 < SEQ_TEST_MAX; t2++)
		assert_true(isfinite(report.test[t2].log_e[SEQ_LINE_HARM]));
	assert_near(report.test[SEQ_FAILURES].of[SEQ_BASELINE].value, 0.5, 1e-9);
}

static void the_most_there_is_in_every_tick_stays_finite(void **state)
{
	const uint64_t most = (1ull << 48) - 1;
	struct seq_tick t = tick_of(most, most, 1, 1);

	(void)state;
	options.alpha = 1e-300;
	options.alpha_alarm = 1e-300;
	seq_begin(&s, &options);
	for (int i = 0; i < 3; i++)
		assert_int_equal(seq_step(&s, &t), 0);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	assert_true(isfinite(seq_line_log_e(&s, SEQ_LINE_HARM)));
}

static void a_counter_that_went_back_changes_nothing(void **state)
{
	struct seq_tick t = tick_of(100, 1, 1, 1);
	struct seq_state before = s;

	(void)state;
	t.of[SEQ_STABLE].failures = (uint64_t)-5;
	assert_int_equal(seq_step(&s, &t), -ERANGE);
	t.of[SEQ_STABLE].failures = 0;
	usual.bucket[17] = (uint64_t)-1;
	t.of[SEQ_CANARY].latency[SEQ_HANDSHAKE] = &usual;
	assert_int_equal(seq_step(&s, &t), -ERANGE);
	assert_memory_equal(&s, &before, sizeof(s));
}

static void more_failures_than_flows_are_flows(void **state)
{
	struct seq_tick t = tick_of(0, 5, 0, 0);

	(void)state;
	t.of[SEQ_BASELINE].flows = 100;
	step(&t, 20);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
}

static void of_the_reference_too_where_it_is_to_prove(void **state)
{
	struct seq_tick few = tick_of(50, 1, 9, 0), fewer = few;
	struct seq_state other = s;

	(void)state;
	few.of[SEQ_BASELINE].flows = 9;
	fewer.of[SEQ_BASELINE].flows = 1;
	assert_int_equal(seq_step(&s, &few), 0);
	assert_int_equal(seq_step(&other, &fewer), 0);
	assert_near(seq_line_log_e(&s, SEQ_LINE_FINE), seq_line_log_e(&other, SEQ_LINE_FINE), 0);
}

static void at_the_beginning_all_evidence_is_what_is_staked(void **state)
{
	struct seq_report report;

	(void)state;
	options.floor = 0.01;
	seq_begin(&s, &options);
	seq_report_make(&s, 0.05, &report);
	assert_near(report.log_e[SEQ_LINE_HARM], log(0.75), 1e-12);
	assert_near(report.log_e[SEQ_LINE_ALARM_MORE], log(0.75), 1e-12);
	assert_near(report.log_e[SEQ_LINE_FINE], 0, 1e-12);
	assert_near(report.log_e_floor, 0, 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(failures_of_an_older_share_are_not_held_against_it, setup),
		cmocka_unit_test_setup(without_a_share_any_more_nothing_is_told, setup),
		cmocka_unit_test_setup(flows_too_young_to_fail_do_not_prove, setup),
		cmocka_unit_test_setup(counts_of_billions_do_not_overflow, setup),
		cmocka_unit_test_setup(the_most_there_is_in_every_tick_stays_finite, setup),
		cmocka_unit_test_setup(a_counter_that_went_back_changes_nothing, setup),
		cmocka_unit_test_setup(more_failures_than_flows_are_flows, setup),
		cmocka_unit_test_setup(of_the_reference_too_where_it_is_to_prove, setup),
		cmocka_unit_test_setup(at_the_beginning_all_evidence_is_what_is_staked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

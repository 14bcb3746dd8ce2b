// SPDX-License-Identifier: GPL-2.0-or-later
/* The sequential judge, tick by tick: each verdict, what decides it, and what must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "seq_judge_lab.h"

/* ---- verdicts ---- */

static void no_traffic_is_continue(void **state)
{
	struct seq_tick nothing = {0};

	(void)state;
	assert_int_equal(step(&nothing, 10000), 10000);
	assert_near(seq_line_log_e(&s, SEQ_LINE_HARM), log(0.75), 1e-9);
	assert_near(seq_line_log_e(&s, SEQ_LINE_FINE), 0, 1e-9);
}

static void one_pool_alone_is_continue(void **state)
{
	struct seq_tick canary = {0}, baseline = {0};

	(void)state;
	canary.of[SEQ_CANARY].flows = 100;
	canary.of[SEQ_CANARY].failures = 100;
	baseline.of[SEQ_BASELINE].flows = 100;
	baseline.of[SEQ_BASELINE].failures = 100;
	assert_int_equal(step(&canary, 1000), 1000);
	assert_int_equal(step(&baseline, 1000), 1000);
}

static void a_worse_canary_is_aborted_for_its_failures(void **state)
{
	struct seq_tick t = tick_of(100, 10, 1, 1);
	struct seq_report report;

	(void)state;
	assert_in_range(step(&t, 100), 1, 5);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	assert_int_equal(s.decider, SEQ_FAILURES);
	seq_report_make(&s, 0.05, &report);
	assert_true(report.log_e[SEQ_LINE_HARM] >= report.log_bound[SEQ_LINE_HARM]);
	assert_near(report.log_bound[SEQ_LINE_HARM], log(100), 1e-9);
	assert_near(report.test[SEQ_FAILURES].log_bound[SEQ_LINE_HARM], log(250), 1e-9);
	assert_near(report.test[SEQ_FAILURES].effect.value, 10, 1e-9);
	assert_true(report.test[SEQ_FAILURES].effect.band.low > 1);
	assert_near(report.test[SEQ_FAILURES].of[SEQ_CANARY].value, 0.1, 1e-9);
	assert_near(report.test[SEQ_FAILURES].of[SEQ_CANARY].band.low,
		    seq_band_proportion(100 * s.ticks, 10 * s.ticks, 0.025).low, 0);
	assert_true(isnan(report.test[SEQ_HANDSHAKE_P90].of[SEQ_CANARY].value));
}

static void counted_twice_evidence_is_half(void **state)
{
	struct seq_tick once = tick_of(100, 4, 1, 1), twice = tick_of(100, 8, 2, 2);
	double log_e;

	(void)state;
	assert_int_equal(seq_step(&s, &once), 0);
	log_e = seq_line_log_e(&s, SEQ_LINE_HARM);
	options.repeats = 2;
	seq_begin(&s, &options);
	assert_int_equal(seq_step(&s, &twice), 0);
	assert_near(seq_line_log_e(&s, SEQ_LINE_HARM), log_e, 1e-9);
}

static void latencies_are_not_repeated(void **state)
{
	struct seq_tick t = tick_of(100, 0, 0, 0);
	double log_e;

	(void)state;
	t.of[SEQ_CANARY].latency[SEQ_FIRST_BYTE] = &slow;
	t.of[SEQ_BASELINE].latency[SEQ_FIRST_BYTE] = &usual;
	assert_int_equal(seq_step(&s, &t), 0);
	log_e = seq_test_log_e(&s, SEQ_LINE_HARM, SEQ_FIRST_BYTE_RANK);
	options.repeats = 2;
	seq_begin(&s, &options);
	assert_int_equal(seq_step(&s, &t), 0);
	assert_near(seq_test_log_e(&s, SEQ_LINE_HARM, SEQ_FIRST_BYTE_RANK), log_e, 1e-9);
}

/* A stall of one look, however many it slowed, is not slowness that stays. */
static void a_look_of_latencies_adds_so_much_at_most(void **state)
{
	struct seq_tick stalled = tick_of(1000, 0, 0, 0), refused = tick_of(1000, 900, 0, 0);
	static const enum seq_test slower[] = {SEQ_FIRST_BYTE_RANK, SEQ_FIRST_BYTE_P90};

	(void)state;
	stalled.of[SEQ_CANARY].latency[SEQ_FIRST_BYTE] = &slow;
	stalled.of[SEQ_BASELINE].latency[SEQ_FIRST_BYTE] = &usual;
	options.look_most = 2;
	seq_begin(&s, &options);
	seq_freeze(&s, SEQ_FIRST_BYTE, &usual);
	assert_int_equal(seq_step(&s, &stalled), 0);
	for (size_t i = 0; i < sizeof(slower) / sizeof(*slower); i++) {
		double log_e = seq_test_log_e(&s, SEQ_LINE_HARM, slower[i]);

		assert_true(log_e > 0 && log_e <= 2);
	}
	assert_verdict(SEQ_CONTINUE, SEQ_NO_REASON);
	assert_in_range(step(&stalled, 10), 2, 3);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	seq_begin(&s, &options);
	assert_int_equal(step(&refused, 10), 1); /* failures are told apart by client */
}

static void an_abort_is_final(void **state)
{
	struct seq_tick bad = tick_of(100, 10, 1, 1), good = tick_of(100, 0, 50, 50);
	struct seq_state then;

	(void)state;
	step(&bad, 100);
	then = s;
	assert_int_equal(seq_step(&s, &good), 0);
	seq_stop(&s);
	assert_memory_equal(&s, &then, sizeof(s));
}

static void resets_alone_decide(void **state)
{
	struct seq_tick t = tick_of(100, 1, 1, 1);

	(void)state;
	t.of[SEQ_CANARY].resets = 12;
	t.of[SEQ_BASELINE].resets = 2;
	t.of[SEQ_STABLE].resets = 2;
	step(&t, 100);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	assert_int_equal(s.decider, SEQ_RESETS);
}

static void slowness_of_all_decides_by_rank(void **state)
{
	struct seq_tick t = tick_of(100, 0, 0, 0);

	(void)state;
	t.of[SEQ_CANARY].latency[SEQ_FIRST_BYTE] = &slow;
	t.of[SEQ_BASELINE].latency[SEQ_FIRST_BYTE] = &usual;
	assert_in_range(step(&t, 100), 2, 30);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	assert_int_equal(s.decider, SEQ_FIRST_BYTE_RANK);
}

static void slowness_of_a_few_decides_by_tail(void **state)
{
	struct seq_tick t = tick_of(100, 0, 0, 0);
	struct serin_histogram few = usual;

	(void)state;
	few.bucket[82] -= 5;
	few.bucket[140] += 5;
	usual.bucket[82] -= 1;
	usual.bucket[140] += 1;
	seq_freeze(&s, SEQ_HANDSHAKE, &usual);
	t.of[SEQ_CANARY].latency[SEQ_HANDSHAKE] = &few;
	t.of[SEQ_BASELINE].latency[SEQ_HANDSHAKE] = &usual;
	assert_in_range(step(&t, 100), 2, 30);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
	assert_int_equal(s.decider, SEQ_HANDSHAKE_P99);
	/* five times as many */
	options.harm.tail_ratio = 5;
	seq_begin(&s, &options);
	seq_freeze(&s, SEQ_HANDSHAKE, &usual);
	assert_int_equal(step(&t, 300), 300);
}

static void what_is_frozen_stays_so(void **state)
{
	(void)state;
	seq_freeze(&s, SEQ_HANDSHAKE, &(struct serin_histogram){0});
	assert_int_equal(s.edge[SEQ_HANDSHAKE][SEQ_P90], SEQ_NO_EDGE);
	seq_freeze(&s, SEQ_HANDSHAKE, &usual);
	assert_int_equal(s.edge[SEQ_HANDSHAKE][SEQ_P90], 98);
	seq_freeze(&s, SEQ_HANDSHAKE, &slow);
	assert_int_equal(s.edge[SEQ_HANDSHAKE][SEQ_P90], 98);
}

static void a_biased_split_is_inconclusive(void **state)
{
	struct seq_tick more = tick_of(100, 10, 10, 1), less = tick_of(100, 10, 1, 10);

	(void)state;
	step(&more, 100);
	assert_verdict(SEQ_INCONCLUSIVE, SEQ_ALARM);
	assert_int_equal(s.decider, SEQ_FAILURES);
	/* the canary is like stable; it is the baseline that is not */
	seq_begin(&s, &options);
	step(&less, 100);
	assert_verdict(SEQ_INCONCLUSIVE, SEQ_ALARM);
}

static void an_alarm_comes_before_an_abort(void **state)
{
	struct seq_tick t = tick_of(100000, 1000, 10, 1000);

	(void)state;
	assert_int_equal(step(&t, 10), 1);
	assert_verdict(SEQ_INCONCLUSIVE, SEQ_ALARM);
}

static void a_person_stops_it(void **state)
{
	struct seq_tick t = tick_of(100, 10, 1, 1);

	(void)state;
	seq_stop(&s);
	assert_verdict(SEQ_INCONCLUSIVE, SEQ_STOPPED);
	assert_int_equal(seq_step(&s, &t), 0);
	assert_int_equal(s.ticks, 0);
}

/* ---- not worse ---- */

static void an_equal_canary_is_not_worse(void **state)
{
	struct seq_tick t = tick_of(100, 1, 1, 1), bad = tick_of(100, 20, 1, 1);

	(void)state;
	assert_in_range(step(&t, 1000), 5, 200);
	assert_verdict(SEQ_NOT_WORSE, SEQ_FINE);
	/* and what comes later is seen nevertheless */
	for (int i = 0; i < 60; i++)
		assert_int_equal(seq_step(&s, &bad), 0);
	assert_verdict(SEQ_ABORT, SEQ_HARM);
}

static void all_that_is_required_has_to_be_proven(void **state)
{
	struct seq_tick t = tick_of(100, 1, 1, 1);

	(void)state;
	options.required |= 1u << SEQ_FIRST_BYTE_RANK;
	seq_begin(&s, &options);
	assert_int_equal(step(&t, 1000), 1000);
	assert_int_equal(s.proven, 1u << SEQ_FAILURES);
	t.of[SEQ_CANARY].latency[SEQ_FIRST_BYTE] = &usual;
	t.of[SEQ_BASELINE].latency[SEQ_FIRST_BYTE] = &usual;
	assert_in_range(step(&t, 1000), 2, 200);
	assert_verdict(SEQ_NOT_WORSE, SEQ_FINE);
}

static void where_nothing_fails_a_floor_proves(void **state)
{
	struct seq_tick t = tick_of(100, 0, 0, 0);

	(void)state;
	assert_int_equal(step(&t, 1000), 1000);
	options.floor = 0.001;
	seq_begin(&s, &options);
	assert_in_range(step(&t, 1000), 30, 120);
	assert_verdict(SEQ_NOT_WORSE, SEQ_FINE);
}

/* ---- after promotion ---- */

static void a_change_after_promotion_is_an_abort(void **state)
{
	struct seq_tick good = tick_of(1000, 3, 3, 0), bad = tick_of(1000, 15, 3, 0);

	(void)state;
	seq_promote(&s);
	assert_int_equal(step(&good, 5000), 5000);
	assert_in_range(step(&bad, 100), 1, 12);
	assert_verdict(SEQ_ABORT, SEQ_CHANGED);
}

static void where_the_old_pool_has_nothing_its_history_tells(void **state)
{
	struct seq_tick t = tick_of(1000, 0, 0, 0);

	(void)state;
	seq_expect(&s, 100000, 1000);
	assert_true(s.options.floor > 0.02 &&
		    s.options.floor < 0.0225); /* not worse: twice as often */
	seq_promote(&s);
	t.of[SEQ_BASELINE].flows = t.of[SEQ_BASELINE].share = 0;
	t.of[SEQ_CANARY].failures = 20;
	assert_int_equal(step(&t, 5000), 5000);
	t.of[SEQ_CANARY].failures = 50;
	assert_in_range(step(&t, 100), 1, 12);
	assert_verdict(SEQ_ABORT, SEQ_CHANGED);
}

static void who_knows_little_of_before_allows_much(void **state)
{
	(void)state;
	seq_expect(&s, 30, 0);
	assert_true(s.options.floor > 0.3 && s.options.floor < 0.6);
	seq_begin(&s, &options);
	seq_expect(&s, 0, 0);
	assert_true(s.options.floor > 0.9 && s.options.floor < 1);
	assert_null(seq_options_check(&s.options));
	seq_begin(&s, &options);
	s.options.floor = 0.5; /* what a person allows stays allowed */
	seq_expect(&s, 1000000, 0);
	assert_true(s.options.floor == 0.5);
}

static void promotion_begins_anew(void **state)
{
	struct seq_tick t = tick_of(100, 1, 1, 1);

	(void)state;
	seq_freeze(&s, SEQ_HANDSHAKE, &usual);
	step(&t, 1000);
	assert_verdict(SEQ_NOT_WORSE, SEQ_FINE);
	seq_promote(&s);
	assert_verdict(SEQ_CONTINUE, SEQ_NO_REASON);
	assert_int_equal(s.totals[SEQ_CANARY].flows, 0);
	assert_int_equal(s.edge[SEQ_HANDSHAKE][SEQ_P90], 98);
}

/* ---- options ---- */

static void options_that_make_no_sense_are_said(void **state)
{
	const struct seq_options good = options;

	(void)state;
	assert_null(seq_options_check(&options));
	options.alpha = 0;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.beta = NAN;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.look_most = 0;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.weight[SEQ_RESETS] += 0.1;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.weight[SEQ_RESETS] = -0.1;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.harm.ratio = 0.9;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.fine.rank = 0.5;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.floor = 1;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.repeats = 0.5;
	assert_non_null(seq_options_check(&options));
	options = good;
	options.required = 1u << SEQ_TEST_MAX;
	assert_non_null(seq_options_check(&options));
}

static void a_test_without_weight_has_no_part(void **state)
{
	struct seq_tick t = tick_of(100, 1, 1, 1);

	(void)state;
	options.weight[SEQ_RESETS] = 0;
	seq_begin(&s, &options);
	t.of[SEQ_CANARY].resets = 100;
	t.of[SEQ_BASELINE].resets = 1;
	step(&t, 200);
	assert_verdict(SEQ_NOT_WORSE, SEQ_FINE);
}

static void all_have_names(void **state)
{
	(void)state;
	assert_string_equal(seq_verdict_name(SEQ_NOT_WORSE), "not worse");
	assert_string_equal(seq_verdict_name(SEQ_INCONCLUSIVE), "inconclusive");
	assert_string_equal(seq_verdict_name(SEQ_VERDICT_MAX), "?");
	assert_string_equal(seq_reason_name(SEQ_ALARM), "A/A alarm");
	assert_string_equal(seq_test_name(SEQ_FIRST_BYTE_P99), "first byte p99");
	assert_string_equal(seq_test_name(SEQ_TEST_MAX), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_traffic_is_continue, setup),
		cmocka_unit_test_setup(one_pool_alone_is_continue, setup),
		cmocka_unit_test_setup(a_worse_canary_is_aborted_for_its_failures, setup),
		cmocka_unit_test_setup(counted_twice_evidence_is_half, setup),
		cmocka_unit_test_setup(latencies_are_not_repeated, setup),
		cmocka_unit_test_setup(a_look_of_latencies_adds_so_much_at_most, setup),
		cmocka_unit_test_setup(an_abort_is_final, setup),
		cmocka_unit_test_setup(resets_alone_decide, setup),
		cmocka_unit_test_setup(slowness_of_all_decides_by_rank, setup),
		cmocka_unit_test_setup(slowness_of_a_few_decides_by_tail, setup),
		cmocka_unit_test_setup(what_is_frozen_stays_so, setup),
		cmocka_unit_test_setup(a_biased_split_is_inconclusive, setup),
		cmocka_unit_test_setup(an_alarm_comes_before_an_abort, setup),
		cmocka_unit_test_setup(a_person_stops_it, setup),
		cmocka_unit_test_setup(an_equal_canary_is_not_worse, setup),
		cmocka_unit_test_setup(all_that_is_required_has_to_be_proven, setup),
		cmocka_unit_test_setup(where_nothing_fails_a_floor_proves, setup),
		cmocka_unit_test_setup(a_change_after_promotion_is_an_abort, setup),
		cmocka_unit_test_setup(where_the_old_pool_has_nothing_its_history_tells, setup),
		cmocka_unit_test_setup(who_knows_little_of_before_allows_much, setup),
		cmocka_unit_test_setup(promotion_begins_anew, setup),
		cmocka_unit_test_setup(options_that_make_no_sense_are_said, setup),
		cmocka_unit_test_setup(a_test_without_weight_has_no_part, setup),
		cmocka_unit_test(all_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

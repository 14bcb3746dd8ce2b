// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel counted, as ticks of the sequential judge; and the judge kept over a restart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dataplane.h"
#include "judge/seq_rank.h"
#include "judge_live/live_codec.h"
#include "judge_live/live_judge.h"

enum { CANARY, STABLE, OLD, POOLS };

static struct serin_histograms histograms[POOLS];
static struct snapshot_pool pools[POOLS];
static struct snapshot_service service;
static struct snapshot snapshot;
static struct live_roles roles;
static struct live_judge j;
static struct live_tick tick;
static struct seq_options options;
static uint64_t now_ms;

static struct serin_signals *signals_of(int pool)
{
	return &pools[pool].counters.signals;
}

static void begin(const char *baseline)
{
	assert_int_equal(live_roles_init(&roles, &snapshot, "web", "canary", baseline), 0);
	assert_int_equal(live_judge_begin(&j, &roles, &snapshot, &options, now_ms), 0);
}

static int setup(void **state)
{
	static const char *const names[POOLS] = {"canary", "stable", "old"};

	(void)state;
	memset(histograms, 0, sizeof(histograms));
	for (int i = 0; i < POOLS; i++) {
		pools[i] = (struct snapshot_pool){.slot = (uint32_t)i, .latencies = &histograms[i]};
		strcpy(pools[i].name, names[i]);
		pools[i].weight_ppm = i == STABLE ? 900000 : 50000;
	}
	pools[STABLE].sample_shift = 6;
	service = (struct snapshot_service){.name = "web",
					    .id = 3,
					    .protocol = IPPROTO_TCP,
					    .pools = pools,
					    .pool_count = POOLS,
					    .primary = STABLE};
	snapshot = (struct snapshot){.services = &service, .service_count = 1};
	now_ms = 1700000000000;
	live_options_init(&options);
	begin("old");
	return 0;
}

/* A second in which every pool has so many handshakes, and the canary so many failures. */
static void pass(uint64_t handshakes, uint64_t failures)
{
	for (int i = 0; i < POOLS; i++) {
		signals_of(i)->handshakes += handshakes;
		histograms[i].of[SERIN_LATENCY_HANDSHAKE].bucket[20] += handshakes;
		histograms[i].of[SERIN_LATENCY_FIRST_BYTE].bucket[60] += handshakes;
	}
	signals_of(CANARY)->sampled_refused += failures;
	signals_of(CANARY)->failures += failures;
	now_ms += 1000;
	live_judge_tick(&j, &snapshot, now_ms, &tick);
}

static void roles_are_of_three_pools_or_two(void **state)
{
	(void)state;
	assert_string_equal(j.roles.pool[SEQ_BASELINE], "old");
	assert_string_equal(j.roles.pool[SEQ_STABLE], "stable");
	begin("");
	assert_string_equal(j.roles.pool[SEQ_BASELINE], "stable");
	assert_string_equal(j.roles.pool[SEQ_STABLE], "");
	begin("stable");
	assert_string_equal(j.roles.pool[SEQ_STABLE], "");
}

static int roles_of(const char *svc, const char *canary, const char *baseline)
{
	return live_roles_init(&roles, &snapshot, svc, canary, baseline);
}

static void wrong_roles_are_refused(void **state)
{
	(void)state;
	assert_int_equal(roles_of("wob", "canary", ""), -ENOENT);
	assert_int_equal(roles_of("web", "canry", ""), -ENOENT);
	assert_int_equal(roles_of("web", "canary", "odl"), -ENOENT);
	assert_int_equal(roles_of("web", "stable", "old"), -EINVAL);
	assert_int_equal(roles_of("web", "canary", "canary"), -EINVAL);
	service.protocol = IPPROTO_UDP;
	assert_int_equal(roles_of("web", "canary", ""), 0);
	service.forwarding = SERIN_FORWARDING_DSR;
	assert_int_equal(roles_of("web", "canary", ""), -ENOTSUP);
}

/* Every way that a flow can begin or fail is one of its tick's. */
static void a_tick_is_what_came_since(void **state)
{
	struct serin_signals *s = signals_of(CANARY);

	(void)state;
	s->sampled_flows += 1000;
	s->handshakes += 20;
	s->answered += 300;
	s->sampled_refused += 1;
	s->sampled_unreachables += 2;
	s->resets_before_data += 3;
	s->timed_out += 4;
	s->unanswered += 5;
	s->resets_after_data += 6;
	s->failures += 7;
	pass(0, 0);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.span_ms, 1000);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 335);
	assert_int_equal(tick.of[SEQ_CANARY].failures, 7);
	assert_int_equal(tick.of[SEQ_CANARY].resets, 6);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 0);
	assert_int_equal(j.seq.totals[SEQ_CANARY].flows, 335);
	pass(2, 0);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 2);
	assert_int_equal(tick.of[SEQ_STABLE].flows, 2);
	assert_int_equal(tick.of[SEQ_CANARY].failures, 0);
	assert_int_equal(tick.of[SEQ_STABLE].latency[SEQ_FIRST_BYTE].bucket[60], 2);
	assert_int_equal(j.seq.ticks, 2);
}

/* A minute in which the canary's first bytes take so long, and the others' half as long. */
static void pass_slower(uint32_t us)
{
	for (int second = 0; second < 60; second++) {
		for (int i = 0; i < POOLS; i++) {
			uint32_t bucket = serin_latency_bucket(i == CANARY ? us : us / 2);

			signals_of(i)->handshakes += 50;
			histograms[i].of[SERIN_LATENCY_FIRST_BYTE].bucket[bucket] += 50;
		}
		now_ms += 1000;
		live_judge_tick(&j, &snapshot, now_ms, &tick);
	}
}

static void what_machines_differ_by_is_no_harm(void **state)
{
	(void)state;
	begin("");
	pass_slower(900);
	assert_int_equal(j.seq.verdict, SEQ_CONTINUE);
	pass_slower(2000);
	assert_int_equal(j.seq.verdict, SEQ_ABORT);
}

/* 5 % wholly sampled, 90 % one in 64. */
static void shares_are_of_samples(void **state)
{
	(void)state;
	pass(1, 0);
	assert_int_equal(tick.of[SEQ_CANARY].share, 50000 * 256);
	assert_int_equal(tick.of[SEQ_STABLE].share, 900000 * 4);
	assert_int_equal(tick.of[SEQ_CANARY].weight_ppm, 50000);
}

static void a_failing_canary_is_aborted(void **state)
{
	int ticks = 0;

	(void)state;
	while (j.seq.verdict == SEQ_CONTINUE && ticks++ < 30)
		pass(50, 5);
	assert_int_equal(j.seq.verdict, SEQ_ABORT);
	assert_int_equal(j.seq.decider, SEQ_FAILURES);
}

static void resets_after_data_alone_decide_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		signals_of(CANARY)->resets_after_data += 20;
		pass(50, 0);
	}
	assert_int_equal(j.seq.verdict, SEQ_CONTINUE);
	assert_int_equal(j.seq.totals[SEQ_CANARY].resets, 2000);
}

/* ---- the primary's p90 and p99 ---- */

static void tails_are_the_primarys_of_before(void **state)
{
	struct serin_histogram *h = &histograms[STABLE].of[SERIN_LATENCY_FIRST_BYTE];

	(void)state;
	h->bucket[70] = 9900;
	h->bucket[110] = 100;
	begin("old");
	assert_int_equal(j.seq.edge[SEQ_FIRST_BYTE][SEQ_P99], 71);
	assert_int_equal(j.seq.edge[SEQ_HANDSHAKE][SEQ_P90], SEQ_NO_EDGE);
	pass(LIVE_FREEZE_SAMPLES - 1, 0);
	assert_int_equal(j.seq.edge[SEQ_HANDSHAKE][SEQ_P90], SEQ_NO_EDGE);
	pass(1, 0);
	assert_int_not_equal(j.seq.edge[SEQ_HANDSHAKE][SEQ_P90], SEQ_NO_EDGE);
	assert_int_equal(j.seq.totals[SEQ_CANARY].samples[SEQ_HANDSHAKE], 0);
	pass(7, 0);
	assert_int_equal(j.seq.totals[SEQ_CANARY].samples[SEQ_HANDSHAKE], 7);
	assert_int_equal(j.seq.edge[SEQ_FIRST_BYTE][SEQ_P99], 71);
}

static void what_is_not_seen_has_no_tests(void **state)
{
	(void)state;
	service.forwarding = SERIN_FORWARDING_DSR;
	begin("");
	pass(LIVE_FREEZE_SAMPLES, 0);
	pass(10, 0);
	assert_int_equal(j.seq.totals[SEQ_CANARY].samples[SEQ_HANDSHAKE], 10);
	assert_int_equal(j.seq.totals[SEQ_CANARY].samples[SEQ_FIRST_BYTE], 0);
	assert_int_equal(j.seq.edge[SEQ_FIRST_BYTE][SEQ_P90], SEQ_NO_EDGE);
}

/* ---- ticks that are none ---- */

static void assert_skipped(enum live_skip skip)
{
	uint64_t flows = j.seq.totals[SEQ_CANARY].flows, skipped = j.skipped;

	pass(10, 10);
	assert_int_equal(tick.skip, skip);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 0);
	assert_int_equal(j.seq.totals[SEQ_CANARY].flows, flows);
	assert_int_equal(j.skipped, skipped + 1);
}

/* And the next one counts from there. */
static void assert_goes_on(void)
{
	pass(4, 0);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 4);
}

static void counters_that_went_back_are_skipped(void **state)
{
	(void)state;
	pass(100, 0);
	memset(signals_of(OLD), 0, sizeof(struct serin_signals));
	assert_skipped(LIVE_BACK);
	assert_goes_on();
	histograms[OLD].of[SERIN_LATENCY_HANDSHAKE].bucket[20] = 0;
	assert_skipped(LIVE_BACK);
	assert_goes_on();
}

static void others_of_the_name_are_skipped(void **state)
{
	(void)state;
	pools[OLD].slot = 7;
	assert_skipped(LIVE_FIRST);
	assert_goes_on();
	service.id++;
	assert_skipped(LIVE_FIRST);
	assert_goes_on();
}

static void who_is_gone_is_waited_for(void **state)
{
	(void)state;
	service.pool_count = OLD;
	assert_skipped(LIVE_GONE);
	service.pool_count = POOLS;
	snapshot.service_count = 0;
	assert_skipped(LIVE_GONE);
	snapshot.service_count = 1;
	pass(0, 0); /* of all the time */
	assert_int_equal(tick.of[SEQ_CANARY].flows, 40);
	assert_goes_on();
}

static void long_ticks_are_skipped(void **state)
{
	(void)state;
	now_ms += LIVE_GAP_MS;
	assert_skipped(LIVE_LATE);
	assert_goes_on();
	now_ms -= 5000;
	assert_skipped(LIVE_LATE);
	assert_goes_on();
}

static void after_promotion_the_old_primary_is_beside_it(void **state)
{
	(void)state;
	pass(5, 0);
	live_judge_promote(&j, "stable");
	assert_string_equal(j.roles.pool[SEQ_BASELINE], "stable");
	assert_skipped(LIVE_FIRST);
	assert_goes_on();
	assert_int_equal(tick.of[SEQ_STABLE].flows, 0);
	assert_true(j.seq.is_promoted);
}

static void after_promotion_the_old_primary_has_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		pass(2000, 0);
	live_judge_promote(&j, "stable");
	assert_true(j.seq.options.floor < 0.002);
	pools[STABLE].weight_ppm = 0;
	for (int i = 0; i < 20; i++) {
		signals_of(STABLE)->handshakes -= 1000; /* pass() gives it as many */
		pass(1000, i % 2);
	}
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 0);
	assert_int_equal(j.seq.verdict, SEQ_CONTINUE);
	for (int i = 0; i < 5; i++) {
		signals_of(STABLE)->handshakes -= 1000;
		pass(1000, 100);
	}
	assert_int_equal(j.seq.verdict, SEQ_ABORT);
	assert_int_equal(j.seq.reason, SEQ_CHANGED);
}

static void a_judge_may_begin_after_promotion(void **state)
{
	(void)state;
	service.primary = CANARY;
	assert_int_equal(live_roles_init_promoted(&roles, &snapshot, "web", "stabel"), -ENOENT);
	assert_int_equal(live_roles_init_promoted(&roles, &snapshot, "web", "canary"), -EINVAL);
	assert_int_equal(live_roles_init_promoted(&roles, &snapshot, "web", "stable"), 0);
	assert_string_equal(roles.service, "web");
	assert_string_equal(roles.pool[SEQ_CANARY], "canary");
	assert_string_equal(roles.pool[SEQ_BASELINE], "stable");
	assert_string_equal(roles.pool[SEQ_STABLE], "");
	signals_of(STABLE)->handshakes = 100000;
	assert_int_equal(live_judge_begin(&j, &roles, &snapshot, &options, now_ms), 0);
	live_judge_promote(&j, "stable");
	assert_true(j.seq.options.floor < 0.002);
}

/* ---- kept ---- */

static void what_is_kept_goes_on(void **state)
{
	uint8_t *bytes = malloc(live_codec_size()), *again = malloc(live_codec_size());
	struct live_judge other;

	(void)state;
	assert_true(bytes && again);
	pass(LIVE_FREEZE_SAMPLES, 1);
	pass(50, 2);
	live_codec_put(&j, bytes);
	assert_int_equal(live_codec_get(bytes, live_codec_size(), &other), 0);
	pass(30, 1);
	live_judge_tick(&other, &snapshot, now_ms, &tick);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 31);
	live_codec_put(&j, bytes);
	live_codec_put(&other, again);
	assert_memory_equal(bytes, again, live_codec_size());
	free(bytes);
	free(again);
}

static void what_is_damaged_is_refused(void **state)
{
	size_t size = live_codec_size();
	uint8_t *bytes = malloc(size);
	struct live_judge other;

	(void)state;
	assert_non_null(bytes);
	live_codec_put(&j, bytes);
	assert_int_equal(live_codec_get(bytes, size - 1, &other), -EBADMSG);
	assert_int_equal(live_codec_get(bytes, 3, &other), -EBADMSG);
	for (size_t i = 0; i < size; i += 101) {
		bytes[i] ^= 0x40;
		assert_int_not_equal(live_codec_get(bytes, size, &other), 0);
		bytes[i] ^= 0x40;
	}
	bytes[8]++;
	assert_int_equal(live_codec_get(bytes, size, &other), -EPROTONOSUPPORT);
	memset(j.roles.service, 'x', SERIN_NAME_LEN);
	live_codec_put(&j, bytes);
	assert_int_equal(live_codec_get(bytes, size, &other), -EINVAL);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(roles_are_of_three_pools_or_two, setup),
		cmocka_unit_test_setup(wrong_roles_are_refused, setup),
		cmocka_unit_test_setup(a_tick_is_what_came_since, setup),
		cmocka_unit_test_setup(what_machines_differ_by_is_no_harm, setup),
		cmocka_unit_test_setup(shares_are_of_samples, setup),
		cmocka_unit_test_setup(a_failing_canary_is_aborted, setup),
		cmocka_unit_test_setup(resets_after_data_alone_decide_nothing, setup),
		cmocka_unit_test_setup(tails_are_the_primarys_of_before, setup),
		cmocka_unit_test_setup(what_is_not_seen_has_no_tests, setup),
		cmocka_unit_test_setup(counters_that_went_back_are_skipped, setup),
		cmocka_unit_test_setup(others_of_the_name_are_skipped, setup),
		cmocka_unit_test_setup(who_is_gone_is_waited_for, setup),
		cmocka_unit_test_setup(long_ticks_are_skipped, setup),
		cmocka_unit_test_setup(after_promotion_the_old_primary_is_beside_it, setup),
		cmocka_unit_test_setup(after_promotion_the_old_primary_has_nothing, setup),
		cmocka_unit_test_setup(a_judge_may_begin_after_promotion, setup),
		cmocka_unit_test_setup(what_is_kept_goes_on, setup),
		cmocka_unit_test_setup(what_is_damaged_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

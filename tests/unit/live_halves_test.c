// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends that change sides, each with what it counted where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dataplane.h"
#include "judge_live/live_codec.h"
#include "judge_live/live_halves.h"
#include "judge_live/live_judge.h"

#define BACKENDS 3

static struct serin_histograms histograms[BACKENDS];
static struct snapshot_backend backends[BACKENDS];
static struct snapshot_pool pool;
static struct snapshot_service service;
static enum live_half sides[BACKENDS];
static struct live_halves *h;
static struct live_judge j;
static struct live_tick tick;
static uint64_t now_ms;

static enum live_half side_of(const struct snapshot_backend *b, void *arg)
{
	(void)arg;
	return sides[b - backends];
}

static void follow(void)
{
	assert_int_equal(live_halves_follow(h, &service, &pool, side_of, NULL), 0);
}

static void begin(void)
{
	struct seq_options options;
	struct live_roles roles;

	live_options_init(&options);
	assert_int_equal(
		live_roles_init(&roles, live_halves_snapshot(h), "web", LIVE_HALF_UPGRADED, ""), 0);
	assert_int_equal(live_judge_begin(&j, &roles, live_halves_snapshot(h), &options, now_ms),
			 0);
}

/* A second in which each has so many flows, and those that are upgraded so many failures. */
static void pass(uint64_t flows, uint64_t failures)
{
	for (int i = 0; i < BACKENDS; i++) {
		uint64_t failed = sides[i] == LIVE_UPGRADED ? failures : 0;

		backends[i].counters.flows += flows;
		backends[i].counters.signals.handshakes += flows;
		backends[i].counters.signals.failures += failed;
		histograms[i].of[SERIN_LATENCY_FIRST_BYTE].bucket[60 + i] += flows;
	}
	now_ms += 1000;
	follow();
	live_judge_tick(&j, live_halves_snapshot(h), now_ms, &tick);
}

static int setup(void **state)
{
	(void)state;
	memset(histograms, 0, sizeof(histograms));
	for (int i = 0; i < BACKENDS; i++) {
		backends[i] = (struct snapshot_backend){.id = (uint32_t)i + 7,
							.port = 80,
							.weight = 1,
							.has_hop = true,
							.state = SERIN_BACKEND_UP,
							.latencies = &histograms[i]};
		backends[i].counters.signals.handshakes = 1000;
		backends[i].counters.signals.failures = 2;
		sides[i] = LIVE_REST;
	}
	pool = (struct snapshot_pool){.name = "stable",
				      .weight_ppm = 900000,
				      .backends = backends,
				      .backend_count = BACKENDS};
	service = (struct snapshot_service){
		.name = "web", .id = 3, .protocol = IPPROTO_TCP, .pools = &pool, .pool_count = 1};
	now_ms = 1700000000000;
	h = live_halves_new();
	follow();
	begin();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	live_halves_free(h);
	return 0;
}

static uint64_t new_flows(const char *half)
{
	const struct snapshot_service *svc = live_halves_snapshot(h)->services;

	for (size_t i = 0; i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, half))
			return svc->pools[i].counters.flows;
	fail();
	return 0;
}

static void each_counts_where_it_is(void **state)
{
	(void)state;
	assert_int_equal(live_halves_past(h)->handshakes, 3000);
	assert_int_equal(j.last[SEQ_BASELINE].flows, 0);
	assert_int_equal(j.last[SEQ_CANARY].flows, 0);
	pass(10, 0);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 30);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 0);
	sides[0] = LIVE_UPGRADED;
	pass(10, 1);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 20);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 10);
	assert_int_equal(tick.of[SEQ_CANARY].failures, 1);
	assert_int_equal(tick.of[SEQ_CANARY].latency[SEQ_FIRST_BYTE].bucket[60], 10);
	assert_int_equal(new_flows(LIVE_HALF_REST), 50);
	assert_int_equal(new_flows(LIVE_HALF_UPGRADED), 10);
	assert_int_equal(tick.of[SEQ_CANARY].weight_ppm, 300000);
	assert_int_equal(tick.of[SEQ_BASELINE].weight_ppm, 600000);
}

static void what_an_upgrade_breaks_is_nobodys(void **state)
{
	(void)state;
	sides[0] = LIVE_NEITHER;
	pass(10, 0);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 20);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 0);
	sides[0] = LIVE_UPGRADED;
	pass(10, 0);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 10);
}

static void one_that_is_new_or_counts_anew_brings_no_past(void **state)
{
	(void)state;
	pass(10, 0);
	backends[0].id = 99;
	pass(10, 0);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 20);
	backends[1].counters.signals.handshakes = 0;
	pass(10, 0);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 20);
	pass(10, 0);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 30);
}

static int seconds_to(enum seq_verdict verdict, uint64_t failures)
{
	int seconds = 0;

	while (j.seq.verdict != verdict && seconds++ < 60)
		pass(30, failures);
	return seconds;
}

static void harm_is_found_beside_the_rest(void **state)
{
	(void)state;
	sides[0] = LIVE_UPGRADED;
	assert_int_equal(seconds_to(SEQ_ABORT, 0), 61);
	assert_in_range(seconds_to(SEQ_ABORT, 10), 1, 20);
}

static void leave_nobody(void)
{
	for (int i = 0; i < BACKENDS; i++)
		sides[i] = LIVE_UPGRADED;
	live_judge_outlive(&j, live_halves_past(h));
	assert_string_equal(j.roles.pool[SEQ_BASELINE], LIVE_HALF_REST);
}

static void the_last_one_is_held_against_the_past(void **state)
{
	(void)state;
	leave_nobody();
	assert_true(j.seq.options.floor > .004 && j.seq.options.floor < .02); /* of 6 in 3000 */
	assert_int_equal(seconds_to(SEQ_ABORT, 0), 61);
	assert_in_range(seconds_to(SEQ_ABORT, 10), 1, 20);
}

/* What a release before this one broke is no reason to let this one break it, too. */
static void a_bad_past_is_left_where_it_is_not_needed(void **state)
{
	(void)state;
	live_halves_free(h);
	backends[0].counters.signals.failures = 900;
	h = live_halves_new();
	follow();
	begin();
	for (int i = 0; i < 40; i++)
		pass(30, 0);
	leave_nobody();
	assert_true(j.seq.options.floor < .01);
}

static void a_restart_brings_no_jump(void **state)
{
	uint8_t bytes[32768];

	(void)state;
	sides[0] = LIVE_UPGRADED;
	pass(10, 1);
	assert_true(live_codec_size() <= sizeof(bytes));
	live_codec_put(&j, bytes);
	live_halves_free(h);
	memset(&j, 0, sizeof(j));
	assert_int_equal(live_codec_get(bytes, live_codec_size(), &j), 0);
	h = live_halves_new();
	live_halves_adopt(h, &j);
	pass(10, 1);
	assert_int_equal(tick.skip, LIVE_TOLD);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 0); /* from here on */
	pass(10, 1);
	assert_int_equal(tick.of[SEQ_CANARY].flows, 10);
	assert_int_equal(tick.of[SEQ_BASELINE].flows, 20);
	assert_int_equal(j.last[SEQ_BASELINE].flows, 20 + 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_counts_where_it_is),
		TEST(what_an_upgrade_breaks_is_nobodys),
		TEST(one_that_is_new_or_counts_anew_brings_no_past),
		TEST(harm_is_found_beside_the_rest),
		TEST(the_last_one_is_held_against_the_past),
		TEST(a_bad_past_is_left_where_it_is_not_needed),
		TEST(a_restart_brings_no_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

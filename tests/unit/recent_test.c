// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "observe/latency.h"
#include "observe/recent.h"
#include "snapshot_sample.h"

static struct recent_signals gain;
static struct snapshot_service service_now;
static struct snapshot_pool pool_now;
static struct serin_histograms latencies_now;

/* The canary of the sample, ten good flows, one failure and ten slower answers later. */
static int setup(void **state)
{
	(void)state;
	sample_init();
	memset(&gain, 0, sizeof(gain));
	service_now = sample_service;
	pool_now = sample_pools[0];
	latencies_now = sample_latencies;
	pool_now.latencies = &latencies_now;
	pool_now.counters.signals.sampled_flows += 11;
	pool_now.counters.signals.failures += 1;
	latencies_now.of[SERIN_LATENCY_FIRST_BYTE].bucket[serin_latency_bucket(1300)] += 10;
	latencies_now.of[SERIN_LATENCY_FIRST_BYTE].sum_us += 13000;
	return 0;
}

static void what_came_since_is_told(void **state)
{
	const struct serin_histogram *h = &gain.latencies.of[SERIN_LATENCY_FIRST_BYTE];

	(void)state;
	assert_int_equal(recent_gain(&sample, &service_now, &pool_now, &gain), 0);
	assert_int_equal(gain.signals.sampled_flows, 11);
	assert_int_equal(gain.signals.failures, 1);
	assert_int_equal(gain.signals.refused, 0);
	assert_int_equal(latency_count(h), 10);
	assert_int_equal(h->sum_us, 13000);
	assert_true(latency_quantile_us(h, 500) > 1200);
	assert_int_equal(latency_count(&gain.latencies.of[SERIN_LATENCY_HANDSHAKE]), 0);
}

/* Another pool may have its number, and its counters begin at 0. */
static void what_was_not_there_has_gained_nothing(void **state)
{
	(void)state;
	service_now.id++;
	assert_int_equal(recent_gain(&sample, &service_now, &pool_now, &gain), -ENOENT);
	service_now.id--;
	pool_now.slot = 1;
	assert_int_equal(recent_gain(&sample, &service_now, &pool_now, &gain), -ENOENT);
	pool_now.slot = 0;
	pool_now.counters.signals.syns--;
	assert_int_equal(recent_gain(&sample, &service_now, &pool_now, &gain), -ENOENT);
	pool_now.counters.signals.syns++;
	latencies_now.of[SERIN_LATENCY_HANDSHAKE].bucket[serin_latency_bucket(1000)]--;
	assert_int_equal(recent_gain(&sample, &service_now, &pool_now, &gain), -ENOENT);
	assert_int_equal(gain.signals.sampled_flows, 0);
}

static struct snapshot *new_look(void)
{
	return calloc(1, sizeof(struct snapshot));
}

static void the_oldest_look_is_found(void **state)
{
	struct recent r = {0};
	struct snapshot *look[RECENT_LOOKS + 2];
	uint64_t ms = 7;

	(void)state;
	assert_null(recent_oldest(&r, &ms));
	assert_int_equal(ms, 7);
	for (size_t i = 0; i < RECENT_LOOKS + 2; i++) {
		size_t oldest = i < RECENT_LOOKS ? 0 : i + 1 - RECENT_LOOKS;

		look[i] = new_look();
		assert_non_null(look[i]);
		recent_keep(&r, look[i], i * 1000);
		assert_ptr_equal(recent_oldest(&r, &ms), look[oldest]);
		assert_int_equal(ms, oldest * 1000);
	}
	recent_free(&r);
	assert_null(recent_oldest(&r, &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_came_since_is_told, setup),
		cmocka_unit_test_setup(what_was_not_there_has_gained_nothing, setup),
		cmocka_unit_test_setup(the_oldest_look_is_found, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

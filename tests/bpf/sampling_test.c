// SPDX-License-Identifier: GPL-2.0-or-later
/* Which flows are sampled, what becomes of samples where there is no room, and failures that are one. */
#include "signals_lab.h"

#define SEED 0x8e15f3d6a94c720bull

static int setup(void **state)
{
	lab_setup(state);
	talk_apply();
	talk_open_samples();
	return 0;
}

/* No test finds what another one left. */
static int start(void **state)
{
	(void)state;
	talk_forget_samples();
	return 0;
}

static void refuse_from(const struct talk_way *w, const char *client, uint16_t port)
{
	struct talk t = talk_from(w, client, port);

	refuse(&t);
}

static uint64_t count_failures(const struct talk_way *w)
{
	return talk_signals(w->name, "canary").failures;
}

static void age_failures(void)
{
	struct serin_failure_key key, next;
	int fd = icmp_open_map("failures");

	for (int more = bpf_map_get_next_key(fd, NULL, &next); !more;
	     more = bpf_map_get_next_key(fd, &key, &next)) {
		uint64_t when;

		key = next;
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &when), 0);
		when -= (uint64_t)dp_ticks_per_second();
		assert_int_equal(bpf_map_update_elem(fd, &key, &when, 0), 0);
	}
	close(fd);
}

static void test_a_client_fails_once_a_second(void **state)
{
	const struct talk_way *w = talk_way("nat4"), *other = talk_way("tracked4");
	uint64_t before = count_failures(w), of_other = count_failures(other);
	uint64_t refused = talk_signals(w->name, "canary").sampled_refused;

	(void)state;
	talk_forget_failures();
	for (uint16_t port = 4200; port < 4210; port++)
		refuse_from(w, "198.51.100.1", port);
	assert_int_equal(count_failures(w), before + 1);
	refuse_from(w, "198.51.100.2", 4200);
	assert_int_equal(count_failures(w), before + 2);
	refuse_from(other, "198.51.100.1", 4200);
	assert_int_equal(count_failures(w), before + 2);
	assert_int_equal(count_failures(other), of_other + 1);
	age_failures();
	refuse_from(w, "198.51.100.1", 4211);
	refuse_from(w, "198.51.100.1", 4212);
	assert_int_equal(count_failures(w), before + 3);
	assert_int_equal(talk_signals(w->name, "canary").sampled_refused, refused + 13);
}

/* ---- which flows ---- */

#define FLOWS 4096

static void set_shift(const char *service, uint8_t shift)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	int64_t id = dp_service_find(dp, service);
	int pool = dp_pool_find(dp, (uint32_t)id, "canary");

	assert_true(id >= 0 && pool >= 0);
	dp->services[id].sample_mask[pool] = serin_sample_mask(shift);
	dataplane_close(dp);
}

static size_t count_drawn(const struct in6_addr *client, uint8_t shift)
{
	struct serin_addr addr = dp_endpoint(client, 0, 0).addr;
	size_t count = 0;

	for (uint16_t port = 10000; port < 10000 + FLOWS; port++)
		count += serin_is_sampled(serin_sample_draw(&addr, htons(port)),
					  serin_sample_mask(shift)) != 0;
	return count;
}

static void expect_sampled(const struct talk_way *w, uint8_t shift)
{
	struct serin_signals before = talk_signals(w->name, "canary"), now;
	struct talk t = talk_begin(w, 0);
	size_t drawn = count_drawn(&t.request.src, shift);

	set_shift(w->name, shift);
	for (uint16_t port = 10000; port < 10000 + FLOWS; port++) {
		t = talk_begin(w, port);
		whole_connection(&t);
	}
	set_shift(w->name, 0);
	now = talk_signals(w->name, "canary");
	assert_int_equal(now.syns - before.syns, FLOWS);
	assert_int_equal(now.sampled_flows - before.sampled_flows, drawn);
	assert_int_equal(now.handshakes - before.handshakes, drawn);
	assert_int_equal(now.closed - before.closed, drawn);
	/* 99.99 % of binomial draws */
	assert_in_range(drawn, (FLOWS >> shift) - 110, (FLOWS >> shift) + 110);
}

static void test_one_flow_in_so_many_is_sampled(void **state)
{
	(void)state;
	expect_sampled(talk_way("nat4"), 2);
	expect_sampled(talk_way("tracked6"), 3);
	expect_sampled(talk_way("full4"), 1);
}

/* Its packets go by unseen since: nobody knows whether it was answered. */
static void test_what_is_no_more_sampled_has_not_failed(void **state)
{
	const struct talk_way *w = talk_way("nat4");
	struct serin_signals before;

	(void)state;
	for (uint16_t port = 10000; port < 10064; port++) {
		struct talk t = talk_begin(w, port);

		talk_send(&t, FRAME_SYN, 7, 0);
	}
	assert_int_equal(talk_count_samples(), 64);
	before = talk_signals(w->name, "canary");
	set_shift(w->name, SERIN_SAMPLE_SHIFT_MAX);
	talk_age_samples(4000);
	talk_sweep();
	talk_expect(w, &before, &(struct serin_signals){0});
	assert_int_equal(talk_count_samples(), 0);
	set_shift(w->name, 0);
}

static void fill_table(uint64_t state, uint64_t ms)
{
	struct talk t = talk_begin(talk_way("nat4"), 4300);
	struct serin_sample one = {0};

	talk_send(&t, FRAME_SYN, 7, 0);
	for (size_t i = 0; i < SERIN_SAMPLES; i++)
		if (talk_samples[i].key)
			one = talk_samples[i];
	for (size_t i = 0; i < SERIN_SAMPLES; i++) {
		talk_samples[i] = one;
		talk_samples[i].key = ~0ull;
		talk_samples[i].state = state;
	}
	talk_age_samples(ms);
}

static void test_a_full_table(void **state)
{
	const struct talk_way *w = talk_way("nat4");
	struct talk t = talk_begin(w, 4301);
	struct serin_signals before;

	(void)state;
	fill_table(SERIN_SAMPLE_LIVE | SERIN_SAMPLE_ANSWERED | SERIN_SAMPLE_OPEN, 50000);
	before = talk_signals(w->name, "canary");
	refuse(&t);
	talk_expect(w, &before,
		    &(struct serin_signals){
			    .syns = 1, .resets_by_backend = 1, .refused = 1, .missed = 1});
	talk_age_samples(20000); /* now they are quiet enough to give way */
	before = talk_signals(w->name, "canary");
	whole_connection(&t);
	talk_expect(w, &before,
		    &(struct serin_signals){.syns = 1,
					    .syn_acks = 1,
					    .fins_in = 2,
					    .fins_out = 2,
					    .sampled_flows = 1,
					    .handshakes = 1,
					    .closed = 1});
}

/* With nobody to sweep, those whose time is over are counted as they give way. */
static void test_the_lost_give_way(void **state)
{
	const struct talk_way *w = talk_way("nat4");
	struct talk t = talk_begin(w, 4302);
	struct serin_signals before;

	(void)state;
	talk_forget_failures();
	fill_table(SERIN_SAMPLE_LIVE, 0);
	before = talk_signals(w->name, "canary"); /* which sweeps */
	talk_age_samples(4000);
	talk_send(&t, FRAME_SYN, 7, 0);
	for (size_t i = 0; i < SERIN_SAMPLES; i++)
		if (talk_samples[i].key == ~0ull)
			talk_samples[i].key = 0;
	talk_expect(w, &before,
		    &(struct serin_signals){
			    .syns = 1, .sampled_flows = 1, .timed_out = 1, .failures = 1});
	assert_int_equal(talk_count_samples(), 1);
}

static uint8_t five(uint32_t pool, uint64_t flows, uint8_t shift, void *arg)
{
	(void)pool;
	(void)flows;
	*(unsigned int *)arg |= 1u << shift;
	return 5;
}

static uint8_t shift_of(const char *service, const char *pool)
{
	struct snapshot *s = lab_snapshot();
	uint8_t shift = lab_pool(s, service, pool)->sample_shift;

	snapshot_free(s);
	return shift;
}

/* A pool's rate is what it begins with until an agent sets another: which an apply leaves alone. */
static void test_rates_are_set_and_kept(void **state)
{
	unsigned int were = 0;
	struct dataplane *dp;

	(void)state;
	assert_int_equal(shift_of("nat4", "canary"), 0);
	assert_int_equal(shift_of("nat4", "stable"), DP_PRIMARY_SAMPLE_SHIFT);
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(dataplane_set_samples(dp, five, &were), 0);
	dataplane_close(dp);
	assert_int_equal(were, 1u << 0 | 1u << DP_PRIMARY_SAMPLE_SHIFT);
	talk_apply();
	assert_int_equal(shift_of("nat4", "canary"), 5);
	assert_int_equal(shift_of("nat4", "stable"), 5);
	assert_int_equal(shift_of("udp6", "stable"), 5);
}

#define TEST(function) cmocka_unit_test_setup(function, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_client_fails_once_a_second),
		TEST(test_one_flow_in_so_many_is_sampled),
		TEST(test_what_is_no_more_sampled_has_not_failed),
		TEST(test_a_full_table),
		TEST(test_the_lost_give_way),
		TEST(test_rates_are_set_and_kept),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

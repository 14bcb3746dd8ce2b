// SPDX-License-Identifier: GPL-2.0-or-later
/* The rings of shared backends under change: whoever stays in one is found at every moment of it. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#define SEED	  0x6b1f92d0c47ea835ull
#define BUCKETS	  4u
#define ENDPOINTS 6u
#define ENTRIES	  (ENDPOINTS * SERIN_SHARED_MAX) /* entry i is at endpoint i % ENDPOINTS */
#define STAYING	  (ENDPOINTS * 2)		 /* of them, for good */
#define STEPS	  30000
#define RACES	  1000

static uint64_t rng;
static struct serin_backend backends[ENTRIES];
static struct serin_bucket backend_index[BUCKETS];
static struct serin_service services[ENTRIES];
static bool is_in[ENTRIES];
static struct dataplane dp;

static uint32_t below(uint32_t n)
{
	rng ^= rng >> 12; /* xorshift64* */
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * 0x2545f4914f6cdd1dull >> 32) * n >> 32);
}

static int setup(void **state)
{
	(void)state;
	rng = SEED;
	memset(is_in, 0, sizeof(is_in));
	memset(backends, 0, sizeof(backends));
	memset(backend_index, 0, sizeof(backend_index));
	dp = (struct dataplane){
		.backends = backends,
		.backend_index = backend_index,
		.services = services,
	};
	dp.meta.max_backends = ENTRIES;
	dp.meta.max_services = ENTRIES;
	dp.meta.backend_buckets = BUCKETS;
	for (uint32_t i = 0; i < ENTRIES; i++) {
		backends[i].at = (struct serin_endpoint){.port_be = 80, .protocol = IPPROTO_TCP};
		backends[i].at.addr.word_be[2] = SERIN_V4_MAPPED_BE;
		backends[i].at.addr.word_be[3] = htonl(0x0a000000u + i % ENDPOINTS);
		backends[i].service = i;
		backends[i].state = SERIN_BACKEND_UP;
	}
	return 0;
}

/* As packets go round: from the one indexed on, at most so many steps. Returns how many there are;
 * *found: whether this entry is one of them. */
static uint32_t go_round(uint32_t wanted, bool *found)
{
	int64_t first = dp_backend_at(&dp, &backends[wanted].at);
	uint32_t id = (uint32_t)first, count = 0;

	*found = false;
	for (; first >= 0 && count < SERIN_SHARED_MAX;) {
		count++;
		*found |= id == wanted;
		id = *(const volatile uint32_t *)&backends[id].next_shared - 1;
		if (id == first || id >= ENTRIES)
			break;
	}
	return count;
}

static void expect_rings(void)
{
	uint32_t size[ENDPOINTS] = {0};

	for (uint32_t i = 0; i < ENTRIES; i++)
		size[i % ENDPOINTS] += is_in[i];
	for (uint32_t i = 0; i < ENTRIES; i++) {
		bool found;

		assert_int_equal(go_round(i, &found), size[i % ENDPOINTS]);
		assert_int_equal(found, is_in[i]);
		if (is_in[i] && size[i % ENDPOINTS] == 1)
			assert_int_equal(backends[i].next_shared, 0);
	}
}

static void step(uint32_t i)
{
	if (is_in[i])
		dp_backend_unlink(&dp, i);
	else
		assert_int_equal(dp_backend_link(&dp, i), 0);
	is_in[i] = !is_in[i];
}

static atomic_bool is_over;
static atomic_uint looks;
static uintptr_t missed;

static void *look_on(void *arg)
{
	bool found;

	while (!atomic_load(&is_over)) {
		for (uint32_t i = 0; i < STAYING; i++) {
			go_round(i, &found);
			missed += !found;
		}
		atomic_fetch_add(&looks, 1);
	}
	return arg;
}

/* Who is taken out is not put in again, nor becomes another's, before those that go round have. */
static void wait_for_onlooker(void)
{
	unsigned int now = atomic_load(&looks);

	while (atomic_load(&looks) - now < 2)
		sched_yield();
}

static void test_who_stays_is_found_at_every_moment(void **state)
{
	pthread_t onlooker;

	(void)state;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		step(STAYING + i); /* the first to be indexed, and gone again */
	for (uint32_t i = 0; i < STAYING; i++)
		step(i);
	assert_int_equal(pthread_create(&onlooker, NULL, look_on, NULL), 0);
	for (int n = 0; n < RACES; n++) {
		step(STAYING + below(ENTRIES - STAYING));
		if (n % 64 == 0)
			expect_rings();
		wait_for_onlooker();
	}
	atomic_store(&is_over, true);
	pthread_join(onlooker, NULL);
	assert_int_equal(missed, 0);
}

/* Everybody comes and goes, the one indexed and the last one, too; both of it twice is as once. */
static void test_rings_of_every_size(void **state)
{
	(void)state;
	for (int n = 0; n < STEPS; n++) {
		uint32_t i = below(ENTRIES);

		step(i);
		if (is_in[i])
			assert_int_equal(dp_backend_link(&dp, i), 0);
		else
			dp_backend_unlink(&dp, i);
		if (n % 16 == 0)
			expect_rings();
	}
}

/* Killed between the two stores that take the indexed entry out: it is in the ring still. */
static void test_an_unlink_cut_short_is_finished(void **state)
{
	(void)state;
	for (uint32_t size = 2; size <= 4; size++) {
		setup(state);
		for (uint32_t i = 0; i < size; i++)
			step(i * ENDPOINTS);
		assert_int_equal(dp_backend_at(&dp, &backends[0].at), 0);
		dp_backend_index_set(&dp, &backends[0].at, backends[0].next_shared - 1);
		expect_rings();
		step(0);
		expect_rings();
	}
}

/* Killed between the two stores that put an entry in: it points into the ring, and is not in it. */
static void test_a_link_cut_short_is_finished(void **state)
{
	(void)state;
	for (uint32_t size = 1; size <= 3; size++) {
		setup(state);
		for (uint32_t i = 0; i < size; i++)
			step(i * ENDPOINTS);
		backends[size * ENDPOINTS].next_shared = 1;
		expect_rings();
		dp_backend_unlink(&dp, size * ENDPOINTS);
		expect_rings();
		step(size * ENDPOINTS);
		expect_rings();
	}
}

/* Whether somebody talks to the backend past its VIP is asked of the entry that is indexed. */
static void test_the_next_one_knows_of_talks_past_the_vip(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		step(i * ENDPOINTS);
	backends[0].has_direct = 1;
	step(0);
	assert_int_equal(backends[dp_backend_at(&dp, &backends[0].at)].has_direct, 1);
}

static void test_who_is_not_kept_lets_go(void **state)
{
	(void)state;
	for (uint32_t keeps = 0; keeps < 1u << 4; keeps++) {
		uint8_t by_service[ENTRIES] = {0};

		setup(state);
		for (uint32_t i = 0; i < 4; i++) {
			step(i * ENDPOINTS);
			by_service[i * ENDPOINTS] = keeps >> i & 1;
			is_in[i * ENDPOINTS] = by_service[i * ENDPOINTS];
		}
		dp_ring_release(&dp, &backends[0].at, by_service);
		expect_rings();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_who_stays_is_found_at_every_moment, setup),
		cmocka_unit_test_setup(test_rings_of_every_size, setup),
		cmocka_unit_test_setup(test_an_unlink_cut_short_is_finished, setup),
		cmocka_unit_test_setup(test_a_link_cut_short_is_finished, setup),
		cmocka_unit_test_setup(test_the_next_one_knows_of_talks_past_the_vip, setup),
		cmocka_unit_test_setup(test_who_is_not_kept_lets_go, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

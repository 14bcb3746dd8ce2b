// SPDX-License-Identifier: GPL-2.0-or-later
/* The endpoint indexes under change: whoever stands in one is found at every moment of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#define SEED	 0x9a6c30e75d18b2f4ull
#define BUCKETS	 8u
#define BACKENDS 120u
#define STAYING	 12u /* of them, for good */
#define STEPS	 20000

static uint64_t rng;
static struct serin_backend backends[BACKENDS];
static struct serin_service services[BACKENDS];
static struct serin_bucket backend_index[BUCKETS], service_index[BUCKETS];
static bool is_in[BACKENDS];
static struct dataplane dp;

static uint32_t below(uint32_t n)
{
	rng ^= rng >> 12; /* xorshift64* */
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * 0x2545f4914f6cdd1dull >> 32) * n >> 32);
}

static struct serin_endpoint endpoint(uint32_t i)
{
	struct serin_endpoint at = {.port_be = htons(80), .protocol = IPPROTO_TCP};

	at.addr.word_be[2] = SERIN_V4_MAPPED_BE;
	at.addr.word_be[3] = htonl(0x0a000000u + i);
	return at;
}

static int setup(void **state)
{
	(void)state;
	rng = SEED;
	memset(is_in, 0, sizeof(is_in));
	memset(backend_index, 0, sizeof(backend_index));
	memset(service_index, 0, sizeof(service_index));
	dp = (struct dataplane){
		.service_index = service_index,
		.services = services,
		.backends = backends,
		.backend_index = backend_index,
	};
	dp.meta.max_services = BACKENDS;
	dp.meta.max_backends = BACKENDS;
	dp.meta.service_buckets = BUCKETS;
	dp.meta.backend_buckets = BUCKETS;
	for (uint32_t i = 0; i < BACKENDS; i++) {
		backends[i].at = endpoint(i);
		services[i].vip = endpoint(i);
	}
	return 0;
}

/* As the packet path searches: to the first empty word of the bucket. */
static int64_t search(const struct serin_endpoint *at)
{
	uint64_t hash = serin_index_hash(at);
	const struct serin_bucket *bucket = &backend_index[hash & (BUCKETS - 1)];

	for (int i = 0; i < SERIN_BUCKET_WAYS; i++) {
		uint32_t word = *(const volatile uint32_t *)&bucket->word[i];
		uint32_t id = serin_index_id(word);

		if (!word)
			break;
		if (serin_index_tag_matches(word, hash) && id < BACKENDS &&
		    serin_endpoint_equal(&backends[id].at, at))
			return id;
	}
	return -1;
}

static void expect_all_found(void)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		if (is_in[i])
			assert_int_equal(search(&backends[i].at), i);
}

/* Nothing after the end, and what is gone is never the end. */
static void expect_ended(void)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		bool is_ended = false;
		uint32_t last = 0;

		for (int i = 0; i < SERIN_BUCKET_WAYS; i++) {
			assert_false(is_ended && backend_index[b].word[i]);
			is_ended |= !backend_index[b].word[i];
			last = is_ended ? last : backend_index[b].word[i];
		}
		assert_int_not_equal(last, SERIN_INDEX_GONE);
	}
}

static uint32_t count_words(const struct serin_bucket *index)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		for (int i = 0; i < SERIN_BUCKET_WAYS; i++)
			count += index[b].word[i] && index[b].word[i] != SERIN_INDEX_GONE;
	return count;
}

static bool has_room(uint32_t number)
{
	for (int i = 0; i < SERIN_BUCKET_WAYS; i++)
		if (!backend_index[number].word[i] ||
		    backend_index[number].word[i] == SERIN_INDEX_GONE)
			return true;
	return false;
}

static void step(uint32_t i)
{
	uint32_t number = serin_index_hash(&backends[i].at) & (BUCKETS - 1);
	bool fits = has_room(number);

	if (is_in[i]) {
		is_in[i] = false;
		dp_backend_index_clear(&dp, &backends[i].at, i);
		assert_int_equal(search(&backends[i].at), -1);
		return;
	}
	assert_int_equal(dp_backend_index_set(&dp, &backends[i].at, i), fits ? 0 : -ENOSPC);
	is_in[i] = fits;
}

/* Looks, as packets do, for those that stay, while the others come and go. */
static void *look_on(void *arg)
{
	const volatile bool *is_over = arg;
	static uintptr_t missed;

	while (!*is_over)
		for (uint32_t i = 0; i < STAYING; i++)
			missed += search(&backends[i].at) != i;
	return (void *)missed;
}

static void test_everyone_is_found_at_every_moment(void **state)
{
	volatile bool is_over = false;
	pthread_t onlooker;
	uint32_t in = 0;
	void *missed;

	(void)state;
	for (; in < STAYING; in++)
		step(in);
	assert_int_equal(pthread_create(&onlooker, NULL, look_on, (void *)&is_over), 0);
	for (int n = 0; n < STEPS; n++) {
		uint32_t before = count_words(backend_index);
		uint32_t i = STAYING + below(BACKENDS - STAYING);
		bool was_in = is_in[i];

		step(i);
		in += is_in[i] - was_in;
		assert_int_equal(count_words(backend_index), before + is_in[i] - was_in);
		if (n % 16)
			continue;
		expect_all_found();
		expect_ended();
		assert_int_equal(count_words(backend_index), in);
	}
	is_over = true;
	pthread_join(onlooker, &missed);
	assert_null(missed);
}

static void test_a_full_bucket_refuses_and_stays(void **state)
{
	struct serin_bucket before[BUCKETS];
	uint32_t full = SERIN_BUCKET_WAYS;

	(void)state;
	dp.meta.backend_buckets = 1;
	for (uint32_t i = 0; i < SERIN_BUCKET_WAYS; i++)
		assert_int_equal(dp_backend_index_set(&dp, &backends[i].at, i), 0);
	memcpy(before, backend_index, sizeof(before));
	assert_int_equal(dp_backend_index_set(&dp, &backends[full].at, full), -ENOSPC);
	assert_memory_equal(before, backend_index, sizeof(before));
	/* Whoever is in a full bucket can still be pointed elsewhere. */
	backends[full].at = backends[3].at;
	assert_int_equal(dp_backend_index_set(&dp, &backends[3].at, full), 0);
	assert_int_equal(dp_backend_at(&dp, &backends[3].at), full);
	assert_int_equal(count_words(backend_index), SERIN_BUCKET_WAYS);
}

static void test_another_id_takes_an_endpoint_over(void **state)
{
	(void)state;
	assert_int_equal(dp_backend_index_set(&dp, &backends[1].at, 1), 0);
	assert_int_equal(dp_backend_at(&dp, &backends[1].at), 1);
	backends[2].at = backends[1].at;
	assert_int_equal(dp_backend_index_set(&dp, &backends[2].at, 2), 0);
	assert_int_equal(dp_backend_at(&dp, &backends[1].at), 2);
	assert_int_equal(count_words(backend_index), 1);
	/* The one that lost it, freed later, does not take it away from the winner. */
	dp_backend_index_clear(&dp, &backends[1].at, 1);
	assert_int_equal(dp_backend_at(&dp, &backends[2].at), 2);
}

static void test_ports_and_protocols_are_told_apart(void **state)
{
	struct serin_endpoint other = endpoint(5);

	(void)state;
	assert_int_equal(dp_service_index_set(&dp, &services[5].vip, 5), 0);
	assert_int_equal(dp_service_at(&dp, &services[5].vip), 5);
	assert_int_equal(dp_backend_at(&dp, &services[5].vip), -1);
	other.port_be = htons(81);
	assert_int_equal(dp_service_at(&dp, &other), -1);
	other = endpoint(5);
	other.protocol = IPPROTO_UDP;
	assert_int_equal(dp_service_at(&dp, &other), -1);
	other = endpoint(5);
	other.addr.word_be[2] = 0;
	assert_int_equal(dp_service_at(&dp, &other), -1);
	dp_service_index_clear(&dp, &services[5].vip, 5);
	assert_int_equal(dp_service_at(&dp, &services[5].vip), -1);
	assert_int_equal(count_words(service_index), 0);
}

/* A tag is 12 bits: among enough endpoints two share bucket and tag, and the key decides. */
static void test_equal_tags_are_told_apart_by_the_key(void **state)
{
	uint64_t hash = serin_index_hash(&backends[0].at);
	uint32_t twin = 0;

	(void)state;
	for (uint32_t i = BACKENDS; !twin; i++) {
		struct serin_endpoint at = endpoint(i);
		uint64_t h = serin_index_hash(&at);

		if (h >> 52 == hash >> 52 && ((h ^ hash) & (BUCKETS - 1)) == 0)
			twin = i;
	}
	backends[1].at = endpoint(twin);
	assert_int_equal(dp_backend_index_set(&dp, &backends[0].at, 0), 0);
	assert_int_equal(dp_backend_at(&dp, &backends[1].at), -1);
	assert_int_equal(dp_backend_index_set(&dp, &backends[1].at, 1), 0);
	assert_int_equal(dp_backend_at(&dp, &backends[0].at), 0);
	assert_int_equal(dp_backend_at(&dp, &backends[1].at), 1);
	is_in[1] = true;
	dp_backend_index_clear(&dp, &backends[0].at, 0);
	assert_int_equal(dp_backend_at(&dp, &backends[0].at), -1);
	assert_int_equal(dp_backend_at(&dp, &backends[1].at), 1);
}

static void test_nothing_loaded_finds_nothing(void **state)
{
	(void)state;
	memset(&dp, 0, sizeof(dp));
	assert_int_equal(dp_backend_at(&dp, &backends[0].at), -1);
	assert_int_equal(dp_service_at(&dp, &backends[0].at), -1);
	dp_backend_index_clear(&dp, &backends[0].at, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_everyone_is_found_at_every_moment, setup),
		cmocka_unit_test_setup(test_a_full_bucket_refuses_and_stays, setup),
		cmocka_unit_test_setup(test_another_id_takes_an_endpoint_over, setup),
		cmocka_unit_test_setup(test_ports_and_protocols_are_told_apart, setup),
		cmocka_unit_test_setup(test_equal_tags_are_told_apart_by_the_key, setup),
		cmocka_unit_test_setup(test_nothing_loaded_finds_nothing, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

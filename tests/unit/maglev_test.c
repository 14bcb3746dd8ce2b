// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "balance/maglev.h"

#define SEED	 0x3b9f06d1e8c2a574ull
#define MOST	 160
#define LARGEST	 65537u
#define BY_COUNT 1000000u /* ids that tell nothing of the order */

static uint64_t rng;
static uint32_t table[LARGEST], other[LARGEST], owned[MOST];

static uint64_t next_random(void) /* xorshift64* */
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return rng * 0x2545f4914f6cdd1dull;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)((next_random() >> 32) * n >> 32);
}

static int setup(void **state)
{
	(void)state;
	rng = SEED;
	return 0;
}

/* Neighbouring addresses, as backends have; `first` tells one fleet from another. */
static void make_backends(struct maglev_backend *out, size_t count, uint32_t first)
{
	memset(out, 0, count * sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		out[i].at.addr.word_be[2] = SERIN_V4_MAPPED_BE;
		out[i].at.addr.word_be[3] = htonl(0x0a000000u + first + (uint32_t)i);
		out[i].at.port_be = htons(8080);
		out[i].at.protocol = IPPROTO_TCP;
		out[i].id = (uint32_t)i;
		out[i].weight = 1;
	}
}

static void count_owned(const uint32_t *slots, uint32_t size, size_t count)
{
	memset(owned, 0, sizeof(owned));
	for (uint32_t i = 0; i < size; i++) {
		assert_true(slots[i] < count);
		owned[slots[i]]++;
	}
}

static void test_ids_are_what_the_slots_hold(void **state)
{
	struct maglev_backend backends[7];

	(void)state;
	make_backends(backends, 7, 1);
	for (uint32_t i = 0; i < 7; i++)
		backends[i].id = 0xabc00000u + i * i;
	memset(table, 0x5a, sizeof(table));
	assert_int_equal(maglev_build(backends, 7, table, 16381), 0);
	for (uint32_t slot = 0; slot < 16381; slot++) {
		bool is_given = false;

		for (uint32_t i = 0; i < 7; i++)
			is_given |= table[slot] == backends[i].id;
		assert_true(is_given);
	}
	assert_int_equal(table[16381], 0x5a5a5a5a);
}

static void shuffle(struct maglev_backend *list, uint32_t count)
{
	for (uint32_t i = count - 1; i; i--) {
		uint32_t j = below(i + 1);
		struct maglev_backend swap = list[i];

		list[i] = list[j];
		list[j] = swap;
	}
}

static void test_order_and_ids_do_not_matter(void **state)
{
	struct maglev_backend list[MOST], mixed[MOST];

	(void)state;
	for (int round = 0; round < 20; round++) {
		uint32_t count = below(MOST) + 1;

		make_backends(list, count, 1000);
		for (uint32_t i = 0; i < count; i++)
			list[i].weight = below(9) + 1;
		memcpy(mixed, list, sizeof(list));
		for (uint32_t i = 0; i < count; i++)
			mixed[i].id = BY_COUNT - i;
		shuffle(mixed, count);
		assert_int_equal(maglev_build(list, count, table, 16381), 0);
		assert_int_equal(maglev_build(mixed, count, other, 16381), 0);
		for (uint32_t slot = 0; slot < 16381; slot++)
			assert_int_equal(table[slot], BY_COUNT - other[slot]);
	}
}

static double worst_share, worst_slots;

static void expect_shares(const struct maglev_backend *list, uint32_t count, uint32_t size)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += list[i].weight;
	assert_int_equal(maglev_build(list, count, table, size), 0);
	count_owned(table, size, count);
	for (uint32_t i = 0; i < count; i++) {
		double fair = (double)size * list[i].weight / (double)sum;
		double off = owned[i] > fair ? owned[i] - fair : fair - owned[i];

		if (off > worst_slots)
			worst_slots = off;
		if (fair <= 100)
			continue;
		if (off / fair > worst_share)
			worst_share = off / fair;
		if (off > 0.02 * fair)
			fail_msg("%u of %u backends, weight %u: %u slots, fair are %.1f", i, count,
				 list[i].weight, owned[i], fair);
	}
}

static void test_shares_are_fair(void **state)
{
	struct maglev_backend list[MOST];

	(void)state;
	worst_share = worst_slots = 0;
	for (int round = 0; round < 60; round++) {
		uint32_t count = below(MOST) + 1, most = round % 3 ? below(1000) + 1 : 1;

		make_backends(list, count, (uint32_t)next_random() >> 8);
		for (uint32_t i = 0; i < count; i++)
			list[i].weight = below(most) + 1;
		expect_shares(list, count, round % 2 ? 16381 : LARGEST);
	}
	printf("worst share: %.2f %% off, worst count: %.1f slots off\n", 100 * worst_share,
	       worst_slots);
}

/* What the header promises, where it is hardest: one heavy backend among many light ones. */
static void test_shares_are_within_one_slot(void **state)
{
	struct maglev_backend list[MOST];

	(void)state;
	worst_slots = 0;
	for (uint32_t heavy = 1; heavy <= 1000; heavy *= 10) {
		make_backends(list, 100, heavy);
		for (uint32_t i = 0; i < 100; i++)
			list[i].weight = i ? 1 + i % 3 : heavy;
		expect_shares(list, 100, 16381);
	}
	if (worst_slots > 1.0)
		fail_msg("a backend is %.1f slots off its share", worst_slots);
}

/* Slots that change hands though the backend they leave (`gone` apart) is still there. */
static uint32_t count_moved(uint32_t size, uint32_t gone)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < size; i++)
		moved += table[i] != other[i] && table[i] != gone;
	return moved;
}

/* The paper's figure 12: of 1,000 backends in a table of 65537, a failure moves a few percent. */
static void removal(uint32_t count, uint32_t size, double bound)
{
	struct maglev_backend list[MOST];
	double worst = 0, sum = 0;
	uint32_t tries = count < 10 ? count : 10;

	make_backends(list, count, 77);
	assert_int_equal(maglev_build(list, count, table, size), 0);
	for (uint32_t i = 0; i < tries; i++) {
		struct maglev_backend fewer[MOST];
		uint32_t gone = i * count / tries;
		double part;

		memcpy(fewer, list, sizeof(list));
		fewer[gone] = fewer[count - 1];
		assert_int_equal(maglev_build(fewer, count - 1, other, size), 0);
		part = (double)count_moved(size, gone) * count / (size * (count - 1.0));
		worst = part > worst ? part : worst;
		sum += part;
	}
	printf("N=%u, size %u, one removed: %.2f %% of the others' slots moved (worst %.2f %%)\n",
	       count, size, 100 * sum / tries, 100 * worst);
	assert_true(worst < bound);
}

static void test_a_removal_moves_little_else(void **state)
{
	(void)state;
	removal(2, 16381, 0.000001);
	removal(10, 16381, 0.05);
	removal(100, 16381, 0.05);
	removal(160, 16381, 0.06);
	removal(100, LARGEST, 0.05);
}

/* The new one takes its share; beyond it, few slots pass between the old ones. */
static void addition(uint32_t count, uint32_t size, double bound)
{
	struct maglev_backend list[MOST];
	uint32_t taken = 0, moved = 0;

	make_backends(list, count + 1, 77);
	assert_int_equal(maglev_build(list, count, table, size), 0);
	assert_int_equal(maglev_build(list, count + 1, other, size), 0);
	for (uint32_t i = 0; i < size; i++) {
		taken += other[i] == count;
		moved += table[i] != other[i] && other[i] != count;
	}
	printf("N=%u, size %u, one added: %.2f %% of the slots are its own, %.2f %% moved "
	       "besides\n",
	       count, size, 100.0 * taken / size, 100.0 * moved / size);
	assert_true(taken <= size / (count + 1) + 1 && taken >= size / (count + 1) - 1);
	assert_true((double)moved / size < bound);
}

static void test_an_addition_moves_little_else(void **state)
{
	(void)state;
	addition(1, 16381, 0.000001);
	addition(10, 16381, 0.05);
	addition(100, 16381, 0.05);
	addition(159, 16381, 0.06);
	addition(100, LARGEST, 0.05);
}

/* Twice the weight takes slots for it; the others keep most of theirs. */
static void test_a_weight_moves_little_else(void **state)
{
	struct maglev_backend list[MOST];
	uint32_t moved = 0;

	(void)state;
	make_backends(list, 50, 500);
	assert_int_equal(maglev_build(list, 50, table, 16381), 0);
	list[20].weight = 2;
	assert_int_equal(maglev_build(list, 50, other, 16381), 0);
	for (uint32_t i = 0; i < 16381; i++)
		moved += table[i] != other[i] && other[i] != 20;
	printf("N=50, one weight doubled: %.2f %% moved besides\n", 100.0 * moved / 16381);
	assert_true(moved < 16381 / 10);
}

static void test_wrong_requests_are_refused(void **state)
{
	struct maglev_backend list[MOST];

	(void)state;
	make_backends(list, MOST, 9);
	memset(table, 0x5a, sizeof(table));
	assert_int_equal(maglev_build(list, 0, table, 16381), -EINVAL);
	assert_int_equal(maglev_build(list, 3, table, 0), -EINVAL);
	assert_int_equal(maglev_build(list, 1, table, 1), -EINVAL);
	assert_int_equal(maglev_build(list, 101, table, 101), -EINVAL);
	assert_int_equal(maglev_build(list, 102, table, 101), -EINVAL);
	list[5].weight = 0;
	assert_int_equal(maglev_build(list, 10, table, 16381), -EINVAL);
	for (uint32_t i = 0; i < LARGEST; i++)
		assert_int_equal(table[i], 0x5a5a5a5a);
}

static void test_as_many_backends_as_a_table_can_hold(void **state)
{
	struct maglev_backend list[MOST];

	(void)state;
	make_backends(list, 100, 9);
	assert_int_equal(maglev_build(list, 100, table, 101), 0);
	count_owned(table, 101, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_true(owned[i] >= 1 && owned[i] <= 2);
	make_backends(list, 1, 9);
	assert_int_equal(maglev_build(list, 1, table, 2), 0);
	count_owned(table, 2, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ids_are_what_the_slots_hold, setup),
		cmocka_unit_test_setup(test_order_and_ids_do_not_matter, setup),
		cmocka_unit_test_setup(test_shares_are_fair, setup),
		cmocka_unit_test_setup(test_shares_are_within_one_slot, setup),
		cmocka_unit_test_setup(test_a_removal_moves_little_else, setup),
		cmocka_unit_test_setup(test_an_addition_moves_little_else, setup),
		cmocka_unit_test_setup(test_a_weight_moves_little_else, setup),
		cmocka_unit_test_setup(test_wrong_requests_are_refused, setup),
		cmocka_unit_test_setup(test_as_many_backends_as_a_table_can_hold, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

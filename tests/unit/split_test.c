// SPDX-License-Identifier: GPL-2.0-or-later
/* The split's invariants, over random layouts of up to SERIN_MAX_POOLS pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <serin/hash.h>

#include "balance/split.h"

#define UNIT	(1ull << 32)
#define LAYOUTS 4000
#define POINTS	64
#define SEED	0x51d7a3c90be2f486ull

static uint64_t rng;

static uint64_t next_random(void) /* xorshift64*, Vigna 2014 */
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

/* Part of what is left; now and then nothing, all of it, or one millionth. */
static uint32_t random_part(uint32_t left)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return left;
	case 2:
		return left ? 1 : 0;
	default:
		return below(below(2) ? left + 1 : left / 8 + 1);
	}
}

static void random_layout(struct split_layout *out)
{
	uint8_t pools[SERIN_MAX_POOLS] = {0, 1, 2, 3, 4, 5, 6, 7};
	uint32_t left = SPLIT_PPM_ALL;

	for (uint32_t i = SERIN_MAX_POOLS - 1; i; i--) {
		uint32_t j = below(i + 1);
		uint8_t pool = pools[i];

		pools[i] = pools[j];
		pools[j] = pool;
	}
	memset(out, 0, sizeof(*out));
	out->primary = pools[SERIN_MAX_POOLS - 1];
	out->other_count = below(SERIN_MAX_POOLS);
	for (size_t i = 0; i < out->other_count; i++) {
		out->others[i].pool = pools[i];
		out->others[i].ppm = random_part(left);
		left -= out->others[i].ppm;
	}
}

/* The pool of a point by the code the packet path runs. */
static int pick(const struct split_layout *layout, uint32_t epoch, uint32_t point)
{
	struct serin_split split;

	split_encode(layout, epoch, &split);
	return serin_split_pick(&split, epoch, point);
}

static void test_every_weight_comes_back_exactly(void **state)
{
	struct split_layout layout = {.primary = 2, .other_count = 2}, back;
	struct serin_split split;

	(void)state;
	layout.others[0].pool = 5;
	layout.others[1].pool = 7;
	for (uint32_t ppm = 0; ppm <= SPLIT_PPM_ALL; ppm++) {
		layout.others[0].ppm = ppm;
		layout.others[1].ppm = SPLIT_PPM_ALL - ppm;
		split_encode(&layout, ppm, &split);
		split_decode(&split, &back);
		if (!split_equal(&layout, &back))
			fail_msg("%u ppm comes back as %u and %u", ppm, back.others[0].ppm,
				 back.others[1].ppm);
	}
}

static void test_every_layout_comes_back_exactly(void **state)
{
	struct split_layout layout, back;
	struct serin_split split;

	(void)state;
	for (int i = 0; i < LAYOUTS * 10; i++) {
		random_layout(&layout);
		split_encode(&layout, (uint32_t)next_random(), &split);
		split_decode(&split, &back);
		assert_true(split_equal(&layout, &back));
		for (uint8_t pool = 0; pool < SERIN_MAX_POOLS; pool++)
			assert_int_equal(split_pool_ppm(&layout, pool),
					 split_pool_ppm(&back, pool));
	}
}

static void expect_owner(const struct split_layout *layout, uint64_t point, int pool)
{
	if (point < UNIT)
		assert_int_equal(pick(layout, 77, (uint32_t)point), pool);
}

static bool has_part(const struct split_layout *layout, uint8_t pool)
{
	if (pool == layout->primary)
		return true;
	for (size_t i = 0; i < layout->other_count; i++)
		if (layout->others[i].pool == pool)
			return true;
	return false;
}

/* At the edges of its interval and beside them, and anywhere, a pool owns what it is said to. */
static void expect_interval(const struct split_layout *layout, uint8_t pool)
{
	uint64_t low, high;

	split_interval(layout, pool, &low, &high);
	assert_true(low <= high && high <= UNIT);
	for (int i = 0; i < POINTS; i++) {
		uint64_t at[] = {low, low + 1, high - 1, high, low - 1, next_random() >> 32};
		uint64_t point = at[i < 5 ? i : 5];

		if (point >= UNIT)
			continue;
		if ((pick(layout, 9, (uint32_t)point) == pool) != (point >= low && point < high))
			fail_msg("pool %u owns [%llx, %llx): point %llx", pool,
				 (unsigned long long)low, (unsigned long long)high,
				 (unsigned long long)point);
	}
	if (low < high) {
		expect_owner(layout, low, pool);
		expect_owner(layout, high - 1, pool);
		expect_owner(layout, low + (high - low) / 2, pool);
	}
}

static void test_intervals_are_what_packets_see(void **state)
{
	struct split_layout layout;

	(void)state;
	for (int i = 0; i < LAYOUTS / 4; i++) {
		random_layout(&layout);
		for (uint8_t pool = 0; pool < SERIN_MAX_POOLS; pool++)
			if (has_part(&layout, pool))
				expect_interval(&layout, pool);
	}
}

/* Sizes add up, and each is its pool's weight to half a unit an edge: 2^32 / 10^6 is 4295 units. */
static void test_intervals_partition_the_unit(void **state)
{
	struct split_layout layout;

	(void)state;
	for (int i = 0; i < LAYOUTS * 10; i++) {
		uint64_t low, high, sum = 0;

		random_layout(&layout);
		for (uint8_t pool = 0; pool < SERIN_MAX_POOLS; pool++) {
			double wanted = split_pool_ppm(&layout, pool) * ((double)UNIT / 1e6);

			if (!has_part(&layout, pool))
				continue;
			split_interval(&layout, pool, &low, &high);
			assert_true((double)(high - low) - wanted <= 1.001);
			assert_true(wanted - (double)(high - low) <= 1.001);
			sum += high - low;
		}
		assert_true(sum == UNIT);
	}
}

static void test_nothing_and_everything(void **state)
{
	struct split_layout layout = {.primary = 1, .other_count = 3};

	(void)state;
	for (uint8_t i = 0; i < 3; i++)
		layout.others[i].pool = i + 2;
	for (int whole = -1; whole < 3; whole++) {
		uint32_t edges[] = {0, 1, UINT32_MAX - 1, UINT32_MAX};

		for (int i = 0; i < 3; i++)
			layout.others[i].ppm = i == whole ? SPLIT_PPM_ALL : 0;
		for (int i = 0; i < 2000; i++) {
			uint32_t point = i < 4 ? edges[i] : (uint32_t)next_random();

			assert_int_equal(pick(&layout, 3, point), whole < 0 ? 1 : whole + 2);
		}
	}
}

/* Walks one pool's weight up: each point enters it at most once, from the primary or a pool that
 * it pushes down, and never leaves; if it is the bottom pool, nobody else's clients move at all. */
static void ramp(struct split_layout *layout, size_t mover, uint32_t point)
{
	uint32_t others = split_others_ppm(layout) - layout->others[mover].ppm;
	uint32_t room = SPLIT_PPM_ALL - others;
	uint8_t pool = layout->others[mover].pool;
	int before = -1;

	for (uint32_t step = 0; step <= 20; step++) {
		int now;

		layout->others[mover].ppm = (uint32_t)((uint64_t)room * step / 20);
		now = pick(layout, step, point);
		if (before == pool && now != pool)
			fail_msg("point %08x left pool %u as its weight rose", point, pool);
		if (before >= 0 && now != before && mover == 0)
			assert_true(before == layout->primary && now == pool);
		before = now;
	}
}

static void test_a_ramp_flips_nobody_twice(void **state)
{
	struct split_layout layout;

	(void)state;
	for (int i = 0; i < LAYOUTS; i++) {
		random_layout(&layout);
		if (layout.other_count)
			ramp(&layout, below(2) ? 0 : below((uint32_t)layout.other_count),
			     (uint32_t)next_random());
	}
}

static void test_any_two_weights_of_the_canary_are_nested(void **state)
{
	struct split_layout layout, other;

	(void)state;
	for (int i = 0; i < LAYOUTS * 5; i++) {
		uint32_t room, point = (uint32_t)next_random();
		int a, b;

		random_layout(&layout);
		if (!layout.other_count)
			continue;
		other = layout;
		room = SPLIT_PPM_ALL - split_others_ppm(&layout) + layout.others[0].ppm;
		other.others[0].ppm = below(room + 1);
		a = pick(&layout, 1, point);
		b = pick(&other, 2, point);
		if (a == b)
			continue;
		/* Whoever moves goes between canary and primary, the way the weight went. */
		assert_int_equal(other.others[0].ppm > layout.others[0].ppm ? b : a,
				 layout.others[0].pool);
		assert_int_equal(other.others[0].ppm > layout.others[0].ppm ? a : b,
				 layout.primary);
	}
}

/* As the packet path does: the split stands at its epoch's place of the ring. */
static int pick_of_ring(const struct serin_split *ring, uint32_t epoch, uint32_t point)
{
	return serin_split_pick(&ring[epoch % SERIN_SPLIT_RING], epoch, point);
}

static void test_an_overwritten_split_is_not_read(void **state)
{
	struct serin_split ring[SERIN_SPLIT_RING] = {};
	struct split_layout layout;

	(void)state;
	for (uint32_t epoch = 1; epoch < 200; epoch++) {
		random_layout(&layout);
		split_encode(&layout, epoch, &ring[epoch % SERIN_SPLIT_RING]);
		for (uint32_t age = 0; age < 3 * SERIN_SPLIT_RING && age < epoch; age++) {
			int pool = pick_of_ring(ring, epoch - age, (uint32_t)next_random());

			assert_int_equal(pool >= 0, age < SERIN_SPLIT_RING);
		}
	}
}

/* A writer half way through, its words in any order: the old split's answer or none. */
static void test_half_a_split_is_never_read(void **state)
{
	struct serin_split ring[SERIN_SPLIT_RING] = {}, next;
	struct split_layout layout;
	uint32_t refused = 0;

	(void)state;
	for (int i = 0; i < LAYOUTS * 10; i++) {
		uint32_t epoch = (uint32_t)next_random(), point = (uint32_t)next_random();
		struct serin_split *slot = &ring[epoch % SERIN_SPLIT_RING];
		uint32_t written = below(255) + 1;
		int whole, torn;

		random_layout(&layout);
		split_encode(&layout, epoch, slot);
		whole = pick_of_ring(ring, epoch, point);
		random_layout(&layout);
		split_encode(&layout, epoch + SERIN_SPLIT_RING, &next);
		for (int word = 0; word < SERIN_MAX_POOLS; word++)
			if (written >> word & 1)
				slot->word[word] = next.word[word];
		torn = pick_of_ring(ring, epoch, point);
		refused += torn < 0;
		assert_true(torn == whole || torn == -1);
	}
	assert_true(refused > LAYOUTS);
}

static void test_epochs_wrap_at_22_bits(void **state)
{
	const uint32_t wrap = SERIN_SPLIT_EPOCH_MASK + 1;
	struct serin_split ring[SERIN_SPLIT_RING] = {};
	struct split_layout layout = {.primary = 0, .other_count = 1};

	(void)state;
	assert_int_equal(wrap, 1u << 22);
	layout.others[0].pool = 1;
	layout.others[0].ppm = SPLIT_PPM_ALL;
	for (uint32_t epoch = wrap - 16; epoch < wrap + 32; epoch++) {
		split_encode(&layout, epoch, &ring[epoch % SERIN_SPLIT_RING]);
		assert_int_equal(pick_of_ring(ring, epoch, 5), 1);
		assert_int_equal(pick_of_ring(ring, epoch + SERIN_SPLIT_RING, 5), -1);
		if (epoch >= wrap - 16 + SERIN_SPLIT_RING)
			assert_int_equal(pick_of_ring(ring, epoch - SERIN_SPLIT_RING, 5), -1);
	}
	for (uint32_t epoch = UINT32_MAX - 20; epoch != 20; epoch++) {
		split_encode(&layout, epoch, &ring[epoch % SERIN_SPLIT_RING]);
		assert_int_equal(pick_of_ring(ring, epoch, 5), 1);
	}
}

/* The stamp and what it stands beside never touch: every epoch, and edges up to 2^32 itself. */
static void test_every_epoch_leaves_the_edges_alone(void **state)
{
	struct split_layout layout, back;
	struct serin_split split;

	(void)state;
	for (int i = 0; i < LAYOUTS * 10; i++) {
		uint32_t epoch = below(2) ? (uint32_t)next_random() : UINT32_MAX - below(3);

		random_layout(&layout);
		split_encode(&layout, epoch, &split);
		split_decode(&split, &back);
		assert_true(split_equal(&layout, &back));
		for (int word = 0; word < SERIN_MAX_POOLS; word++)
			if (split.word[word])
				assert_int_equal(split.word[word] >> SERIN_SPLIT_EPOCH_SHIFT,
						 epoch & SERIN_SPLIT_EPOCH_MASK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_weight_comes_back_exactly, setup),
		cmocka_unit_test_setup(test_every_layout_comes_back_exactly, setup),
		cmocka_unit_test_setup(test_intervals_are_what_packets_see, setup),
		cmocka_unit_test_setup(test_intervals_partition_the_unit, setup),
		cmocka_unit_test_setup(test_nothing_and_everything, setup),
		cmocka_unit_test_setup(test_a_ramp_flips_nobody_twice, setup),
		cmocka_unit_test_setup(test_any_two_weights_of_the_canary_are_nested, setup),
		cmocka_unit_test_setup(test_an_overwritten_split_is_not_read, setup),
		cmocka_unit_test_setup(test_half_a_split_is_never_read, setup),
		cmocka_unit_test_setup(test_epochs_wrap_at_22_bits, setup),
		cmocka_unit_test_setup(test_every_epoch_leaves_the_edges_alone, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

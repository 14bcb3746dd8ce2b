// SPDX-License-Identifier: GPL-2.0-or-later
/* What is settled has never had another pool: over random histories of random layouts. */
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

#include "balance/settled.h"
#include "balance/split.h"

#define SEED	  0x3bd1860fe57a29c4ull
#define HISTORIES 4000
#define STEPS	  12 /* at most, of a history */
#define POINTS	  96
#define GRAIN	  (1u << (32 - SERIN_SETTLED_BITS))

static uint64_t rng;

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

/* ---- layouts, and histories of them ---- */

/* Part of what is left; now and then nothing, all of it, or a few millionths. */
static uint32_t random_part(uint32_t left)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return left;
	case 2:
		return left < 4 ? left : 1 + below(4);
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

/* One weight another: what an operator does. */
static void shift_one(struct split_layout *layout)
{
	size_t which = layout->other_count ? below((uint32_t)layout->other_count) : 0;
	uint32_t room;

	if (!layout->other_count)
		return;
	room = SPLIT_PPM_ALL - split_others_ppm(layout) + layout->others[which].ppm;
	layout->others[which].ppm = random_part(room);
}

/* The last of the others goes, and its part to the primary; or one comes. */
static void change_pools(struct split_layout *layout)
{
	uint32_t used = 1u << layout->primary;

	for (size_t i = 0; i < layout->other_count; i++)
		used |= 1u << layout->others[i].pool;
	if (layout->other_count && below(2)) {
		layout->other_count--;
		return;
	}
	for (uint8_t pool = 0; pool < SERIN_MAX_POOLS; pool++) {
		if (used >> pool & 1)
			continue;
		layout->others[layout->other_count].pool = pool;
		layout->others[layout->other_count++].ppm =
			random_part(SPLIT_PPM_ALL - split_others_ppm(layout));
		return;
	}
}

static void swap_primary(struct split_layout *layout)
{
	uint8_t pool = layout->primary;

	if (!layout->other_count)
		return;
	layout->primary = layout->others[0].pool;
	layout->others[0].pool = pool;
}

static void next_layout(struct split_layout *layout)
{
	switch (below(10)) {
	case 0:
		random_layout(layout);
		break;
	case 1:
		swap_primary(layout);
		break;
	case 2:
	case 3:
		change_pools(layout);
		break;
	case 4:
		break; /* the same once more */
	default:
		shift_one(layout);
	}
}

struct history {
	struct split_layout layout[STEPS];
	size_t count;
	uint32_t epoch;
	struct serin_settled settled;
};

static void begin(struct history *h, uint32_t epoch)
{
	random_layout(&h->layout[0]);
	h->count = 1;
	h->epoch = epoch;
	memset(&h->settled, 0xee, sizeof(h->settled));
	settled_begin(&h->layout[0], h->epoch, &h->settled);
}

static void advance(struct history *h)
{
	struct serin_settled before = h->settled;

	h->layout[h->count] = h->layout[h->count - 1];
	next_layout(&h->layout[h->count]);
	h->epoch++;
	memset(&h->settled, 0xee, sizeof(h->settled));
	settled_narrow(&before, &h->layout[h->count++], h->epoch, &h->settled);
}

/* The pool of a point in every layout by the code that packets run, or -1 if they differ. */
static int pool_in_all(const struct history *h, uint32_t point)
{
	int common = -1;

	for (size_t i = 0; i < h->count; i++) {
		struct serin_split split;
		int pool;

		split_encode(&h->layout[i], 7, &split);
		pool = serin_split_pick(&split, 7, point);
		assert_true(pool >= 0);
		if (i && pool != common)
			return -1;
		common = pool;
	}
	return common;
}

/* ---- pieces ---- */

struct piece {
	uint64_t low, high; /* of 2^32 */
	int pool;
};

static size_t pieces_of(const struct serin_settled *s, uint32_t epoch, struct piece *out)
{
	size_t count = 0;

	for (int i = 0; i < SERIN_MAX_POOLS; i++) {
		uint64_t word = s->word[i];

		assert_int_equal(word >> SERIN_SPLIT_EPOCH_SHIFT, epoch & SERIN_SPLIT_EPOCH_MASK);
		if (!(word & SERIN_SETTLED_EDGE_MASK))
			continue;
		assert_int_equal(count, i); /* nothing after the first empty one */
		out[count++] = (struct piece){
			.low = (word >> SERIN_SETTLED_BITS & SERIN_SETTLED_EDGE_MASK) * GRAIN,
			.high = (word & SERIN_SETTLED_EDGE_MASK) * GRAIN,
			.pool = word >> SERIN_SETTLED_POOL_SHIFT & SERIN_SPLIT_POOL_MASK,
		};
	}
	return count;
}

/* Each pool one piece, none empty, none over another, the largest first. */
static void expect_sound(const struct history *h)
{
	struct piece pieces[SERIN_MAX_POOLS];
	size_t count = pieces_of(&h->settled, h->epoch, pieces);

	for (size_t i = 0; i < count; i++) {
		assert_true(pieces[i].low < pieces[i].high);
		if (i)
			assert_true(pieces[i - 1].high - pieces[i - 1].low >=
				    pieces[i].high - pieces[i].low);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(pieces[i].pool, pieces[j].pool);
			assert_true(pieces[i].high <= pieces[j].low ||
				    pieces[j].high <= pieces[i].low);
		}
	}
}

/* Where edges are, of any layout of the history or of a piece, and beside them; and anywhere. */
static uint32_t random_point(const struct history *h)
{
	const struct split_layout *layout = &h->layout[below((uint32_t)h->count)];
	struct piece pieces[SERIN_MAX_POOLS];
	size_t count = pieces_of(&h->settled, h->epoch, pieces);
	uint64_t low, high;

	switch (below(4)) {
	case 0:
		return (uint32_t)next_random();
	case 1:
		if (!count)
			return UINT32_MAX - below(3) * GRAIN;
		count = below((uint32_t)count);
		return (uint32_t)(below(2) ? pieces[count].low : pieces[count].high) + below(3) - 1;
	default:
		split_interval(layout,
			       layout->other_count && below(4)
				       ? layout->others[below((uint32_t)layout->other_count)].pool
				       : layout->primary,
			       &low, &high);
		return (uint32_t)(below(2) ? low : high) + below(3) - 1 +
		       (below(3) - 1) * (below(2) ? GRAIN : 0);
	}
}

/* Of 2^32, how much serin_settled_pick() says is settled: pieces are whole units. */
static uint64_t settled_size(const struct history *h)
{
	struct piece pieces[SERIN_MAX_POOLS];
	size_t count = pieces_of(&h->settled, h->epoch, pieces);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += pieces[i].high - pieces[i].low;
	return sum;
}

static void expect_true_at(const struct history *h, uint32_t point)
{
	int settled = serin_settled_pick(&h->settled, h->epoch, point);

	if (settled >= 0 && settled != pool_in_all(h, point))
		fail_msg("after %zu layouts %08x is said to be settled on pool %d", h->count, point,
			 settled);
}

/* ---- tests ---- */

static void test_what_is_settled_never_had_another_pool(void **state)
{
	static struct history h;
	uint64_t settled = 0, asked = 0;

	(void)state;
	for (int i = 0; i < HISTORIES; i++) {
		begin(&h, (uint32_t)next_random());
		for (;;) {
			expect_sound(&h);
			for (int n = 0; n < POINTS; n++) {
				uint32_t point = random_point(&h);

				expect_true_at(&h, point);
				settled += serin_settled_pick(&h.settled, h.epoch, point) >= 0;
				asked++;
			}
			if (h.count == STEPS || !below(STEPS))
				break;
			advance(&h);
		}
	}
	printf("%llu of %llu points were settled\n", (unsigned long long)settled,
	       (unsigned long long)asked);
	assert_true(settled > asked / 10 && settled < asked * 9 / 10);
}

static bool has_part(const struct split_layout *layout, uint8_t pool)
{
	for (size_t i = 0; i < layout->other_count; i++)
		if (layout->others[i].pool == pool)
			return true;
	return layout->primary == pool;
}

/* What a pool has had in every layout, in exact units; rounding takes one grain off each end. */
static uint64_t kept_by(const struct history *h, uint8_t pool)
{
	uint64_t low = 0, high = 1ull << 32;

	for (size_t n = 0; n < h->count; n++) {
		uint64_t from, to;

		if (!has_part(&h->layout[n], pool))
			return 0;
		split_interval(&h->layout[n], pool, &from, &to);
		low = from > low ? from : low;
		high = to < high ? to : high;
	}
	return high > low + 2 * GRAIN ? high - low - 2 * GRAIN : 0;
}

static void test_no_more_is_unsettled_than_rounding_takes(void **state)
{
	static struct history h;

	(void)state;
	for (int i = 0; i < HISTORIES; i++) {
		uint64_t wanted = 0;

		begin(&h, (uint32_t)next_random());
		for (uint32_t n = below(STEPS); n; n--)
			advance(&h);
		for (uint8_t pool = 0; pool < SERIN_MAX_POOLS; pool++)
			wanted += kept_by(&h, pool);
		assert_true(settled_size(&h) >= wanted);
	}
}

static void test_with_no_change_all_but_the_edges_is_settled(void **state)
{
	static struct history h;

	(void)state;
	for (int i = 0; i < HISTORIES * 5; i++) {
		uint64_t pools, most;

		begin(&h, (uint32_t)next_random());
		pools = h.layout[0].other_count + 1;
		most = (1ull << 32) - pools * (1ull << (32 - 18));
		assert_true(settled_size(&h) >= most);
		for (int n = 0; n < 3; n++) { /* nor does the same layout again take any */
			struct serin_settled before = h.settled;

			settled_narrow(&before, &h.layout[0], ++h.epoch, &h.settled);
			assert_true(settled_size(&h) >= most);
		}
		for (int n = 0; n < POINTS; n++)
			expect_true_at(&h, random_point(&h));
	}
}

/* What a change has taken comes back with no later one. */
static void test_nothing_becomes_settled_again(void **state)
{
	static struct history h;
	uint32_t points[POINTS];
	bool was_moving[POINTS];

	(void)state;
	for (int i = 0; i < HISTORIES; i++) {
		begin(&h, (uint32_t)next_random());
		memset(was_moving, 0, sizeof(was_moving));
		for (int n = 0; n < POINTS; n++)
			points[n] = random_point(&h);
		while (h.count < STEPS) {
			advance(&h);
			for (int n = 0; n < POINTS; n++) {
				bool is_moving =
					serin_settled_pick(&h.settled, h.epoch, points[n]) < 0;

				assert_false(was_moving[n] && !is_moving);
				was_moving[n] = is_moving;
			}
		}
	}
}

static void test_another_epoch_knows_nothing(void **state)
{
	static struct history h;

	(void)state;
	for (int i = 0; i < HISTORIES; i++) {
		begin(&h, i % 3 ? (uint32_t)next_random() : (uint32_t)i);
		for (uint32_t n = below(3); n; n--)
			advance(&h);
		for (int n = 0; n < POINTS; n++) {
			uint32_t point = random_point(&h), apart = 1 + below(5000);

			assert_int_equal(
				serin_settled_pick(&h.settled, h.epoch + SERIN_SPLIT_RING, point),
				-1);
			assert_int_equal(serin_settled_pick(&h.settled, h.epoch + apart, point),
					 -1);
			assert_int_equal(serin_settled_pick(&h.settled, h.epoch - apart, point),
					 -1);
		}
	}
}

/* A writer half way through, its words in any order: what was true of either, or -1. */
static void test_half_of_it_is_never_wrong(void **state)
{
	static struct history h;

	(void)state;
	for (int i = 0; i < HISTORIES; i++) {
		struct serin_settled next, torn;
		uint32_t written = below(255) + 1;

		begin(&h, (uint32_t)next_random());
		for (uint32_t n = below(STEPS); n; n--)
			advance(&h);
		torn = h.settled;
		random_layout(&h.layout[0]);
		settled_begin(&h.layout[0], h.epoch + SERIN_SPLIT_RING, &next);
		for (int word = 0; word < SERIN_MAX_POOLS; word++)
			if (written >> word & 1)
				torn.word[word] = next.word[word];
		for (int n = 0; n < POINTS; n++) {
			uint32_t point = (uint32_t)next_random();
			int pool = serin_settled_pick(&torn, h.epoch, point);

			if (pool >= 0)
				assert_int_equal(pool,
						 serin_settled_pick(&h.settled, h.epoch, point));
			pool = serin_settled_pick(&torn, h.epoch + SERIN_SPLIT_RING, point);
			if (pool >= 0)
				assert_int_equal(
					pool, serin_settled_pick(&next, h.epoch + SERIN_SPLIT_RING,
								 point));
		}
	}
}

static void test_none_is_none(void **state)
{
	struct serin_settled none, narrowed;
	struct split_layout layout;

	(void)state;
	for (int i = 0; i < HISTORIES; i++) {
		uint32_t epoch = (uint32_t)next_random();

		random_layout(&layout);
		settled_none(epoch, &none);
		settled_narrow(&none, &layout, epoch + 1, &narrowed);
		assert_int_equal(serin_settled_pick(&none, epoch, (uint32_t)next_random()), -1);
		assert_int_equal(serin_settled_pick(&narrowed, epoch + 1, (uint32_t)next_random()),
				 -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_settled_never_had_another_pool, setup),
		cmocka_unit_test_setup(test_no_more_is_unsettled_than_rounding_takes, setup),
		cmocka_unit_test_setup(test_with_no_change_all_but_the_edges_is_settled, setup),
		cmocka_unit_test_setup(test_nothing_becomes_settled_again, setup),
		cmocka_unit_test_setup(test_another_epoch_knows_nothing, setup),
		cmocka_unit_test_setup(test_half_of_it_is_never_wrong, setup),
		cmocka_unit_test_setup(test_none_is_none, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

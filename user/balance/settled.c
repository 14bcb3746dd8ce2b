// SPDX-License-Identifier: GPL-2.0-or-later
#include "balance/settled.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "balance/split.h"

#define UNIT_BITS (32 - SERIN_SETTLED_BITS)

struct piece {
	uint8_t pool;
	uint32_t low, high; /* in units of 2^-SERIN_SETTLED_BITS; empty where low >= high */
};

/* A pool's part of the interval, rounded inwards. */
static struct piece piece_of(const struct split_layout *layout, uint8_t pool)
{
	uint64_t low, high;

	split_interval(layout, pool, &low, &high);
	low = (low + (1u << UNIT_BITS) - 1) >> UNIT_BITS;
	high >>= UNIT_BITS;
	if (high > SERIN_SETTLED_TOP)
		high = SERIN_SETTLED_TOP;
	return (struct piece){pool, (uint32_t)low, (uint32_t)high};
}

static bool has_part(const struct split_layout *layout, uint8_t pool)
{
	bool is_other = false;

	for (size_t i = 0; i < layout->other_count; i++)
		is_other |= layout->others[i].pool == pool;
	return is_other || layout->primary == pool;
}

static int by_size(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	uint32_t sx = x->high - x->low, sy = y->high - y->low;

	if (sx != sy)
		return sx > sy ? -1 : 1;
	return (int)x->pool - (int)y->pool;
}

/* The largest first: most packets find theirs at once. */
static void encode(struct piece *pieces, size_t count, uint32_t epoch, struct serin_settled *out)
{
	uint64_t stamp = (uint64_t)(epoch & SERIN_SPLIT_EPOCH_MASK) << SERIN_SPLIT_EPOCH_SHIFT;

	settled_none(epoch, out);
	qsort(pieces, count, sizeof(*pieces), by_size);
	for (size_t i = 0; i < count; i++)
		out->word[i] = stamp | (uint64_t)pieces[i].pool << SERIN_SETTLED_POOL_SHIFT |
			       (uint64_t)pieces[i].low << SERIN_SETTLED_BITS | pieces[i].high;
}

void settled_none(uint32_t epoch, struct serin_settled *out)
{
	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		out->word[i] = (uint64_t)(epoch & SERIN_SPLIT_EPOCH_MASK)
			       << SERIN_SPLIT_EPOCH_SHIFT;
}

void settled_begin(const struct split_layout *layout, uint32_t epoch, struct serin_settled *out)
{
	struct piece pieces[SERIN_MAX_POOLS];
	size_t count = 0;

	for (uint8_t pool = 0; pool < SERIN_MAX_POOLS; pool++) {
		struct piece piece = piece_of(layout, pool);

		if (has_part(layout, pool) && piece.low < piece.high)
			pieces[count++] = piece;
	}
	encode(pieces, count, epoch, out);
}

void settled_narrow(const struct serin_settled *before, const struct split_layout *layout,
		    uint32_t epoch, struct serin_settled *out)
{
	struct piece pieces[SERIN_MAX_POOLS];
	size_t count = 0;

	for (int i = 0; i < SERIN_MAX_POOLS; i++) {
		uint64_t word = before->word[i];
		uint32_t low = word >> SERIN_SETTLED_BITS & SERIN_SETTLED_EDGE_MASK;
		uint32_t high = word & SERIN_SETTLED_EDGE_MASK;
		uint8_t pool = word >> SERIN_SETTLED_POOL_SHIFT & SERIN_SPLIT_POOL_MASK;
		struct piece piece;

		if (!high)
			break;
		if (!has_part(layout, pool))
			continue;
		piece = piece_of(layout, pool);
		piece.low = low > piece.low ? low : piece.low;
		piece.high = high < piece.high ? high : piece.high;
		if (piece.low < piece.high)
			pieces[count++] = piece;
	}
	encode(pieces, count, epoch, out);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "balance/split.h"

#include <string.h>

#define UNIT (1ull << 32)

static uint64_t edge_of_ppm(uint32_t ppm)
{
	return (ppm * UNIT + SPLIT_PPM_ALL / 2) / SPLIT_PPM_ALL;
}

static uint32_t ppm_of_edge(uint64_t edge)
{
	return (uint32_t)((edge * SPLIT_PPM_ALL + UNIT / 2) / UNIT);
}

uint32_t split_others_ppm(const struct split_layout *layout)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < layout->other_count; i++)
		sum += layout->others[i].ppm;
	return sum;
}

uint32_t split_pool_ppm(const struct split_layout *layout, uint8_t pool)
{
	if (pool == layout->primary)
		return SPLIT_PPM_ALL - split_others_ppm(layout);
	for (size_t i = 0; i < layout->other_count; i++)
		if (layout->others[i].pool == pool)
			return layout->others[i].ppm;
	return 0;
}

bool split_equal(const struct split_layout *a, const struct split_layout *b)
{
	if (a->primary != b->primary || a->other_count != b->other_count)
		return false;
	for (size_t i = 0; i < a->other_count; i++)
		if (a->others[i].pool != b->others[i].pool || a->others[i].ppm != b->others[i].ppm)
			return false;
	return true;
}

void split_encode(const struct split_layout *layout, uint32_t epoch, struct serin_split *out)
{
	uint64_t stamp = (uint64_t)(epoch & SERIN_SPLIT_EPOCH_MASK) << SERIN_SPLIT_EPOCH_SHIFT;
	uint32_t from_top = 0;

	memset(out, 0, sizeof(*out));
	out->word[0] = stamp | layout->other_count << 8 | layout->primary;
	for (size_t i = 0; i < layout->other_count; i++) {
		uint64_t edge;

		if (i == 0) {
			edge = edge_of_ppm(layout->others[i].ppm);
		} else {
			from_top += layout->others[i].ppm;
			edge = UNIT - edge_of_ppm(from_top);
		}
		out->word[i + 1] =
			stamp | (uint64_t)layout->others[i].pool << SERIN_SPLIT_POOL_SHIFT | edge;
	}
}

void split_decode(const struct serin_split *split, struct split_layout *out)
{
	uint32_t from_top = 0;

	memset(out, 0, sizeof(*out));
	out->primary = split->word[0] & 0xff;
	out->other_count = split->word[0] >> 8 & 0xff;
	if (out->other_count > SERIN_MAX_POOLS - 1)
		out->other_count = SERIN_MAX_POOLS - 1;
	for (size_t i = 0; i < out->other_count; i++) {
		uint64_t word = split->word[i + 1];
		uint64_t edge = word & SERIN_SPLIT_EDGE_MASK;

		out->others[i].pool = word >> SERIN_SPLIT_POOL_SHIFT & SERIN_SPLIT_POOL_MASK;
		if (i == 0) {
			out->others[i].ppm = ppm_of_edge(edge);
		} else {
			uint32_t above = from_top;

			from_top = ppm_of_edge(UNIT - edge);
			out->others[i].ppm = from_top - above;
		}
	}
}

void split_interval(const struct split_layout *layout, uint8_t pool, uint64_t *low, uint64_t *high)
{
	uint64_t bottom = 0, top = UNIT;
	uint32_t from_top = 0;

	for (size_t i = 0; i < layout->other_count; i++) {
		uint64_t start;

		if (i == 0) {
			bottom = edge_of_ppm(layout->others[i].ppm);
			if (layout->others[i].pool == pool) {
				*low = 0;
				*high = bottom;
				return;
			}
			continue;
		}
		from_top += layout->others[i].ppm;
		start = UNIT - edge_of_ppm(from_top);
		if (layout->others[i].pool == pool) {
			*low = start;
			*high = top;
			return;
		}
		top = start;
	}
	*low = bottom;
	*high = top;
}

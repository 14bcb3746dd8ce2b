/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the layout of the unit interval over pools: weights to a struct serin_split and back. Pure.
 *
 *     0 |--- others[0] ---|------------ primary ------------|- others[2] -|- others[1] -| 2^32
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

#define SPLIT_PPM_ALL 1000000u

struct split_layout {
	uint8_t primary;
	size_t other_count; /* at most SERIN_MAX_POOLS - 1 */
	struct {
		uint8_t pool;
		uint32_t ppm;	       /* weight, millionths */
	} others[SERIN_MAX_POOLS - 1]; /* in the order declared */
};

/* Sum of the others' weights; the primary has SPLIT_PPM_ALL less this. */
uint32_t split_others_ppm(const struct split_layout *layout);
/* A pool's weight in the layout; 0 if it has no part in it. */
uint32_t split_pool_ppm(const struct split_layout *layout, uint8_t pool);
bool split_equal(const struct split_layout *a, const struct split_layout *b);

/* Weights must sum to at most SPLIT_PPM_ALL. An edge is exact to half of 2^-32. */
void split_encode(const struct split_layout *layout, uint32_t epoch, struct serin_split *out);
/* The inverse; exact, because a millionth is 4295 units wide. */
void split_decode(const struct serin_split *split, struct split_layout *out);

/* The interval [*low, *high) of 2^32 that a pool owns. */
void split_interval(const struct split_layout *layout, uint8_t pool, uint64_t *low, uint64_t *high);

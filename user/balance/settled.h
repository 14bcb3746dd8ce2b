/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what is settled: the places of the unit interval whose pool has been one and the same in
 * every split since a base. Pure.
 *
 * A pool owns one piece of the interval in every split, so what it has owned in all of them is the
 * intersection of these: one piece again. That is why eight pieces are enough for ever.
 */
#pragma once

#include <stdint.h>

#include <serin/abi.h>

struct split_layout;

/* Everything, but for what rounding to 2^-19 cuts off at the edges, is settled on this split. */
void settled_begin(const struct split_layout *layout, uint32_t epoch, struct serin_settled *out);
/* What of `before` this split leaves settled. */
void settled_narrow(const struct serin_settled *before, const struct split_layout *layout,
		    uint32_t epoch, struct serin_settled *out);
/* Nothing is. */
void settled_none(uint32_t epoch, struct serin_settled *out);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns how states become bytes and come back: one walk over the fields of a struct for both ways, each
 * number a word of 64 bits, little endian, in front of a sum. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct codec {
	uint8_t *at;
	const uint8_t *from; /* NULL: writes, or (at NULL, too) counts */
	size_t size;	     /* bytes so far */
};

void codec_word(struct codec *c, uint64_t *value);
/* What is too great becomes UINT32_MAX, to be refused. */
void codec_halves(struct codec *c, uint32_t *value, size_t count);
/* FNV-1a, 64 bits: against damage, not against malice. */
uint64_t codec_sum(const uint8_t *bytes, size_t size);

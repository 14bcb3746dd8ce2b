// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/codec.h"

#include <endian.h>
#include <string.h>

void codec_word(struct codec *c, uint64_t *value)
{
	uint64_t le;

	if (c->from) {
		memcpy(&le, c->from + c->size, sizeof(le));
		*value = le64toh(le);
	} else if (c->at) {
		le = htole64(*value);
		memcpy(c->at + c->size, &le, sizeof(le));
	}
	c->size += sizeof(le);
}

void codec_halves(struct codec *c, uint32_t *value, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t wide = value[i];

		codec_word(c, &wide);
		value[i] = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;
	}
}

uint64_t codec_sum(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ull;
	return sum;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checksums, updated by what changed (RFC 1624, eq. 3) or taken of little. All in wire order. */
#pragma once

#include "packet.bpf.h"

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* ~(~check + delta), in ones' complement. */
static __always_inline __u16 csum_add(__u16 check, __u32 delta)
{
	return (__u16)~csum_fold((__u16)~check + delta);
}

/* Writes a field; returns what that adds to the sum of what it is in. */
static __always_inline __u32 csum_replace(__u16 *field, __u16 fresh)
{
	__u32 delta = (__u16) ~*field + (__u32)fresh;

	*field = fresh;
	return delta;
}

static __always_inline __u32 csum_replace_words(void *field, const void *fresh, int words)
{
	const __u16 *word = fresh;
	__u32 delta = 0;

	for (int i = 0; i < words; i++)
		delta += csum_replace((__u16 *)field + i, word[i]);
	return delta;
}

/* Of an address, with the words that IPv4-mapped ones have in common: in a difference they are 0. */
static __always_inline __u16 csum_addr(const struct serin_addr *a)
{
	__u64 sum = (__u64)a->word_be[0] + a->word_be[1] + a->word_be[2] + a->word_be[3];

	return csum_fold((sum & 0xffff) + (sum >> 16 & 0xffff) + (__u32)(sum >> 32));
}

/* What a sum changes by where words of one sum give way to those of another. */
static __always_inline __u16 csum_delta(__u32 from, __u32 to)
{
	return csum_fold((__u16)~csum_fold(from) + to);
}

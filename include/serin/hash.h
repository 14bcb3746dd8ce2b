/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns every hash that decides where a packet goes, compiled for the kernel and for user space, so
 * that `serin explain` and another host cannot disagree with the packet path.
 *
 * The mixer is MurmurHash3's 64-bit finalizer with the constants of Stafford's variant 13 (as in
 * SplitMix64, Steele et al., OOPSLA 2014): two multiplications, every input bit flips every output
 * bit with probability 1/2 within 0.3 %.
 */
#pragma once

#include <serin/abi.h>

#ifdef __bpf__
#define SERIN_INLINE static __always_inline
#else
#define SERIN_INLINE static inline
#endif

SERIN_INLINE __u64 serin_mix64(__u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

SERIN_INLINE __u64 serin_addr_high(const struct serin_addr *a)
{
	return (__u64)a->word_be[0] << 32 | a->word_be[1];
}

SERIN_INLINE __u64 serin_addr_low(const struct serin_addr *a)
{
	return (__u64)a->word_be[2] << 32 | a->word_be[3];
}

SERIN_INLINE int serin_addr_equal(const struct serin_addr *a, const struct serin_addr *b)
{
	return a->word_be[3] == b->word_be[3] && a->word_be[2] == b->word_be[2] &&
	       a->word_be[1] == b->word_be[1] && a->word_be[0] == b->word_be[0];
}

SERIN_INLINE int serin_endpoint_equal(const struct serin_endpoint *a,
				      const struct serin_endpoint *b)
{
	return a->port_be == b->port_be && a->protocol == b->protocol &&
	       serin_addr_equal(&a->addr, &b->addr);
}

SERIN_INLINE __u64 serin_endpoint_hash(const struct serin_endpoint *at, __u64 seed)
{
	__u64 h = serin_mix64(seed ^ serin_addr_low(&at->addr));

	/* IPv4-mapped addresses share their upper half: one round less for them. */
	if (serin_addr_high(&at->addr))
		h = serin_mix64(h ^ serin_addr_high(&at->addr));
	return serin_mix64(h ^ ((__u64)at->port_be << 8 | at->protocol));
}

/* The constant part of a service's flow hash: half of the 5-tuple never changes. */
SERIN_INLINE __u64 serin_service_key(__u64 seed, const struct serin_endpoint *vip)
{
	return serin_endpoint_hash(vip, serin_mix64(seed + 0x9e3779b97f4a7c15ull));
}

/* Clears all but the leading `bits` (0 .. 64) of an IPv6 client's upper or lower half. */
SERIN_INLINE __u64 serin_prefix_mask_be(unsigned int bits)
{
	__u64 mask = bits >= 64 ? ~0ull : ~(~0ull >> bits);

	if (!bits)
		mask = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	/* serin_addr_high() joins two network-order words: swap bytes inside each half. */
	return (__u64)__builtin_bswap32((__u32)(mask >> 32)) << 32 | __builtin_bswap32((__u32)mask);
#else
	return mask;
#endif
}

/*
 * serin_flow_hash() - the affinity key's hash.
 * @client: the client's address; @port_be: its port (affinity: connection only)
 *
 * High 32 bits place the flow on the unit interval (which pool), low 32 bits in the Maglev table
 * (which backend): two independent draws, so a canary's clients spread over all its backends.
 */
SERIN_INLINE __u64 serin_flow_hash(const struct serin_service *svc, const struct serin_addr *client,
				   __u16 port_be)
{
	int is_v4 = !serin_addr_high(client) && client->word_be[2] == SERIN_V4_MAPPED_BE;
	__u64 high = serin_addr_high(client);
	__u64 low = serin_addr_low(client);
	__u64 tail = port_be;

	if (svc->affinity == SERIN_AFFINITY_CLIENT) {
		tail = 0;
		if (!is_v4) {
			unsigned int bits = svc->client_prefix6;

			high &= serin_prefix_mask_be(bits > 64 ? 64 : bits);
			low &= serin_prefix_mask_be(bits > 64 ? bits - 64 : 0);
		}
	}
	if (is_v4)
		return serin_mix64(svc->hash_key ^ (tail << 32 | client->word_be[3]));
	return serin_mix64(serin_mix64(serin_mix64(svc->hash_key ^ high) ^ low) ^ tail);
}

SERIN_INLINE __u32 serin_hash_point(__u64 hash)
{
	return (__u32)(hash >> 32);
}

/* Maps 32 random bits onto [0, size) without a division (Lemire, 2016). */
SERIN_INLINE __u32 serin_hash_slot(__u64 hash, __u32 size)
{
	return (__u32)(((__u64)(__u32)hash * size) >> 32);
}

/*
 * The endpoint indexes: buckets of one cache line; a word is 12 bits of tag above the id + 1. The
 * tag only saves looking at the wrong entry: the entry itself holds the key that is compared.
 */
SERIN_INLINE __u64 serin_index_hash(const struct serin_endpoint *at)
{
	return serin_endpoint_hash(at, 0);
}

SERIN_INLINE __u32 serin_index_word(__u64 hash, __u32 id)
{
	return (__u32)(hash >> 52) << SERIN_INDEX_ID_BITS | (id + 1);
}

SERIN_INLINE int serin_index_tag_matches(__u32 word, __u64 hash)
{
	return word >> SERIN_INDEX_ID_BITS == (__u32)(hash >> 52);
}

SERIN_INLINE __u32 serin_index_id(__u32 word)
{
	return (word & ((1u << SERIN_INDEX_ID_BITS) - 1)) - 1;
}

SERIN_INLINE __u32 serin_port_home(__u32 ifindex)
{
	return ifindex % (SERIN_MAX_PORTS - 1) + 1;
}

SERIN_INLINE __u32 serin_port_next(__u32 slot)
{
	return slot % (SERIN_MAX_PORTS - 1) + 1;
}

/*
 * serin_split_pick() - which pool owns a point of the unit interval.
 * @ring: the service's splits, @epoch: the live one, @point: serin_hash_point()
 *
 * Returns the pool, or -1 if the split was overwritten meanwhile: read the epoch again.
 */
SERIN_INLINE int serin_split_pick(const struct serin_split *ring, __u32 epoch, __u32 point)
{
	const volatile __u64 *word = ring[epoch % SERIN_SPLIT_RING].word;
	__u64 head = word[0];
	__u32 edges = head >> 8 & 0xff;
	int pool = head & 0xff;
	unsigned int i;

	if ((head >> SERIN_SPLIT_EPOCH_SHIFT) != (epoch & SERIN_SPLIT_EPOCH_MASK))
		return -1;
	for (i = 1; i < SERIN_MAX_POOLS; i++) {
		__u64 w, edge;

		if (i > edges)
			break;
		w = word[i];
		if ((w >> SERIN_SPLIT_EPOCH_SHIFT) != (epoch & SERIN_SPLIT_EPOCH_MASK))
			return -1;
		edge = w & SERIN_SPLIT_EDGE_MASK;
		if (i == 1 ? point < edge : point >= edge) {
			pool = w >> SERIN_SPLIT_POOL_SHIFT & SERIN_SPLIT_POOL_MASK;
			break;
		}
	}
	return pool;
}

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

SERIN_INLINE int serin_addr_is_v4(const struct serin_addr *a)
{
	return a->word_be[2] == SERIN_V4_MAPPED_BE && !serin_addr_high(a);
}

/* An IPv4 address, a port and a protocol fit one word: one round of mixing. */
SERIN_INLINE __u64 serin_endpoint_hash(const struct serin_endpoint *at, __u64 seed)
{
	__u64 tail = (__u64)at->port_be << 8 | at->protocol;

	if (serin_addr_is_v4(&at->addr))
		return serin_mix64(seed ^ ((__u64)at->addr.word_be[3] << 32 | tail));
	return serin_mix64(serin_mix64(serin_mix64(seed ^ serin_addr_low(&at->addr)) ^
				       serin_addr_high(&at->addr)) ^
			   tail);
}

#define SERIN_GOLDEN 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio */

/* The constant part of a service's flow hash: half of the 5-tuple never changes. */
SERIN_INLINE __u64 serin_flow_key(const struct serin_endpoint *vip)
{
	return serin_endpoint_hash(vip, SERIN_GOLDEN);
}

SERIN_INLINE __u64 serin_split_key(__u64 seed)
{
	return serin_mix64(seed + SERIN_GOLDEN);
}

/* And back: the mixer loses nothing. Its constants are those of serin_mix64(), inverted modulo 2^64. */
SERIN_INLINE __u64 serin_split_seed(__u64 key)
{
	key = (key ^ key >> 31 ^ key >> 62) * 0x319642b2d24d8ec3ull;
	key = (key ^ key >> 27 ^ key >> 54) * 0x96de1b173f119089ull;
	return (key ^ key >> 30 ^ key >> 60) - SERIN_GOLDEN;
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

/* The same of an IPv4 client's address; bits is 1 .. 32. */
SERIN_INLINE __u32 serin_prefix4_mask_be(unsigned int bits)
{
	__u32 mask = (__u32)(~0ull << ((32 - bits) & 63));

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap32(mask);
#else
	return mask;
#endif
}

/*
 * serin_flow_hash() - the affinity key's hash.
 * @client: the client's address; @port_be: its port (affinity: connection only)
 *
 * From it come two independent draws: the point of the unit interval (which pool), which the seed
 * takes part in, and the slot of the Maglev table (which backend), which it does not: a new seed
 * moves nobody between the backends of a pool, and a canary's clients spread over all of its.
 */
SERIN_INLINE __u64 serin_flow_hash(const struct serin_hashing *h, const struct serin_addr *client,
				   __u16 port_be)
{
	int is_v4 = serin_addr_is_v4(client);
	__u64 high = serin_addr_high(client);
	__u64 low = serin_addr_low(client);
	__u64 tail = port_be;
	__u32 addr4 = client->word_be[3];

	if (h->affinity == SERIN_AFFINITY_CLIENT) {
		tail = 0;
		if (is_v4) {
			addr4 &= serin_prefix4_mask_be(h->client_prefix4);
		} else {
			unsigned int bits = h->client_prefix6;

			high &= serin_prefix_mask_be(bits > 64 ? 64 : bits);
			low &= serin_prefix_mask_be(bits > 64 ? bits - 64 : 0);
		}
	}
	if (is_v4)
		return serin_mix64(h->flow_key ^ (tail << 32 | addr4));
	return serin_mix64(serin_mix64(serin_mix64(h->flow_key ^ high) ^ low) ^ tail);
}

/* The upper half of a product depends on every bit of its factors. */
SERIN_INLINE __u32 serin_hash_point(const struct serin_hashing *h, __u64 hash)
{
	return (__u32)(((hash ^ h->split_key) * SERIN_GOLDEN) >> 32);
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

/* The bit of serin_service.host_filter that an address has: 0 .. 511. */
SERIN_INLINE __u32 serin_host_bit(const struct serin_addr *a)
{
	return (__u32)((serin_addr_high(a) * 0xff51afd7ed558ccdull + serin_addr_low(a)) *
			       SERIN_GOLDEN >>
		       55);
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
 * @split: of @epoch, the service's live one; @point: serin_hash_point()
 *
 * Returns the pool, or -1 if the split was overwritten meanwhile: read the epoch again.
 */
SERIN_INLINE int serin_split_pick(const struct serin_split *split, __u32 epoch, __u32 point)
{
	const volatile __u64 *word = split->word;
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

/*
 * serin_settled_pick() - the pool of a point that has had one pool since the base, or -1: it is
 * moving, or what is settled was overwritten meanwhile; both mean that the flow table knows.
 */
SERIN_INLINE int serin_settled_pick(const struct serin_settled *settled, __u32 epoch, __u32 point)
{
	const volatile __u64 *word = settled->word;
	__u32 unit = point >> (32 - SERIN_SETTLED_BITS);
	unsigned int i;

	for (i = 0; i < SERIN_MAX_POOLS; i++) {
		__u64 w = word[i];
		__u32 low = w >> SERIN_SETTLED_BITS & SERIN_SETTLED_EDGE_MASK;
		__u32 high = w & SERIN_SETTLED_EDGE_MASK;

		if (!high || (w >> SERIN_SPLIT_EPOCH_SHIFT) != (epoch & SERIN_SPLIT_EPOCH_MASK))
			break;
		if (unit >= low && unit < high)
			return w >> SERIN_SETTLED_POOL_SHIFT & SERIN_SPLIT_POOL_MASK;
	}
	return -1;
}

/* ---- the flow table: keys, values, buckets ---- */

/* A service's number stands in keys plus one, so that none is 0; there are at most 65534, so that
 * none is SERIN_FLOW_BUSY. */
SERIN_INLINE __u32 serin_flow_service(__u64 key)
{
	return (__u32)(key & 0xffff) - 1;
}

SERIN_INLINE __u64 serin_flow4_key(__u32 client_be, __u16 port_be, __u32 service)
{
	return (__u64)client_be << 32 | (__u32)port_be << 16 | (service + 1);
}

/* @secret: random, made at load: whoever does not know it cannot aim at a bucket. */
SERIN_INLINE __u64 serin_flow4_hash(__u64 key, const volatile __u64 *secret)
{
	return serin_mix64(serin_mix64(key ^ secret[0]) ^ secret[1]);
}

SERIN_INLINE __u64 serin_flow6_hash(const struct serin_addr *client, __u16 port_be, __u32 service,
				    const volatile __u64 *secret)
{
	__u64 h = serin_mix64(serin_addr_high(client) ^ secret[0]);

	h = serin_mix64(h ^ serin_addr_low(client));
	return serin_mix64(h ^ secret[1] ^ ((__u64)port_be << 32 | service));
}

/* The tag makes a key its client's, so that reading the key twice proves the entry unchanged. */
SERIN_INLINE __u64 serin_flow6_key(__u64 hash, __u16 port_be, __u32 service)
{
	return (hash >> 32) << 32 | (__u32)port_be << 16 | (service + 1);
}

SERIN_INLINE __u64 serin_flow_value(__u32 backend, __u32 state, __u32 epoch, __u64 jiffies)
{
	return (jiffies >> SERIN_FLOW_JIFFIES_SHIFT) << SERIN_FLOW_SEEN_SHIFT |
	       (__u64)(epoch & SERIN_FLOW_EPOCH_MASK) << SERIN_FLOW_EPOCH_SHIFT |
	       (__u64)state << SERIN_FLOW_STATE_SHIFT | (backend & SERIN_FLOW_BACKEND_MASK);
}

SERIN_INLINE __u32 serin_flow_backend(__u64 value)
{
	return value & SERIN_FLOW_BACKEND_MASK;
}

SERIN_INLINE __u32 serin_flow_state(__u64 value)
{
	return value >> SERIN_FLOW_STATE_SHIFT & SERIN_FLOW_STATE_MASK;
}

SERIN_INLINE __u32 serin_flow_epoch(__u64 value)
{
	return value >> SERIN_FLOW_EPOCH_SHIFT & SERIN_FLOW_EPOCH_MASK;
}

/* Jiffies since it was last seen, to 64; the clock of 25 bits has room for 24 days and more. Another
 * CPU may have seen it after the asker looked at the clock, which was long ago for one who reads
 * whole tables: that is now, not 24 days ago. */
SERIN_INLINE __u64 serin_flow_idle_jiffies(__u64 value, __u64 now_jiffies)
{
	__u32 now = (now_jiffies >> SERIN_FLOW_JIFFIES_SHIFT) & ((1u << SERIN_FLOW_SEEN_BITS) - 1);
	__u32 seen = value >> SERIN_FLOW_SEEN_SHIFT;
	__u32 idle = (now - seen) & ((1u << SERIN_FLOW_SEEN_BITS) - 1);

	if (idle >= (1u << SERIN_FLOW_SEEN_BITS) - SERIN_FLOW_SEEN_AHEAD)
		idle = 0;
	return (__u64)idle << SERIN_FLOW_JIFFIES_SHIFT;
}

/* ---- fullnat ---- */

/* The n-th of the buckets a flow may be in, of any number of them. */
SERIN_INLINE __u32 serin_source_bucket(__u64 hash, __u32 n, __u32 buckets)
{
	__u64 draw = n > 1 ? serin_mix64(hash + n) : n ? hash >> 32 : hash;

	return serin_hash_slot(draw, buckets);
}

/* Which bits of serin_source_set.depths tell of the n-th bucket and those after it. */
SERIN_INLINE __u64 serin_source_depths(__u32 n)
{
	return ~0ull << n / 2;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns the layout of fullnat's tables. A fullnat service has a flow table of its own, of the buckets
 * of the other one, in which an entry's position is its source address and port: position / ports
 * says which source, position % ports + port_low which port. So two flows never have the same,
 * whatever CPUs begin them; a port is used again when its entry is; and a reply finds its flow by
 * one look. Positions that stand for no port are busy for good. It is ABI like the rest: see abi.h.
 */
#pragma once

#include <serin/abi.h>

#define SERIN_MAX_SOURCES 16 /* addresses of a service */

struct serin_source_set {
	__u32 buckets; /* of the table; any number. 0: not fullnat */
	__u32 ports;   /* of each address */
	/* Bit n: some flow had to go to the 2n-th bucket it may be in, or the next; writer: packets */
	__u64 depths;
	__u32 evictions_per_jiffy;
	__u16 port_low;
	__u8 count;
	__u8 pad[41];
	struct serin_addr source[SERIN_MAX_SOURCES];
};
serin_static_assert(sizeof(struct serin_source_set) == 64 + 16 * SERIN_MAX_SOURCES, "ABI");

/* How many buckets a flow may be in. So many only when the table is nearly full: of 64,512 ports 98
 * in a hundred are in use when the first flow is refused one (tests/bpf/source_test.c). */
#define SERIN_SOURCE_DEPTH 96

/* Whose is this address and port of ours? Several services may have ranges of one address. */
#define SERIN_SOURCE_SHARES 8

struct serin_source_key {
	struct serin_addr addr;
	__u8 protocol;
	__u8 pad[3];
};
serin_static_assert(sizeof(struct serin_source_key) == 20, "ABI");

struct serin_source_range {
	__u16 low, high; /* ports, both included */
	__u16 service;	 /* its number + 1; 0: none */
	__u16 number;	 /* of the source among the service's */
};

struct serin_source_ranges {
	struct serin_source_range range[SERIN_SOURCE_SHARES]; /* filled from the front */
};
serin_static_assert(sizeof(struct serin_source_ranges) == 64, "one cache line");

/* The TCP option that tells backends of the client, as the kernel's TOA modules read it: kind,
 * length, port, address. */
#define SERIN_TOA_KIND 28
#define SERIN_TOA_LEN4 8
#define SERIN_TOA_LEN6 20

/* Per CPU, per fullnat service. */
struct serin_source_counters {
	struct serin_budget budget;
	__u64 taken;   /* ports given to flows */
	__u64 evicted; /* living flows that gave theirs up, none of them proved */
	__u64 refused; /* flows that found no port */
	__u64 untold;  /* packets that had no room for the client's address */
	__u64 pad[2];
};
serin_static_assert(sizeof(struct serin_source_counters) == 64, "ABI");

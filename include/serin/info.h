/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns the part of the maps' layout that user space alone writes and reads: by it the maps describe
 * themselves. It is ABI like the rest: see abi.h.
 */
#pragma once

#include <serin/abi.h>

/* In a backend's `state`, beside what it is; of a free one there are none. With either of them a backend
 * that is up has a state that packets take for another one, and moves its SYNs. */
#define SERIN_BACKEND_STATE_MASK 0x3f
#define SERIN_BACKEND_UNHEALTHY	 0x40 /* its checks fail */
#define SERIN_BACKEND_EJECTED	 0x80 /* its flows do */
#define SERIN_BACKEND_FACTS	 (SERIN_BACKEND_UNHEALTHY | SERIN_BACKEND_EJECTED)

struct serin_meta {
	__u32 magic;
	__u32 abi_version;
	__u32 max_services;
	__u32 max_backends;
	__u32 max_flows;
	__u32 service_buckets; /* powers of two */
	__u32 backend_buckets;
	__u32 flow_buckets;		    /* of each of the two flow tables */
	__u32 idle_s[SERIN_FLOW_STATE_MAX]; /* entries idle for longer bind nobody */
	__u32 max_targets;
	__u64 flow_secret[2];
	__u64 program_id; /* hash of the BPF object that runs */
	char made_by[32]; /* version of the serin that loaded it */
};
serin_static_assert(sizeof(struct serin_meta) == 128, "ABI");

struct serin_change {
	__u64 when_ns; /* CLOCK_REALTIME */
	__u32 uid;
	__u32 pad;
	char actor[SERIN_NAME_LEN]; /* verb that did it */
	char reason[80];	    /* --reason */
};
serin_static_assert(sizeof(struct serin_change) == 128, "ABI");

struct serin_pool_info {
	char name[SERIN_NAME_LEN]; /* empty: slot free */
	__u32 order;		   /* place in the file; SERIN_POOL_GONE: no longer in it */
	__u32 configured_ppm;	   /* the file's weight, millionths */
	__u64 table_digest;	   /* of what its Maglev table was built from; 0: has none */
	__u32 first_event;	   /* low word of the first one's number that may tell of it */
	__u32 pad;
};
serin_static_assert(sizeof(struct serin_pool_info) == 56, "ABI");

#define SERIN_POOL_GONE 0xffffffffu

struct serin_service_info {
	char name[SERIN_NAME_LEN]; /* empty: slot free */
	__u64 seed;		   /* of the service's split_key, which has the last word */
	__u32 table_size; /* tables are built to this; the packet path's own follows when all are */
	__u32 first_event;  /* low word of the first one's number that may tell of it */
	__u32 target_count; /* rules for source prefixes */
	__u32 file_primary; /* 1 + slot of the pool that the file last applied calls so; 0: the live one */
	struct serin_change last; /* who shifted, drained or applied last */
	struct serin_pool_info pool[SERIN_MAX_POOLS];
};
serin_static_assert(sizeof(struct serin_service_info) == 184 + 56 * SERIN_MAX_POOLS, "ABI");

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 3, choice: which pool (target rule or split), then which backend in it (Maglev). A pure
 * function of the packet and the maps: it remembers nothing and is the same on every host.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

#define SPLIT_TRIES 4

/* The pool a target rule names for this client, or -1. */
static __always_inline int choose_by_target(struct packet *p)
{
	struct serin_target_key key = {
		.prefix_len = 32 + 128,
		.service_be = bpf_htonl(p->service_id),
		.client = p->src.addr,
	};
	__u32 *pool;

	if (!(READ_ONCE(p->service->flags) & SERIN_SERVICE_TARGETS))
		return -1;
	pool = bpf_map_lookup_elem(&targets, &key);
	return pool ? (int)(*pool % SERIN_MAX_POOLS) : -1;
}

/*
 * The pool that owns this point. Overtaken SPLIT_TRIES times running, each by SERIN_SPLIT_RING
 * shifts within a few instructions, it would settle for the primary; it has never been seen to be.
 */
static __always_inline int choose_by_split(struct packet *p, __u32 point)
{
	int pool = -1;

	for (int i = 0; i < SPLIT_TRIES && pool < 0; i++) {
		p->epoch = READ_ONCE(p->service->epoch);
		pool = serin_split_pick(p->service->ring, p->epoch, point);
	}
	return pool;
}

static __always_inline __u32 primary_pool(struct packet *p)
{
	__u32 epoch = READ_ONCE(p->service->epoch);

	return READ_ONCE(p->service->ring[epoch % SERIN_SPLIT_RING].word[0]) & 0xff;
}

static __always_inline int choose_in_pool(struct packet *p, __u32 pool, __u64 hash)
{
	__u32 index = p->service_id * SERIN_MAX_POOLS + pool;
	__u32 slot = serin_hash_slot(hash, READ_ONCE(p->service->table_size));
	void *table = bpf_map_lookup_elem(&tables, &index);
	__u32 *id;

	if (!table)
		return SERIN_DROP_NO_BACKEND;
	id = bpf_map_lookup_elem(table, &slot);
	if (!id)
		return SERIN_DROP_NO_BACKEND;
	p->backend_id = *id;
	p->backend = bpf_map_lookup_elem(&backends, id);
	return p->backend ? SERIN_GO_ON : SERIN_DROP_NO_BACKEND;
}

static __always_inline int choose_backend(struct packet *p)
{
	__u64 hash;
	__u32 primary;
	int pool;

	if (p->has_flow)
		return SERIN_GO_ON;
	hash = serin_flow_hash(p->service, &p->src.addr, p->src.port_be);
	p->epoch = READ_ONCE(p->service->epoch);
	pool = choose_by_target(p);
	if (pool < 0)
		pool = choose_by_split(p, serin_hash_point(hash));
	primary = primary_pool(p);
	if (pool < 0)
		pool = primary;
	if (!choose_in_pool(p, pool, hash))
		return SERIN_GO_ON;
	p->fallback = pool + 1;
	return choose_in_pool(p, primary, hash);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 3, choice: which pool (target rule or split), then which backend in it (Maglev). Pure
 * functions of the packet and the maps: they remember nothing and are the same on every host.
 *
 * A place is where a client's hash falls: a point of the unit interval and a slot of a table. It is
 * settled if pool and backend there have been the same in every choice since the base, and moving
 * otherwise. A settled place needs no memory: whenever a flow was born, it was born there.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

#define SPLIT_TRIES 4

static __always_inline __u32 *table_slot(void *tables_map, __u32 service, __u32 pool, __u32 slot)
{
	__u32 index = service * SERIN_MAX_POOLS + pool;
	void *table = bpf_map_lookup_elem(tables_map, &index);

	return table ? bpf_map_lookup_elem(table, &slot) : NULL;
}

static __always_inline int set_backend(struct packet *p, __u32 word)
{
	p->backend_id = word & SERIN_SLOT_BACKEND;
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
	return p->backend ? SERIN_GO_ON : SERIN_DROP_NO_BACKEND;
}

/*
 * The way of most packets. For a request it sets the backend; for a reply, whose backend is known,
 * it says whether that backend is the one its client has. Leaves is_settled at 0 for moving places.
 */
static __always_inline int choose_settled(struct packet *p)
{
	struct serin_service *svc = p->service;
	__u32 epoch, *word;
	__u64 hash;
	int pool;

	if (READ_ONCE(svc->flags) & SERIN_SERVICE_TRACKED)
		return SERIN_GO_ON;
	hash = serin_flow_hash(&svc->now, &p->client, p->client_port_be);
	epoch = READ_ONCE(svc->epoch);
	pool = serin_settled_pick(&svc->ring[epoch % SERIN_SPLIT_RING].settled, epoch,
				  serin_hash_point(&svc->now, hash));
	if (pool < 0)
		return SERIN_GO_ON;
	word = table_slot(&tables, p->service_id, pool,
			  serin_hash_slot(hash, READ_ONCE(svc->now.table_size)));
	if (!word || (*word & SERIN_SLOT_CHANGED))
		return SERIN_GO_ON;
	p->is_settled = 1;
	p->epoch = epoch;
	if (p->is_reply)
		return (*word & SERIN_SLOT_BACKEND) == p->backend_id ? SERIN_GO_ON
								     : SERIN_PASS_NO_FLOW;
	p->is_new = packet_is_syn(p);
	return set_backend(p, *word);
}

/* ---- moving places ---- */

/* The pool a target rule names for this client, or -1. */
static __always_inline int choose_by_target(struct packet *p)
{
	struct serin_target_key key = {
		.prefix_len = 32 + 128,
		.service_be = bpf_htonl(p->service_id),
		.client = p->client,
	};
	__u32 *pool;

	if (!(READ_ONCE(p->service->flags) & SERIN_SERVICE_TARGETS))
		return -1;
	pool = bpf_map_lookup_elem(&targets, &key);
	return pool ? (int)(*pool % SERIN_MAX_POOLS) : -1;
}

/*
 * The pool that owns this point, and above it the epoch that says so: epoch << 8 | pool. Overtaken
 * SPLIT_TRIES times running, each by SERIN_SPLIT_RING shifts within a few instructions, it would be
 * NO_POOL; it has never been seen to be. A global function: the verifier proves it once, not for
 * each way that leads to it.
 */
#define NO_POOL 0xff

__noinline __u64 pick_split(__u32 service_id, __u32 point, __u32 of_base)
{
	struct serin_service *svc = bpf_map_lookup_elem(&services, &service_id);
	struct serin_generation *g;
	__u32 epoch = 0;
	int pool = -1;

	for (int i = 0; svc && i < SPLIT_TRIES && pool < 0; i++) {
		epoch = READ_ONCE(svc->epoch);
		g = &svc->ring[epoch % SERIN_SPLIT_RING];
		pool = serin_split_pick(of_base ? &g->base : &g->now, epoch, point);
	}
	return (__u64)epoch << 8 | (pool < 0 ? NO_POOL : pool);
}

static __always_inline int choose_by_split(struct packet *p, __u32 point, int of_base)
{
	__u64 picked = pick_split(p->service_id, point, of_base);
	__u32 pool = picked & 0xff;

	p->epoch = picked >> 8;
	return pool < SERIN_MAX_POOLS ? (int)pool : -1;
}

static __always_inline __u32 primary_pool(struct packet *p)
{
	__u32 epoch = READ_ONCE(p->service->epoch);

	return READ_ONCE(p->service->ring[epoch % SERIN_SPLIT_RING].now.word[0]) & 0xff;
}

/* What a new flow gets: by rule or split, and if that pool has no backend, from the primary. */
static __noinline int choose_current(struct packet *p)
{
	struct serin_hashing *h = &p->service->now;
	__u64 hash = serin_flow_hash(h, &p->client, p->client_port_be);
	__u32 slot = serin_hash_slot(hash, READ_ONCE(h->table_size));
	__u32 primary = primary_pool(p), *word;
	int pool;

	p->fallback = 0;
	p->epoch = READ_ONCE(p->service->epoch);
	pool = choose_by_target(p);
	if (pool < 0)
		pool = choose_by_split(p, serin_hash_point(h, hash), 0);
	if (pool < 0)
		pool = primary;
	word = table_slot(&tables, p->service_id, pool, slot);
	if (!word) {
		p->fallback = pool + 1;
		word = table_slot(&tables, p->service_id, primary, slot);
	}
	return word ? set_backend(p, *word) : SERIN_DROP_NO_BACKEND;
}

/*
 * What a flow got that was born before the base's first change. If the base has no choice, or one
 * whose backend is down, there is nothing to be true to: the caller takes the current one.
 */
static __noinline int choose_base(struct packet *p)
{
	struct serin_hashing *h = &p->service->base;
	__u64 hash = serin_flow_hash(h, &p->client, p->client_port_be);
	int pool = choose_by_split(p, serin_hash_point(h, hash), 1);
	__u32 *word;

	p->fallback = 0;
	if (pool < 0)
		return SERIN_DROP_NO_BACKEND;
	word = table_slot(&base_tables, p->service_id, pool, serin_hash_slot(hash, h->table_size));
	if (!word || set_backend(p, *word))
		return SERIN_DROP_NO_BACKEND;
	return p->backend->state != SERIN_BACKEND_FREE && READ_ONCE(p->backend->hop)
		       ? SERIN_GO_ON
		       : SERIN_DROP_NO_BACKEND;
}

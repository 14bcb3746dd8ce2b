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

#include "exposure.bpf.h"
#include "failover.bpf.h"
#include "guard.bpf.h"
#include "hairpin.bpf.h"
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
 * it says whether that backend is the one its client has. Where the place moves, it says so.
 */
static __always_inline int choose_settled(struct packet *p, int *moves)
{
	struct serin_service *svc = p->service;
	__u32 epoch, flags, *word;
	__u64 hash;
	int pool;

	*moves = 1;
	flags = READ_ONCE(svc->flags);
	if (flags & (SERIN_SERVICE_REMEMBERS | SERIN_SERVICE_FAILOVER)) {
		if (may_fail_over(p, flags))
			p->fails_over = is_failing_over(&p->client, p->service_id,
							p->client_port_be, p->seq_be);
		if ((flags & SERIN_SERVICE_REMEMBERS) || p->fails_over)
			return SERIN_GO_ON;
	}
	if (READ_ONCE(svc->diverts))
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
	*moves = 0;
	p->epoch = epoch;
	if (p->is_reply)
		return (*word & SERIN_SLOT_BACKEND) == p->backend_id ? SERIN_GO_ON
								     : SERIN_PASS_NO_FLOW;
	p->is_new = packet_is_syn(p);
	if (p->is_new && refuse_hairpin(p))
		return SERIN_DROP_HAIRPIN;
	return set_backend(p, *word);
}

/* ---- moving places ---- */

/* The pool a rule for its source names for this client, or -1. */
static __always_inline int choose_by_source(const struct serin_service *svc, __u32 service_id,
					    const struct serin_addr *client)
{
	struct serin_target_key key = {
		.prefix_len = 32 + 128,
		.service_be = bpf_htonl(service_id),
		.client = *client,
	};
	__u32 *rule;

	if (!(READ_ONCE(svc->flags) & SERIN_SERVICE_TARGETS))
		return -1;
	rule = bpf_map_lookup_elem(&targets, &key);
	return rule ? (int)(*rule % SERIN_MAX_POOLS) : -1;
}

/* The pool a rule for this DSCP value names, or -1. */
static __always_inline int choose_by_dscp(const struct serin_service *svc, __u32 dscp)
{
	__u32 pool;

	if (!(READ_ONCE(svc->flags) & SERIN_SERVICE_DSCP) || dscp >= SERIN_DSCP_VALUES)
		return -1;
	pool = READ_ONCE(svc->dscp_pool[dscp]);
	return pool ? (int)((pool - 1) % SERIN_MAX_POOLS) : -1;
}

/* Who a client is outweighs how its packets are marked. */
static __always_inline int choose_by_target(const struct serin_service *svc, __u32 service_id,
					    const struct serin_addr *client, __u32 dscp)
{
	int pool = choose_by_source(svc, service_id, client);

	return pool < 0 ? choose_by_dscp(svc, dscp) : pool;
}

/*
 * The pool that owns this point, or -1, and the epoch that says so. Overtaken SPLIT_TRIES times
 * running, each by SERIN_SPLIT_RING shifts within a few instructions, it would be -1; it has never
 * been seen to be.
 */
static __always_inline int pick_split(struct serin_service *svc, __u32 point, const int of_base,
				      __u32 *epoch)
{
	struct serin_generation *g;
	int pool = -1;

	for (int i = 0; i < SPLIT_TRIES && pool < 0; i++) {
		*epoch = READ_ONCE(svc->epoch);
		g = &svc->ring[*epoch % SERIN_SPLIT_RING];
		pool = serin_split_pick(of_base ? &g->base : &g->now, *epoch, point);
	}
	return pool < SERIN_MAX_POOLS ? pool : -1;
}

static __always_inline __u32 primary_pool(struct serin_service *svc)
{
	__u32 epoch = READ_ONCE(svc->epoch);

	return READ_ONCE(svc->ring[epoch % SERIN_SPLIT_RING].now.word[0]) & 0xff;
}

/* A choice in one word: epoch << 32 | 1 << 31 | fallback << 24 | backend; 0: none. */
#define CHOICE_IS_MADE	      0x80000000u
#define CHOICE_FALLBACK_SHIFT 24

static __always_inline __u64 choice_of(__u32 epoch, __u32 fallback, const __u32 *word)
{
	if (!word)
		return 0;
	return (__u64)epoch << 32 | CHOICE_IS_MADE | fallback << CHOICE_FALLBACK_SHIFT |
	       (*word & SERIN_SLOT_BACKEND);
}

/* What a new flow gets, and what one got that was born before the base's first change. These two are
 * global functions: the verifier proves them once, not for each way that leads to them. */
__noinline __u64 current_choice(__u32 service_id, const struct serin_addr *client, __u32 port_be,
				__u32 dscp)
{
	struct serin_service *svc = bpf_map_lookup_elem(&services, &service_id);
	__u32 slot, primary, epoch, *word;
	__u64 hash;
	int pool;

	if (!svc || !client)
		return 0;
	hash = serin_flow_hash(&svc->now, client, port_be);
	slot = serin_hash_slot(hash, READ_ONCE(svc->now.table_size));
	primary = primary_pool(svc);
	epoch = READ_ONCE(svc->epoch);
	pool = choose_by_target(svc, service_id, client, dscp);
	if (pool < 0)
		pool = pick_split(svc, serin_hash_point(&svc->now, hash), 0, &epoch);
	if (pool < 0)
		pool = primary;
	word = table_slot(&tables, service_id, pool, slot);
	if (word)
		return choice_of(epoch, 0, word);
	return choice_of(epoch, pool + 1, table_slot(&tables, service_id, primary, slot));
}

__noinline __u64 base_choice(__u32 service_id, const struct serin_addr *client, __u32 port_be)
{
	struct serin_service *svc = bpf_map_lookup_elem(&services, &service_id);
	__u32 slot, epoch = 0;
	__u64 hash;
	int pool;

	if (!svc || !client)
		return 0;
	hash = serin_flow_hash(&svc->base, client, port_be);
	slot = serin_hash_slot(hash, svc->base.table_size);
	pool = pick_split(svc, serin_hash_point(&svc->base, hash), 1, &epoch);
	if (pool < 0)
		return 0;
	return choice_of(epoch, 0, table_slot(&base_tables, service_id, pool, slot));
}

static __always_inline int take_choice(struct packet *p, __u64 choice)
{
	p->epoch = choice >> 32;
	p->fallback = choice >> CHOICE_FALLBACK_SHIFT & 0xf;
	return choice ? set_backend(p, choice) : SERIN_DROP_NO_BACKEND;
}

/* How its client marked a flow; what a backend sends, or an error says, does not tell. */
static __always_inline __u32 client_dscp(const struct packet *p)
{
	if (!(READ_ONCE(p->service->flags) & SERIN_SERVICE_DSCP) || p->is_reply ||
	    packet_is_error(p))
		return SERIN_DSCP_NONE;
	if (p->ip4)
		return p->ip4->tos >> 2;
	return p->ip6 ? bpf_ntohs(*(const any16 *)p->ip6) >> 6 & (SERIN_DSCP_VALUES - 1)
		      : SERIN_DSCP_NONE;
}

/* What a new flow gets: by rule or split, and if that pool has no backend, from the primary. */
static __noinline int choose_current(struct packet *p)
{
	return take_choice(
		p, current_choice(p->service_id, &p->client, p->client_port_be, client_dscp(p)));
}

/* What a pool's flow gets of the primary instead. */
__noinline __u64 primary_choice(__u32 service_id, const struct serin_addr *client, __u32 port_be)
{
	struct serin_service *svc = bpf_map_lookup_elem(&services, &service_id);
	__u32 slot, epoch;

	if (!svc || !client)
		return 0;
	epoch = READ_ONCE(svc->epoch);
	slot = serin_hash_slot(serin_flow_hash(&svc->now, client, port_be),
			       READ_ONCE(svc->now.table_size));
	return choice_of(epoch, 0, table_slot(&tables, service_id, primary_pool(svc), slot));
}

/* Why a new flow is not to have this pool, or SERIN_EVENT_CAUSE_MAX: it may. */
static __always_inline __u32 find_guard(const struct packet *p, __u32 pool)
{
	if (p->fails_over) {
		__sync_fetch_and_add(&p->service->diverts, 1);
		return SERIN_EVENT_CAUSE_SYN_FAILOVER;
	}
	if (READ_ONCE(p->service->diverts) && is_kept_from(pool))
		return SERIN_EVENT_CAUSE_BREAKER;
	return is_beyond_cap(pool, &p->client, p->client_port_be) ? SERIN_EVENT_CAUSE_EXPOSURE
								  : SERIN_EVENT_CAUSE_MAX;
}

/* The current choice, but where a guard keeps a new flow from it. A primary without backends takes
 * none. */
static __noinline int choose_guarded(struct packet *p)
{
	int reason = choose_current(p);
	__u32 pool, cause;
	__u64 choice;

	if (reason || !p->is_new)
		return reason;
	pool = p->service_id * SERIN_MAX_POOLS + p->backend->pool;
	cause = find_guard(p, pool);
	if (cause == SERIN_EVENT_CAUSE_MAX)
		return SERIN_GO_ON;
	choice = primary_choice(p->service_id, &p->client, p->client_port_be);
	if (!choice)
		return SERIN_GO_ON;
	count_moved(pool, cause);
	send_packet_event(p, SERIN_EVENT_FLOW_MOVED, cause);
	return take_choice(p, choice);
}

/*
 * What a flow got that was born before the base's first change. If the base has no choice, or one
 * whose backend is down, there is nothing to be true to: the caller takes the current one.
 */
static __noinline int choose_base(struct packet *p)
{
	if (take_choice(p, base_choice(p->service_id, &p->client, p->client_port_be)))
		return SERIN_DROP_NO_BACKEND;
	return p->backend->state != SERIN_BACKEND_FREE && READ_ONCE(p->backend->hop)
		       ? SERIN_GO_ON
		       : SERIN_DROP_NO_BACKEND;
}

/* Did a flow of this client that was born before the base's first change go to this backend? */
static __always_inline int base_names(const struct serin_endpoint *client, __u32 service_id,
				      __u32 backend)
{
	__u64 choice = base_choice(service_id, &client->addr, client->port_be);

	return choice && (choice & SERIN_SLOT_BACKEND) == backend;
}

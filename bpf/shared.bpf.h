/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Backends that several services have, by nat. To such a backend flows differ in the client's address
 * and port alone, so two that have these in common must not live at once; and a reply says not whose
 * it is. The flow table knows: these services remember every flow.
 *
 * The entries of such a backend, one a service, form a ring: see struct serin_backend. All functions
 * that go round it are global: the verifier proves them once.
 */
#pragma once

#include "choose.bpf.h"
#include "flow_table.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* An entry of the ring of this endpoint, or NULL. */
static __always_inline struct serin_backend *sharer(__u32 id, const struct serin_endpoint *at)
{
	struct serin_backend *b = bpf_map_lookup_elem(&backends, &id);

	return b && serin_endpoint_equal(&b->at, at) ? b : NULL;
}

static __always_inline int is_nat_service(__u32 id)
{
	struct serin_service *svc = bpf_map_lookup_elem(&services, &id);

	return svc && svc->forwarding == SERIN_FORWARDING_NAT;
}

/* It is the only one by nat there: what is no source's of fullnat's can be but its own. */
static __always_inline int is_unremembering(__u32 id)
{
	struct serin_service *svc = bpf_map_lookup_elem(&services, &id);

	return svc && !(READ_ONCE(svc->flags) & SERIN_SERVICE_REMEMBERS);
}

/* The flow table's entry that binds a client's flow of a service to this backend, or NULL. */
static __always_inline __u64 *find_bound(const struct serin_endpoint *client, __u32 service,
					 __u32 backend, __u64 *value)
{
	struct flow_place at = {};
	__u64 *place;

	if (!locate_client(&at, &client->addr, client->port_be, service))
		return NULL;
	place = find_flow(&at, value);
	return place && serin_flow_backend(*value) == backend ? place : NULL;
}

/* ---- whose reply is it? ---- */

#define STANDING_OVER 1 /* all above: how far the flow has come */

/* What the flow table says of a client's flow with this backend: nothing (0), that it is over (or
 * that it is not asked), or that it lives. */
__noinline __u32 flow_standing(const struct serin_endpoint *client, __u32 service, __u32 backend)
{
	__u64 value = 0;

	if (is_unremembering(service))
		return STANDING_OVER;
	if (!client || !find_bound(client, service, backend, &value))
		return 0;
	if (flow_is_idle(value, bpf_jiffies64()))
		return STANDING_OVER;
	return STANDING_OVER + 1 + serin_flow_state(value);
}

/* Of a ring's entries the one whose flow with this client has come furthest: standing << 32 | id. */
__noinline __u64 best_sharer(const struct serin_endpoint *client, const struct serin_endpoint *at,
			     __u32 first)
{
	__u32 id = first;
	__u64 best = 0;

	for (__u64 i = 0; client && at && i < SERIN_SHARED_MAX; i++) {
		struct serin_backend *b = sharer(id, at);
		__u64 standing = 0;

		if (!b)
			break;
		if (is_nat_service(b->service))
			standing = flow_standing(client, b->service, id);
		standing = standing << 32 | id;
		best = standing >> 32 > best >> 32 ? standing : best;
		barrier_var(best);
		id = READ_ONCE(b->next_shared) - 1;
		if (id == first)
			break;
	}
	return best;
}

/* A ring's entry that has flows of before its service shared, which nobody remembers, if this may be
 * one of them; id + 1. No ring has two such entries. */
__noinline __u32 past_sharer(const struct serin_endpoint *client, const struct serin_endpoint *at,
			     __u32 first)
{
	__u32 id = first;

	for (__u64 i = 0; client && at && i < SERIN_SHARED_MAX; i++) {
		struct serin_backend *b = sharer(id, at);

		if (!b)
			break;
		if (b->has_past)
			return base_names(client, b->service, id) ? id + 1 : 0;
		id = READ_ONCE(b->next_shared) - 1;
		if (id == first)
			break;
	}
	return 0;
}

/*
 * A reply from a backend of several services comes from the entry that a flow of this client is bound
 * to; id + 1, or 0: from none. There is one that lives at most, but for the moment claim_shared()
 * takes: then the one that has come further was there first.
 */
__noinline __u32 find_sharer(const struct serin_endpoint *client, const struct serin_endpoint *at,
			     __u32 first)
{
	__u64 best = best_sharer(client, at, first);
	__u32 past = best >> 32 > STANDING_OVER ? 0 : past_sharer(client, at, first);

	if (past)
		return past;
	return best >> 32 ? (__u32)best + 1 : 0;
}

/* ---- may this flow live? ---- */

/* An entry becomes nobody's, unless it has changed since it was read. */
static __always_inline int free_entry(__u64 *place, __u64 value)
{
	__u64 evicted = value | (__u64)SERIN_FLOW_EVICTED << SERIN_FLOW_STATE_SHIFT;

	if (__sync_val_compare_and_swap(place, value, evicted) != value)
		return 0;
	WRITE_ONCE(place[-1], 0); /* the key stands before the value */
	return 1;
}

static __always_inline int gives_way(__u64 value)
{
	__u64 now = bpf_jiffies64();

	return flow_is_idle(value, now) ||
	       (serin_flow_state(value) == SERIN_FLOW_CLOSING &&
		serin_flow_idle_jiffies(value, now) >= shared_quiet_jiffies);
}

/* Does a living flow of another service hold this client and port at its entry? One that is over is
 * forgotten here, so that nothing that is left of it can be taken for the new one's. */
__noinline int is_held_by(const struct serin_endpoint *client, __u32 service, __u32 backend)
{
	__u64 value = 0, *place;

	if (!client)
		return 0;
	place = find_bound(client, service, backend, &value);
	return place && !(gives_way(value) && free_entry(place, value));
}

__noinline int is_held_by_others(const struct serin_endpoint *client, __u32 own)
{
	struct serin_backend *b = bpf_map_lookup_elem(&backends, &own);
	__u32 id = b ? READ_ONCE(b->next_shared) - 1 : own;
	int is_held = 0;

	for (__u64 i = 1; client && b && i < SERIN_SHARED_MAX && id != own; i++) {
		struct serin_backend *other = sharer(id, &b->at);

		if (!other)
			break;
		if (is_nat_service(other->service))
			is_held |= is_held_by(client, other->service, id);
		barrier_var(is_held);
		id = READ_ONCE(other->next_shared) - 1;
	}
	return is_held;
}

#define UNBIND_TRIES 4

/* Forgets a flow, whoever changes its entry meanwhile. */
__noinline int unbind_flow(const struct serin_endpoint *client, __u32 service, __u32 backend)
{
	__u64 value = 0, *place;

	for (__u64 i = 0; client && i < UNBIND_TRIES; i++) {
		place = find_bound(client, service, backend, &value);
		if (!place || free_entry(place, value))
			break;
	}
	return 0;
}

/* Orders the entry made before the look at others': of two flows that begin at once one at least
 * sees the other. */
static __always_inline void full_fence(void)
{
	__u64 word = 0;

	__sync_fetch_and_add(&word, 1);
}

/*
 * A packet that no entry led to a backend which others have, too: of a new flow, remembered by now, or
 * of one that is met anew. Two cases it must not go on in: another service's flow of this client and
 * port lives there; or it is new, and there was no room to remember it, so that nobody could tell whose
 * its replies are.
 */
static __always_inline int claim_shared(const struct packet *p)
{
	if (p->service->forwarding != SERIN_FORWARDING_NAT || packet_is_error(p))
		return SERIN_GO_ON;
	full_fence();
	if (is_held_by_others(&p->src, p->backend_id)) {
		unbind_flow(&p->src, p->service_id, p->backend_id);
		return SERIN_DROP_SHARED_BUSY;
	}
	if (packet_may_begin(p) && !flow_standing(&p->src, p->service_id, p->backend_id))
		return SERIN_DROP_SHARED_BUSY;
	return SERIN_GO_ON;
}

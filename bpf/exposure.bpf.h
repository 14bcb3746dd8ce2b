/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Caps on what a pool gets, whatever its weight: new flows in a second, and flows living at once. Who
 * is beyond them goes to the primary.
 *
 * Nobody tells when a flow falls silent, so living ones are not counted: a pool has as many seats as
 * it may have flows, and one is free again when the flow table does not know its holder any more, or
 * knows it to be over. Seats are looked at when somebody wants one; packets of living flows pay
 * nothing.
 */
#pragma once

#include "guard.bpf.h"
#include "maps.bpf.h"
#include "source.bpf.h"

#define RATE_TRIES 4
#define SEAT_TRIES 8

/* One more new flow: is it beyond the rate? There is room for those of a second, which fills up as time
 * goes; who is overtaken too often has it counted as if there were none. */
__noinline int is_beyond_rate(__u32 pool)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);
	__u64 rate, now, full, was;

	if (!g || !g->flows_per_second)
		return 0;
	rate = g->flows_per_second;
	now = bpf_jiffies64() * rate;
	was = READ_ONCE(g->cap_full);
	for (int i = 0; i < RATE_TRIES; i++) {
		__u64 seen;

		full = ((__s64)(was - now) > 0 ? was : now) + second_jiffies;
		if (full - now > rate * second_jiffies)
			return 1;
		seen = __sync_val_compare_and_swap(&g->cap_full, was, full);
		if (seen == was)
			return 0;
		was = seen;
	}
	return 1;
}

/* ---- seats ---- */

/* Instead of the stack. key: 0; a CPU has but one packet at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct source_flow);
} seat_scratch SEC(".maps");

static __always_inline int find_in_flows(const struct flow_key *flow, __u64 *value, const int is_v6)
{
	struct flow_place at = {.flow = *flow};

	return locate_buckets(&at, is_v6 ? (void *)&flows6 : (void *)&flows4) &&
	       find_in(&at, value, is_v6);
}

/* The holder's entry in the flow table; global functions, as those of the stages. */
__noinline int find_holder4(struct source_flow *f)
{
	return f ? find_in_flows(&f->flow, &f->value, 0) : 0;
}

__noinline int find_holder6(struct source_flow *f)
{
	return f ? find_in_flows(&f->flow, &f->value, 1) : 0;
}

/* Does its holder live, and in this pool? One that is closing has had what it came for. */
__noinline int is_seat_held(const struct serin_seat *seat, __u32 pool)
{
	__u32 zero = 0, id, service = pool / SERIN_MAX_POOLS;
	struct source_flow *f = bpf_map_lookup_elem(&seat_scratch, &zero);
	struct serin_source_set *set = source_set(service);
	struct serin_backend *b;
	int is_known;

	if (!seat || !f || !set)
		return 0;
	f->service = service;
	f->is_v6 = !serin_addr_is_v4(&seat->client);
	if (f->is_v6)
		set_flow6_key(&f->flow, &seat->client, seat->port_be, service);
	else
		set_flow4_key(&f->flow, &seat->client, seat->port_be, service);
	if (set->buckets)
		is_known = find_in_source_table(f); /* inline: the stack is short */
	else
		is_known = f->is_v6 ? find_holder6(f) : find_holder4(f);
	if (!is_known || serin_flow_state(f->value) == SERIN_FLOW_CLOSING ||
	    flow_is_idle(f->value, bpf_jiffies64()))
		return 0;
	id = serin_flow_backend(f->value);
	b = bpf_map_lookup_elem(&backends, &id);
	return b && b->pool == pool % SERIN_MAX_POOLS;
}

/* A seat just taken is its holder's, who is about to be remembered. */
static __always_inline int take_seat(struct serin_seat *seat, __u32 pool,
				     const struct serin_addr *client, __u32 port_be)
{
	__u64 now = bpf_jiffies64() | 1, was = READ_ONCE(seat->taken);

	if (was && ((__s64)(now - was) < (__s64)second_jiffies || is_seat_held(seat, pool)))
		return 0;
	if (__sync_val_compare_and_swap(&seat->taken, was, now) != was)
		return 0;
	seat->client = *client;
	seat->port_be = port_be;
	return 1;
}

/* One more flow: is there no seat for it? The next ones in turn are tried, which have been held the
 * longest. */
__noinline int finds_no_seat(__u32 pool, const struct serin_addr *client, __u32 port_be)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);
	struct serin_seat *seat;
	__u32 flows, number;
	void *table;

	flows = g ? READ_ONCE(g->flows) : 0;
	if (!flows || !client)
		return 0;
	table = bpf_map_lookup_elem(&seats, &pool);
	for (int i = 0; table && i < SEAT_TRIES; i++) {
		number = __sync_fetch_and_add(&g->next_seat, 1) % flows;
		seat = bpf_map_lookup_elem(table, &number);
		if (seat && take_seat(seat, pool, client, port_be))
			return 0;
	}
	return 1;
}

/* Is one more flow of this client's more than the pool is to have? */
static __always_inline int is_beyond_cap(__u32 pool, const struct serin_addr *client, __u32 port_be)
{
	return is_beyond_rate(pool) || finds_no_seat(pool, client, port_be);
}

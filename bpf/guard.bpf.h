/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guards of pools: when new flows are kept from one that does badly, and when they are let in again.
 * All of it is done by packets: there need be no agent.
 *
 * A service says in `diverts` that some flow may have been given another pool than split and rules
 * say. It does so before the first one is, and from then on all its packets ask the flow table: what
 * is not in it was born before and goes where it always went.
 */
#pragma once

#include <serin/guard.h>

#include "event.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline __u32 breaker_state(__u64 phase)
{
	return phase & SERIN_PHASE_STATE_MASK;
}

static __always_inline __u64 breaker_phase(__u64 now, __u32 state)
{
	return now << SERIN_PHASE_SHIFT | state;
}

static __always_inline void tell_breaker(__u32 pool, __u32 kind, __u32 cause, __u64 total)
{
	struct serin_event e = {
		.service = pool / SERIN_MAX_POOLS,
		.pool = pool % SERIN_MAX_POOLS + 1,
		.kind = kind,
		.cause = cause,
		.count = 1,
		.total = total,
	};

	log_event(&e);
}

/* Of those who would open it in this phase one does. */
__noinline int open_breaker(__u32 pool, __u64 phase, __u32 cause)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);
	__u32 service = pool / SERIN_MAX_POOLS;
	struct serin_service *svc = bpf_map_lookup_elem(&services, &service);

	if (!g || !svc)
		return 0;
	__sync_fetch_and_add(&svc->diverts, 1);
	if (__sync_val_compare_and_swap(
		    &g->phase, phase, breaker_phase(bpf_jiffies64(), SERIN_BREAKER_OPEN)) != phase)
		return 0;
	WRITE_ONCE(g->probe, 0);
	tell_breaker(pool, SERIN_EVENT_BREAKER_OPENED, cause,
		     __sync_fetch_and_add(&g->trips, 1) + 1);
	return 0;
}

/* ---- how the pool is doing ---- */

#define WINDOW_TRIES 16

/* One more failure: has it spent the budget? */
static __always_inline int spends_budget(struct serin_guard *g)
{
	__u64 now = bpf_jiffies64() & SERIN_WINDOW_TIME_MASK, was = READ_ONCE(g->window), next,
	      seen;

	for (int i = 0; i < WINDOW_TRIES; i++) {
		__u64 age = (now - (was >> SERIN_WINDOW_SHIFT)) & SERIN_WINDOW_TIME_MASK;

		next = age < g->window_jiffies ? was + 1 : now << SERIN_WINDOW_SHIFT | 1;
		seen = __sync_val_compare_and_swap(&g->window, was, next);
		if (seen == was)
			return (next & SERIN_WINDOW_COUNT_MAX) >= g->budget;
		was = seen;
	}
	return 0;
}

/* A failure was counted. Inline: eight calls deep is as deep as it may be. */
static __always_inline int guard_failure(__u32 pool)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);
	__u64 phase;

	if (!g || !g->budget)
		return 0;
	phase = READ_ONCE(g->phase);
	if (breaker_state(phase) == SERIN_BREAKER_PROBING)
		return open_breaker(pool, phase, SERIN_EVENT_CAUSE_PROBE_FAILED);
	if (breaker_state(phase) == SERIN_BREAKER_CLOSED && spends_budget(g))
		return open_breaker(pool, phase, SERIN_EVENT_CAUSE_FAILURES);
	return 0;
}

/* A flow was answered. */
__noinline int guard_success(__u32 pool)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);
	__u64 phase, closed;

	if (!g || !g->budget)
		return 0;
	phase = READ_ONCE(g->phase);
	if (breaker_state(phase) != SERIN_BREAKER_PROBING)
		return 0;
	if (__sync_fetch_and_add(&g->answered, 1) + 1 < SERIN_BREAKER_PROBES) {
		WRITE_ONCE(g->probe, 0);
		return 0;
	}
	WRITE_ONCE(g->window, 0);
	closed = breaker_phase(bpf_jiffies64(), SERIN_BREAKER_CLOSED);
	if (__sync_val_compare_and_swap(&g->phase, phase, closed) != phase)
		return 0;
	WRITE_ONCE(g->probe, 0);
	tell_breaker(pool, SERIN_EVENT_BREAKER_CLOSED, SERIN_EVENT_CAUSE_PROBES_ANSWERED,
		     READ_ONCE(g->trips));
	return 0;
}

/* ---- may it have a new flow? ---- */

/* Takes the place of the one flow that is let through; the first one's packet ends the time of none. */
static __always_inline int begin_probe(struct serin_guard *g, __u64 phase, __u64 now)
{
	if (__sync_val_compare_and_swap(&g->probe, 0, now))
		return 0;
	if (breaker_state(phase) == SERIN_BREAKER_PROBING)
		return 1;
	WRITE_ONCE(g->answered, 0);
	if (__sync_val_compare_and_swap(&g->phase, phase,
					breaker_phase(now, SERIN_BREAKER_PROBING)) == phase)
		return 1;
	WRITE_ONCE(g->probe, 0);
	return 0;
}

/* Whether the pool's next new flow is to go to the primary. */
__noinline int is_kept_from(__u32 pool)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);
	__u64 phase, probe, now;

	if (!g || !g->budget)
		return 0;
	phase = READ_ONCE(g->phase);
	if (breaker_state(phase) == SERIN_BREAKER_CLOSED)
		return 0;
	now = bpf_jiffies64();
	if (breaker_state(phase) == SERIN_BREAKER_OPEN &&
	    now - (phase >> SERIN_PHASE_SHIFT) < g->recover_jiffies)
		return 1;
	probe = READ_ONCE(g->probe);
	if (!probe)
		return !begin_probe(g, phase, now);
	if ((__s64)(now - probe) >= SERIN_PROBE_S * (__s64)second_jiffies)
		open_breaker(pool, phase, SERIN_EVENT_CAUSE_PROBE_FAILED);
	return 1;
}

__noinline int count_moved(__u32 pool, __u32 cause)
{
	struct serin_guard *g = bpf_map_lookup_elem(&guards, &pool);

	if (!g)
		return 0;
	if (cause == SERIN_EVENT_CAUSE_SYN_FAILOVER)
		__sync_fetch_and_add(&g->failed_over, 1);
	else if (cause == SERIN_EVENT_CAUSE_EXPOSURE)
		__sync_fetch_and_add(&g->capped, 1);
	else
		__sync_fetch_and_add(&g->moved, 1);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns what guards a pool: how it is doing, and whether new flows are kept from it. It is ABI like the
 * rest: see abi.h.
 */
#pragma once

#include <serin/abi.h>

/*
 * A breaker is closed while its pool may have new flows. When as many failures as its budget have been
 * counted in a window it opens, and new flows go to the primary; after a time it lets them through
 * one by one, the next when the one before has been answered. So many answers running close it; a
 * failure, or a probe that nothing is heard of, opens it again.
 */
enum serin_breaker_state {
	SERIN_BREAKER_CLOSED,
	SERIN_BREAKER_OPEN,
	SERIN_BREAKER_PROBING,
	SERIN_BREAKER_STATE_MAX,
};

#define SERIN_BREAKER_PROBES 3
#define SERIN_PROBE_S	     4 /* longer than SERIN_HANDSHAKE_MS: a SYN sent again tells more */

/* The phase: since when, in jiffies, above the state. */
#define SERIN_PHASE_SHIFT      2
#define SERIN_PHASE_STATE_MASK 3ull

/* The window: when it began, the low bits of the jiffies, above the failures counted in it. */
#define SERIN_WINDOW_SHIFT     24
#define SERIN_WINDOW_COUNT_MAX ((1u << SERIN_WINDOW_SHIFT) - 1)
#define SERIN_WINDOW_TIME_MASK ((1ull << (64 - SERIN_WINDOW_SHIFT)) - 1)

/* Of the primary, and of a pool without guards, all is 0. */
struct serin_guard {
	/* writer: user space */
	__u32 budget;	/* failures; 0: no breaker */
	__u32 failover; /* which SYN sent again goes to the primary; 0: none */
	__u64 window_jiffies;
	__u64 recover_jiffies;
	/* writer: packets, by compare-and-swap */
	__u64 phase;
	__u64 window;
	__u64 probe; /* when the flow was let through that is not answered yet; 0: there is none */
	__u64 answered;	   /* probes, running */
	__u64 trips;	   /* so often it opened, the times after a probe among them */
	__u64 moved;	   /* new flows that went to the primary */
	__u64 failed_over; /* and those that did by SYN failover */
	__u64 capped;	   /* and those beyond the cap */
	__u64 cap_full; /* when the rate's room is whole again, in jiffies times flows_per_second */
	__u32 flows_per_second; /* at most: new flows; 0: no cap. writer: user space */
	__u32 flows;		/* at most: living ones, and seats; 0: no cap. writer: user space */
	__u64 next_seat;	/* which is tried next, modulo flows */
	__u64 pad[2];
};
serin_static_assert(sizeof(struct serin_guard) == 128, "a guard is two cache lines");

/* What one of so many flows as a pool may have at once holds. */
struct serin_seat {
	struct serin_addr client;
	__u64 taken; /* when, in jiffies, the lowest bit set; 0: never */
	__u32 port_be;
	__u32 pad;
};
serin_static_assert(sizeof(struct serin_seat) == 32, "ABI");

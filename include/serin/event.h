/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns the log of events: what happened to packets that somebody should hear of. It forgets the
 * oldest for the newest, and anybody reads it without taking anything from others. Compiled for both
 * sides, so that what packets write can be raced against its readers. It is ABI like the rest: see
 * abi.h.
 */
#pragma once

#include <serin/hash.h>

/* What happened: X(NAME, "name"). */
#define SERIN_EVENTS(X)                                                                  \
	X(PORTS_EXHAUSTED, "ports_exhausted") /* a flow found no source port */          \
	X(BREAKER_OPENED, "breaker_opened")   /* a pool's new flows go to the primary */ \
	X(BREAKER_CLOSED, "breaker_closed")   /* and do no longer */                     \
	X(FLOW_MOVED, "flow_moved")	      /* a new flow was kept from its pool */    \
	X(BACKEND_DOWN, "backend_down")	      /* it gets no new flow */                  \
	X(BACKEND_UP, "backend_up")	      /* and does again, for all of that cause */

enum serin_event_kind {
#define SERIN_EVENT_ENUM(name, text) SERIN_EVENT_##name,
	SERIN_EVENTS(SERIN_EVENT_ENUM)
#undef SERIN_EVENT_ENUM
		SERIN_EVENT_MAX,
};

/* And of what: X(NAME, "name"). */
#define SERIN_EVENT_CAUSES(X)                                              \
	X(NEW_FLOW, "new_flow")		/* the first packet of a flow */   \
	X(UNKNOWN_FLOW, "unknown_flow") /* one of a flow not known here */ \
	X(FAILURES, "failures")		/* the budget is spent */          \
	X(PROBE_FAILED, "probe_failed")                                    \
	X(PROBES_ANSWERED, "probes_answered")                              \
	X(BREAKER, "breaker")                                              \
	X(SYN_FAILOVER, "syn_failover")                                    \
	X(EXPOSURE, "exposure")                                            \
	X(HEALTH_CHECK, "health_check")                                    \
	X(OUTLIER, "outlier") /* its flows fail */

enum serin_event_cause {
#define SERIN_EVENT_CAUSE_ENUM(name, text) SERIN_EVENT_CAUSE_##name,
	SERIN_EVENT_CAUSES(SERIN_EVENT_CAUSE_ENUM)
#undef SERIN_EVENT_CAUSE_ENUM
		SERIN_EVENT_CAUSE_MAX,
};

struct serin_event {
	__u64 when_ns; /* CLOCK_BOOTTIME */
	__u64 count;   /* how many like it this one stands for, itself included */
	__u64 total;   /* and all of its service and kind so far */
	__u32 service;
	__u32 backend; /* id + 1; 0: none */
	struct serin_endpoint client;
	__u8 kind;
	__u8 cause;
	__u8 pool; /* number in the service + 1; 0: none */
	__u8 pad;
};
serin_static_assert(sizeof(struct serin_event) == 56, "ABI");

#define SERIN_EVENT_LOG_SIZE 4096 /* a power of two */
#define SERIN_EVENT_BUSY     (~0ull)

/* Event n, from 1 on, is at n % SERIN_EVENT_LOG_SIZE. */
struct serin_event_record {
	__u64 sequence; /* n; SERIN_EVENT_BUSY: being written; 0: never was */
	struct serin_event event;
};
serin_static_assert(sizeof(struct serin_event_record) == 64, "a record is one cache line");

struct serin_event_log {
	__u64 last; /* event that has a place; it may not be written yet */
	__u64 pad[7];
	struct serin_event_record record[SERIN_EVENT_LOG_SIZE];
};
serin_static_assert(sizeof(struct serin_event_log) == 64 * (1 + SERIN_EVENT_LOG_SIZE), "ABI");

/* Kinds that are told once a second at most have a place each; one more does not change the map. */
#define SERIN_EVENT_RATES 16
serin_static_assert(SERIN_EVENT_MAX <= SERIN_EVENT_RATES, "ABI");

struct serin_event_rate {
	__u64 jiffies; /* when one was told last */
	__u64 untold;  /* since then */
	__u64 told;
};

struct serin_event_rates {
	struct serin_event_rate kind[SERIN_EVENT_RATES];
};
serin_static_assert(sizeof(struct serin_event_rates) == 24 * SERIN_EVENT_RATES, "ABI");

/*
 * Any number may write at once. A record is its writer's alone from the swap to BUSY to the store of
 * its number, so whoever reads one number before and after a copy has copied that event whole. Who
 * finds another there, a whole log behind or ahead, lets go: the event is lost, and readers see that
 * it is. Returns whether it was written.
 */
SERIN_INLINE int serin_event_write(struct serin_event_log *log, const struct serin_event *e)
{
	__u64 sequence = __sync_fetch_and_add(&log->last, 1) + 1;
	struct serin_event_record *r = &log->record[sequence % SERIN_EVENT_LOG_SIZE];
	__u64 old = *(const volatile __u64 *)&r->sequence;

	if (old >= sequence ||
	    __sync_val_compare_and_swap(&r->sequence, old, SERIN_EVENT_BUSY) != old)
		return 0;
	r->event = *e;
	__atomic_exchange_n(&r->sequence, sequence, __ATOMIC_SEQ_CST);
	return 1;
}

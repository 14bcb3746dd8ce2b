/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the sequential judge of a service that runs: what the kernel counted of its pools between two
 * snapshots, as a tick of seq_judge.h. Pure: no I/O, no clock.
 *
 *	live_roles_init(&roles, snapshot, "web", "canary", "");
 *	live_options_init(&options);			or seq_options_init(), and see below
 *	live_judge_begin(&j, &roles, snapshot, &options, now_ms);
 *	each second:
 *		dataplane_sweep(dir);			an agent does that anyway
 *		dataplane_glance(dp, &snapshot);
 *		live_judge_tick(&j, snapshot, now_ms, &tick);
 *		j.seq.verdict tells; seq_report_make(&j.seq, ...) says why
 *	live_codec.h keeps it; after a restart live_judge_tick() goes on.
 */
#pragma once

#include <stdint.h>

#include <serin/abi.h>

#include "judge/seq_judge.h"

struct serin_signals;
struct snapshot;

/*
 * So many times a client that goes on trying may be counted for one thing that went wrong: a browser
 * that tries again twice, a second apart. README, "Judge a canary live", tells what it costs, `make
 * simulate ALL=1` how it was found.
 */
#define LIVE_REPEATS 3

/* A stall of a second or two, of one host, is no verdict; slowness that stays is one from the third look on,
 * or the fourth where tails alone tell. */
#define LIVE_LOOK_MOST 2

/* A canary that fails less often than this is not worse, whatever the baseline does: of two that never
 * fail no number of flows could tell that one is not twice as bad. */
#define LIVE_FLOOR 0.001

/* Latencies below this are alike. A pool that gets a tenth of another's connections finds colder caches
 * and sleeping threads, which costs it tens of microseconds whatever version it runs. */
#define LIVE_ALIKE_US 1000

/* Ticks longer than this are skipped: weights may have changed in it, and clients be counted often. */
#define LIVE_GAP_MS 5000

/* Samples of the primary before its p90 and p99 are frozen. */
#define LIVE_FREEZE_SAMPLES 200

struct live_roles {
	char service[SERIN_NAME_LEN];
	char pool[SEQ_ROLE_MAX][SERIN_NAME_LEN]; /* "": there is none (SEQ_STABLE) */
};

/* What had been counted of a pool at a snapshot. Words that only grow. */
struct live_counts {
	uint64_t flows; /* that had begun well, or failed */
	uint64_t failures, resets;
	struct serin_histogram latency[SEQ_LATENCY_MAX];
};

struct live_judge {
	struct live_roles roles;
	uint64_t at_ms;	  /* of the last snapshot; 0: there is none to count from */
	uint64_t skipped; /* ticks that were not told to the tests */
	uint32_t service_id;
	uint32_t slot[SEQ_ROLE_MAX]; /* which pools were counted */
	uint32_t has_latency; /* bits 1 << enum seq_latency: this service's packets tell it */
	struct live_counts last[SEQ_ROLE_MAX];
	struct seq_state seq;
};

enum live_skip {
	LIVE_TOLD,
	LIVE_GONE,  /* the service, or a pool, is not there */
	LIVE_FIRST, /* of a service or pool that is another one by now */
	LIVE_LATE,  /* too long after the last one, or before it */
	LIVE_BACK,  /* a counter went back: a new data plane */
	LIVE_SKIP_MAX,
};
const char *live_skip_name(enum live_skip skip); /* for people; "" of LIVE_TOLD */

struct live_gain {
	uint64_t flows, failures, resets; /* more than at the last tick */
	uint64_t share;			  /* see struct seq_pool */
	uint32_t weight_ppm;		  /* now */
	uint32_t pad;
	struct serin_histogram latency[SEQ_LATENCY_MAX]; /* observe/latency.h has its quantiles */
};

/* What came in a tick; all 0 where it was skipped. */
struct live_tick {
	enum live_skip skip;
	uint64_t at_ms;
	uint64_t span_ms; /* since the last snapshot */
	struct live_gain of[SEQ_ROLE_MAX];
};

/*
 * live_options_init() - seq_options_init() as suits what the kernel counts: LIVE_REPEATS, LIVE_LOOK_MOST,
 * LIVE_FLOOR, and
 * no part of alpha, though they are counted and told, for
 *   resets after data: not told apart by client; one with many connections to a backend that ends is all
 *   handshakes' times: kernels answer them; they tell of hosts and ways to them, not of a version
 */
void live_options_init(struct seq_options *o);

/*
 * live_roles_init() - without a baseline ("", or the primary's name) the primary has that role, and there
 * is no SEQ_STABLE; with one, the primary is SEQ_STABLE.
 * Returns 0, -ENOENT: no such service or pool, -EINVAL: the canary is the primary or the baseline, or
 * -ENOTSUP: no signals of such a service are seen (UDP past this host).
 */
int live_roles_init(struct live_roles *out, const struct snapshot *s, const char *service,
		    const char *canary, const char *baseline);

/* live_roles_init_promoted() - of a judge that begins only when the canary is the primary already: beside
 * the pool that was it. live_judge_promote() is to come before its first tick. Returns as above. */
int live_roles_init_promoted(struct live_roles *out, const struct snapshot *s, const char *service,
			     const char *old_primary);

/*
 * live_judge_begin() - counts from this snapshot on. The primary's p90 and p99 are frozen as they are now,
 * or, if it has had too few samples, once it has.
 * @o: of which seq_options_check() says nothing
 * @now_ms: any clock that goes on over restarts (CLOCK_REALTIME); above 0
 * Returns 0 or -ENOENT.
 */
int live_judge_begin(struct live_judge *j, const struct live_roles *roles, const struct snapshot *s,
		     const struct seq_options *o, uint64_t now_ms);

/* live_judge_tick() - what came since the last snapshot, to the tests too unless it is skipped. Nothing
 * changes the verdict after SEQ_ABORT and SEQ_INCONCLUSIVE. */
void live_judge_tick(struct live_judge *j, const struct snapshot *s, uint64_t now_ms,
		     struct live_tick *out);

/* live_judge_promote() - the canary has become the primary: looks for a change, beside the pool that was
 * it if that still gets a little, and against what there is counted of it if it does not (of failures:
 * latencies change with the load). Counts from the next tick on. */
void live_judge_promote(struct live_judge *j, const char *old_primary);

/* A rival that had so many flows while it was compared with needs no older past. */
#define LIVE_ENOUGH 1000

/* live_judge_outlive() - likewise, where the last of what the canary was compared with has gone over to it:
 * its failures since the judge began say what to expect, and if they were of too few flows @past, too. */
void live_judge_outlive(struct live_judge *j, const struct serin_signals *past);

/* live_judge_counted() - what had been counted of a pool, as counters that say the same: for those who go
 * on counting themselves. */
void live_judge_counted(const struct live_judge *j, enum seq_role role, struct serin_signals *to,
			struct serin_histograms *times);

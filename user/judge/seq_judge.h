/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the sequential judge of one service: what it has seen of a canary, as a struct to keep, and what
 * follows from it. Pure: no I/O, no clock, no memory of its own. Each tick (a second, say) it is given
 * what the pools' counters grew by since the last, all read at once.
 *
 * Guarantees, at every look, whatever the traffic, the weights, and how rates and latencies drift, as long
 * as they are the same for both pools within a tick (sequential tests, D.1 to D.4):
 *   abort		of a canary no worse than harm.* allows: a probability of at most alpha, ever
 *   not worse		of one that is worse than fine.* allows throughout: at most beta, ever
 *   inconclusive	where stable and baseline are alike: at most alpha_alarm, ever
 *   a change		after promotion: not before change_ticks in the mean, where nothing changed
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <serin/signals.h>

#include "judge/seq_bands.h"
#include "judge/seq_grid.h"

enum seq_verdict {
	SEQ_CONTINUE, /* not enough is known, or there is no traffic */
	SEQ_ABORT,
	SEQ_NOT_WORSE, /* may still become SEQ_ABORT or SEQ_INCONCLUSIVE */
	SEQ_INCONCLUSIVE,
	SEQ_VERDICT_MAX,
};
const char *seq_verdict_name(enum seq_verdict v); /* as in the manual, "not worse" */

enum seq_reason {
	SEQ_NO_REASON,
	SEQ_HARM,    /* the canary is worse */
	SEQ_FINE,    /* all that was asked for is proven */
	SEQ_ALARM,   /* stable and baseline differ: the split or the hosts are biased (A/A) */
	SEQ_STOPPED, /* by a person */
	SEQ_CHANGED, /* worse since a while, after promotion */
	SEQ_REASON_MAX,
};
const char *seq_reason_name(enum seq_reason r); /* "" for SEQ_NO_REASON */

enum seq_latency { SEQ_HANDSHAKE, SEQ_FIRST_BYTE, SEQ_LATENCY_MAX };
enum seq_tail { SEQ_P90, SEQ_P99, SEQ_TAIL_MAX };
enum seq_role { SEQ_CANARY, SEQ_BASELINE, SEQ_STABLE, SEQ_ROLE_MAX };

enum seq_test {
	SEQ_FAILURES,
	SEQ_RESETS,
	SEQ_HANDSHAKE_RANK, /* each latency's tests in this order */
	SEQ_HANDSHAKE_P90,
	SEQ_HANDSHAKE_P99,
	SEQ_FIRST_BYTE_RANK,
	SEQ_FIRST_BYTE_P90,
	SEQ_FIRST_BYTE_P99,
	SEQ_TEST_MAX,
};
const char *seq_test_name(enum seq_test t);

/* What evidence is for. */
enum seq_line {
	SEQ_LINE_HARM, /* the canary is worse than the baseline; after promotion: than the old pool */
	SEQ_LINE_FINE,	     /* it is not worse */
	SEQ_LINE_ALARM_MORE, /* the baseline is worse than stable */
	SEQ_LINE_ALARM_LESS, /* stable is worse than the baseline */
	SEQ_LINE_MAX,
};

/* How much worse counts. */
struct seq_margins {
	double ratio;	   /* of failures, of resets, >= 1: allowed times as many */
	double tail_ratio; /* of samples above the primary's p90 and p99, >= 1 */
	double rank;	   /* 0..0.5: of P(slower) above one half; machines differ by .02 (D.2a) */
};

struct seq_options {
	/* 0..1, neither of them. The alarm's is of both directions: of twice alpha, so that it is not later
	 * than an abort where the canary is like stable and the baseline is not. */
	double alpha, beta, alpha_alarm;
	double change_ticks; /* >= 1: after promotion, to a false alarm in the mean */
	/* A test's part of alpha: >= 0, in sum 1 at most; 0 leaves it out. Evidence is their mean with
	 * these weights (D.3), which is never later than a boundary of 1 / (weight alpha) for each. */
	double weight[SEQ_TEST_MAX];
	struct seq_margins harm, fine;
	/* 0..1: a probability of failures that is fine whatever the baseline's; 0: none. After promotion
	 * more than that is not, where the old pool gets too little to be compared with (D.4). */
	double floor;
	/* >= 1: so many times a client may be counted for one thing that went wrong, as one that tries again
	 * for seconds is in each of them. Evidence of failures and resets is divided by it: the mean of a factor's c-th root is no
	 * more than 1, and so is that of a product of c of them, however they depend (Hoelder). */
	double repeats;
	/* > 0: what one look's latencies may add to the logarithm of evidence, at most. A host that stalls for
	 * a second makes all that it serves slow at once, which are as many samples and one thing that went
	 * wrong: it should take some looks. A factor that is cut is no greater, so what is promised holds. */
	double look_most;
	uint32_t required; /* bits 1 << enum seq_test: what "not worse" is about */
	uint32_t pad;
};

#define SEQ_LOOK_MOST_NONE 1e30

/* D.3's split of .01, 1.25 times as many failures, .03 of rank; .02 for the alarm; "not worse" than twice
 * as many failures, .05. */
void seq_options_init(struct seq_options *o);
/* NULL if they make sense, else what does not. */
const char *seq_options_check(const struct seq_options *o);

/*
 * What a pool's counters grew by in a tick.
 *
 * Count flows where they are known to have begun well or failed, not where they began: then a failure
 * is always one of this tick's flows. Of serin_signals these are, of the same sample, handshakes and what
 * counts as a failure; UDP: answered and unanswered.
 */
struct seq_pool {
	uint64_t flows;
	/* At most one for each client and tick (serin_signals.failures): several make the guarantees void,
	 * and so does one in each of several ticks: see repeats.
	 * They hold for pools of unequal size only if few clients have several flows in a tick. */
	uint64_t failures;
	/* After data; likewise, or 0. */
	uint64_t resets;
	/* This tick's samples; NULL: none. None that takes minutes: it lags behind the weights. */
	const struct serin_histogram *latency[SEQ_LATENCY_MAX];
	/* What its sampled flows are to the other pools' by weight and sampling, in any unit up to 2^48.
	 * Failures lag behind (SERIN_HANDSHAKE_MS): if the shares changed within SEQ_LAG ticks, what is
	 * most in the pool's favour is taken. 0: not known. */
	uint64_t share;
};

#define SEQ_LAG 4

/* Without a baseline, stable has that role, and there is no SEQ_STABLE (all 0). */
struct seq_tick {
	struct seq_pool of[SEQ_ROLE_MAX];
};

struct seq_totals {
	uint64_t flows, failures, resets;
	uint64_t samples[SEQ_LATENCY_MAX]; /* since edges are frozen */
	uint64_t above[SEQ_LATENCY_MAX][SEQ_TAIL_MAX];
};

/* All there is to keep: seq_codec.h. What follows from the same ticks is the same to the last bit. */
struct seq_state {
	struct seq_options options;
	uint32_t verdict; /* enum seq_verdict */
	uint32_t reason;  /* enum seq_reason */
	uint32_t decider; /* enum seq_test; SEQ_TEST_MAX: none alone */
	uint32_t is_promoted;
	uint64_t ticks;	 /* seen until the verdict */
	uint32_t proven; /* bits 1 << enum seq_test: SEQ_LINE_FINE has been at its bound */
	uint32_t pad;
	uint32_t edge[SEQ_LATENCY_MAX][SEQ_TAIL_MAX]; /* a bucket; SEQ_NO_EDGE */
	uint64_t share[SEQ_LAG][SEQ_ROLE_MAX];	      /* of the last ticks, the last first */
	struct seq_totals totals[SEQ_ROLE_MAX];
	double pairs[SEQ_LATENCY_MAX], superior[SEQ_LATENCY_MAX]; /* sums: of k, of k U */
	struct seq_grid floor;
	struct seq_grid grid[SEQ_LINE_MAX][SEQ_TEST_MAX];
};

/* @o: of which seq_options_check() says nothing */
void seq_begin(struct seq_state *s, const struct seq_options *o);

/* Takes p90 and p99 of the primary as they are before the canary gets traffic, or more of it (D.2b). The
 * tests of tails begin with it; what is frozen stays so. */
void seq_freeze(struct seq_state *s, enum seq_latency which, const struct serin_histogram *primary);

/* A tick; s->verdict tells. Nothing changes after SEQ_ABORT and SEQ_INCONCLUSIVE.
 * -ERANGE, and nothing done: a counter grew by 2^48 or more, so it went back. */
int seq_step(struct seq_state *s, const struct seq_tick *tick);

/* A person ends it. SEQ_INCONCLUSIVE, unless it has ended. */
void seq_stop(struct seq_state *s);

/* The canary has become the primary: begins to look for a change, SEQ_CANARY being the new version and
 * SEQ_BASELINE the old pool that still gets a little (D.4). Totals begin again; edges stay. */
void seq_promote(struct seq_state *s);

/* Of so many flows of the old pool so many failed before: raises the floor to as many times more as "not
 * worse" allows (fine.ratio). The fewer these flows are, the more may be by chance, and is allowed. */
void seq_expect(struct seq_state *s, uint64_t flows, uint64_t failures);

/* ---- evidence ---- */

struct seq_estimate {
	double value; /* NAN: nothing seen */
	struct seq_interval band;
};

struct seq_test_report {
	double log_e[SEQ_LINE_MAX];	      /* natural logarithms */
	double log_bound[SEQ_LINE_MAX];	      /* that alone decides; INFINITY: has no part in it */
	struct seq_estimate of[SEQ_ROLE_MAX]; /* a probability; of ranks: none */
	struct seq_estimate effect; /* canary's to baseline's; of ranks P(slower), no band */
};

struct seq_report {
	enum seq_verdict verdict;
	enum seq_reason reason;
	enum seq_test decider; /* the test with most of the evidence; SEQ_TEST_MAX: none */
	double log_e[SEQ_LINE_MAX], log_bound[SEQ_LINE_MAX]; /* of all together */
	double log_e_floor;				     /* -INFINITY: none is set */
	struct seq_test_report test[SEQ_TEST_MAX];
};

/* @miss: of each band, 1e-9..0.5. No tick's work: bands are searched for. */
void seq_report_make(const struct seq_state *s, double miss, struct seq_report *out);

/* ---- one by one ---- */

/* A test's e-value in logarithms; of SEQ_FAILURES' SEQ_LINE_FINE with what options.floor adds. */
double seq_test_log_e(const struct seq_state *s, enum seq_line line, enum seq_test t);
/* All of a line's; both lines of the alarm are one. SEQ_LINE_FINE: the least of those required, as each has
 * to be proven and beta need not be split; INFINITY where none is. */
double seq_line_log_e(const struct seq_state *s, enum seq_line line);
/* What it has to reach. */
double seq_line_log_bound(const struct seq_state *s, enum seq_line line);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns one world of the simulation, and how often and when the sequential judge decides in it. */
#pragma once

#include <stdbool.h>

#include "../unit/seq_lab.h"

struct world {
	const char *name;
	double rate;		   /* flows a second, of all pools */
	double canary, canary_end; /* parts of it; ramps from the one to the other */
	int ramp_ticks;		   /* in so many; 0: in all */
	double baseline;	   /* its part; 0: what the canary leaves */
	double p, swing;	   /* of failures; how far it swings, 0..1 */
	double ratio;		   /* canary's to baseline's */
	struct seq_lab_bursts bursts;
	int clients; /* that have all flows, each counted once a tick and pool; 0: one flow each */
	int late_ticks;	    /* failures are seen so much later */
	int change_at;	    /* the canary is as good until then */
	bool is_promoted;   /* and the baseline is the old pool */
	bool has_stable;    /* three pools: what these leave */
	bool has_latencies; /* whose medians swing by a half */
	double slow, times; /* of the canary's, a part is so many times as slow */
	int ticks;
	enum seq_verdict wanted;
	struct seq_options options;
};

struct outcome {
	enum seq_verdict verdict;
	int when; /* the tick it came in, from 1; without one, how many there were */
};

/* Until a verdict that is wanted or ends all. Two threads; of the seed alone. */
void world_run(const struct world *w, uint64_t seed, int runs, struct outcome *out);

/* The part of runs that came to it, 0..1. */
double world_part(const struct outcome *o, int runs, enum seq_verdict v);
/* The tick by which so great a part, 0..1, came to it; -1: not so many did. */
int world_quantile(const struct outcome *o, int runs, enum seq_verdict v, double part);
double world_mean(const struct outcome *o, int runs);

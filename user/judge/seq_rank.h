/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what is read off latency histograms of one tick: how often the one pool's is the greater, and
 * how much lies above an edge. Pure. Buckets are enough: ties count one half, edges are exact.
 */
#pragma once

#include <stdint.h>

#include <serin/signals.h>

#define SEQ_NO_EDGE 0xffffu

/* A pool against another in one tick. */
struct seq_ranks {
	double pairs;	 /* that share no flow: min(m, n); 0 if a pool has none */
	double superior; /* P(its latency > the other's) + P(equal) / 2: Mann-Whitney's U / (m n), the
			    CLES; 0..1 */
};

/* Histograms hold this tick's alone, 2^48 at most in a bucket. NULL: no sample. */
struct seq_ranks seq_rank(const struct serin_histogram *pool,
			  const struct serin_histogram *reference);
/* The other way about. */
struct seq_ranks seq_rank_turned(struct seq_ranks r);

/*
 * Null hypothesis: superior is at most 1/2 + @margin in the mean. Latencies may be of any distribution
 * and drift. Factors exp(l S - l^2 V / 2) with S = k (U - 1/2 - margin), V = k / 4 of k pairs, since U
 * is a mean over matchings of means of k independent terms in [0, 1] (D.2a; Hoeffding 1963 section 5).
 * D.2a mixes them over a half-normal l; a grid does as well and can begin again: seq_grid.h.
 * @log_factor: SEQ_GRID of them
 */
void seq_rank_is_more(struct seq_ranks r, double margin, double *log_factor);
/* Null hypothesis: at least 1/2 + @margin. */
void seq_rank_is_less(struct seq_ranks r, double margin, double *log_factor);

double seq_histogram_count(const struct serin_histogram *h);
/* How many are in @edge and the buckets above it. */
double seq_histogram_above(const struct serin_histogram *h, uint32_t edge);

/* The edge above which a part of samples lies that is nearest to @part (0..1): D.2b. SEQ_NO_EDGE: there
 * is no sample. Never 0, which all lies above. */
uint32_t seq_histogram_edge(const struct serin_histogram *h, double part);

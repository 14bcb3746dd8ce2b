/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the worlds that the sequential judge is tried in: pools whose rates swing and shares ramp. */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "judge/seq_judge.h"
#include "judge/seq_rank.h"

struct seq_lab {
	uint64_t rng;
};

static inline uint64_t seq_lab_bits(struct seq_lab *lab) /* splitmix64, Steele et al. 2014 */
{
	uint64_t z = lab->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* In (0, 1). */
static inline double seq_lab_unit(struct seq_lab *lab)
{
	return ((double)(seq_lab_bits(lab) >> 11) + 0.5) * 0x1p-53;
}

static inline double seq_lab_normal(struct seq_lab *lab)
{
	return sqrt(-2 * log(seq_lab_unit(lab))) * cos(6.283185307179586 * seq_lab_unit(lab));
}

/* How many of so many, each with probability p: by the gaps between them. */
static inline uint64_t seq_lab_binomial(struct seq_lab *lab, uint64_t of, double p)
{
	double step, at = 0;
	uint64_t hits = 0;

	if (p <= 0)
		return 0;
	step = log1p(-fmin(p, 1 - 1e-12));
	for (;;) {
		at += floor(log(seq_lab_unit(lab)) / step) + 1;
		if (at > (double)of)
			return hits;
		hits++;
	}
}

static inline uint64_t seq_lab_poisson(struct seq_lab *lab, double mean)
{
	double left = exp(-mean);
	uint64_t n = 0;

	if (mean > 50) /* near enough: how many flows there are decides nothing */
		return (uint64_t)fmax(0, round(mean + sqrt(mean) * seq_lab_normal(lab)));
	for (double product = seq_lab_unit(lab); product > left; product *= seq_lab_unit(lab))
		n++;
	return n;
}

/* ---- failures ---- */

/* A client that fails tries again: it fails so often in the mean, some thirds of a tick later each time. */
struct seq_lab_bursts {
	double mean; /* 0: no client does */
	int thirds;
	int once_ticks; /* a client is counted once in so many ticks; 0: each time */
	int most;	/* times; 0: there is no end to it */
};

#define SEQ_LAB_AHEAD 64 /* ticks */

struct seq_lab_pool {
	uint64_t ahead[SEQ_LAB_AHEAD]; /* failures of the ticks to come */
};

static inline void seq_lab_burst(struct seq_lab *lab, struct seq_lab_pool *pool, uint64_t tick,
				 const struct seq_lab_bursts *bursts)
{
	double when = seq_lab_unit(lab);
	int counted = -SEQ_LAB_AHEAD, times = 0;

	do {
		int ahead = (int)when;

		if (ahead >= SEQ_LAB_AHEAD)
			return;
		if (ahead - counted >= bursts->once_ticks) {
			pool->ahead[(tick + (uint64_t)ahead) % SEQ_LAB_AHEAD]++;
			counted = ahead;
		}
		when += bursts->thirds / 3.0;
	} while (++times != bursts->most && seq_lab_unit(lab) > 1 / bursts->mean);
}

/* A tick of a pool: flows at a rate in the mean, of which a part fails. */
static inline void seq_lab_fail(struct seq_lab *lab, struct seq_lab_pool *pool, uint64_t tick,
				const struct seq_lab_bursts *bursts, struct seq_pool *out, double p)
{
	uint64_t first = seq_lab_binomial(lab, out->flows, p);

	if (bursts->mean > 1) {
		for (uint64_t i = 0; i < first; i++)
			seq_lab_burst(lab, pool, tick, bursts);
		first = pool->ahead[tick % SEQ_LAB_AHEAD];
		pool->ahead[tick % SEQ_LAB_AHEAD] = 0;
	}
	out->failures = first;
}

/* ---- latencies: log-normal, by buckets ---- */

static inline double seq_lab_below(double us, double median_us, double sigma)
{
	return us > 0 ? erfc(-log(us / median_us) / (sigma * 1.4142135623730951)) / 2 : 0;
}

/* What of latencies lies in a bucket or below it, for seq_lab_latencies(). */
struct seq_lab_shape {
	double upto[SERIN_BUCKETS];
};

/* @slow: a part that is @times as slow. */
static inline void seq_lab_shape(struct seq_lab_shape *out, double median_us, double sigma,
				 double slow, double times)
{
	for (uint32_t i = 0; i < SERIN_BUCKETS; i++) {
		double edge = (double)serin_bucket_low(i + 1);

		out->upto[i] = (1 - slow) * seq_lab_below(edge, median_us, sigma) +
			       slow * seq_lab_below(edge, median_us * times, sigma);
	}
	out->upto[SERIN_BUCKETS - 1] = 1;
}

/* Adds samples of a shape. */
static inline void seq_lab_latencies(struct seq_lab *lab, const struct seq_lab_shape *shape,
				     uint64_t samples, struct serin_histogram *h)
{
	for (uint64_t i = 0; i < samples; i++) {
		double u = seq_lab_unit(lab);
		uint32_t low = 0, high = SERIN_BUCKETS - 1;

		while (low < high) {
			uint32_t middle = (low + high) / 2;

			if (shape->upto[middle] < u)
				low = middle + 1;
			else
				high = middle;
		}
		h->bucket[low]++;
	}
}

/* cmocka compares floats alone. */
#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* One of the judge's tests alone, at this error probability, for harm beyond nothing. */
static inline void seq_lab_alone(struct seq_options *o, enum seq_test t, double alpha)
{
	seq_options_init(o);
	memset(o->weight, 0, sizeof(o->weight));
	o->weight[t] = 1;
	o->alpha = alpha;
	o->alpha_alarm = alpha;
	o->required = 0;
	o->harm = (struct seq_margins){1, 1, 0};
}

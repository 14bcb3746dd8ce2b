// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_rank.h"

#include <math.h>

#include "judge/seq_grid.h"

/* The l that is best for an effect of U - 1/2 is four times that: from .01 to .5, and what a pair at
 * a time can tell. */
static const double slope[SEQ_GRID] = {0.04, 0.06, 0.09, 0.13, 0.2, 0.3, 0.45, 0.7, 1, 1.5, 2, 3};

struct seq_ranks seq_rank(const struct serin_histogram *pool,
			  const struct serin_histogram *reference)
{
	double count = 0, below = 0, wins = 0;

	if (!pool || !reference)
		return (struct seq_ranks){0, 0.5};
	for (uint32_t i = 0; i < SERIN_BUCKETS; i++) {
		double here = (double)reference->bucket[i];

		if (pool->bucket[i]) {
			wins += (double)pool->bucket[i] * (below + here / 2);
			count += (double)pool->bucket[i];
		}
		below += here;
	}
	if (!(count > 0 && below > 0))
		return (struct seq_ranks){0, 0.5};
	return (struct seq_ranks){fmin(count, below), wins / (count * below)};
}

struct seq_ranks seq_rank_turned(struct seq_ranks r)
{
	return (struct seq_ranks){r.pairs, 1 - r.superior};
}

static void factors(double pairs, double effect, double *log_factor)
{
	for (int i = 0; i < SEQ_GRID; i++)
		log_factor[i] = pairs * slope[i] * (effect - slope[i] / 8);
}

void seq_rank_is_more(struct seq_ranks r, double margin, double *log_factor)
{
	factors(r.pairs, r.superior - 0.5 - margin, log_factor);
}

void seq_rank_is_less(struct seq_ranks r, double margin, double *log_factor)
{
	factors(r.pairs, 0.5 + margin - r.superior, log_factor);
}

double seq_histogram_count(const struct serin_histogram *h)
{
	return seq_histogram_above(h, 0);
}

double seq_histogram_above(const struct serin_histogram *h, uint32_t edge)
{
	double sum = 0;

	for (uint32_t i = edge; h && i < SERIN_BUCKETS; i++)
		sum += (double)h->bucket[i];
	return sum;
}

uint32_t seq_histogram_edge(const struct serin_histogram *h, double part)
{
	double all = seq_histogram_count(h), above = 0, least = INFINITY;
	uint32_t best = SEQ_NO_EDGE;

	if (!(all > 0))
		return SEQ_NO_EDGE;
	for (uint32_t i = SERIN_BUCKETS - 1; i; i--) {
		double off;

		above += (double)h->bucket[i];
		off = fabs(above / all - part);
		/* of those between two samples, the lowest: right above what is not beyond it */
		if (off <= least) {
			least = off;
			best = i;
		}
	}
	return best;
}

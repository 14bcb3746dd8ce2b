// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_grid.h"

#include <math.h>

#define STAKE_FIRST 0.75
/* The stake on the k-th tick, k = 1, 2, ..., is this / ((k + 2) ln(k + 2)^2): their sum is at most
 * .22 (1/(3 ln(3)^2) + 1/(4 ln(4)^2) + 1/ln 4) < .2482, where the last is the integral from 4. */
#define STAKE_LATER 0.22

double seq_log_sum(const double *log_values, int count)
{
	double most = -INFINITY, sum = 0;

	for (int i = 0; i < count; i++)
		most = fmax(most, log_values[i]);
	if (isinf(most))
		return most;
	for (int i = 0; i < count; i++)
		sum += exp(log_values[i] - most);
	return most + log(sum);
}

static double log_add(double a, double b)
{
	double more = fmax(a, b), less = fmin(a, b);

	return isinf(less) ? more : more + log1p(exp(less - more));
}

void seq_grid_begin(struct seq_grid *g, enum seq_start start)
{
	double log_stake = -log(SEQ_GRID);

	if (start == SEQ_START_SPREAD)
		log_stake += log(STAKE_FIRST);
	else if (start == SEQ_START_ALWAYS)
		log_stake = -INFINITY; /* the first tick brings its own */
	g->looks = 0;
	for (int i = 0; i < SEQ_GRID; i++)
		g->log_e[i] = log_stake;
}

static void stake(struct seq_grid *g, enum seq_start start)
{
	double log_stake = -log(SEQ_GRID);

	if (start == SEQ_START_SPREAD) {
		double k = (double)g->looks + 2;

		log_stake += log(STAKE_LATER) - log(k) - 2 * log(log(k));
	}
	for (int i = 0; i < SEQ_GRID; i++)
		g->log_e[i] = log_add(g->log_e[i], log_stake);
}

void seq_grid_add(struct seq_grid *g, enum seq_start start, const double *log_factor)
{
	if (start == SEQ_START_ALWAYS || (start == SEQ_START_SPREAD && g->looks))
		stake(g, start);
	g->looks++;
	for (int i = 0; i < SEQ_GRID; i++)
		g->log_e[i] += log_factor[i];
}

double seq_grid_log_e(const struct seq_grid *g)
{
	return seq_log_sum(g->log_e, SEQ_GRID);
}

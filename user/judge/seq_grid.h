/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns one test's evidence: e-processes against SEQ_GRID alternatives, mixed, in logarithms. Pure.
 *
 * An e-process is not negative and, if its null hypothesis holds, is at most 1 in the mean whenever
 * one stops; so it ever reaches 1/alpha with a probability of at most alpha (Ville 1939), however
 * often one looks. What is here multiplies it by each tick's factors (seq_rate.h, seq_rank.h).
 */
#pragma once

#include <stdint.h>

#define SEQ_GRID 12

struct seq_grid {
	uint64_t looks; /* ticks that told something */
	double log_e[SEQ_GRID];
};

/* How evidence may begin again, so that harm that comes late is not weighed against a good past. */
enum seq_start {
	SEQ_START_ONCE,	  /* all is staked on the first tick */
	SEQ_START_SPREAD, /* three quarters on the first one, the rest on all later ones: a mixture of
			     e-processes is one */
	SEQ_START_ALWAYS, /* 1 on each: an e-detector (Shin, Ramdas, Rinaldo 2022; D.4), which is at 1/alpha
			     by false alarm not before 1/alpha ticks in the mean */
	SEQ_START_MAX,
};

void seq_grid_begin(struct seq_grid *g, enum seq_start start);

/* A tick's evidence. @log_factor: of each alternative, SEQ_GRID finite ones, whose exponentials have
 * a mean of at most 1 under the null hypothesis, whatever was before. */
void seq_grid_add(struct seq_grid *g, enum seq_start start, const double *log_factor);

/* The logarithm of the mixture's e-value; -INFINITY for an e-detector that has seen nothing. */
double seq_grid_log_e(const struct seq_grid *g);

/* ln(sum of exp): of no overflow, however great they are. -INFINITY stands for 0. */
double seq_log_sum(const double *log_values, int count);

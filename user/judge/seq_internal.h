/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of the sequential judge share. */
#pragma once

#include "judge/seq_judge.h"

#define SEQ_FIRST_LATENCY_TEST SEQ_HANDSHAKE_RANK
#define SEQ_LATENCY_TESTS      (1 + SEQ_TAIL_MAX)

_Static_assert(SEQ_FIRST_LATENCY_TEST + SEQ_LATENCY_MAX * SEQ_LATENCY_TESTS == SEQ_TEST_MAX,
	       "each latency's rank, then its tails");

static inline bool seq_test_is_of_latency(enum seq_test t)
{
	return t >= SEQ_FIRST_LATENCY_TEST;
}

static inline enum seq_latency seq_test_latency(enum seq_test t)
{
	return (enum seq_latency)((t - SEQ_FIRST_LATENCY_TEST) / SEQ_LATENCY_TESTS);
}

static inline bool seq_test_is_rank(enum seq_test t)
{
	return seq_test_is_of_latency(t) && (t - SEQ_FIRST_LATENCY_TEST) % SEQ_LATENCY_TESTS == 0;
}

static inline enum seq_tail seq_test_tail(enum seq_test t)
{
	return (enum seq_tail)((t - SEQ_FIRST_LATENCY_TEST) % SEQ_LATENCY_TESTS - 1);
}

static inline bool seq_is_required(const struct seq_options *o, enum seq_test t)
{
	return o->required >> t & 1;
}

/* Whether nothing is to change any more. */
static inline bool seq_has_ended(const struct seq_state *s)
{
	return s->verdict == SEQ_ABORT || s->verdict == SEQ_INCONCLUSIVE;
}

static inline enum seq_start seq_line_start(const struct seq_state *s, enum seq_line line)
{
	if (s->is_promoted)
		return SEQ_START_ALWAYS;
	return line == SEQ_LINE_FINE ? SEQ_START_ONCE : SEQ_START_SPREAD;
}

/* seq_judge.c: the verdict that follows from what is known now. */
void seq_judge(struct seq_state *s);

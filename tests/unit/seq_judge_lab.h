/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns a judge to try, and ticks to try it with. A test's includes come first: cmocka needs them. */
#pragma once

#include "judge/seq_judge.h"
#include "seq_lab.h"

static struct seq_state s;
static struct seq_options options;
static struct serin_histogram usual, slow;

static int setup(void **state)
{
	(void)state;
	seq_options_init(&options);
	seq_begin(&s, &options);
	memset(&usual, 0, sizeof(usual));
	memset(&slow, 0, sizeof(slow));
	for (uint32_t i = 80; i < 100; i++) {
		usual.bucket[i] = 5;
		slow.bucket[i + 4] = 5;
	}
	return 0;
}

/* Flows and failures of canary, baseline, stable. */
static struct seq_tick tick_of(uint64_t flows, uint64_t canary, uint64_t baseline, uint64_t stable)
{
	const uint64_t failures[] = {canary, baseline, stable};
	struct seq_tick t = {0};

	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		t.of[role].flows = flows;
		t.of[role].failures = failures[role];
	}
	return t;
}

/* Steps until a verdict other than `continue`, or so often. How often it was. */
static int step(const struct seq_tick *t, int most)
{
	int ticks = 0;

	while (ticks < most && s.verdict == SEQ_CONTINUE) {
		assert_int_equal(seq_step(&s, t), 0);
		ticks++;
	}
	return ticks;
}

static void assert_verdict(enum seq_verdict v, enum seq_reason r)
{
	assert_int_equal(s.verdict, v);
	assert_int_equal(s.reason, r);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_codec.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "judge/codec.h"
#include "judge/seq_internal.h"
#include "judge/seq_rank.h"

#define MAGIC	   0x7165736e69726573ull /* "serinseq" */
#define HEAD_WORDS 2			 /* the magic, the version */
#define SUM_WORDS  1

static void words(struct codec *c, uint64_t *value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		codec_word(c, &value[i]);
}

static void doubles(struct codec *c, double *value, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, &value[i], sizeof(bits));
		codec_word(c, &bits);
		memcpy(&value[i], &bits, sizeof(bits));
	}
}

static void walk_options(struct codec *c, struct seq_options *o)
{
	doubles(c, &o->alpha, 1);
	doubles(c, &o->beta, 1);
	doubles(c, &o->alpha_alarm, 1);
	doubles(c, &o->change_ticks, 1);
	doubles(c, o->weight, SEQ_TEST_MAX);
	doubles(c, &o->harm.ratio, 1);
	doubles(c, &o->harm.tail_ratio, 1);
	doubles(c, &o->harm.rank, 1);
	doubles(c, &o->fine.ratio, 1);
	doubles(c, &o->fine.tail_ratio, 1);
	doubles(c, &o->fine.rank, 1);
	doubles(c, &o->floor, 1);
	doubles(c, &o->repeats, 1);
	doubles(c, &o->look_most, 1);
	codec_halves(c, &o->required, 1);
}

static void walk_totals(struct codec *c, struct seq_totals *t)
{
	codec_word(c, &t->flows);
	codec_word(c, &t->failures);
	codec_word(c, &t->resets);
	words(c, t->samples, SEQ_LATENCY_MAX);
	words(c, t->above[0], SEQ_LATENCY_MAX * SEQ_TAIL_MAX);
}

static void walk_grid(struct codec *c, struct seq_grid *g)
{
	codec_word(c, &g->looks);
	doubles(c, g->log_e, SEQ_GRID);
}

static void walk(struct codec *c, struct seq_state *s)
{
	walk_options(c, &s->options);
	codec_halves(c, &s->verdict, 1);
	codec_halves(c, &s->reason, 1);
	codec_halves(c, &s->decider, 1);
	codec_halves(c, &s->is_promoted, 1);
	codec_word(c, &s->ticks);
	codec_halves(c, &s->proven, 1);
	codec_halves(c, s->edge[0], SEQ_LATENCY_MAX * SEQ_TAIL_MAX);
	words(c, s->share[0], SEQ_LAG * SEQ_ROLE_MAX);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		walk_totals(c, &s->totals[role]);
	doubles(c, s->pairs, SEQ_LATENCY_MAX);
	doubles(c, s->superior, SEQ_LATENCY_MAX);
	walk_grid(c, &s->floor);
	for (int line = 0; line < SEQ_LINE_MAX; line++)
		for (int t = 0; t < SEQ_TEST_MAX; t++)
			walk_grid(c, &s->grid[line][t]);
}

size_t seq_codec_size(void)
{
	struct codec c = {.size = (HEAD_WORDS + SUM_WORDS) * sizeof(uint64_t)};
	struct seq_state unused = {0};

	walk(&c, &unused);
	return c.size;
}

void seq_codec_put(const struct seq_state *s, uint8_t *bytes)
{
	uint64_t magic = MAGIC, version = SEQ_CODEC_VERSION, sum;
	struct seq_state copy = *s;
	struct codec c = {.at = bytes};

	codec_word(&c, &magic);
	codec_word(&c, &version);
	walk(&c, &copy);
	sum = codec_sum(bytes, c.size);
	codec_word(&c, &sum);
}

/* ---- what makes sense ---- */

/* -INFINITY is none; what is beyond this no counters lead to. */
#define LOG_E_MOST 1e30

static bool is_grid(const struct seq_grid *g)
{
	for (int i = 0; i < SEQ_GRID; i++)
		if (!(g->log_e[i] <= LOG_E_MOST &&
		      (g->log_e[i] >= -LOG_E_MOST || isinf(g->log_e[i]))))
			return false;
	return true;
}

static bool are_grids(const struct seq_state *s)
{
	for (int line = 0; line < SEQ_LINE_MAX; line++)
		for (int t = 0; t < SEQ_TEST_MAX; t++)
			if (!is_grid(&s->grid[line][t]))
				return false;
	return is_grid(&s->floor);
}

static bool is_edge(uint32_t edge)
{
	return edge == SEQ_NO_EDGE || (edge && edge < SERIN_BUCKETS);
}

static bool are_latencies(const struct seq_state *s)
{
	for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
		for (int tail = 0; tail < SEQ_TAIL_MAX; tail++)
			if (!is_edge(s->edge[i][tail]))
				return false;
		if (!(s->pairs[i] >= 0 && s->pairs[i] <= LOG_E_MOST && s->superior[i] >= 0 &&
		      s->superior[i] <= s->pairs[i] * (1 + 1e-9)))
			return false;
	}
	return true;
}

static bool is_state(const struct seq_state *s)
{
	return !seq_options_check(&s->options) && s->verdict < SEQ_VERDICT_MAX &&
	       s->reason < SEQ_REASON_MAX && s->decider <= SEQ_TEST_MAX && s->is_promoted <= 1 &&
	       !(s->proven & ~s->options.required) && are_latencies(s) && are_grids(s);
}

int seq_codec_get(const uint8_t *bytes, size_t size, struct seq_state *out)
{
	struct codec c = {.from = bytes};
	uint64_t magic = 0, version = 0, sum = 0;
	struct seq_state s = {0};

	if (size < HEAD_WORDS * sizeof(uint64_t))
		return -EBADMSG;
	codec_word(&c, &magic);
	codec_word(&c, &version);
	if (magic != MAGIC)
		return -EBADMSG;
	if (version != SEQ_CODEC_VERSION)
		return -EPROTONOSUPPORT;
	if (size != seq_codec_size())
		return -EBADMSG;
	walk(&c, &s);
	codec_word(&c, &sum);
	if (sum != codec_sum(bytes, size - sizeof(sum)))
		return -EBADMSG;
	if (!is_state(&s))
		return -EINVAL;
	*out = s;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_codec.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "judge/seq_internal.h"
#include "judge/seq_rank.h"

#define MAGIC	   0x7165736e69726573ull /* "serinseq" */
#define HEAD_WORDS 2			 /* the magic, the version */
#define SUM_WORDS  1

/* One walk over the fields, for both ways: words in the order of the struct. */
struct cursor {
	uint8_t *at;
	const uint8_t *from; /* NULL: writes, or (at NULL, too) counts */
	size_t words;
};

static void word(struct cursor *c, uint64_t *value)
{
	uint64_t le;

	if (c->from) {
		memcpy(&le, c->from + c->words * sizeof(le), sizeof(le));
		*value = le64toh(le);
	} else if (c->at) {
		le = htole64(*value);
		memcpy(c->at + c->words * sizeof(le), &le, sizeof(le));
	}
	c->words++;
}

static void words(struct cursor *c, uint64_t *value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		word(c, &value[i]);
}

static void halves(struct cursor *c, uint32_t *value, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t wide = value[i];

		word(c, &wide);
		/* what is too great stays so, and is refused */
		value[i] = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;
	}
}

static void doubles(struct cursor *c, double *value, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, &value[i], sizeof(bits));
		word(c, &bits);
		memcpy(&value[i], &bits, sizeof(bits));
	}
}

static void walk_options(struct cursor *c, struct seq_options *o)
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
	halves(c, &o->required, 1);
}

static void walk_totals(struct cursor *c, struct seq_totals *t)
{
	word(c, &t->flows);
	word(c, &t->failures);
	word(c, &t->resets);
	words(c, t->samples, SEQ_LATENCY_MAX);
	words(c, t->above[0], SEQ_LATENCY_MAX * SEQ_TAIL_MAX);
}

static void walk_grid(struct cursor *c, struct seq_grid *g)
{
	word(c, &g->looks);
	doubles(c, g->log_e, SEQ_GRID);
}

static void walk(struct cursor *c, struct seq_state *s)
{
	walk_options(c, &s->options);
	halves(c, &s->verdict, 1);
	halves(c, &s->reason, 1);
	halves(c, &s->decider, 1);
	halves(c, &s->is_promoted, 1);
	word(c, &s->ticks);
	halves(c, &s->proven, 1);
	halves(c, s->edge[0], SEQ_LATENCY_MAX * SEQ_TAIL_MAX);
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

/* FNV-1a, 64 bits: against damage, not against malice. */
static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ull;
	return sum;
}

size_t seq_codec_size(void)
{
	struct cursor c = {.words = HEAD_WORDS + SUM_WORDS};
	struct seq_state unused = {0};

	walk(&c, &unused);
	return c.words * sizeof(uint64_t);
}

void seq_codec_put(const struct seq_state *s, uint8_t *bytes)
{
	uint64_t magic = MAGIC, version = SEQ_CODEC_VERSION, sum;
	struct seq_state copy = *s;
	struct cursor c = {.at = bytes};

	word(&c, &magic);
	word(&c, &version);
	walk(&c, &copy);
	sum = sum_of(bytes, c.words * sizeof(uint64_t));
	word(&c, &sum);
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
	struct cursor c = {.from = bytes};
	uint64_t magic = 0, version = 0, sum = 0;
	struct seq_state s = {0};

	if (size < HEAD_WORDS * sizeof(uint64_t))
		return -EBADMSG;
	word(&c, &magic);
	word(&c, &version);
	if (magic != MAGIC)
		return -EBADMSG;
	if (version != SEQ_CODEC_VERSION)
		return -EPROTONOSUPPORT;
	if (size != seq_codec_size())
		return -EBADMSG;
	walk(&c, &s);
	word(&c, &sum);
	if (sum != sum_of(bytes, size - sizeof(sum)))
		return -EBADMSG;
	if (!is_state(&s))
		return -EINVAL;
	*out = s;
	return 0;
}

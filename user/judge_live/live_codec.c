// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_live/live_codec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "judge/codec.h"
#include "judge/seq_codec.h"
#include "judge_live/live_judge.h"

#define MAGIC	   0x6576696c6e697265ull /* "erinlive" */
#define HEAD_WORDS 2			 /* the magic, the version */
#define SUM_WORDS  1

static void name(struct codec *c, char value[SERIN_NAME_LEN])
{
	if (c->from)
		memcpy(value, c->from + c->size, SERIN_NAME_LEN);
	else if (c->at)
		memcpy(c->at + c->size, value, SERIN_NAME_LEN);
	c->size += SERIN_NAME_LEN;
}

static void walk_histogram(struct codec *c, struct serin_histogram *h)
{
	uint64_t value = h->sum_us;

	codec_word(c, &value);
	h->sum_us = value;
	for (uint32_t i = 0; i < SERIN_BUCKETS; i++) {
		value = h->bucket[i];
		codec_word(c, &value);
		h->bucket[i] = value;
	}
}

static void walk_counts(struct codec *c, struct live_counts *counts)
{
	codec_word(c, &counts->flows);
	codec_word(c, &counts->failures);
	codec_word(c, &counts->resets);
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		walk_histogram(c, &counts->latency[i]);
}

static void walk(struct codec *c, struct live_judge *j)
{
	name(c, j->roles.service);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		name(c, j->roles.pool[role]);
	codec_word(c, &j->at_ms);
	codec_word(c, &j->skipped);
	codec_halves(c, &j->service_id, 1);
	codec_halves(c, j->slot, SEQ_ROLE_MAX);
	codec_halves(c, &j->has_latency, 1);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		walk_counts(c, &j->last[role]);
}

/* Where the tests' own state begins. */
static size_t own_size(void)
{
	struct codec c = {.size = HEAD_WORDS * sizeof(uint64_t)};
	struct live_judge unused = {};

	walk(&c, &unused);
	return c.size;
}

size_t live_codec_size(void)
{
	return own_size() + seq_codec_size() + SUM_WORDS * sizeof(uint64_t);
}

void live_codec_put(const struct live_judge *j, uint8_t *bytes)
{
	uint64_t magic = MAGIC, version = LIVE_CODEC_VERSION, sum;
	struct live_judge copy = *j;
	struct codec c = {.at = bytes};

	codec_word(&c, &magic);
	codec_word(&c, &version);
	walk(&c, &copy);
	seq_codec_put(&j->seq, bytes + c.size);
	c.size += seq_codec_size();
	sum = codec_sum(bytes, c.size);
	codec_word(&c, &sum);
}

static bool is_name(const char *text, bool may_be_none)
{
	return memchr(text, '\0', SERIN_NAME_LEN) && (*text || may_be_none);
}

static bool is_judge(const struct live_judge *j)
{
	const struct live_roles *r = &j->roles;

	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		if (j->slot[role] == UINT32_MAX)
			return false;
	return is_name(r->service, false) && is_name(r->pool[SEQ_CANARY], false) &&
	       is_name(r->pool[SEQ_BASELINE], false) && is_name(r->pool[SEQ_STABLE], true) &&
	       j->service_id != UINT32_MAX && !(j->has_latency >> SEQ_LATENCY_MAX);
}

int live_codec_get(const uint8_t *bytes, size_t size, struct live_judge *out)
{
	struct codec c = {.from = bytes};
	uint64_t magic = 0, version = 0, sum = 0;
	struct live_judge j = {};
	int error;

	if (size < HEAD_WORDS * sizeof(uint64_t))
		return -EBADMSG;
	codec_word(&c, &magic);
	codec_word(&c, &version);
	if (magic != MAGIC)
		return -EBADMSG;
	if (version != LIVE_CODEC_VERSION)
		return -EPROTONOSUPPORT;
	if (size != live_codec_size())
		return -EBADMSG;
	walk(&c, &j);
	c.size += seq_codec_size();
	codec_word(&c, &sum);
	if (sum != codec_sum(bytes, size - sizeof(sum)))
		return -EBADMSG;
	error = seq_codec_get(bytes + own_size(), seq_codec_size(), &j.seq);
	if (!error && !is_judge(&j))
		error = -EINVAL;
	if (!error)
		*out = j;
	return error;
}

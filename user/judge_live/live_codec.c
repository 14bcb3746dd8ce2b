// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_live/live_codec.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "judge/seq_codec.h"
#include "judge_live/live_judge.h"

#define MAGIC	   0x6576696c6e697265ull /* "erinlive" */
#define HEAD_WORDS 2			 /* the magic, the version */
#define SUM_WORDS  1

/* One walk over the fields, for both ways. */
struct cursor {
	uint8_t *at;
	const uint8_t *from; /* NULL: writes, or (at NULL, too) counts */
	size_t size;
};

static void word(struct cursor *c, uint64_t *value)
{
	uint64_t le;

	if (c->from) {
		memcpy(&le, c->from + c->size, sizeof(le));
		*value = le64toh(le);
	} else if (c->at) {
		le = htole64(*value);
		memcpy(c->at + c->size, &le, sizeof(le));
	}
	c->size += sizeof(le);
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

static void name(struct cursor *c, char value[SERIN_NAME_LEN])
{
	if (c->from)
		memcpy(value, c->from + c->size, SERIN_NAME_LEN);
	else if (c->at)
		memcpy(c->at + c->size, value, SERIN_NAME_LEN);
	c->size += SERIN_NAME_LEN;
}

static void walk_histogram(struct cursor *c, struct serin_histogram *h)
{
	uint64_t value = h->sum_us;

	word(c, &value);
	h->sum_us = value;
	for (uint32_t i = 0; i < SERIN_BUCKETS; i++) {
		value = h->bucket[i];
		word(c, &value);
		h->bucket[i] = value;
	}
}

static void walk_counts(struct cursor *c, struct live_counts *counts)
{
	word(c, &counts->flows);
	word(c, &counts->failures);
	word(c, &counts->resets);
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		walk_histogram(c, &counts->latency[i]);
}

static void walk(struct cursor *c, struct live_judge *j)
{
	name(c, j->roles.service);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		name(c, j->roles.pool[role]);
	word(c, &j->at_ms);
	word(c, &j->skipped);
	halves(c, &j->service_id, 1);
	halves(c, j->slot, SEQ_ROLE_MAX);
	halves(c, &j->has_latency, 1);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		walk_counts(c, &j->last[role]);
}

/* FNV-1a, 64 bits: against damage, not against malice. */
static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ull;
	return sum;
}

/* Where the tests' own state begins. */
static size_t own_size(void)
{
	struct cursor c = {.size = HEAD_WORDS * sizeof(uint64_t)};
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
	struct cursor c = {.at = bytes};

	word(&c, &magic);
	word(&c, &version);
	walk(&c, &copy);
	seq_codec_put(&j->seq, bytes + c.size);
	c.size += seq_codec_size();
	sum = sum_of(bytes, c.size);
	word(&c, &sum);
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
	struct cursor c = {.from = bytes};
	uint64_t magic = 0, version = 0, sum = 0;
	struct live_judge j = {};
	int error;

	if (size < HEAD_WORDS * sizeof(uint64_t))
		return -EBADMSG;
	word(&c, &magic);
	word(&c, &version);
	if (magic != MAGIC)
		return -EBADMSG;
	if (version != LIVE_CODEC_VERSION)
		return -EPROTONOSUPPORT;
	if (size != live_codec_size())
		return -EBADMSG;
	walk(&c, &j);
	c.size += seq_codec_size();
	word(&c, &sum);
	if (sum != sum_of(bytes, size - sizeof(sum)))
		return -EBADMSG;
	error = seq_codec_get(bytes + own_size(), seq_codec_size(), &j.seq);
	if (!error && !is_judge(&j))
		error = -EINVAL;
	if (!error)
		*out = j;
	return error;
}

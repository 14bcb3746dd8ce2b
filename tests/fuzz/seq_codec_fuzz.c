// SPDX-License-Identifier: GPL-2.0-or-later
/* A kept state of the sequential judge: whatever its bytes, what is taken for one can be gone on with. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "judge/seq_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The sum that is at the end, FNV-1a: without it hardly any input gets past it. */
static void put_sum(uint8_t *bytes, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size - sizeof(sum); i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ull;
	memcpy(bytes + size - sizeof(sum), &sum, sizeof(sum));
}

static void check_again(const struct seq_state *s, const uint8_t *bytes, size_t size)
{
	uint8_t *again = malloc(size);

	must(again);
	seq_codec_put(s, again);
	must(!memcmp(again, bytes, size));
	free(again);
}

static void go_on(struct seq_state *s)
{
	static struct serin_histogram h = {.bucket = {[50] = 3, [90] = 2}};
	struct seq_tick t = {0};
	struct seq_report report;

	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		t.of[role] = (struct seq_pool){5, 1, 1, {&h, &h}, 7};
	for (int i = 0; i < 3; i++)
		must(!seq_step(s, &t));
	must(s->verdict < SEQ_VERDICT_MAX && s->reason < SEQ_REASON_MAX);
	must(s->decider <= SEQ_TEST_MAX);
	seq_report_make(s, 0.05, &report);
}

/* A good state, of which the input overwrites parts: {where, what} of 2 and 8 bytes. */
static void patch(uint8_t *bytes, size_t size, const uint8_t *data, size_t left)
{
	struct seq_options options;
	struct seq_state s;

	seq_options_init(&options);
	seq_begin(&s, &options);
	seq_codec_put(&s, bytes);
	for (; left >= 10; data += 10, left -= 10) {
		size_t at = (size_t)(data[0] | data[1] << 8) % (size / 8) * 8;

		memcpy(bytes + at, data + 2, 8);
	}
	put_sum(bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole = seq_codec_size();
	uint8_t *bytes = malloc(whole);
	struct seq_state s;

	must(bytes);
	must(seq_codec_get(data, size, &s) || size == whole);
	patch(bytes, whole, data, size);
	if (!seq_codec_get(bytes, whole, &s)) {
		check_again(&s, bytes, whole);
		go_on(&s);
	}
	free(bytes);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* A kept live judge: whatever its bytes, what is taken for one is kept as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "judge_live/live_codec.h"
#include "judge_live/live_judge.h"

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

/* A good judge, of which the input overwrites parts: {where, what} of 2 and 8 bytes. */
static void patch(uint8_t *bytes, size_t size, const uint8_t *data, size_t left)
{
	struct live_judge j = {.roles = {"web", {"canary", "old", "stable"}}};
	struct seq_options options;

	seq_options_init(&options);
	seq_begin(&j.seq, &options);
	live_codec_put(&j, bytes);
	for (; left >= 10; data += 10, left -= 10)
		memcpy(bytes + (size_t)(data[0] << 8 | data[1]) % (size - 15), data + 2, 8);
	put_sum(bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole = live_codec_size();
	uint8_t *bytes = malloc(whole), *again = malloc(whole);
	struct live_judge j;

	must(bytes && again);
	live_codec_get(data, size, &j);
	patch(bytes, whole, data, size);
	if (!live_codec_get(bytes, whole, &j)) {
		must(*j.roles.service && *j.roles.pool[SEQ_CANARY]);
		live_codec_put(&j, again);
		must(!memcmp(again, bytes, whole));
	}
	free(bytes);
	free(again);
	return 0;
}

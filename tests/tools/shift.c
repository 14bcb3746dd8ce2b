// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shift DIR SERVICE POOL COUNT [PAUSE_US] - shift one pool's weight COUNT times, back and forth
 * between 1 and 99 %, resting PAUSE_US after each; says how long they took as one JSON line.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "dataplane/dataplane.h"

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_summary(uint64_t *store_ns, size_t count, uint32_t epoch, uint64_t elapsed_ns)
{
	json_t *line;

	qsort(store_ns, count, sizeof(*store_ns), compare);
	line = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "shifts", (json_int_t)count, "epoch",
			 (json_int_t)epoch, "elapsed_ms", (json_int_t)(elapsed_ns / 1000000),
			 "store_ns_p50", (json_int_t)store_ns[count / 2], "store_ns_p99",
			 (json_int_t)store_ns[count * 99 / 100], "store_ns_max",
			 (json_int_t)store_ns[count - 1]);
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

int main(int argc, char **argv)
{
	size_t count = argc >= 5 ? strtoul(argv[4], NULL, 10) : 0;
	unsigned long pause_us = argc >= 6 ? strtoul(argv[5], NULL, 10) : 0;
	struct dataplane_weight weight = {.pool = argc >= 5 ? argv[3] : NULL};
	struct dataplane_shift_request request = {
		.service = argc >= 5 ? argv[2] : NULL,
		.weights = &weight,
		.weight_count = 1,
		.expect_epoch = -1,
		.author = {.actor = "shift", .reason = ""},
	};
	struct dataplane_shift done = {0};
	struct dataplane *dp = NULL;
	uint64_t *store_ns = calloc(count + 1, sizeof(*store_ns));
	uint64_t begin_ns = clock_ns();
	int err;

	if (!count || !store_ns) {
		fputs("usage: shift DIR SERVICE POOL COUNT [PAUSE_US]\n", stderr);
		return 2;
	}
	err = dataplane_open(argv[1], DATAPLANE_WRITE, &dp);
	for (size_t i = 0; !err && i < count; i++) {
		weight.ppm = i % 2 ? 10000 : 990000;
		err = dataplane_shift(dp, &request, &done);
		store_ns[i] = done.store_ns;
		if (pause_us)
			usleep((useconds_t)pause_us);
	}
	dataplane_close(dp);
	if (err)
		fprintf(stderr, "shift: %s\n", strerror(-err));
	else
		print_summary(store_ns, count, done.epoch, clock_ns() - begin_ns);
	free(store_ns);
	return err ? 1 : 0;
}

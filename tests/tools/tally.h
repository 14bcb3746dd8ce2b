/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what a load tool counts and says: answers by pool and by backend, failures by kind; as JSON
 * lines for programs, and as a trace with one line per connection for those who ask who went where.
 */
#pragma once

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/net.h"

#define TALLY_NAMES    64
#define TALLY_NAME_LEN 32

struct tally_names {
	size_t count;
	struct {
		char name[TALLY_NAME_LEN];
		uint64_t seen;
	} entry[TALLY_NAMES];
};

struct tally {
	uint64_t requests; /* answered rightly, or failed */
	uint64_t failed;
	struct tally_names pool;
	struct tally_names backend;
	struct tally_names failure;
};

/* More names than fit are counted under the last: a test that looks at names will notice. */
static inline void tally_count(struct tally_names *names, const char *name)
{
	size_t i = 0;

	while (i < names->count && strcmp(names->entry[i].name, name))
		i++;
	if (i == TALLY_NAMES)
		i--;
	if (i == names->count)
		snprintf(names->entry[names->count++].name, TALLY_NAME_LEN, "%s", name);
	names->entry[i].seen++;
}

static inline void tally_answer(struct tally *t, const char *pool, const char *backend)
{
	t->requests++;
	tally_count(&t->pool, pool);
	tally_count(&t->backend, backend);
}

static inline void tally_failure(struct tally *t, const char *kind)
{
	t->requests++;
	t->failed++;
	tally_count(&t->failure, kind);
}

static inline json_t *tally_names_json(const struct tally_names *names)
{
	json_t *object = json_object();

	for (size_t i = 0; i < names->count; i++)
		json_object_set_new(object, names->entry[i].name,
				    json_integer((json_int_t)names->entry[i].seen));
	return object;
}

/* One line: everything counted since the start. */
static inline void tally_print(const struct tally *t, bool is_summary, uint64_t elapsed_ns)
{
	json_t *line = json_pack(
		"{s:b, s:I, s:I, s:I, s:o, s:o, s:o}", "summary", is_summary, "elapsed_ms",
		(json_int_t)(elapsed_ns / 1000000), "requests", (json_int_t)t->requests, "failed",
		(json_int_t)t->failed, "by_pool", tally_names_json(&t->pool), "by_backend",
		tally_names_json(&t->backend), "failures", tally_names_json(&t->failure));

	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

/* start_ns end_ns client pool backend result, where result is "ok" or the kind of failure. */
static inline void tally_trace(FILE *trace, const uint64_t span_ns[2],
			       const struct in6_addr *client, const char *pool, const char *backend,
			       const char *result)
{
	char buf[NET_ADDR_LEN];

	if (trace)
		fprintf(trace, "%" PRIu64 " %" PRIu64 " %s %s %s %s\n", span_ns[0], span_ns[1],
			net_format_addr(client, buf), pool, backend, result);
}

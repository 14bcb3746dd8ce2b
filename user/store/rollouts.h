/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what is kept of rollouts: each one's state and evidence as they were together, and the record of
 * what it saw and did. Whoever keeps one gives all that is new of it at once: it is one transaction.
 * Functions return 0 or -errno and have said why; -ENOENT, and that one silently: nothing is kept.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "store/store.h"

#define STORE_ROLLOUTS_MAX 200	/* ended ones: the oldest go */
#define STORE_SAMPLES_MAX  3600 /* of one rollout: the older half of them are merged in pairs */

/*
 * The record's parts; their rows are objects:
 *   transition: at_ms, from, to, step, why
 *   sample:     at_ms, step, phase, weight, log_e, fine_log_e, pools {name: {counters}}
 *   look:       at_ms, finding, why, details [..]
 *   hook:       at_ms, at, name, key, tries, took_ms, is_yes, why
 */
enum store_rollout_part {
	STORE_TRANSITIONS,
	STORE_SAMPLES,
	STORE_LOOKS,
	STORE_HOOKS,
	STORE_PART_MAX,
};
const char *store_part_name(enum store_rollout_part part); /* "transitions", ... */

/* All that it points to is its owner's. */
struct store_rollout {
	int64_t id;
	const char *service, *release;
	const json_t *state;
	const void *evidence; /* bytes; NULL: none */
	size_t evidence_size;
	int64_t started_ms, ended_ms; /* ended 0: not yet */
	const char *who, *reason;
	const json_t *more[STORE_PART_MAX]; /* to keep: new rows, an array; NULL: none */
};

/* Keeps them as they are now, in one transaction. */
int store_rollouts_keep(struct store *s, const struct store_rollout *list, size_t count);
/* The greatest id there was; 0: none. */
int store_rollouts_last_id(struct store *s, int64_t *out);

struct store_rollouts_query {
	const char *service; /* NULL: all */
	int64_t id;	     /* 0: any */
	int64_t limit;	     /* -1: all */
	/* Those that have not ended, and the newest one of each service. */
	bool is_current;
};

/* Ends at a non-zero. */
typedef int store_rollout_visitor(const struct store_rollout *r, void *arg);

/* The newest first. One that makes no sense is left out, and said. */
int store_rollouts_read(struct store *s, const struct store_rollouts_query *query,
			store_rollout_visitor *visit, void *arg);
/* Adds one's rows to the array, the oldest first. */
int store_rollout_rows(struct store *s, int64_t id, enum store_rollout_part part, json_t *rows);

/* Two neighbouring samples as one: counters of pools add up, of all else the later one's is taken.
 * Pure. @into: the later one */
void store_merge_samples(const json_t *earlier, json_t *into);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns tables: which backends a pool's is made of, the maps they are in, and how many are put in force
 * at once. A part of internal.h, which is what to include.
 */
#pragma once

#include "dataplane/maps.h"

struct dataplane;

/* ---- tables.c: backends by pool, and Maglev tables ---- */

/* Ids of all backends in use, ordered by service and pool. */
struct roster {
	uint32_t *ids;
	size_t count;
};

int roster_build(const struct dataplane *dp, struct roster *out);
void roster_fini(struct roster *r);
/* The backends of one pool: a range of r->ids. */
size_t roster_pool(const struct dataplane *dp, const struct roster *r, uint32_t service,
		   uint32_t pool, const uint32_t **ids);
bool dp_backend_takes_flows(const struct serin_backend *b);
enum serin_backend_state dp_backend_state(const struct serin_backend *b);
/* Leaves the facts beside it as they are. */
void dp_backend_set_state(struct serin_backend *b, enum serin_backend_state state);
/* Rebuilds a pool's table if it is not made of the backends that take flows now. */
int dp_table_refresh(struct dataplane *dp, const struct roster *r, uint32_t service, uint32_t pool);
/* The same of many at once: those flagged by pool index; NULL: all. */
int dp_tables_refresh(struct dataplane *dp, const struct roster *r, const uint8_t *is_wanted);
int dp_tables_refresh_all(struct dataplane *dp);
/* Whether the pool has a table: true, too, where an apply was killed and may not have made it. */
bool dp_table_is_there(const struct dataplane *dp, uint32_t pool_index);
/* A copy of one of the tables the packet path uses, to read many slots of. -ENOENT: there is none. */
struct dp_table {
	const uint64_t *elements; /* a word each, in the lower half */
	uint32_t size;
};
int dp_table_open(struct dataplane *dp, uint32_t pool_index, struct dp_table *out);
uint32_t dp_table_word(const struct dp_table *t, uint32_t slot);
int dp_table_open_id(struct dataplane *dp, uint32_t pool_index, uint32_t id, struct dp_table *out);
void dp_table_close(struct dp_table *t);
/* Bytes: elements are 8 apart, whatever their size. */
size_t dp_table_length(uint32_t size);

/* ---- outer.c: the maps of tables, where one access takes as long as many at a time ---- */

#define DP_OUTER_MAX 960 /* while they are set a file descriptor each, of 1,024 that are usual */

struct dp_outer {
	size_t count;
	uint32_t keys[DP_OUTER_MAX]; /* pools by index */
	int values[DP_OUTER_MAX];    /* to be set: a table's fd; looked up: its id, or 0 */
};

void dp_outer_add(struct dp_outer *o, uint32_t pool_index, int fd);
/* When they return, no packet sees what was there before. */
int dp_outer_set(struct dataplane *dp, enum dp_map map, struct dp_outer *o);
int dp_outer_remove(struct dataplane *dp, enum dp_map map, struct dp_outer *o);
int dp_outer_look_up(struct dataplane *dp, enum dp_map map, struct dp_outer *o);

/* ---- inner.c: maps within maps, by a way in that does not take CAP_SYS_ADMIN ---- */

/* The fd of what a map of maps holds, whose id it said; -EPERM: it takes CAP_SYS_ADMIN after all. */
int dp_inner_open(const struct dataplane *dp, enum dp_map map, uint32_t key, uint32_t id);
/* After it was put in, and when it was taken out. */
void dp_inner_pin(const struct dataplane *dp, enum dp_map map, uint32_t key, int fd);
void dp_inner_unpin(const struct dataplane *dp, enum dp_map map, uint32_t key);

/* ---- swaps.c: new tables ---- */

struct dp_swaps;

struct dp_swaps *dp_swaps_new(struct dataplane *dp);
/* A pool's new table, of these words (from malloc; it frees them), is in force after the next flush,
 * which may come with any further one; without words it has none then. @digest: of the table */
int dp_swaps_add(struct dp_swaps *q, uint32_t pool_index, uint32_t *words, uint32_t size,
		 uint64_t digest);
int dp_swaps_flush(struct dp_swaps *q);
/* What was not flushed never was. */
void dp_swaps_free(struct dp_swaps *q);

/* ---- base.c: the tables of many services, flagged by id ---- */

/* Makes the tables in use the base's and their slots unchanged. */
int dp_tables_settle(struct dataplane *dp, const uint8_t *is_due);
/* Takes away all tables of services that no packet reaches any more. */
int dp_tables_remove(struct dataplane *dp, const uint8_t *is_gone);

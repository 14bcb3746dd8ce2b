/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the live state: of what runs, that part which people and releases set and no file says.
 * Pure: it knows nothing of maps or of where it is kept.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

struct live_pool {
	char name[SERIN_NAME_LEN];
	uint32_t ppm; /* of the primary, too */
};

struct live_backend {
	struct in6_addr address;
	uint16_t port;
};

struct live_service {
	char name[SERIN_NAME_LEN];
	char primary[SERIN_NAME_LEN];
	char file_primary[SERIN_NAME_LEN]; /* of the file last applied; "": the same */
	uint64_t seed;
	uint64_t file_seed; /* of the file last applied, where that is another one */
	bool has_file_seed;
	uint32_t epoch;
	struct live_pool pools[SERIN_MAX_POOLS];
	size_t pool_count;
	struct live_backend *drained;
	size_t drained_count;
};

struct live {
	struct live_service *services; /* in the order of their names, once sorted */
	size_t count;
};

struct live *live_new(void);
void live_free(struct live *l);
/* A further service, all zero, or NULL when out of memory. Moves those there are. */
struct live_service *live_add(struct live *l);
/* 0 or -ENOMEM. */
int live_add_drained(struct live_service *s, const struct in6_addr *address, uint16_t port);
void live_sort(struct live *l);
/* Of one that is sorted; NULL: it has none. @l may be NULL, too. */
const struct live_service *live_find(const struct live *l, const char *name);
/* False: there is no such pool, or it is the primary, whose weight is what the others leave. */
bool live_weight(const struct live_service *s, const char *pool, uint32_t *ppm);
bool live_is_drained(const struct live_service *s, const struct in6_addr *address, uint16_t port);
/* The same, and of the primary, too, what the others leave. */
bool live_share(const struct live_service *s, const char *pool, uint32_t *ppm);
/* Whether some clients fall to another pool than the primary. */
bool live_has_release(const struct live_service *s);
/* Are primaries, weights, seeds and drained backends the same? Epochs apart. */
bool live_equal(const struct live_service *a, const struct live_service *b);

/* What one act did, as whoever did it saw it, under the lock. */
struct live_change {
	bool is_made;	     /* something was written */
	bool is_whole;	     /* of all services: those not in `after` are no more */
	uint64_t made_ns;    /* CLOCK_MONOTONIC; of two changes the later one has more */
	struct live *before; /* of the services concerned; NULL: not known */
	struct live *after;
	char *told; /* the differences, a line each; or NULL */
};

void live_change_fini(struct live_change *c);

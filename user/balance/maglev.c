// SPDX-License-Identifier: GPL-2.0-or-later
#include "balance/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <serin/hash.h>

#define SLOT_FREE   UINT32_MAX
#define OFFSET_SEED 0x6f66667365747331ull /* two draws from one name, */
#define SKIP_SEED   0x736b697073656564ull /* independent of each other */

struct player {
	uint32_t position; /* the next slot it would take */
	uint32_t skip;
	uint32_t id;
	uint32_t weight;
	uint32_t quota; /* slots it may still take */
	uint64_t due;	/* its next turn comes when rounds * weight reaches this */
};

static int by_endpoint(const void *a, const void *b)
{
	const struct maglev_backend *x = *(const struct maglev_backend *const *)a;
	const struct maglev_backend *y = *(const struct maglev_backend *const *)b;

	return memcmp(&x->at, &y->at, sizeof(x->at));
}

/* Players in the order of their names, so that ties fall the same way on every host. */
static struct player *seat_players(const struct maglev_backend *backends, size_t count,
				   uint32_t size)
{
	const struct maglev_backend **sorted = calloc(count, sizeof(*sorted));
	struct player *players = calloc(count, sizeof(*players));

	if (!sorted || !players) {
		free(sorted);
		free(players);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = &backends[i];
	qsort(sorted, count, sizeof(*sorted), by_endpoint);
	for (size_t i = 0; i < count; i++) {
		players[i] = (struct player){
			.position = serin_endpoint_hash(&sorted[i]->at, OFFSET_SEED) % size,
			.skip = serin_endpoint_hash(&sorted[i]->at, SKIP_SEED) % (size - 1) + 1,
			.id = sorted[i]->id,
			.weight = sorted[i]->weight,
		};
	}
	free(sorted);
	return players;
}

/* Each has its share of the slots to within one: the running sum of weights, rounded down. */
static void set_quotas(struct player *players, size_t count, uint32_t size)
{
	uint64_t total = 0, sum = 0;
	uint32_t given = 0;

	for (size_t i = 0; i < count; i++)
		total += players[i].weight;
	for (size_t i = 0; i < count; i++) {
		sum += players[i].weight;
		players[i].quota = (uint32_t)(sum * size / total) - given;
		given += players[i].quota;
	}
}

static void take_slot(struct player *p, uint32_t *table, uint32_t size)
{
	while (table[p->position] != SLOT_FREE)
		p->position = (uint32_t)(((uint64_t)p->position + p->skip) % size);
	table[p->position] = p->id;
}

int maglev_build(const struct maglev_backend *backends, size_t count, uint32_t *table,
		 uint32_t size)
{
	uint64_t heaviest = 0, round = 1;
	struct player *players;
	uint32_t taken = 0;

	if (!count || size < 2 || count >= size)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (!backends[i].weight)
			return -EINVAL;
		if (backends[i].weight > heaviest)
			heaviest = backends[i].weight;
	}
	players = seat_players(backends, count, size);
	if (!players)
		return -ENOMEM;
	set_quotas(players, count, size);
	memset(table, 0xff, size * sizeof(*table));
	for (; taken < size; round++) {
		for (size_t i = 0; i < count; i++) {
			struct player *p = &players[i];

			/* The heaviest has a turn each round, the others a part of one. */
			if (round * p->weight < p->due + heaviest || !p->quota)
				continue;
			p->due += heaviest;
			p->quota--;
			take_slot(p, table, size);
			taken++;
		}
	}
	free(players);
	return 0;
}

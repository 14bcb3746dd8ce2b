// SPDX-License-Identifier: GPL-2.0-or-later
/* The live state as the maps have it, and what a change made of it. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/live.h"

/* In the order of the file; those that have left it have no weight. */
static void copy_pools(const struct dataplane *dp, uint32_t id, struct live_service *out)
{
	const struct serin_pool_info *pools = dp->info[id].pool;
	struct split_layout split;

	dp_split_read(dp, id, &split);
	memcpy(out->primary, pools[split.primary].name, sizeof(out->primary));
	if (dp_file_primary(dp, id) != split.primary)
		memcpy(out->file_primary, pools[dp_file_primary(dp, id)].name,
		       sizeof(out->file_primary));
	for (uint32_t order = 0; order < SERIN_MAX_POOLS; order++) {
		for (uint8_t slot = 0; slot < SERIN_MAX_POOLS; slot++) {
			struct live_pool *pool = &out->pools[out->pool_count];

			if (!pools[slot].name[0] || pools[slot].order != order)
				continue;
			memcpy(pool->name, pools[slot].name, sizeof(pool->name));
			pool->ppm = split_pool_ppm(&split, slot);
			out->pool_count++;
		}
	}
}

static int copy_service(const struct dataplane *dp, uint32_t id, struct live *out)
{
	struct live_service *s = live_add(out);

	if (!s)
		return -ENOMEM;
	memcpy(s->name, dp->info[id].name, sizeof(s->name));
	s->seed = dp_seed(dp, id);
	s->file_seed = dp_file_seed(dp, id);
	s->has_file_seed = s->file_seed != s->seed;
	s->epoch = dp->services[id].epoch;
	copy_pools(dp, id, s);
	return 0;
}

/* @place: by id, 1 + where the service is in the list */
static int copy_drained(const struct dataplane *dp, const uint32_t *place, struct live *out)
{
	int error = 0;

	for (uint32_t id = 0; !error && id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];
		struct in6_addr address;

		if (dp_backend_state(b) != SERIN_BACKEND_DRAINING || !place[b->service])
			continue;
		address = dp_addr(&b->at.addr);
		error = live_add_drained(&out->services[place[b->service] - 1], &address,
					 ntohs(b->at.port_be));
	}
	return error;
}

static int read_live(const struct dataplane *dp, int64_t service, struct live **out)
{
	uint32_t *place = calloc(dp->meta.max_services + 1, sizeof(*place));
	struct live *l = live_new();
	int error = place && l ? 0 : -ENOMEM;

	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++) {
		if (!dp->info[id].name[0] || (service >= 0 && service != id))
			continue;
		error = copy_service(dp, id, l);
		place[id] = (uint32_t)l->count;
	}
	if (!error)
		error = copy_drained(dp, place, l);
	free(place);
	if (error) {
		live_free(l);
		return error;
	}
	live_sort(l);
	*out = l;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Want of memory costs the account of a change, never the change. */
void dp_change_begin(const struct dataplane *dp, const struct dataplane_author *author,
		     int64_t service)
{
	struct live_change *c = author->change;

	if (!c)
		return;
	live_change_fini(c);
	c->is_whole = service < 0;
	read_live(dp, service, &c->before);
}

void dp_change_end(const struct dataplane *dp, const struct dataplane_author *author,
		   int64_t service)
{
	struct live_change *c = author->change;

	if (!c)
		return;
	c->is_made = true;
	c->made_ns = now_ns();
	read_live(dp, service, &c->after);
}

int dataplane_live(struct dataplane *dp, struct live **out, uint64_t *read_ns)
{
	*read_ns = now_ns();
	return read_live(dp, -1, out);
}

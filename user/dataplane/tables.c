// SPDX-License-Identifier: GPL-2.0-or-later
/* Maglev tables: which backends they are made of, and reading them. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <serin/hash.h>

#include "balance/maglev.h"
#include "lib/log.h"

#define DIGEST_VOID UINT64_MAX

bool dp_backend_takes_flows(const struct serin_backend *b)
{
	return b->state == SERIN_BACKEND_UP && b->hop;
}

enum serin_backend_state dp_backend_state(const struct serin_backend *b)
{
	return b->state & SERIN_BACKEND_STATE_MASK;
}

void dp_backend_set_state(struct serin_backend *b, enum serin_backend_state state)
{
	uint8_t facts = b->state & SERIN_BACKEND_FACTS;

	__atomic_store_n(&b->state, facts | (uint8_t)state, __ATOMIC_RELEASE);
}

static int by_place(const void *a, const void *b, void *arg)
{
	const struct dataplane *dp = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint32_t px = dp_pool_index(dp->backends[x].service, dp->backends[x].pool);
	uint32_t py = dp_pool_index(dp->backends[y].service, dp->backends[y].pool);

	if (px != py)
		return px < py ? -1 : 1;
	return x < y ? -1 : x > y;
}

int roster_build(const struct dataplane *dp, struct roster *out)
{
	uint32_t *ids = calloc(dp->meta.max_backends + 1, sizeof(*ids));
	size_t count = 0;

	if (!ids)
		return -ENOMEM;
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state != SERIN_BACKEND_FREE)
			ids[count++] = id;
	qsort_r(ids, count, sizeof(*ids), by_place, (void *)dp);
	*out = (struct roster){ids, count};
	return 0;
}

void roster_fini(struct roster *r)
{
	free(r->ids);
	*r = (struct roster){NULL, 0};
}

/* The first place in the roster whose pool is at or after this one. */
static size_t lower_bound(const struct dataplane *dp, const struct roster *r, uint32_t pool_index)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct serin_backend *b = &dp->backends[r->ids[middle]];

		if (dp_pool_index(b->service, b->pool) < pool_index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t roster_pool(const struct dataplane *dp, const struct roster *r, uint32_t service,
		   uint32_t pool, const uint32_t **ids)
{
	uint32_t index = dp_pool_index(service, pool);
	size_t begin = lower_bound(dp, r, index);

	*ids = r->ids + begin;
	return lower_bound(dp, r, index + 1) - begin;
}

/* What a table would be made of, in one number; 0 for no backend at all. */
static uint64_t digest_of(const struct maglev_backend *list, size_t count, uint32_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += serin_mix64(serin_endpoint_hash(&list[i].at, size) ^
				   ((uint64_t)list[i].id << 32 | list[i].weight));
	return count ? sum | 1 : 0;
}

static struct maglev_backend *list_eligible(const struct dataplane *dp, const uint32_t *ids,
					    size_t id_count, size_t *count)
{
	struct maglev_backend *list = calloc(id_count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; list && i < id_count; i++) {
		const struct serin_backend *b = &dp->backends[ids[i]];

		if (dp_backend_takes_flows(b))
			list[(*count)++] = (struct maglev_backend){b->at, ids[i], b->weight};
	}
	return list;
}

size_t dp_table_length(uint32_t size)
{
	return size * sizeof(uint64_t);
}

int dp_table_open_id(struct dataplane *dp, uint32_t pool_index, uint32_t id, struct dp_table *out)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	void *elements;
	int error = 0, fd;

	fd = dp_inner_open(dp, DP_MAP_TABLES, pool_index, id);
	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		error = -errno;
	elements =
		error ? MAP_FAILED
		      : mmap(NULL, dp_table_length(info.max_entries), PROT_READ, MAP_SHARED, fd, 0);
	if (!error && elements == MAP_FAILED)
		error = -errno;
	close(fd);
	if (error)
		return error;
	*out = (struct dp_table){elements, info.max_entries};
	return 0;
}

int dp_table_open(struct dataplane *dp, uint32_t pool_index, struct dp_table *out)
{
	uint32_t id;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_TABLES], &pool_index, &id))
		return -errno;
	return dp_table_open_id(dp, pool_index, id, out);
}

uint32_t dp_table_word(const struct dp_table *t, uint32_t slot)
{
	return slot < t->size ? (uint32_t)t->elements[slot] : 0;
}

void dp_table_close(struct dp_table *t)
{
	if (t->elements)
		munmap((void *)t->elements, dp_table_length(t->size));
	t->elements = NULL;
}

bool dp_table_is_there(const struct dataplane *dp, uint32_t index)
{
	return dp->info[index / SERIN_MAX_POOLS].pool[index % SERIN_MAX_POOLS].table_digest;
}

/* A new table of these backends, or none any more, into the queue. */
static int queue_table(struct dp_swaps *swaps, uint32_t index, uint32_t size,
		       const struct maglev_backend *list, size_t count)
{
	uint64_t digest = digest_of(list, count, size);
	uint32_t *words = NULL;
	int error = 0;

	if (count) {
		words = calloc(size, sizeof(*words));
		error = words ? maglev_build(list, count, words, size) : -ENOMEM;
	}
	if (error) {
		free(words);
		return error;
	}
	return dp_swaps_add(swaps, index, words, size, digest);
}

/* Queues a pool's new table if it is not made of the backends that take flows now. */
static int refresh_pool(struct dp_swaps *swaps, struct dataplane *dp, const struct roster *r,
			uint32_t service, uint32_t pool)
{
	struct serin_pool_info *info = &dp->info[service].pool[pool];
	uint32_t size = dp->info[service].table_size;
	struct maglev_backend *list;
	const uint32_t *ids;
	size_t count;
	int error = 0;

	count = roster_pool(dp, r, service, pool, &ids);
	if (!count && !info->table_digest)
		return 0;
	list = list_eligible(dp, ids, count, &count);
	if (!list)
		return -ENOMEM;
	if (digest_of(list, count, size) != info->table_digest) {
		/* Killed from here on, the digest must not claim a table that may not be there. */
		__atomic_store_n(&info->table_digest, DIGEST_VOID, __ATOMIC_SEQ_CST);
		error = queue_table(swaps, dp_pool_index(service, pool), size, list, count);
		if (error)
			log_error("service %s, pool %s: cannot build its table: %s",
				  dp->info[service].name, info->name, strerror(-error));
	}
	free(list);
	return error;
}

int dp_table_refresh(struct dataplane *dp, const struct roster *r, uint32_t service, uint32_t pool)
{
	struct dp_swaps *swaps = dp_swaps_new(dp);
	int error = swaps ? refresh_pool(swaps, dp, r, service, pool) : -ENOMEM;

	if (!error)
		error = dp_swaps_flush(swaps);
	dp_swaps_free(swaps);
	return error;
}

int dp_tables_refresh(struct dataplane *dp, const struct roster *r, const uint8_t *is_wanted)
{
	struct dp_swaps *swaps = dp_swaps_new(dp);
	int error = swaps ? 0 : -ENOMEM;

	for (uint32_t i = 0; !error && i < dp->meta.max_services * SERIN_MAX_POOLS; i++)
		if (dp->info[i / SERIN_MAX_POOLS].name[0] && (!is_wanted || is_wanted[i]))
			error = refresh_pool(swaps, dp, r, i / SERIN_MAX_POOLS,
					     i % SERIN_MAX_POOLS);
	if (!error)
		error = dp_swaps_flush(swaps);
	dp_swaps_free(swaps);
	return error;
}

int dp_tables_refresh_all(struct dataplane *dp)
{
	struct roster roster = {};
	int error = roster_build(dp, &roster);

	if (!error)
		error = dp_tables_refresh(dp, &roster, NULL);
	roster_fini(&roster);
	return error;
}

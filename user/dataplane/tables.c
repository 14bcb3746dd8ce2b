// SPDX-License-Identifier: GPL-2.0-or-later
/* Maglev tables: which backends they are made of, and swapping them whole. */
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

/* Array elements are 8 bytes apart, whatever their size. */
static size_t table_length(uint32_t size)
{
	return size * sizeof(uint64_t);
}

int dp_table_open(struct dataplane *dp, enum dp_map map, uint32_t pool_index, struct dp_table *out)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), id;
	void *elements;
	int error = 0, fd;

	if (bpf_map_lookup_elem(dp->map_fd[map], &pool_index, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		error = -errno;
	elements = error ? MAP_FAILED
			 : mmap(NULL, table_length(info.max_entries), PROT_READ, MAP_SHARED, fd, 0);
	if (!error && elements == MAP_FAILED)
		error = -errno;
	close(fd);
	if (error)
		return error;
	*out = (struct dp_table){elements, info.max_entries};
	return 0;
}

uint32_t dp_table_word(const struct dp_table *t, uint32_t slot)
{
	return slot < t->size ? (uint32_t)t->elements[slot] : 0;
}

void dp_table_close(struct dp_table *t)
{
	if (t->elements)
		munmap((void *)t->elements, table_length(t->size));
	t->elements = NULL;
}

/* A new table map with these words; its fd or -errno. */
static int make_table(const uint32_t *words, uint32_t size)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	uint64_t *elements;
	int error, fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", sizeof(uint32_t), sizeof(uint32_t), size,
			    &opts);
	if (fd < 0)
		return -errno;
	elements = mmap(NULL, table_length(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (elements == MAP_FAILED) {
		error = -errno;
		close(fd);
		return error;
	}
	for (uint32_t i = 0; i < size; i++)
		elements[i] = words[i];
	munmap(elements, table_length(size));
	return fd;
}

/*
 * Which slots have had another backend since the base: those that had in the table before, and
 * those that get another one now. With no table before, or one of another size, all of them.
 */
static void mark_changed(struct dataplane *dp, uint32_t index, uint32_t *words, uint32_t size)
{
	struct dp_table before = {};
	bool has_before = !dp_table_open(dp, DP_MAP_TABLES, index, &before) && before.size == size;

	for (uint32_t i = 0; i < size; i++)
		if (!has_before || dp_table_word(&before, i) != words[i])
			words[i] |= SERIN_SLOT_CHANGED;
	dp_table_close(&before);
}

/* A service that no packet has reached yet: what it begins with is its base. */
static bool is_unborn(const struct dataplane *dp, uint32_t service)
{
	return !dp->services[service].epoch;
}

static int set_table(struct dataplane *dp, uint32_t index, const uint32_t *words, uint32_t size)
{
	bool is_base = is_unborn(dp, index / SERIN_MAX_POOLS);
	int error = 0, fd = make_table(words, size);

	if (fd < 0)
		return fd;
	if (is_base && bpf_map_update_elem(dp->map_fd[DP_MAP_BASE_TABLES], &index, &fd, BPF_ANY))
		error = -errno;
	if (!error && bpf_map_update_elem(dp->map_fd[DP_MAP_TABLES], &index, &fd, BPF_ANY))
		error = -errno;
	close(fd);
	return error;
}

static int swap_table(struct dataplane *dp, uint32_t index, const struct maglev_backend *list,
		      size_t count)
{
	uint32_t service = index / SERIN_MAX_POOLS, size = dp->info[service].table_size;
	uint32_t *words;
	int error;

	if (!is_unborn(dp, service))
		dp_service_changed(dp, service);
	if (!count)
		return bpf_map_delete_elem(dp->map_fd[DP_MAP_TABLES], &index) && errno != ENOENT
			       ? -errno
			       : 0;
	words = calloc(size, sizeof(*words));
	if (!words)
		return -ENOMEM;
	error = maglev_build(list, count, words, size);
	if (!error && !is_unborn(dp, service))
		mark_changed(dp, index, words, size);
	if (!error)
		error = set_table(dp, index, words, size);
	free(words);
	return error;
}

int dp_table_refresh(struct dataplane *dp, const struct roster *r, uint32_t service, uint32_t pool)
{
	struct serin_pool_info *info = &dp->info[service].pool[pool];
	struct maglev_backend *list;
	const uint32_t *ids;
	uint64_t digest;
	size_t count;
	int error = 0;

	count = roster_pool(dp, r, service, pool, &ids);
	list = list_eligible(dp, ids, count, &count);
	if (!list)
		return -ENOMEM;
	digest = digest_of(list, count, dp->info[service].table_size);
	if (digest != info->table_digest) {
		/* Killed in here, the digest must not claim a table that may not be there. */
		__atomic_store_n(&info->table_digest, DIGEST_VOID, __ATOMIC_SEQ_CST);
		error = swap_table(dp, dp_pool_index(service, pool), list, count);
		if (!error)
			info->table_digest = digest;
		else
			log_error("service %s, pool %s: cannot build its table: %s",
				  dp->info[service].name, info->name, strerror(-error));
	}
	free(list);
	return error;
}

int dp_tables_refresh_all(struct dataplane *dp)
{
	struct roster roster;
	int error = roster_build(dp, &roster);

	if (error)
		return error;
	for (uint32_t service = 0; !error && service < dp->meta.max_services; service++) {
		if (!dp->info[service].name[0])
			continue;
		for (uint32_t pool = 0; !error && pool < SERIN_MAX_POOLS; pool++)
			error = dp_table_refresh(dp, &roster, service, pool);
	}
	roster_fini(&roster);
	return error;
}

/* The marks come off in place: whether a packet sees one or not, it gets the same backend. */
static int clear_marks(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	volatile uint64_t *elements;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	elements = mmap(NULL, table_length(info.max_entries), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	if (elements == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < info.max_entries; i++)
		if (elements[i] & SERIN_SLOT_CHANGED)
			elements[i] = elements[i] & SERIN_SLOT_BACKEND;
	munmap((void *)elements, table_length(info.max_entries));
	return 0;
}

static int settle_table(struct dataplane *dp, uint32_t index)
{
	int base = dp->map_fd[DP_MAP_BASE_TABLES];
	uint32_t id;
	int error, fd;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_TABLES], &index, &id)) {
		if (errno != ENOENT)
			return -errno;
		return bpf_map_delete_elem(base, &index) && errno != ENOENT ? -errno : 0;
	}
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	error = bpf_map_update_elem(base, &index, &fd, BPF_ANY) ? -errno : clear_marks(fd);
	close(fd);
	return error;
}

int dp_tables_settle(struct dataplane *dp, uint32_t service)
{
	int error = 0;

	for (uint32_t pool = 0; !error && pool < SERIN_MAX_POOLS; pool++)
		error = settle_table(dp, dp_pool_index(service, pool));
	return error;
}

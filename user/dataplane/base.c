// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables of many services at once: when those in use become the base's, and when all go. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct settling {
	struct dataplane *dp;
	struct dp_outer in_use; /* pools that have a table */
	struct dp_outer base;	/* some of these, with their tables */
	struct dp_outer gone;	/* pools that have none */
};

static int remove_gone(struct settling *s)
{
	int error = dp_outer_remove(s->dp, DP_MAP_BASE_TABLES, &s->gone);

	s->gone.count = 0;
	return error;
}

static int add_gone(struct settling *s, uint32_t index)
{
	int error = s->gone.count == DP_OUTER_MAX ? remove_gone(s) : 0;

	dp_outer_add(&s->gone, index, -1);
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
	elements = mmap(NULL, dp_table_length(info.max_entries), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	if (elements == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < info.max_entries; i++)
		if (elements[i] & SERIN_SLOT_CHANGED)
			elements[i] = elements[i] & SERIN_SLOT_BACKEND;
	munmap((void *)elements, dp_table_length(info.max_entries));
	return 0;
}

/* Opens tables in use, from the `first` on, as many as there are file descriptors. Returns where it
 * ended, with an error if that is where it began. */
static size_t open_tables(struct settling *s, size_t first, int *error)
{
	size_t i;

	*error = 0;
	s->base.count = 0;
	for (i = first; i < s->in_use.count; i++) {
		uint32_t id = (uint32_t)s->in_use.values[i];
		int fd = id ? dp_inner_open(s->dp, DP_MAP_TABLES, s->in_use.keys[i], id) : -1;

		if (fd >= 0) {
			dp_outer_add(&s->base, s->in_use.keys[i], fd);
		} else if (!id) { /* an apply was killed before it made one */
			*error = add_gone(s, s->in_use.keys[i]);
		} else {
			if (fd != -EMFILE || i == first)
				*error = fd;
			break;
		}
	}
	return i;
}

static int settle_in_use(struct settling *s)
{
	int error = dp_outer_look_up(s->dp, DP_MAP_TABLES, &s->in_use);

	for (size_t done = 0; !error && done < s->in_use.count;) {
		done = open_tables(s, done, &error);
		if (!error)
			error = dp_outer_set(s->dp, DP_MAP_BASE_TABLES, &s->base);
		for (size_t i = 0; i < s->base.count; i++) {
			if (!error)
				error = clear_marks(s->base.values[i]);
			close(s->base.values[i]);
		}
	}
	s->in_use.count = 0;
	return error;
}

static int settle_service(struct settling *s, uint32_t service)
{
	int error = 0;

	for (uint32_t pool = 0; !error && pool < SERIN_MAX_POOLS; pool++) {
		uint32_t index = dp_pool_index(service, pool);
		bool is_there = dp_table_is_there(s->dp, index);

		if (!is_there && s->dp->info[service].pool[pool].name[0])
			error = add_gone(s, index);
		if (!is_there)
			continue;
		if (s->in_use.count == DP_OUTER_MAX)
			error = settle_in_use(s);
		dp_outer_add(&s->in_use, index, -1);
	}
	return error;
}

int dp_tables_settle(struct dataplane *dp, const uint8_t *is_due)
{
	struct settling *s = calloc(1, sizeof(*s));
	int error = s ? 0 : -ENOMEM;

	if (s)
		s->dp = dp;
	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++)
		if (is_due[id])
			error = settle_service(s, id);
	if (!error)
		error = settle_in_use(s);
	if (!error)
		error = remove_gone(s);
	free(s);
	return error;
}

static int remove_tables(struct dataplane *dp, enum dp_map map, const uint8_t *is_gone)
{
	struct dp_outer *o = calloc(1, sizeof(*o));
	int error = o ? 0 : -ENOMEM;

	for (uint32_t i = 0; !error && i < dp->meta.max_services * SERIN_MAX_POOLS; i++) {
		bool has_none = map == DP_MAP_TABLES && !dp_table_is_there(dp, i);

		if (!is_gone[i / SERIN_MAX_POOLS] || has_none)
			continue;
		dp_outer_add(o, i, -1);
		if (o->count < DP_OUTER_MAX)
			continue;
		error = dp_outer_remove(dp, map, o);
		o->count = 0;
	}
	if (!error)
		error = dp_outer_remove(dp, map, o);
	free(o);
	return error;
}

int dp_tables_remove(struct dataplane *dp, const uint8_t *is_gone)
{
	int error = remove_tables(dp, DP_MAP_TABLES, is_gone);

	return error ? error : remove_tables(dp, DP_MAP_BASE_TABLES, is_gone);
}

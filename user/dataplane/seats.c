// SPDX-License-Identifier: GPL-2.0-or-later
/* The seats of pools that may have but so many flows at once. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct serin_seat *map_seats(int fd, uint32_t count)
{
	void *at = mmap(NULL, count * sizeof(struct serin_seat), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Those of a pool, or NULL; @count: at most so many. */
static struct serin_seat *open_seats(const struct dataplane *dp, uint32_t pool_index,
				     uint32_t count)
{
	struct serin_seat *seats;
	uint32_t id;
	int fd;

	if (!count || bpf_map_lookup_elem(dp->map_fd[DP_MAP_SEATS], &pool_index, &id))
		return NULL;
	fd = dp_inner_open(dp, DP_MAP_SEATS, pool_index, id);
	if (fd < 0)
		return NULL;
	seats = map_seats(fd, count);
	close(fd);
	return seats;
}

/* Who has a seat keeps it where there is one; who takes one meanwhile may be one too many. */
static int make_seats(const struct dataplane *dp, uint32_t pool_index, uint32_t had, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	uint32_t kept = had < count ? had : count;
	struct serin_seat *old = open_seats(dp, pool_index, kept), *new;
	int error = 0, fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "seat_table", sizeof(uint32_t),
			    sizeof(struct serin_seat), count, &opts);
	new = fd < 0 ? NULL : map_seats(fd, count);
	if (!new)
		error = -errno;
	if (new &&old)
		memcpy(new, old, kept * sizeof(*new));
	if (!error && bpf_map_update_elem(dp->map_fd[DP_MAP_SEATS], &pool_index, &fd, BPF_ANY))
		error = -errno;
	if (!error)
		dp_inner_pin(dp, DP_MAP_SEATS, pool_index, fd);
	if (old)
		munmap(old, kept * sizeof(*old));
	if (new)
		munmap(new, count * sizeof(*new));
	if (fd >= 0)
		close(fd);
	return error;
}

/* There is always a table of as many seats as the guard says, or more. */
int dp_seats_set(struct dataplane *dp, uint32_t pool_index, uint32_t count)
{
	struct serin_guard *g = &dp->guards[pool_index];
	uint32_t had = g->flows;
	int error = 0;

	if (count < had)
		__atomic_store_n(&g->flows, count, __ATOMIC_RELEASE);
	if (count)
		error = make_seats(dp, pool_index, had, count);
	else if (bpf_map_delete_elem(dp->map_fd[DP_MAP_SEATS], &pool_index) && errno != ENOENT)
		error = -errno;
	if (!count)
		dp_inner_unpin(dp, DP_MAP_SEATS, pool_index);
	if (!error)
		__atomic_store_n(&g->flows, count, __ATOMIC_RELEASE);
	return error;
}

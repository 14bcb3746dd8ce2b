// SPDX-License-Identifier: GPL-2.0-or-later
/* Services as the maps hold them: finding them, their pools, and their splits. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint32_t dp_pool_index(uint32_t service, uint32_t pool)
{
	return service * SERIN_MAX_POOLS + pool;
}

int64_t dp_service_find(const struct dataplane *dp, const char *name)
{
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp->info[id].name[0] && !strcmp(dp->info[id].name, name))
			return id;
	return -1;
}

int dp_pool_find(const struct dataplane *dp, uint32_t service, const char *name)
{
	const struct serin_pool_info *pools = dp->info[service].pool;

	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		if (pools[i].name[0] && !strcmp(pools[i].name, name))
			return i;
	return -1;
}

void dp_split_read(const struct dataplane *dp, uint32_t service, struct split_layout *out)
{
	const struct serin_service *svc = &dp->services[service];

	split_decode(&svc->ring[svc->epoch % SERIN_SPLIT_RING], out);
}

uint32_t dp_split_store(struct dataplane *dp, uint32_t service, const struct split_layout *layout)
{
	struct serin_service *svc = &dp->services[service];
	uint32_t epoch = svc->epoch + 1;
	struct serin_split split;
	volatile __u64 *word = svc->ring[epoch % SERIN_SPLIT_RING].word;

	split_encode(layout, epoch, &split);
	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		word[i] = split.word[i];
	__atomic_store_n(&svc->epoch, epoch, __ATOMIC_RELEASE);
	return epoch;
}

void dp_note_change(struct dataplane *dp, uint32_t service, const struct dataplane_author *author)
{
	struct serin_change *last = &dp->info[service].last;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	memset(last, 0, sizeof(*last));
	last->when_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	last->uid = getuid();
	snprintf(last->actor, sizeof(last->actor), "%s", author->actor);
	snprintf(last->reason, sizeof(last->reason), "%s", author->reason ? author->reason : "");
}

int dp_counters_clear(struct dataplane *dp, enum dp_map map, uint32_t index)
{
	struct serin_counters *zero = calloc((size_t)dp->cpu_count, sizeof(*zero));
	int error;

	if (!zero)
		return -ENOMEM;
	error = bpf_map_update_elem(dp->map_fd[map], &index, zero, BPF_ANY) ? -errno : 0;
	free(zero);
	return error;
}

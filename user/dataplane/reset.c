// SPDX-License-Identifier: GPL-2.0-or-later
/* Ends flows of a pool that is taken back. */
#include "dataplane/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

/* Who is to answer them, or -1: nobody of the primary can. */
static int64_t find_answerer(const struct dataplane *dp, uint32_t service)
{
	struct split_layout split;

	dp_split_read(dp, service, &split);
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->service == service && b->pool == split.primary && dp_backend_takes_flows(b))
			return id;
	}
	return -1;
}

static void mark(const struct dataplane *dp, uint32_t service, uint32_t pool, uint8_t *flags)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		flags[id] = b->state != SERIN_BACKEND_FREE && b->service == service &&
			    b->pool == pool;
	}
}

int dataplane_reset_flows(struct dataplane *dp, const char *service, const char *pool,
			  uint32_t from_epoch)
{
	int64_t id = dp_service_find(dp, service), to;
	int slot = id < 0 ? -1 : dp_pool_find(dp, (uint32_t)id, pool), error;
	size_t count = 0;
	uint8_t *flags;

	if (slot < 0)
		return -ENOENT;
	to = find_answerer(dp, (uint32_t)id);
	flags = calloc(dp->meta.max_backends + 1, 1);
	if (to < 0 || !flags) {
		free(flags);
		return to < 0 ? -EHOSTUNREACH : -ENOMEM;
	}
	mark(dp, (uint32_t)id, (uint32_t)slot, flags);

	struct dp_flows_move move = {
		.dp = dp,
		.service = (uint32_t)id,
		.from_epoch = from_epoch,
		.is_from = flags,
		.to = (uint32_t)to,
		.count = &count,
	};

	error = flags[to] ? -EINVAL : dp_jiffies(dp, &move.now_jiffies);
	if (!error)
		error = dp_flows_move(dp, &move);
	free(flags);
	return error ? error : count > INT_MAX ? INT_MAX : (int)count;
}

int dataplane_remember_flows(struct dataplane *dp, const char *service, uint32_t seconds)
{
	int64_t id = dp_service_find(dp, service);
	struct timespec now;

	if (id < 0)
		return -ENOENT;
	clock_gettime(CLOCK_MONOTONIC, &now);
	dp->services[id].unsettled_ns =
		((uint64_t)now.tv_sec + seconds) * 1000000000 + (uint64_t)now.tv_nsec;
	return 0;
}

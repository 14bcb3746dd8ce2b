// SPDX-License-Identifier: GPL-2.0-or-later
/* How full those maps are whose sizes the configuration's limits set. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>

#define PROBES 1024 /* buckets of a flow table that are looked at, evenly over it */

static uint64_t count_services(const struct dataplane *dp)
{
	uint64_t count = 0;

	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		count += dp->info[id].name[0] != '\0';
	return count;
}

static uint64_t count_backends(const struct dataplane *dp)
{
	uint64_t count = 0;

	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		count += dp->backends[id].state != SERIN_BACKEND_FREE;
	return count;
}

static uint64_t count_targets(const struct dataplane *dp)
{
	uint64_t count = 0;

	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		count += dp->info[id].target_count;
	return count;
}

/* The living flows of one bucket; its entries end with key and value. */
static unsigned int count_alive(const struct dataplane *dp, const void *bucket, size_t stride,
				uint64_t now)
{
	const char *entry = bucket;
	unsigned int count = 0;

	for (int way = 0; way < SERIN_FLOW4_WAYS; way++) {
		const uint64_t *end = (const void *)(entry + (size_t)(way + 1) * stride);

		count += end[-2] && end[-2] != SERIN_FLOW_BUSY &&
			 dp_flow_is_alive(dp, end[-1], now);
	}
	return count;
}

/* An estimate: to map the whole table takes longer. */
static int count_flows(const struct dataplane *dp, enum dp_map map, size_t stride, uint64_t now,
		       uint64_t *out)
{
	uint32_t probes = dp->meta.flow_buckets < PROBES ? dp->meta.flow_buckets : PROBES;
	struct serin_bucket6 bucket;
	uint64_t count = 0;

	for (uint32_t i = 0; i < probes; i++) {
		uint32_t number = (uint32_t)((uint64_t)dp->meta.flow_buckets * i / probes);

		if (bpf_map_lookup_elem(dp->map_fd[map], &number, &bucket))
			return -errno;
		count += count_alive(dp, &bucket, stride, now);
	}
	*out = probes ? count * dp->meta.flow_buckets / probes : 0;
	return 0;
}

int dataplane_usage(struct dataplane *dp, struct usage_view out[USAGE_MAX])
{
	uint64_t places = (uint64_t)dp->meta.flow_buckets * SERIN_FLOW4_WAYS, now = 0;
	const struct usage_view all[USAGE_MAX] = {
		{"services", "limits.services", count_services(dp), dp->meta.max_services},
		{"backends", "limits.backends", count_backends(dp), dp->meta.max_backends},
		{"targets", "limits.targets", count_targets(dp), dp->meta.max_targets},
		{"flows4", "limits.flows", 0, places},
		{"flows6", "limits.flows", 0, places},
	};
	int error = dp_jiffies(dp, &now);

	for (int i = 0; i < USAGE_MAX; i++)
		out[i] = all[i];
	if (!error)
		error = count_flows(dp, DP_MAP_FLOWS4, sizeof(struct serin_flow4), now,
				    &out[USAGE_FLOWS4].used);
	if (!error)
		error = count_flows(dp, DP_MAP_FLOWS6, sizeof(struct serin_flow6), now,
				    &out[USAGE_FLOWS6].used);
	return error;
}

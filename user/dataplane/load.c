// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading: the program from this executable, with new maps or with those that are pinned. */
#include "dataplane/upgrade.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/log.h"

#include "bpf/serin.skel.h"

uint64_t dataplane_program_id(void)
{
	size_t len;
	const unsigned char *elf = serin_bpf__elf_bytes(&len);
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ elf[i]) * 0x100000001b3ull;
	return hash;
}

static uint32_t next_power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power <<= 1;
	return power;
}

/* Buckets have 16 ways: with one bucket for each 4 entries a full one is one in 10^6. */
static struct serin_meta make_meta(const struct model *m)
{
	const struct model_limits *limits = &m->limits;
	struct serin_meta meta = {
		.magic = SERIN_ABI_MAGIC,
		.abi_version = SERIN_ABI_VERSION,
		.max_services = limits->services,
		.max_backends = limits->backends,
		.max_flows = limits->flows,
		.max_targets = limits->targets,
		.service_buckets = next_power_of_two(limits->services / 4 + 16),
		.backend_buckets = next_power_of_two(limits->backends / 4 + 16),
		/* Four ways, half full. */
		.flow_buckets = next_power_of_two((limits->flows + 1) / 2),
		.idle_s =
			{
				[SERIN_FLOW_SYN] = m->idle.syn_s,
				[SERIN_FLOW_REPLIED] = m->idle.syn_s,
				[SERIN_FLOW_ADOPTED] = m->idle.established_s,
				[SERIN_FLOW_UDP] = m->idle.udp_s,
				[SERIN_FLOW_ACKED] = m->idle.established_s,
				[SERIN_FLOW_ESTABLISHED] = m->idle.established_s,
				[SERIN_FLOW_CLOSING] = m->idle.closing_s,
				[SERIN_FLOW_UDP_REPLIED] = m->idle.udp_s,
			},
		.program_id = dataplane_program_id(),
	};

	snprintf(meta.made_by, sizeof(meta.made_by), "%s", SERIN_VERSION);
	return meta;
}

static struct bpf_map *map_of(struct serin_bpf *skel, enum dp_map map)
{
	switch (map) {
#define MAP_CASE(upper, lower) \
	case DP_MAP_##upper:   \
		return skel->maps.lower;
		DP_MAPS(MAP_CASE)
#undef MAP_CASE
	default:
		return NULL;
	}
}

static uint32_t entries_of(const struct serin_meta *m, enum dp_map map)
{
	switch (map) {
	case DP_MAP_SERVICE_INDEX:
		return m->service_buckets;
	case DP_MAP_SERVICES:
	case DP_MAP_SERVICE_INFO:
	case DP_MAP_VIPS:
	case DP_MAP_SOURCE_SETS:
	case DP_MAP_SOURCE_TABLES4:
	case DP_MAP_SOURCE_TABLES6:
	case DP_MAP_SOURCE_COUNTERS:
	case DP_MAP_EVENT_RATES:
		return m->max_services;
	case DP_MAP_SOURCES:
		return m->max_services * SERIN_MAX_SOURCES;
	case DP_MAP_TABLES:
	case DP_MAP_BASE_TABLES:
	case DP_MAP_GUARDS:
	case DP_MAP_SEATS:
	case DP_MAP_POOL_COUNTERS:
	case DP_MAP_POOL_SIGNALS:
	case DP_MAP_POOL_HISTOGRAMS:
		return m->max_services * SERIN_MAX_POOLS;
	case DP_MAP_BACKENDS:
	case DP_MAP_TUNNEL_ENDS:
	case DP_MAP_BACKEND_HOSTS:
	case DP_MAP_BACKEND_COUNTERS:
	case DP_MAP_BACKEND_SIGNALS:
	case DP_MAP_BACKEND_HISTOGRAMS:
		return m->max_backends;
	case DP_MAP_BACKEND_INDEX:
		return m->backend_buckets;
	case DP_MAP_TARGETS:
		return m->max_targets + 1;
	case DP_MAP_FLOWS4:
	case DP_MAP_FLOWS6:
		return m->flow_buckets;
	default:
		return 0; /* fixed in the program */
	}
}

static int set_sizes(struct serin_bpf *skel, const struct serin_meta *meta)
{
	uint32_t ticks = (uint32_t)dp_ticks_per_second();

	for (int i = 0; i < DP_MAP_MAX; i++) {
		uint32_t entries = entries_of(meta, i);
		int error = entries ? bpf_map__set_max_entries(map_of(skel, i), entries) : 0;

		if (error)
			return error;
	}
	skel->rodata->service_bucket_mask = meta->service_buckets - 1;
	skel->rodata->backend_bucket_mask = meta->backend_buckets - 1;
	skel->rodata->flow_bucket_mask = meta->flow_buckets - 1;
	memcpy((void *)skel->rodata->flow_secret, meta->flow_secret, sizeof(meta->flow_secret));
	for (int i = 0; i < SERIN_FLOW_STATE_MAX; i++)
		skel->rodata->flow_idle_jiffies[i] = meta->idle_s[i] * (uint64_t)ticks;
	skel->rodata->fragment_jiffies = SERIN_FRAGMENT_S * ticks;
	skel->rodata->path_mtu_jiffies = SERIN_PATH_MTU_S * ticks;
	skel->rodata->second_jiffies = ticks;
	skel->rodata->shared_quiet_jiffies = SERIN_SHARED_QUIET_S * ticks;
	/* All CPUs together take two seconds to turn the table over. */
	skel->rodata->flow_evictions_per_jiffy =
		meta->max_flows / (2 * ticks * (uint32_t)libbpf_num_possible_cpus()) + 1;
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* dp's maps, where it has some, in place of new ones. */
static int reuse_maps(const struct dataplane *dp, struct serin_bpf *skel)
{
	int error = 0;

	for (int i = 0; !error && i < DP_MAP_MAX; i++)
		if (dp->map_fd[i] >= 0)
			error = dp_map_check(dp, i, map_of(skel, i));
	for (int i = 0; !error && i < DP_MAP_MAX; i++)
		if (dp->map_fd[i] >= 0)
			error = bpf_map__reuse_fd(map_of(skel, i), dp->map_fd[i]);
	return error;
}

/* Opens the program with these sizes; reuses dp's maps where it has some. */
static int load_program(struct dataplane *dp, const struct serin_meta *meta, struct serin_bpf **out)
{
	struct serin_bpf *skel;
	int error;

	if (!getenv("SERIN_LIBBPF_LOG"))
		libbpf_set_print(quiet);
	skel = serin_bpf__open();
	if (!skel)
		return -errno;
	error = set_sizes(skel, meta);
	if (!error)
		error = reuse_maps(dp, skel);
	if (error) {
		serin_bpf__destroy(skel);
		return error;
	}
	error = serin_bpf__load(skel);
	if (error) {
		log_error("the kernel refuses the program: %s%s", strerror(-error),
			  error == -EPERM ? " (root, or CAP_BPF and CAP_NET_ADMIN)"
					  : " (SERIN_LIBBPF_LOG=1 shows its reasons)");
		serin_bpf__destroy(skel);
		return error;
	}
	*out = skel;
	return 0;
}

static int keep_fd(int fd, int *out)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	if (*out >= 0)
		close(*out);
	*out = copy;
	return 0;
}

static int keep_fds(struct dataplane *dp, struct serin_bpf *skel)
{
	int error = keep_fd(bpf_program__fd(skel->progs.serin), &dp->program_fd);

	if (!error)
		error = keep_fd(bpf_program__fd(skel->progs.serin_clock), &dp->clock_fd);
	if (!error)
		error = keep_fd(bpf_program__fd(skel->progs.serin_sweep), &dp->sweep_fd);
	if (!error)
		error = keep_fd(bpf_program__fd(skel->progs.serin_tell), &dp->tell_fd);
	for (int i = 0; !error && i < DP_MAP_MAX; i++)
		if (dp->map_fd[i] < 0)
			error = keep_fd(bpf_map__fd(map_of(skel, i)), &dp->map_fd[i]);
	return error;
}

static bool is_per_cpu(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;
}

/* What is allocated as soon as the map is made. */
static uint64_t bytes_of(const struct bpf_map *map)
{
	uint64_t value = (bpf_map__value_size(map) + 7ull) & ~7ull;

	if (bpf_map__map_flags(map) & BPF_F_NO_PREALLOC)
		return 0;
	return value * bpf_map__max_entries(map) *
	       (is_per_cpu(bpf_map__type(map)) ? (uint64_t)libbpf_num_possible_cpus() : 1);
}

uint64_t dataplane_memory(const struct model *m)
{
	struct serin_meta meta = make_meta(m);
	struct serin_bpf *skel = serin_bpf__open();
	struct bpf_map *map;
	uint64_t bytes = 0;

	if (!skel)
		return 0;
	if (!set_sizes(skel, &meta))
		bpf_object__for_each_map(map, skel->obj) bytes += bytes_of(map);
	serin_bpf__destroy(skel);
	return bytes;
}

int dp_load(struct dataplane *dp, const struct model *m)
{
	struct serin_meta meta = make_meta(m);
	struct serin_bpf *skel = NULL;
	uint32_t zero = 0;
	int error;

	if (getrandom(meta.flow_secret, sizeof(meta.flow_secret), 0) != sizeof(meta.flow_secret))
		return -EIO;
	error = load_program(dp, &meta, &skel);
	if (error)
		return error;
	error = keep_fds(dp, skel);
	serin_bpf__destroy(skel);
	if (error)
		return error;
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_META], &zero, &meta, 0))
		return -errno;
	dp->meta = meta;
	return dp_mmap(dp);
}

int dp_load_over(struct dataplane *dp)
{
	struct serin_bpf *skel = NULL;
	int error = load_program(dp, &dp->meta, &skel);

	if (error)
		return error;
	error = keep_fds(dp, skel);
	serin_bpf__destroy(skel);
	return error;
}

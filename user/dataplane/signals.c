// SPDX-License-Identifier: GPL-2.0-or-later
/* What is counted of pools and backends, of all CPUs together. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_counters(struct snapshot_counters *out, const struct serin_counters *one,
			 uint32_t epoch)
{
	out->packets_in += one->packets_in;
	out->bytes_in += one->bytes_in;
	out->packets_out += one->packets_out;
	out->bytes_out += one->bytes_out;
	out->flows += one->flows;
	out->fallbacks += one->fallbacks;
	if (one->epoch == epoch)
		out->epoch_flows += one->epoch_flows;
}

/* All of its fields are counters. */
static void add_signals(struct serin_signals *out, const struct serin_signals *one)
{
	uint64_t sum[sizeof(*out) / sizeof(uint64_t)], part[sizeof(*out) / sizeof(uint64_t)];

	memcpy(sum, out, sizeof(sum));
	memcpy(part, one, sizeof(part));
	for (size_t i = 0; i < sizeof(sum) / sizeof(*sum); i++)
		sum[i] += part[i];
	memcpy(out, sum, sizeof(sum));
}

/* The values of `count` keys from `first` on, each of all CPUs: in one system call, so that they are
 * of one instant as far as there is such a thing while packets are counted. */
static int read_range(struct dataplane *dp, enum dp_map map, uint32_t first, uint32_t count,
		      void *values)
{
	uint32_t before = first - 1, next, keys[SERIN_MAX_POOLS], got = count;

	if (bpf_map_lookup_batch(dp->map_fd[map], first ? &before : NULL, &next, keys, values, &got,
				 NULL) &&
	    errno != ENOENT) /* the last key was among them */
		return -errno;
	return got == count ? 0 : -EIO;
}

int dp_pool_counters_read(struct dataplane *dp, uint32_t service, uint32_t epoch,
			  struct snapshot_counters out[SERIN_MAX_POOLS])
{
	size_t cpus = (size_t)dp->cpu_count, n = SERIN_MAX_POOLS * cpus;
	struct serin_counters *counters = calloc(n, sizeof(*counters));
	struct serin_signals *signals = calloc(n, sizeof(*signals));
	uint32_t first = dp_pool_index(service, 0);
	int error = counters && signals ? 0 : -ENOMEM;

	if (!error)
		error = read_range(dp, DP_MAP_POOL_COUNTERS, first, SERIN_MAX_POOLS, counters);
	if (!error)
		error = read_range(dp, DP_MAP_POOL_SIGNALS, first, SERIN_MAX_POOLS, signals);
	memset(out, 0, SERIN_MAX_POOLS * sizeof(*out));
	for (size_t i = 0; !error && i < n; i++) {
		add_counters(&out[i / cpus], &counters[i], epoch);
		add_signals(&out[i / cpus].signals, &signals[i]);
	}
	free(counters);
	free(signals);
	return error;
}

int dp_backend_counters_read(struct dataplane *dp, uint32_t id, uint32_t epoch,
			     struct snapshot_counters *out)
{
	size_t cpus = (size_t)dp->cpu_count;
	struct serin_counters *counters = calloc(cpus, sizeof(*counters));
	struct serin_signals *signals = calloc(cpus, sizeof(*signals));
	int error = counters && signals ? 0 : -ENOMEM;

	if (!error && (bpf_map_lookup_elem(dp->map_fd[DP_MAP_BACKEND_COUNTERS], &id, counters) ||
		       bpf_map_lookup_elem(dp->map_fd[DP_MAP_BACKEND_SIGNALS], &id, signals)))
		error = -errno;
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; !error && i < cpus; i++) {
		add_counters(out, &counters[i], epoch);
		add_signals(&out->signals, &signals[i]);
	}
	free(counters);
	free(signals);
	return error;
}

uint8_t dp_sample_shift(const struct serin_service *svc, uint32_t pool)
{
	return (uint8_t)__builtin_popcount(svc->sample_mask[pool]);
}

static void set_samples(struct dataplane *dp, uint32_t service,
			const struct snapshot_counters pools[SERIN_MAX_POOLS], sample_judge *judge,
			void *arg)
{
	struct serin_service *svc = &dp->services[service];

	for (uint32_t slot = 0; slot < SERIN_MAX_POOLS; slot++) {
		uint32_t shift = dp_sample_shift(svc, slot), next;

		/* A guard that did not see each failure would not be one. */
		if (!dp->info[service].pool[slot].name[0] ||
		    dp->guards[dp_pool_index(service, slot)].budget ||
		    dp->guards[dp_pool_index(service, slot)].failover)
			continue;
		next = judge(dp_pool_index(service, slot), pools[slot].flows, (uint8_t)shift, arg);
		if (next != shift)
			__atomic_store_n(&svc->sample_mask[slot], serin_sample_mask(next),
					 __ATOMIC_RELAXED);
	}
}

int dataplane_set_samples(struct dataplane *dp, sample_judge *judge, void *arg)
{
	struct snapshot_counters pools[SERIN_MAX_POOLS];
	int error = 0;

	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++) {
		if (!dp->info[id].name[0])
			continue;
		error = dp_pool_counters_read(dp, id, 0, pools);
		if (!error)
			set_samples(dp, id, pools, judge, arg);
	}
	return error;
}

static int clear(struct dataplane *dp, enum dp_map map, uint32_t index, size_t size)
{
	void *zero = calloc((size_t)dp->cpu_count, size);
	int error;

	if (!zero)
		return -ENOMEM;
	error = bpf_map_update_elem(dp->map_fd[map], &index, zero, BPF_ANY) ? -errno : 0;
	free(zero);
	return error;
}

static int clear_histograms(struct dataplane *dp, enum dp_map map, uint32_t index)
{
	struct serin_histograms *zero = calloc(1, sizeof(*zero));
	int error;

	if (!zero)
		return -ENOMEM;
	error = bpf_map_update_elem(dp->map_fd[map], &index, zero, BPF_ANY) ? -errno : 0;
	free(zero);
	return error;
}

int dp_pool_counters_clear(struct dataplane *dp, uint32_t pool_index)
{
	int error = clear(dp, DP_MAP_POOL_COUNTERS, pool_index, sizeof(struct serin_counters));

	if (!error)
		error = clear(dp, DP_MAP_POOL_SIGNALS, pool_index, sizeof(struct serin_signals));
	return error ? error : clear_histograms(dp, DP_MAP_POOL_HISTOGRAMS, pool_index);
}

int dp_backend_counters_clear(struct dataplane *dp, uint32_t id)
{
	int error = clear(dp, DP_MAP_BACKEND_COUNTERS, id, sizeof(struct serin_counters));

	if (!error)
		error = clear(dp, DP_MAP_BACKEND_SIGNALS, id, sizeof(struct serin_signals));
	return error ? error : clear_histograms(dp, DP_MAP_BACKEND_HISTOGRAMS, id);
}

void dp_pool_counters_free(struct dataplane *dp, uint32_t pool_index)
{
	bpf_map_delete_elem(dp->map_fd[DP_MAP_POOL_HISTOGRAMS], &pool_index);
}

void dp_backend_counters_free(struct dataplane *dp, uint32_t id)
{
	bpf_map_delete_elem(dp->map_fd[DP_MAP_BACKEND_HISTOGRAMS], &id);
}

/* An apply that was killed may have left none. */
int dp_histograms_read(struct dataplane *dp, enum dp_map map, uint32_t index,
		       struct serin_histograms *out)
{
	memset(out, 0, sizeof(*out));
	if (!bpf_map_lookup_elem(dp->map_fd[map], &index, out) || errno == ENOENT)
		return 0;
	return -errno;
}

int dp_sweep(struct dataplane *dp)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return bpf_prog_test_run_opts(dp->sweep_fd, &opts) ? -errno : 0;
}

int dataplane_sweep(const char *dir)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char path[PATH_MAX];
	int fd, error;

	if (snprintf(path, sizeof(path), "%s/%s/sweep", dir, DP_VERSION_DIR) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	error = bpf_prog_test_run_opts(fd, &opts) ? -errno : 0;
	close(fd);
	return error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What fullnat services give their flows for sources: their sets of addresses, tables, counters. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/net.h"

bool dp_has_sources(const struct dataplane *dp, uint32_t service)
{
	return dp->source_sets[service].buckets != 0;
}

static uint32_t ports_of(const struct model_service *m)
{
	return (uint32_t)m->source_port_high - m->source_port_low + 1;
}

static struct serin_source_set set_of(const struct dataplane *dp, const struct model_service *m)
{
	uint32_t ports = ports_of(m), places = ports * (uint32_t)m->source_count;
	uint32_t turns = 2 * (uint32_t)dp_ticks_per_second() * (uint32_t)dp->cpu_count;
	struct serin_source_set set = {
		.buckets = (places + SERIN_FLOW4_WAYS - 1) / SERIN_FLOW4_WAYS,
		.ports = ports,
		/* All CPUs together take two seconds to turn the table over. */
		.evictions_per_jiffy = places / turns + 1,
		.port_low = m->source_port_low,
		.count = (uint8_t)m->source_count,
	};

	for (size_t i = 0; i < m->source_count; i++)
		memcpy(&set.source[i], &m->sources[i].prefix, sizeof(set.source[i]));
	return set;
}

bool dp_sources_differ(const struct dataplane *dp, uint32_t service, const struct model_service *m)
{
	const struct serin_source_set *now = &dp->source_sets[service];
	struct serin_source_set wanted = set_of(dp, m);

	return now->ports != wanted.ports || now->port_low != wanted.port_low ||
	       now->count != wanted.count ||
	       memcmp(now->source, wanted.source, sizeof(now->source));
}

struct serin_endpoint dp_source_at(const struct dataplane *dp, uint32_t service, uint32_t position)
{
	const struct serin_source_set *set = &dp->source_sets[service];
	uint32_t ports = set->ports ? set->ports : 1;

	return (struct serin_endpoint){
		.addr = set->source[position / ports % SERIN_MAX_SOURCES],
		.port_be = htons((uint16_t)(set->port_low + position % ports)),
		.protocol = dp->services[service].vip.protocol,
	};
}

/* ---- tables ---- */

static bool is_v4_service(const struct dataplane *dp, uint32_t service)
{
	struct in6_addr source = dp_addr(&dp->source_sets[service].source[0]);

	return net_is_v4(&source);
}

static size_t bucket_size(bool is_v4)
{
	return is_v4 ? sizeof(struct serin_bucket4) : sizeof(struct serin_bucket6);
}

static size_t table_length(const struct dp_flow_table *t)
{
	return bucket_size(t->v4) * t->buckets;
}

static int map_table(int fd, bool is_v4, uint32_t buckets, int protection,
		     struct dp_flow_table *out)
{
	void *at = mmap(NULL, bucket_size(is_v4) * buckets, protection, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*out = (struct dp_flow_table){.buckets = buckets};
	if (is_v4)
		out->v4 = at;
	else
		out->v6 = at;
	return 0;
}

int dp_source_table_open(struct dataplane *dp, uint32_t service, struct dp_flow_table *out)
{
	int protection = PROT_READ | (dp->access == DATAPLANE_WRITE ? PROT_WRITE : 0);
	bool is_v4 = is_v4_service(dp, service);
	enum dp_map outer = is_v4 ? DP_MAP_SOURCE_TABLES4 : DP_MAP_SOURCE_TABLES6;
	uint32_t id;
	int error, fd;

	if (bpf_map_lookup_elem(dp->map_fd[outer], &service, &id))
		return -errno;
	fd = dp_inner_open(dp, outer, service, id);
	if (fd < 0)
		return fd;
	error = map_table(fd, is_v4, dp->source_sets[service].buckets, protection, out);
	close(fd);
	return error;
}

void dp_source_table_close(struct dp_flow_table *t)
{
	munmap(t->v4 ? (void *)t->v4 : (void *)t->v6, table_length(t));
}

/* The last bucket may have more entries than there are ports. */
static void block_rest(const struct dp_flow_table *t, uint32_t places)
{
	for (uint32_t i = places; i < t->buckets * SERIN_FLOW4_WAYS; i++) {
		uint32_t b = i / SERIN_FLOW4_WAYS, way = i % SERIN_FLOW4_WAYS;

		if (t->v4)
			t->v4[b].flow[way].key = SERIN_FLOW_BUSY;
		else
			t->v6[b].flow[way].key = SERIN_FLOW_BUSY;
	}
}

static int make_table(const struct serin_source_set *set, bool is_v4)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	struct dp_flow_table t;
	int error, fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "source_table", sizeof(uint32_t),
			    (uint32_t)bucket_size(is_v4), set->buckets, &opts);
	if (fd < 0)
		return -errno;
	error = map_table(fd, is_v4, set->buckets, PROT_READ | PROT_WRITE, &t);
	if (error) {
		close(fd);
		return error;
	}
	block_rest(&t, set->ports * set->count);
	dp_source_table_close(&t);
	return fd;
}

static int clear_counters(struct dataplane *dp, uint32_t service)
{
	struct serin_source_counters *zero = calloc((size_t)dp->cpu_count, sizeof(*zero));
	int error;

	if (!zero)
		return -ENOMEM;
	error = bpf_map_update_elem(dp->map_fd[DP_MAP_SOURCE_COUNTERS], &service, zero, BPF_ANY)
			? -errno
			: 0;
	free(zero);
	return error;
}

int dp_sources_make(struct dataplane *dp, uint32_t service, const struct model_service *m)
{
	struct serin_source_set set = set_of(dp, m);
	bool is_v4 = net_is_v4(&m->sources[0].prefix);
	enum dp_map outer = is_v4 ? DP_MAP_SOURCE_TABLES4 : DP_MAP_SOURCE_TABLES6;
	int error = clear_counters(dp, service), fd = -1;

	if (!error) {
		fd = make_table(&set, is_v4);
		error = fd < 0 ? fd : 0;
	}
	if (!error && bpf_map_update_elem(dp->map_fd[outer], &service, &fd, BPF_ANY))
		error = -errno;
	if (!error)
		dp_inner_pin(dp, outer, service, fd);
	if (fd >= 0)
		close(fd);
	if (error)
		log_error("service %s: cannot make a table of %u source ports: %s", m->name,
			  set.ports * set.count, strerror(-error));
	else
		dp->source_sets[service] = set;
	return error;
}

void dp_sources_free(struct dataplane *dp, uint32_t service)
{
	memset(&dp->source_sets[service], 0, sizeof(dp->source_sets[service]));
	for (enum dp_map outer = DP_MAP_SOURCE_TABLES4; outer <= DP_MAP_SOURCE_TABLES6; outer++) {
		dp_inner_unpin(dp, outer, service);
		bpf_map_delete_elem(dp->map_fd[outer], &service);
	}
}

/* ---- counters ---- */

/* Sums those of all CPUs. */
static int read_counters(struct dataplane *dp, uint32_t service, struct snapshot_ports *out)
{
	struct serin_source_counters *per_cpu = calloc((size_t)dp->cpu_count, sizeof(*per_cpu));
	int error = 0;

	if (!per_cpu)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_SOURCE_COUNTERS], &service, per_cpu))
		error = -errno;
	for (int cpu = 0; !error && cpu < dp->cpu_count; cpu++) {
		out->taken += per_cpu[cpu].taken;
		out->evicted += per_cpu[cpu].evicted;
		out->refused += per_cpu[cpu].refused;
		out->untold += per_cpu[cpu].untold;
	}
	free(per_cpu);
	return error;
}

int dp_ports_read(struct dataplane *dp, uint32_t service, struct snapshot_ports *out)
{
	const struct serin_source_set *set = &dp->source_sets[service];

	*out = (struct snapshot_ports){
		.capacity = (uint64_t)set->ports * set->count,
		.bytes = set->buckets * bucket_size(is_v4_service(dp, service)),
	};
	return read_counters(dp, service, out);
}

int dataplane_each_ports(struct dataplane *dp, ports_visitor *visit, void *arg)
{
	struct snapshot_ports ports;
	int error = 0;

	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++) {
		if (!dp_has_sources(dp, id) || !dp->info[id].name[0])
			continue;
		error = dp_ports_read(dp, id, &ports);
		if (!error)
			visit(id, dp->info[id].name, &ports, arg);
	}
	return error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What runs, copied out of the maps for status and metrics. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

static const char *const reason_names[SERIN_REASON_MAX] = {[SERIN_GO_ON] = "none",
#define REASON_NAME(name, text, action) [SERIN_##name] = text,
							   SERIN_REASONS(REASON_NAME)
#undef REASON_NAME
};

static const enum serin_action reason_actions[SERIN_REASON_MAX] = {
#define REASON_ACTION(name, text, action) [SERIN_##name] = SERIN_ACTION_##action,
	SERIN_REASONS(REASON_ACTION)
#undef REASON_ACTION
};

const char *dataplane_reason_name(enum serin_reason reason)
{
	return (unsigned int)reason < SERIN_REASON_MAX ? reason_names[reason] : "unknown";
}

const char *dataplane_reason_action(enum serin_reason reason)
{
	static const char *const names[] = {"pass", "drop", "tx", "redirect"};

	_Static_assert(sizeof(names) / sizeof(*names) == SERIN_ACTION_MAX, "a name each");
	return (unsigned int)reason < SERIN_REASON_MAX ? names[reason_actions[reason]] : "unknown";
}

const char *snapshot_backend_state_name(const struct snapshot_backend *b)
{
	static const char *const names[] = {"free", "up", "draining", "leaving"};
	bool is_down = b->is_unhealthy || b->is_ejected;

	_Static_assert(sizeof(names) / sizeof(*names) == SERIN_BACKEND_STATE_MAX, "a name each");
	if (b->state == SERIN_BACKEND_UP && is_down)
		return "down";
	if (b->state == SERIN_BACKEND_UP && !b->has_hop)
		return "unresolved";
	return (unsigned int)b->state < SERIN_BACKEND_STATE_MAX ? names[b->state] : "unknown";
}

bool snapshot_backend_takes_flows(const struct snapshot_backend *b)
{
	return b->state == SERIN_BACKEND_UP && !b->is_unhealthy && !b->is_ejected && b->has_hop;
}

const char *snapshot_backend_health_name(const struct snapshot_backend *b)
{
	return b->is_unhealthy ? "down" : b->is_ejected ? "ejected" : "up";
}

/* Everything one copy needs besides the snapshot itself. */
struct copying {
	struct dataplane *dp;
	struct roster roster;
	struct snapshot_counters pools[SERIN_MAX_POOLS]; /* of the service that is copied */
};

static int copy_latencies(struct copying *c, enum dp_map map, uint32_t index,
			  struct serin_histograms **out)
{
	*out = malloc(sizeof(**out));
	return *out ? dp_histograms_read(c->dp, map, index, *out) : -ENOMEM;
}

static void copy_guard(const struct serin_guard *g, struct snapshot_guard *out)
{
	*out = (struct snapshot_guard){
		.budget = g->budget,
		.state = dp_breaker_state(g),
		.trips = g->trips,
		.moved = g->moved,
		.failover = g->failover,
		.failed_over = g->failed_over,
		.flows_per_second = g->flows_per_second,
		.flows = g->flows,
		.capped = g->capped,
	};
}

static int copy_backends(struct copying *c, const struct snapshot_service *s,
			 struct snapshot_pool *pool)
{
	const uint32_t *ids;
	size_t count = roster_pool(c->dp, &c->roster, s->id, pool->slot, &ids);
	int error = 0;

	pool->backends = calloc(count + 1, sizeof(*pool->backends));
	if (!pool->backends)
		return -ENOMEM;
	for (size_t i = 0; !error && i < count; i++) {
		const struct serin_backend *b = &c->dp->backends[ids[i]];
		struct snapshot_backend *out = &pool->backends[pool->backend_count++];

		*out = (struct snapshot_backend){
			.address = dp_addr(&b->at.addr),
			.port = ntohs(b->at.port_be),
			.weight = b->weight,
			.id = ids[i],
			.state = dp_backend_state(b),
			.is_unhealthy = b->state & SERIN_BACKEND_UNHEALTHY,
			.is_ejected = b->state & SERIN_BACKEND_EJECTED,
			.has_hop = b->hop != 0,
		};
		error = dp_backend_counters_read(c->dp, ids[i], s->epoch, &out->counters);
		if (!error)
			error = copy_latencies(c, DP_MAP_BACKEND_HISTOGRAMS, ids[i],
					       &out->latencies);
	}
	return error;
}

static int copy_pool(struct copying *c, struct snapshot_service *s, uint8_t slot,
		     const struct split_layout *split)
{
	const struct serin_pool_info *info = &c->dp->info[s->id].pool[slot];
	struct snapshot_pool *pool = &s->pools[s->pool_count];
	int error;

	memcpy(pool->name, info->name, sizeof(pool->name));
	pool->slot = slot;
	pool->weight_ppm = split_pool_ppm(split, slot);
	pool->configured_ppm = info->configured_ppm;
	if (slot == split->primary)
		s->primary = s->pool_count;
	if (slot == dp_file_primary(c->dp, s->id))
		s->file_primary = s->pool_count;
	s->pool_count++;
	pool->sample_shift = dp_sample_shift(&c->dp->services[s->id], slot);
	pool->counters = c->pools[slot];
	copy_guard(&c->dp->guards[dp_pool_index(s->id, slot)], &pool->guard);
	error = copy_latencies(c, DP_MAP_POOL_HISTOGRAMS, dp_pool_index(s->id, slot),
			       &pool->latencies);
	return error ? error : copy_backends(c, s, pool);
}

/* In the order of the file, those that are leaving last. */
static int copy_pools(struct copying *c, struct snapshot_service *s)
{
	const struct serin_pool_info *info = c->dp->info[s->id].pool;
	struct split_layout split;
	int error;

	s->pools = calloc(SERIN_MAX_POOLS, sizeof(*s->pools));
	if (!s->pools)
		return -ENOMEM;
	error = dp_pool_counters_read(c->dp, s->id, s->epoch, c->pools);
	dp_split_read(c->dp, s->id, &split);
	for (uint32_t order = 0; order <= SERIN_MAX_POOLS; order++) {
		uint32_t wanted = order < SERIN_MAX_POOLS ? order : SERIN_POOL_GONE;

		for (uint8_t slot = 0; !error && slot < SERIN_MAX_POOLS; slot++)
			if (info[slot].name[0] && info[slot].order == wanted)
				error = copy_pool(c, s, slot, &split);
	}
	return error;
}

struct counting {
	const struct dataplane *dp;
	uint64_t now_jiffies;
	uint64_t alive;
};

static int count_flow(const struct dp_flow *flow, void *arg)
{
	struct counting *c = arg;

	c->alive += dp_flow_is_alive(c->dp, flow->value, c->now_jiffies);
	return 0;
}

static void copy_sources(const struct serin_source_set *set, struct snapshot_service *out)
{
	out->source_count = set->count;
	for (size_t i = 0; i < set->count; i++)
		out->sources[i] = (struct model_source){dp_addr(&set->source[i]), 128};
}

static int copy_ports(struct dataplane *dp, struct snapshot_service *out)
{
	const struct serin_source_set *set = &dp->source_sets[out->id];
	struct counting counting = {.dp = dp};
	int error;

	if (!dp_has_sources(dp, out->id))
		return 0;
	copy_sources(set, out);
	error = dp_ports_read(dp, out->id, &out->ports);
	if (!error)
		error = dp_jiffies(dp, &counting.now_jiffies);
	if (error)
		return error;
	error = dp_each_source_flow(dp, out->id, count_flow, &counting);
	out->ports.used = counting.alive;
	out->ports.has_used = !error;
	return error == -EPERM ? 0 : error;
}

static void copy_forwarding(const struct serin_service *svc, struct snapshot_service *out)
{
	out->forwarding = svc->forwarding;
	if (svc->forwarding != SERIN_FORWARDING_IPIP && svc->forwarding != SERIN_FORWARDING_GUE)
		return;
	out->source_count = dp_tunnel_sources(&svc->tunnel, out->sources);
	if (svc->forwarding == SERIN_FORWARDING_GUE)
		out->gue_port = ntohs(svc->tunnel.port_be);
}

static int copy_service(struct copying *c, uint32_t id, struct snapshot_service *out)
{
	const struct serin_service *svc = &c->dp->services[id];
	const struct serin_service_info *info = &c->dp->info[id];
	int error;

	*out = (struct snapshot_service){
		.id = id,
		.vip = dp_addr(&svc->vip.addr),
		.port = ntohs(svc->vip.port_be),
		.protocol = svc->vip.protocol,
		.affinity = svc->now.affinity,
		.client_prefix6 = svc->now.client_prefix6,
		.client_prefix4 = svc->now.client_prefix4,
		.target_count = info->target_count,
		.seed = dp_seed(c->dp, id),
		.file_seed = dp_file_seed(c->dp, id),
		.table_size = svc->now.table_size,
		.is_settled = !svc->changed_ns,
		.is_tracked = svc->flags & SERIN_SERVICE_REMEMBERS,
		.epoch = svc->epoch,
		.last = info->last,
	};
	memcpy(out->name, info->name, sizeof(out->name));
	memcpy(out->dscp_pool, svc->dscp_pool, sizeof(out->dscp_pool));
	copy_forwarding(svc, out);
	error = copy_ports(c->dp, out);
	return error ? error : copy_pools(c, out);
}

static int by_service_name(const void *a, const void *b)
{
	return strcmp(((const struct snapshot_service *)a)->name,
		      ((const struct snapshot_service *)b)->name);
}

static int copy_services(struct copying *c, struct snapshot *s)
{
	size_t count = 0;
	int error = 0;

	for (uint32_t id = 0; id < c->dp->meta.max_services; id++)
		count += c->dp->info[id].name[0] != '\0';
	s->services = calloc(count + 1, sizeof(*s->services));
	if (!s->services)
		return -ENOMEM;
	for (uint32_t id = 0; !error && s->service_count < count; id++)
		if (c->dp->info[id].name[0])
			error = copy_service(c, id, &s->services[s->service_count++]);
	qsort(s->services, s->service_count, sizeof(*s->services), by_service_name);
	return error;
}

static int copy_link(const char *name, uint32_t ifindex, void *arg)
{
	struct snapshot *s = arg;
	struct snapshot_interface *out;

	out = reallocarray(s->interfaces, s->interface_count + 1, sizeof(*out));
	if (!out)
		return -ENOMEM;
	s->interfaces = out;
	out = &s->interfaces[s->interface_count++];
	*out = (struct snapshot_interface){.ifindex = ifindex};
	snprintf(out->name, sizeof(out->name), "%s", name);
	return 0;
}

/* Whether the link still holds its NIC, and how, is the NIC's to say. */
static void ask_mode(struct rtnl *rtnl, struct snapshot_interface *i)
{
	struct rtnl_link link;

	if (!i->ifindex || rtnl_link_by_index(rtnl, (int)i->ifindex, &link))
		return;
	i->is_attached = link.xdp_prog_id != 0;
	i->mode = link.xdp_attach_mode == XDP_ATTACHED_SKB ? MODEL_XDP_GENERIC : MODEL_XDP_NATIVE;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct snapshot_interface *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static int copy_interfaces(struct dataplane *dp, struct snapshot *s)
{
	struct rtnl *rtnl = NULL;
	int error = dp_each_link(dp, copy_link, s);

	if (!error)
		error = rtnl_open(&rtnl);
	if (s->interface_count) /* a directory has no order */
		qsort(s->interfaces, s->interface_count, sizeof(*s->interfaces), by_ifindex);
	for (size_t i = 0; !error && i < s->interface_count; i++)
		ask_mode(rtnl, &s->interfaces[i]);
	rtnl_close(rtnl);
	return error;
}

static int copy_verdicts(struct dataplane *dp, struct snapshot *s)
{
	struct serin_verdicts *per_cpu = calloc((size_t)dp->cpu_count, sizeof(*per_cpu));
	uint32_t zero = 0;
	int error = 0;

	if (!per_cpu)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_VERDICTS], &zero, per_cpu))
		error = -errno;
	for (int cpu = 0; !error && cpu < dp->cpu_count; cpu++)
		for (int reason = 0; reason < SERIN_REASON_MAX; reason++)
			s->packets[reason] += per_cpu[cpu].packets[reason];
	free(per_cpu);
	return error;
}

static int count_flows(struct dataplane *dp, uint64_t *out)
{
	struct counting counting = {.dp = dp};
	int error = dp_jiffies(dp, &counting.now_jiffies);

	if (!error)
		error = dp_each_table_flow(dp, count_flow, &counting);
	*out = counting.alive;
	return error;
}

static int copy_flow_table(struct dataplane *dp, bool is_glance, struct snapshot *s)
{
	struct serin_flow_counters c;
	int error = dataplane_usage(dp, s->usage);

	s->flow_entries = s->usage[USAGE_FLOWS4].used + s->usage[USAGE_FLOWS6].used;
	if (!error && !is_glance)
		error = count_flows(dp, &s->flow_entries);
	if (!error)
		error = dp_flow_counters(dp, &c);
	if (error)
		return error;
	s->flow_capacity = (uint64_t)dp->meta.flow_buckets * SERIN_FLOW4_WAYS;
	s->flow_bytes4 = sizeof(struct serin_bucket4) * dp->meta.flow_buckets;
	s->flow_bytes6 = sizeof(struct serin_bucket6) * dp->meta.flow_buckets;
	s->flows_inserted = c.inserted;
	s->flows_unremembered = c.unremembered;
	for (int state = 0; state < SERIN_FLOW_STATE_MAX; state++)
		s->flows_evicted[state] = c.evicted[state];
	return 0;
}

static int take(struct dataplane *dp, bool is_glance, struct snapshot **out)
{
	struct copying c = {.dp = dp};
	struct snapshot *s = calloc(1, sizeof(*s));
	int error = s ? 0 : -ENOMEM;

	if (!error)
		error = dp_sweep(dp);
	if (!error)
		error = roster_build(dp, &c.roster);
	if (!error)
		error = copy_services(&c, s);
	if (!error)
		error = copy_interfaces(dp, s);
	if (!error)
		error = copy_verdicts(dp, s);
	if (!error)
		error = copy_flow_table(dp, is_glance, s);
	roster_fini(&c.roster);
	if (error) {
		snapshot_free(s);
		return error;
	}
	memcpy(s->made_by, dp->meta.made_by, sizeof(s->made_by));
	s->program_id = dp->meta.program_id;
	*out = s;
	return 0;
}

int dataplane_snapshot(struct dataplane *dp, struct snapshot **out)
{
	return take(dp, false, out);
}

int dataplane_glance(struct dataplane *dp, struct snapshot **out)
{
	return take(dp, true, out);
}

static void free_pool(struct snapshot_pool *pool)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		free(pool->backends[i].latencies);
	free(pool->backends);
	free(pool->latencies);
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->service_count; i++) {
		for (size_t j = 0; j < s->services[i].pool_count; j++)
			free_pool(&s->services[i].pools[j]);
		free(s->services[i].pools);
	}
	free(s->services);
	free(s->interfaces);
	free(s);
}

const struct snapshot_service *snapshot_find_service(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->service_count; i++)
		if (!strcmp(s->services[i].name, name))
			return &s->services[i];
	return NULL;
}

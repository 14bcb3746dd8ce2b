// SPDX-License-Identifier: GPL-2.0-or-later
/* One client's way, by the steps of the packet path: flow, target, split, Maglev, fallback. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include <serin/hash.h>

#include "lib/log.h"
#include "lib/net.h"

const char *explain_reason_name(enum explain_reason reason)
{
	static const char *const names[] = {"flow", "target", "split", "fallback"};

	_Static_assert(sizeof(names) / sizeof(*names) == EXPLAIN_MAX, "a name each");
	return (unsigned int)reason < EXPLAIN_MAX ? names[reason] : "unknown";
}

struct question {
	struct dataplane *dp;
	uint32_t service;
	struct serin_addr client;
	uint16_t port_be;
};

static void set_backend(const struct question *q, uint32_t id, struct explanation *out)
{
	const struct serin_backend *b = &q->dp->backends[id];

	out->has_backend = true;
	out->backend = dp_addr(&b->at.addr);
	out->backend_port = ntohs(b->at.port_be);
	memcpy(out->pool, q->dp->info[q->service].pool[b->pool].name, sizeof(out->pool));
}

/* Would the next packet of this flow, not a SYN, follow an entry of the flow table? */
static int ask_flow(const struct question *q, struct explanation *out)
{
	struct serin_flow_key key = {
		.client = q->client, .service = q->service, .client_port_be = q->port_be};
	const struct serin_backend *b;
	struct serin_flow flow;
	uint64_t now = 0;
	int error;

	if (!q->port_be || bpf_map_lookup_elem(q->dp->map_fd[DP_MAP_FLOWS], &key, &flow))
		return 0;
	error = dp_jiffies(q->dp, &now);
	if (error)
		return error;
	/* Only a SYN or a datagram minds how long ago it was; a connection's packets never do. */
	if (flow.backend >= q->dp->meta.max_backends ||
	    (flow.state == SERIN_FLOW_UDP && !dp_flow_is_alive(&flow, now)))
		return 0;
	b = &q->dp->backends[flow.backend];
	if (b->generation != flow.generation || b->state == SERIN_BACKEND_FREE || !b->hop)
		return 0;
	out->has_flow = true;
	out->reason = EXPLAIN_FLOW;
	out->flow_epoch = flow.epoch;
	out->flow_state = flow.state;
	if (now > flow.seen_jiffies)
		out->flow_idle_ms =
			(now - flow.seen_jiffies) * 1000 / (uint64_t)dp_ticks_per_second();
	set_backend(q, flow.backend, out);
	return 0;
}

static bool ask_target(const struct question *q, struct explanation *out, uint8_t *pool)
{
	if (!(q->dp->services[q->service].flags & SERIN_SERVICE_TARGETS) ||
	    !dp_target_match(q->dp, q->service, &q->client, pool, &out->target_len))
		return false;
	out->has_target = true;
	out->target_prefix = dp_addr(&q->client);
	for (int bit = out->target_len; bit < 128; bit++)
		out->target_prefix.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return true;
}

static int ask_table(const struct question *q, uint8_t pool, struct explanation *out)
{
	uint32_t id = 0;
	int error = dp_table_slot(q->dp, q->service, pool, out->slot, &id);

	if (!error)
		set_backend(q, id, out);
	return error;
}

static int ask_choice(const struct question *q, struct explanation *out)
{
	const struct serin_service *svc = &q->dp->services[q->service];
	struct split_layout split;
	uint8_t pool = 0;
	int error;

	dp_split_read(q->dp, q->service, &split);
	out->hash = serin_flow_hash(svc, &q->client, q->port_be);
	out->point = serin_hash_point(out->hash);
	out->table_size = svc->table_size;
	out->slot = serin_hash_slot(out->hash, svc->table_size);
	out->reason = EXPLAIN_TARGET;
	if (!ask_target(q, out, &pool)) {
		out->reason = EXPLAIN_SPLIT;
		pool = (uint8_t)serin_split_pick(svc->ring, svc->epoch, out->point);
	}
	split_interval(&split, pool, &out->low, &out->high);
	memcpy(out->chosen_pool, q->dp->info[q->service].pool[pool].name, sizeof(out->chosen_pool));
	error = ask_table(q, pool, out);
	if (error == -ENOENT) {
		out->reason = EXPLAIN_FALLBACK;
		error = ask_table(q, split.primary, out);
	}
	return error == -ENOENT ? 0 : error;
}

int dataplane_explain(struct dataplane *dp, const char *service, const struct in6_addr *client,
		      uint16_t port, struct explanation *out)
{
	struct question q = {.dp = dp, .port_be = htons(port)};
	struct explanation answer = {};
	int64_t id = dp_service_find(dp, service);
	struct in6_addr vip;
	int error;

	if (id < 0) {
		log_error("no service \"%s\" is loaded; `serin status` lists them", service);
		return -ENOENT;
	}
	q.service = (uint32_t)id;
	vip = dp_addr(&dp->services[id].vip.addr);
	if (net_is_v4(&vip) != net_is_v4(client)) {
		log_error("service %s has an %s address; an %s client cannot reach it", service,
			  net_is_v4(&vip) ? "IPv4" : "IPv6", net_is_v4(client) ? "IPv4" : "IPv6");
		return -EINVAL;
	}
	memcpy(&q.client, client, sizeof(q.client));
	if (!port && dp->services[id].affinity == SERIN_AFFINITY_CONNECTION) {
		log_error("service %s spreads connections, not clients: say the client's port too "
			  "(ADDRESS:PORT)",
			  service);
		return -EINVAL;
	}
	error = ask_choice(&q, &answer);
	if (!error)
		error = ask_flow(&q, &answer);
	if (error) {
		log_error("cannot explain: %s%s", strerror(-error),
			  error == -EPERM ? " (reading a Maglev table takes CAP_SYS_ADMIN)" : "");
		return error;
	}
	*out = answer;
	return 0;
}

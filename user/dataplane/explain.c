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
	static const char *const names[] = {"flow", "target", "split", "fallback", "breaker"};

	_Static_assert(sizeof(names) / sizeof(*names) == EXPLAIN_MAX, "a name each");
	return (unsigned int)reason < EXPLAIN_MAX ? names[reason] : "unknown";
}

const char *explain_rule_name(enum explain_rule rule)
{
	static const char *const names[] = {NULL, "source", "dscp"};

	_Static_assert(sizeof(names) / sizeof(*names) == EXPLAIN_RULE_MAX, "a name each");
	return (unsigned int)rule < EXPLAIN_RULE_MAX ? names[rule] : NULL;
}

struct question {
	struct dataplane *dp;
	uint32_t service;
	struct serin_addr client;
	uint16_t port_be;
	uint8_t dscp;
	uint64_t seed;
	bool is_other_release; /* it has that seed, not the one that runs */
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
	uint64_t now = 0, value = 0;
	const struct serin_backend *b;
	uint32_t backend, state;
	int error;

	if (!q->port_be || out->is_settled ||
	    dp_flow_find(q->dp, q->service, &q->client, q->port_be, &value))
		return 0;
	error = dp_jiffies(q->dp, &now);
	if (error)
		return error;
	backend = serin_flow_backend(value);
	state = serin_flow_state(value);
	/* Only a SYN or a datagram minds how long ago it was; a connection's packets never do. */
	if (backend >= q->dp->meta.max_backends ||
	    (q->dp->services[q->service].vip.protocol == IPPROTO_UDP &&
	     !dp_flow_is_alive(q->dp, value, now)))
		return 0;
	b = &q->dp->backends[backend];
	if (b->state == SERIN_BACKEND_FREE || b->service != q->service || !b->hop)
		return 0;
	out->has_flow = true;
	out->reason = EXPLAIN_FLOW;
	out->flow_epoch = serin_flow_epoch(value);
	out->flow_state = state;
	out->flow_idle_ms = dp_flow_idle_ms(value, now);
	set_backend(q, backend, out);
	return 0;
}

static void set_target(const struct question *q, const struct dp_chosen *chosen,
		       struct explanation *out)
{
	out->rule = chosen->rule;
	if (chosen->rule != EXPLAIN_RULE_SOURCE) {
		out->dscp = q->dscp;
		return;
	}
	out->target_len = chosen->target_len;
	out->target_prefix = dp_addr(&q->client);
	for (int bit = out->target_len; bit < 128; bit++)
		out->target_prefix.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* What the packet path asks of the hosts' filter and map. */
static bool is_backend_host(const struct question *q)
{
	for (uint32_t id = 0; id < q->dp->meta.max_backends; id++) {
		const struct serin_backend *b = &q->dp->backends[id];

		if (b->state != SERIN_BACKEND_FREE && b->service == q->service &&
		    serin_addr_equal(&b->at.addr, &q->client))
			return true;
	}
	return false;
}

/* Would a new connection be let through to the backend chosen? */
static int ask_refusal(const struct question *q, uint32_t backend, enum serin_reason *out)
{
	uint64_t now = 0;
	int error = dp_jiffies(q->dp, &now);

	if (error || q->dp->services[q->service].forwarding != SERIN_FORWARDING_NAT)
		return error;
	if (is_backend_host(q))
		*out = SERIN_DROP_HAIRPIN;
	else if (q->port_be && dp_backend_is_held(q->dp, backend, &q->client, q->port_be, now))
		*out = SERIN_DROP_SHARED_BUSY;
	return 0;
}

static void set_cap(const struct question *q, uint32_t pool, struct explanation *out)
{
	const struct serin_guard *g = &q->dp->guards[dp_pool_index(q->service, pool)];

	out->cap_flows = g->flows;
	out->cap_flows_per_second = g->flows_per_second;
}

static int ask_choice(const struct question *q, struct explanation *out)
{
	struct dp_choice choice;
	struct dp_chosen chosen;
	int error;

	dp_choice_open(q->dp, q->service, &choice);
	choice.dscp = q->dscp;
	if (q->is_other_release)
		choice.split_key = serin_split_key(q->seed);
	error = dp_choice_make(&choice, &q->client, q->port_be, &chosen);
	if (!error && !q->is_other_release)
		error = dp_choice_guard(&choice, &chosen);
	if (!error) {
		out->reason = chosen.is_guarded	   ? EXPLAIN_BREAKER
			      : chosen.is_fallback ? EXPLAIN_FALLBACK
			      : chosen.rule	   ? EXPLAIN_TARGET
						   : EXPLAIN_SPLIT;
		out->hash = chosen.hash;
		out->point = chosen.point;
		out->slot = chosen.slot;
		out->table_size = q->dp->services[q->service].now.table_size;
		out->is_settled = chosen.is_settled && !q->is_other_release;
		split_interval(&choice.split, chosen.pool, &out->low, &out->high);
		set_cap(q, chosen.pool, out);
		memcpy(out->chosen_pool, q->dp->info[q->service].pool[chosen.pool].name,
		       sizeof(out->chosen_pool));
		if (chosen.rule)
			set_target(q, &chosen, out);
		if (chosen.has_backend) {
			set_backend(q, chosen.backend, out);
			error = q->is_other_release ? 0
						    : ask_refusal(q, chosen.backend, &out->refusal);
		}
	}
	dp_choice_close(&choice);
	return error;
}

/* The question, if it can be answered. */
static int make_question(struct dataplane *dp, const struct explain_query *query,
			 struct question *q)
{
	int64_t id = dp_service_find(dp, query->service);
	struct in6_addr vip;

	if (id < 0) {
		log_error("no service \"%s\" is loaded; `serin status` lists them", query->service);
		return -ENOENT;
	}
	vip = dp_addr(&dp->services[id].vip.addr);
	if (net_is_v4(&vip) != net_is_v4(&query->client)) {
		log_error("service %s has an %s address; an %s client cannot reach it",
			  query->service, net_is_v4(&vip) ? "IPv4" : "IPv6",
			  net_is_v4(&query->client) ? "IPv4" : "IPv6");
		return -EINVAL;
	}
	if (!query->port && dp->services[id].now.affinity == SERIN_AFFINITY_CONNECTION) {
		log_error("service %s spreads connections, not clients: say the client's port too "
			  "(ADDRESS:PORT)",
			  query->service);
		return -EINVAL;
	}
	*q = (struct question){
		.dp = dp,
		.service = (uint32_t)id,
		.port_be = htons(query->port),
		.dscp = query->dscp,
		.seed = query->seed,
		.is_other_release = query->has_seed,
	};
	memcpy(&q->client, &query->client, sizeof(q->client));
	return 0;
}

int dataplane_explain(struct dataplane *dp, const struct explain_query *query,
		      struct explanation *out)
{
	struct explanation answer = {};
	struct question q;
	int error = make_question(dp, query, &q);

	if (error)
		return error;
	error = ask_choice(&q, &answer);
	answer.seed = query->has_seed ? query->seed : dp_seed(dp, q.service);
	answer.is_other_release = q.is_other_release;
	if (!error && !q.is_other_release)
		error = ask_flow(&q, &answer);
	if (error) {
		log_error("cannot explain: %s%s", strerror(-error),
			  error == -EPERM ? " (reading a Maglev table takes CAP_SYS_ADMIN)" : "");
		return error;
	}
	*out = answer;
	return 0;
}

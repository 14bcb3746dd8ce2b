// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about backends: slots, next hops, target rules, and who leaves. */
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/net.h"

static const char *endpoint_text(const struct serin_endpoint *at, char buf[NET_ENDPOINT_LEN])
{
	struct in6_addr addr = dp_addr(&at->addr);

	return net_format_endpoint(&addr, ntohs(at->port_be), buf);
}

/* ---- those that run ---- */

static int by_place(const void *a, const void *b, void *arg)
{
	const struct dataplane *dp = arg;
	const struct serin_backend *x = &dp->backends[*(const uint32_t *)a];
	const struct serin_backend *y = &dp->backends[*(const uint32_t *)b];

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return memcmp(&x->at, &y->at, sizeof(x->at));
}

int plan_list_running(struct dataplane *dp, struct plan *p)
{
	p->running = calloc(dp->meta.max_backends + 1, sizeof(*p->running));
	if (!p->running)
		return -ENOMEM;
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state != SERIN_BACKEND_FREE)
			p->running[p->running_count++] = id;
	qsort_r(p->running, p->running_count, sizeof(*p->running), by_place, dp);
	return 0;
}

/* The entry a service has at an endpoint, or NULL. */
static const struct serin_backend *find_running(const struct dataplane *dp, const struct plan *p,
						uint32_t service, const struct serin_endpoint *at)
{
	size_t low = 0, high = p->running_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct serin_backend *b = &dp->backends[p->running[middle]];
		int order = memcmp(&b->at, at, sizeof(*at));

		if (b->service == service && !order)
			return b;
		if (b->service < service || (b->service == service && order < 0))
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- those that are wanted ---- */

static void tell_backend(struct dataplane *dp, struct plan *p, const struct service_plan *s,
			 const struct backend_plan *b, const char *pool)
{
	const struct serin_backend *now = &dp->backends[b->id];
	char text[NET_ENDPOINT_LEN];

	endpoint_text(&b->at, text);
	if (b->moves_with_service)
		return; /* that the service moves has been told */
	if (b->is_new)
		plan_tell(p, "+ service %s: pool %s: backend %s", s->model->name, pool, text);
	else if (dp_backend_state(now) == SERIN_BACKEND_LEAVING)
		plan_tell(p, "~ service %s: pool %s: backend %s comes back", s->model->name, pool,
			  text);
	else if (now->pool != b->pool)
		plan_tell(p, "~ service %s: backend %s moves to pool %s", s->model->name, text,
			  pool);
	else if (now->weight != b->weight)
		plan_tell(p, "~ service %s: pool %s: backend %s: weight %u -> %u", s->model->name,
			  pool, text, now->weight, b->weight);
}

/* A service that moves to another address has new entries, in the old ones' state. */
static int plan_new_backend(struct dataplane *dp, struct plan *p, const struct service_plan *s,
			    struct backend_plan *b)
{
	const struct serin_backend *old = NULL;
	int64_t id = dp_backend_slot(dp, &p->next_backend);

	if (id < 0) {
		log_error(
			"no room for more than %u backends: the maps were made for so many. Raise "
			"limits.backends, then `serin detach` and `serin apply`",
			dp->meta.max_backends);
		return -ENOSPC;
	}
	if (s->old_id != UINT32_MAX)
		old = find_running(dp, p, s->old_id, &b->at);
	b->id = (uint32_t)id;
	b->is_new = true;
	b->moves_with_service = old;
	if (old && dp_backend_state(old) == SERIN_BACKEND_DRAINING)
		b->state = SERIN_BACKEND_DRAINING;
	if (old)
		b->state |= old->state & b->facts;
	return 0;
}

/* Of what nobody looks after any more nobody would take back. */
static uint8_t facts_of(const struct model_service *m, size_t pool)
{
	uint8_t facts = 0;

	if (m->pools[pool].health_check.type != MODEL_CHECK_NONE)
		facts |= SERIN_BACKEND_UNHEALTHY;
	if (m->outlier.failures)
		facts |= SERIN_BACKEND_EJECTED;
	return facts;
}

static int plan_backend(struct dataplane *dp, struct plan *p, const struct service_plan *s,
			size_t pool, const struct model_backend *m)
{
	struct backend_plan *b = &p->backends[p->backend_count];
	const struct serin_backend *there = NULL;
	int error = 0;

	b->at = dp_endpoint(&m->address, m->port, s->model->protocol);
	b->service = s->id;
	b->pool = s->slot[pool];
	b->weight = m->weight;
	b->state = SERIN_BACKEND_UP;
	b->facts = facts_of(s->model, pool);
	if (!s->is_new)
		there = find_running(dp, p, s->id, &b->at);
	if (there)
		b->id = (uint32_t)(there - dp->backends);
	else
		error = plan_new_backend(dp, p, s, b);
	if (error)
		return error;
	if (plan_stays_drained(p, s, m))
		b->state = SERIN_BACKEND_DRAINING | (b->state & SERIN_BACKEND_FACTS);
	p->keeps_backend[b->id] = 1;
	p->backend_count++;
	tell_backend(dp, p, s, b, s->model->pools[pool].name);
	return 0;
}

int plan_service_backends(struct dataplane *dp, struct plan *p, const struct service_plan *s)
{
	const struct model_service *m = s->model;
	int error = 0;

	for (size_t i = 0; !error && i < m->pool_count; i++)
		for (size_t j = 0; !error && j < m->pools[i].backend_count; j++)
			error = plan_backend(dp, p, s, i, &m->pools[i].backends[j]);
	return error;
}

static void plan_dscp(const struct dataplane *dp, struct plan *p, struct service_plan *s)
{
	static const uint8_t none[SERIN_DSCP_VALUES];
	const uint8_t *now = s->is_new ? none : dp->services[s->id].dscp_pool;
	int differences = 0;

	for (int dscp = 0; dscp < SERIN_DSCP_VALUES; dscp++) {
		uint8_t pool = s->model->dscp_pool[dscp];

		s->dscp_pool[dscp] = pool ? s->slot[pool - 1] + 1 : 0;
		differences += s->dscp_pool[dscp] != now[dscp];
	}
	if (differences)
		plan_tell(p, "~ service %s: %d DSCP rule%s", s->model->name, differences,
			  differences == 1 ? "" : "s");
}

void plan_targets(const struct dataplane *dp, struct plan *p, struct service_plan *s)
{
	plan_dscp(dp, p, s);
	for (size_t i = 0; i < s->model->target_count; i++) {
		const struct model_target *t = &s->model->targets[i];

		p->targets.list[p->targets.count++] = (struct dp_target){
			.key = dp_target_key(s->id, &t->prefix, t->prefix_len),
			.pool = s->slot[t->pool],
		};
	}
}

/* ---- what goes ---- */

void plan_tell_leaving(struct dataplane *dp, struct plan *p)
{
	char text[NET_ENDPOINT_LEN];

	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp->info[id].name[0] && !p->keeps_service[id] &&
		    !model_find_service(p->model, dp->info[id].name))
			plan_tell(p, "- service %s", dp->info[id].name);
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->state == SERIN_BACKEND_FREE ||
		    dp_backend_state(b) >= SERIN_BACKEND_LEAVING || p->keeps_backend[id] ||
		    !p->keeps_service[b->service])
			continue;
		plan_tell(p, "- service %s: pool %s: backend %s; it keeps its connections",
			  dp->info[b->service].name, dp->info[b->service].pool[b->pool].name,
			  endpoint_text(&b->at, text));
	}
}

/* ---- next hops ---- */

static int check_hop(const struct plan *p, const struct dp_hop *hop)
{
	char text[NET_ADDR_LEN], why[PORT_REFUSAL_LEN];

	if (!hop->ifindex || port_list_has(&p->ports, hop->ifindex))
		return 0;
	log_error("backend %s: is reached through %s", net_format_addr(&hop->address, text),
		  port_list_refusal(&p->ports, hop->ifindex, why));
	return -EINVAL;
}

static void list_addresses(struct plan *p, const struct model_service *m)
{
	for (size_t i = 0; i < m->pool_count; i++)
		for (size_t j = 0; j < m->pools[i].backend_count; j++)
			p->hops[p->hop_count++].address = m->pools[i].backends[j].address;
}

int plan_resolve(struct rtnl *rtnl, struct plan *p, int wait_ms)
{
	p->hops = calloc(model_count_backends(p->model) + 1, sizeof(*p->hops));
	if (!p->hops)
		return -ENOMEM;
	for (size_t i = 0; i < p->model->service_count; i++)
		list_addresses(p, &p->model->services[i]);
	return dp_hops_resolve(rtnl, p->hops, p->hop_count, wait_ms);
}

static void warn_of_hop(const struct dp_hop *hop)
{
	char text[NET_ADDR_LEN];

	log_warning("backend %s: %s; it takes no new flow until this changes and `serin agent` or "
		    "`serin "
		    "apply` sees it",
		    net_format_addr(&hop->address, text),
		    hop->ifindex ? "nobody answers for its next hop"
				 : "this host has no route to it");
}

int plan_check_hops(const struct plan *p)
{
	int error = 0;

	for (size_t i = 0; i < p->backend_count; i++) {
		int failed = check_hop(p, &p->hops[i]);

		error = error ? error : failed;
	}
	for (size_t i = 0; !error && i < p->backend_count; i++)
		if (!p->hops[i].is_resolved)
			warn_of_hop(&p->hops[i]);
	return error;
}

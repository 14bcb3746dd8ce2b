// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about backends: slots, next hops, target rules, and who leaves. */
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/net.h"

static const char *endpoint_text(const struct serin_endpoint *at, char buf[NET_ENDPOINT_LEN])
{
	struct in6_addr addr = dp_addr(&at->addr);

	return net_format_endpoint(&addr, ntohs(at->port_be), buf);
}

static void tell_backend(struct dataplane *dp, struct plan *p, const struct service_plan *s,
			 const struct backend_plan *b, const char *pool)
{
	const struct serin_backend *now = &dp->backends[b->id];
	char text[NET_ENDPOINT_LEN];

	endpoint_text(&b->at, text);
	if (b->is_taken_over && s->old_id != UINT32_MAX && b->moves_with_service)
		return; /* that the service moves has been told */
	if (b->is_new)
		plan_tell(p, "+ service %s: pool %s: backend %s%s", s->model->name, pool, text,
			  b->is_taken_over
				  ? ", taken from another service, whose connections to it "
				    "end"
				  : "");
	else if (now->state == SERIN_BACKEND_LEAVING)
		plan_tell(p, "~ service %s: pool %s: backend %s comes back", s->model->name, pool,
			  text);
	else if (now->pool != b->pool)
		plan_tell(p, "~ service %s: backend %s moves to pool %s", s->model->name, text,
			  pool);
	else if (now->weight != b->weight)
		plan_tell(p, "~ service %s: pool %s: backend %s: weight %u -> %u", s->model->name,
			  pool, text, now->weight, b->weight);
}

static int plan_backend(struct dataplane *dp, struct plan *p, const struct service_plan *s,
			size_t pool, const struct model_backend *m)
{
	struct backend_plan *b = &p->backends[p->backend_count];
	int64_t there;

	b->at = dp_endpoint(&m->address, m->port, s->model->protocol);
	b->service = s->id;
	b->pool = s->slot[pool];
	b->weight = m->weight;
	there = dp_backend_at(dp, &b->at);
	if (there >= 0 && !s->is_new && dp->backends[there].service == s->id) {
		b->id = (uint32_t)there;
	} else {
		int64_t id = dp_backend_slot(dp, &p->next_backend);

		if (id < 0) {
			log_error("no room for more than %u backends: the maps were made for so "
				  "many. Raise limits.backends, then `serin detach` and `serin "
				  "apply`",
				  dp->meta.max_backends);
			return -ENOSPC;
		}
		b->id = (uint32_t)id;
		b->is_new = true;
		b->is_taken_over = there >= 0;
	}
	if (b->is_taken_over) {
		p->keeps_backend[there] = 1; /* it is not leaving: it changes hands */
		b->moves_with_service = dp->backends[there].service == s->old_id;
		b->is_draining = b->moves_with_service &&
				 dp->backends[there].state == SERIN_BACKEND_DRAINING;
	}
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

void plan_targets(struct plan *p, const struct service_plan *s)
{
	for (size_t i = 0; i < s->model->target_count; i++) {
		const struct model_target *t = &s->model->targets[i];

		p->targets[p->target_count++] = (struct dp_target){
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

		if (b->state == SERIN_BACKEND_FREE || b->state >= SERIN_BACKEND_LEAVING ||
		    p->keeps_backend[id] || !p->keeps_service[b->service])
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

static size_t count_backends(const struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->service_count; i++)
		for (size_t j = 0; j < m->services[i].pool_count; j++)
			count += m->services[i].pools[j].backend_count;
	return count;
}

static void list_addresses(struct plan *p, const struct model_service *m)
{
	for (size_t i = 0; i < m->pool_count; i++)
		for (size_t j = 0; j < m->pools[i].backend_count; j++)
			p->hops[p->hop_count++].address = m->pools[i].backends[j].address;
}

int plan_resolve(struct rtnl *rtnl, struct plan *p, int wait_ms)
{
	p->hops = calloc(count_backends(p->model) + 1, sizeof(*p->hops));
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

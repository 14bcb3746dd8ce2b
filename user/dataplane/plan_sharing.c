// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about backends of several services: who shares, and who is one too many. */
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/net.h"

uint8_t plan_service_flags(const struct model_service *m)
{
	uint8_t flags = 0;

	if (m->target_count)
		flags |= SERIN_SERVICE_TARGETS;
	if (m->dscp_count)
		flags |= SERIN_SERVICE_DSCP;
	/* UDP says not when it begins, targets and caps know no base, and a source port is remembered. */
	if (flags || m->track_always || model_exposure_is_capped(&m->exposure) ||
	    m->protocol == IPPROTO_UDP || m->forwarding == SERIN_FORWARDING_FULLNAT)
		flags |= SERIN_SERVICE_TRACKED;
	if (m->syn_failover)
		flags |= SERIN_SERVICE_FAILOVER;
	if (m->client_address == MODEL_CLIENT_ADDRESS_TOA)
		flags |= SERIN_SERVICE_TOA;
	return flags;
}

/* A service that has a backend there, by nat or fullnat. */
struct sharer {
	struct serin_endpoint at;
	const struct service_plan *service;
};

struct sharers {
	struct sharer *list;
	size_t count;
};

static int by_endpoint(const void *a, const void *b)
{
	const struct sharer *x = a, *y = b;

	return memcmp(&x->at, &y->at, sizeof(x->at));
}

static void add_sharer(struct sharers *all, const struct serin_endpoint *at,
		       const struct service_plan *s)
{
	if (s && model_forwarding_returns(s->model->forwarding))
		all->list[all->count++] = (struct sharer){*at, s};
}

/* Those that the plan makes, and those there are; of services that go none, for they let go first. */
static void list_sharers(const struct dataplane *dp, const struct plan *p,
			 const struct service_plan *const *by_id, struct sharers *out)
{
	for (size_t i = 0; i < p->backend_count; i++)
		if (p->backends[i].is_new)
			add_sharer(out, &p->backends[i].at, by_id[p->backends[i].service]);
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state != SERIN_BACKEND_FREE)
			add_sharer(out, &dp->backends[id].at, by_id[dp->backends[id].service]);
	qsort(out->list, out->count, sizeof(*out->list), by_endpoint);
}

static int refuse_ring(const struct sharer *ring, size_t count)
{
	struct in6_addr addr = dp_addr(&ring->at.addr);
	char text[NET_ENDPOINT_LEN];

	log_error("backend %s (%s) would be one of %zu services, those it is still leaving among "
		  "them; more than %u cannot have their replies told apart",
		  net_format_endpoint(&addr, ntohs(ring->at.port_be), text),
		  model_protocol_name(ring->at.protocol), count, SERIN_SHARED_MAX);
	return -ENOSPC;
}

static int judge_ring(struct plan *p, const struct sharer *ring, size_t count)
{
	size_t by_nat = 0;

	if (count > SERIN_SHARED_MAX)
		return refuse_ring(ring, count);
	for (size_t i = 0; i < count; i++)
		by_nat += ring[i].service->model->forwarding == SERIN_FORWARDING_NAT;
	for (size_t i = 0; by_nat > 1 && i < count; i++)
		if (ring[i].service->model->forwarding == SERIN_FORWARDING_NAT)
			p->shares[ring[i].service->id] = 1;
	return 0;
}

static int judge_rings(struct plan *p, const struct sharers *all)
{
	size_t begin = 0;
	int error = 0;

	for (size_t end = 1; begin < all->count; end++) {
		int failed;

		if (end < all->count && !by_endpoint(&all->list[end], &all->list[begin]))
			continue;
		failed = judge_ring(p, all->list + begin, end - begin);
		error = error ? error : failed;
		begin = end;
	}
	return error;
}

static void tell_sharing(struct dataplane *dp, struct plan *p)
{
	for (size_t i = 0; i < p->model->service_count; i++) {
		const struct service_plan *s = &p->services[i];
		uint8_t flags = s->is_new ? 0 : dp->services[s->id].flags;

		if (p->shares[s->id] && !(flags & SERIN_SERVICE_SHARING) &&
		    !(plan_service_flags(s->model) & SERIN_SERVICE_TRACKED))
			plan_tell(p,
				  "~ service %s: shares backends with another: every flow is "
				  "remembered",
				  s->model->name);
	}
}

int plan_sharing(struct dataplane *dp, struct plan *p)
{
	const struct service_plan **by_id = calloc(dp->meta.max_services + 1, sizeof(*by_id));
	struct sharers all = {
		.list = calloc(p->backend_count + dp->meta.max_backends + 1, sizeof(*all.list))};
	int error = -ENOMEM;

	if (by_id && all.list) {
		for (size_t i = 0; i < p->model->service_count; i++)
			by_id[p->services[i].id] = &p->services[i];
		list_sharers(dp, p, by_id, &all);
		error = judge_rings(p, &all);
	}
	if (!error)
		tell_sharing(dp, p);
	free(by_id);
	free(all.list);
	return error;
}

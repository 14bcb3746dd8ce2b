// SPDX-License-Identifier: GPL-2.0-or-later
/* The ways to a file's backends: routes, and neighbours, who are asked and waited for. */
#include "doctor/facts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtnl.h"

#define WAIT_MS 2000
#define POLL_MS 20

static bool is_wanted(const struct doctor_facts *f, const char *name)
{
	for (size_t i = 0; i < f->nic_count; i++)
		if (!strcmp(f->nics[i].name, name))
			return true;
	return false;
}

/* A VLAN is upon one of ours if what it is upon is, or is upon one. */
static bool is_upon_ours(struct rtnl *rtnl, const struct doctor_facts *f, struct rtnl_link link)
{
	while (!is_wanted(f, link.name))
		if (link.kind != RTNL_LINK_VLAN || rtnl_link_by_index(rtnl, link.parent, &link))
			return false;
	return true;
}

static void collect_route(struct rtnl *rtnl, const struct doctor_facts *f, struct doctor_backend *b)
{
	struct rtnl_route route;
	struct rtnl_link link;
	int error = rtnl_route_get(rtnl, &b->address, &route);

	if (error == -ENETUNREACH || (!error && route.kind == RTNL_ROUTE_OTHER))
		b->route = DOCTOR_ROUTE_NONE;
	else if (!error && route.kind == RTNL_ROUTE_LOCAL)
		b->route = DOCTOR_ROUTE_LOCAL;
	if (error || route.kind != RTNL_ROUTE_UNICAST ||
	    rtnl_link_by_index(rtnl, route.ifindex, &link))
		return;
	b->route = DOCTOR_ROUTE_FOUND;
	b->ifindex = route.ifindex;
	b->next = route.next;
	b->mtu = link.mtu;
	b->is_on_link = !memcmp(&route.next, &b->address, sizeof(route.next));
	memcpy(b->nic, link.name, sizeof(b->nic));
	b->is_nic_ours = is_upon_ours(rtnl, f, link);
}

/* Whether it is known now, and whether asking again may tell more. */
static bool look_up(struct rtnl *rtnl, struct doctor_backend *b, bool may_ask, bool is_first)
{
	struct rtnl_neigh neigh;

	if (b->route != DOCTOR_ROUTE_FOUND || b->has_neighbour == FACT_YES ||
	    rtnl_neigh_get(rtnl, b->ifindex, &b->next, &neigh))
		return false;
	if (neigh.state == RTNL_NEIGH_VALID)
		b->has_neighbour = FACT_YES;
	else if (neigh.state == RTNL_NEIGH_FAILED && !is_first)
		b->has_neighbour = FACT_NO;
	if (b->has_neighbour != FACT_UNKNOWN || !may_ask)
		return false;
	if (is_first)
		rtnl_neigh_probe(rtnl, b->ifindex, &b->next);
	return true;
}

static void collect_neighbours(struct rtnl *rtnl, struct doctor_facts *f)
{
	bool may_ask = f->host.has_capability[DOCTOR_CAP_NET_ADMIN] == FACT_YES;
	bool is_waiting = true;

	for (int waited_ms = 0; is_waiting && waited_ms <= WAIT_MS; waited_ms += POLL_MS) {
		if (waited_ms)
			poll(NULL, 0, POLL_MS);
		is_waiting = false;
		for (size_t i = 0; i < f->backend_count; i++)
			is_waiting |= look_up(rtnl, &f->backends[i], may_ask, !waited_ms);
	}
	for (size_t i = 0; may_ask && i < f->backend_count; i++)
		if (f->backends[i].has_neighbour == FACT_UNKNOWN)
			f->backends[i].has_neighbour = FACT_NO;
}

static void list_service(const struct model_service *s, struct doctor_facts *f)
{
	for (size_t i = 0; i < s->pool_count; i++)
		for (size_t j = 0; j < s->pools[i].backend_count; j++)
			f->backends[f->backend_count++] = (struct doctor_backend){
				.service = s->name,
				.vip = s->vip,
				.forwarding = s->forwarding,
				.address = s->pools[i].backends[j].address,
			};
}

int doctor_collect_backends(const struct model *m, struct doctor_facts *out)
{
	struct rtnl *rtnl = NULL;

	out->backends = calloc(model_count_backends(m) + 1, sizeof(*out->backends));
	if (!out->backends)
		return -ENOMEM;
	for (size_t i = 0; i < m->service_count; i++)
		list_service(&m->services[i], out);
	if (rtnl_open(&rtnl))
		return 0;
	for (size_t i = 0; i < out->backend_count; i++)
		collect_route(rtnl, out, &out->backends[i]);
	collect_neighbours(rtnl, out);
	rtnl_close(rtnl);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about how packets get to backends: what of it can be, and can change. */
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/log.h"

static bool is_tunnel(enum serin_forwarding forwarding)
{
	return forwarding == SERIN_FORWARDING_IPIP || forwarding == SERIN_FORWARDING_GUE;
}

/* An address and port of it stand for each of its connections. It has none if whoever was about to
 * remove it was killed: then it has no connections either. */
static int check_sources(struct dataplane *dp, const struct service_plan *s)
{
	if (s->model->forwarding != SERIN_FORWARDING_FULLNAT || !dp_has_sources(dp, s->id) ||
	    !dp_sources_differ(dp, s->id, s->model))
		return 0;
	log_error("service %s: `source_addresses` and `source_ports` cannot change while it runs: "
		  "its connections come from them. If these may end, give the service another "
		  "name; if not, bring clients to a second one, at another VIP or port. Nothing "
		  "was changed",
		  s->model->name);
	return -EBUSY;
}

static void tell_client_address(struct dataplane *dp, struct plan *p, const struct service_plan *s)
{
	bool was = dp->services[s->id].flags & SERIN_SERVICE_TOA;
	bool is = s->model->client_address == MODEL_CLIENT_ADDRESS_TOA;

	if (was != is)
		plan_tell(p, "~ service %s: client_address %s", s->model->name,
			  is ? "none -> toa" : "toa -> none");
}

/* Where backends answer clients themselves, they own the VIP whatever the way, so that to a connection
 * all ways are one. On the others, backends know it by addresses that only Serin can tell. */
static int plan_change(struct dataplane *dp, struct plan *p, const struct service_plan *s)
{
	enum serin_forwarding from = dp->services[s->id].forwarding, to = s->model->forwarding;

	if (s->is_new || !dp->services[s->id].epoch) /* no packet has been there yet */
		return 0;
	if (from == to) {
		tell_client_address(dp, p, s);
		return check_sources(dp, s);
	}
	if (!model_forwarding_returns(from) && !model_forwarding_returns(to)) {
		plan_tell(p, "~ service %s: forwarding %s -> %s", s->model->name,
			  model_forwarding_name(from), model_forwarding_name(to));
		return 0;
	}
	log_error("service %s: 'forwarding' cannot change from %s to %s while it runs: its "
		  "connections would break off. If they may, give the service another name; if "
		  "not, bring clients to a second one, at another VIP or port. Nothing was changed",
		  s->model->name, model_forwarding_name(from), model_forwarding_name(to));
	return -EBUSY;
}

/* Frames for the VIP are addressed to a backend's MAC: one behind a gateway never gets them. */
static int check_dsr(const struct model_service *m, const struct dp_hop *hop)
{
	char text[NET_ADDR_LEN];
	int error = 0;

	for (size_t i = 0; i < m->pool_count; i++)
		for (size_t j = 0; j < m->pools[i].backend_count; j++, hop++) {
			if (!hop->ifindex || hop->is_on_link)
				continue;
			log_error("service %s: backend %s: is behind a gateway, and 'dsr' reaches "
				  "only what is on the same link: use ipip or gue",
				  m->name, net_format_addr(&hop->address, text));
			error = -EINVAL;
		}
	return error;
}

/* ---- where tunnels begin ---- */

/* What the kernel would send from to a backend. */
static bool ask_source(struct rtnl *rtnl, const struct in6_addr *backend, struct in6_addr *out)
{
	struct rtnl_route route;

	if (rtnl_route_get(rtnl, backend, &route) || route.kind != RTNL_ROUTE_UNICAST ||
	    IN6_IS_ADDR_UNSPECIFIED(&route.source) ||
	    net_is_v4(&route.source) != net_is_v4(backend))
		return false;
	*out = route.source;
	return true;
}

struct sourcing {
	struct dataplane *dp;
	struct rtnl *rtnl;
	const struct service_plan *s;
	const struct roster *roster;
	bool is_v4;
	bool is_needed; /* out: some backend is of this family */
};

/* By the first backend of the family that has a route. */
static bool ask_for_backends(struct sourcing *q, struct in6_addr *out)
{
	const struct model_service *m = q->s->model;

	for (size_t i = 0; i < m->pool_count; i++)
		for (size_t j = 0; j < m->pools[i].backend_count; j++) {
			const struct in6_addr *a = &m->pools[i].backends[j].address;

			if (net_is_v4(a) != q->is_v4)
				continue;
			q->is_needed = true;
			if (ask_source(q->rtnl, a, out))
				return true;
		}
	return false;
}

/* Those that the file no longer has keep their connections. */
static bool ask_for_leaving(struct sourcing *q, struct in6_addr *out)
{
	for (uint32_t pool = 0; !q->s->is_new && pool < SERIN_MAX_POOLS; pool++) {
		const uint32_t *ids;
		size_t count = roster_pool(q->dp, q->roster, q->s->id, pool, &ids);

		for (size_t i = 0; i < count; i++) {
			struct in6_addr a = dp_addr(&q->dp->backends[ids[i]].at.addr);

			if (net_is_v4(&a) != q->is_v4)
				continue;
			q->is_needed = true;
			if (ask_source(q->rtnl, &a, out))
				return true;
		}
	}
	return false;
}

static int find_source(struct sourcing *q, struct model_source *out)
{
	const struct model_service *m = q->s->model;
	const char *family = q->is_v4 ? "IPv4" : "IPv6";
	char vip[NET_ADDR_LEN];

	for (size_t i = 0; i < m->source_count; i++) {
		if (net_is_v4(&m->sources[i].prefix) != q->is_v4)
			continue;
		*out = m->sources[i];
		return 0;
	}
	out->prefix_len = 128;
	if (!ask_for_backends(q, &out->prefix) && !ask_for_leaving(q, &out->prefix)) {
		if (!q->is_needed || dp_tunnel_has_source(&q->s->tunnel, q->is_v4))
			return -ENOENT;
		log_error("service %s: this host has no route to any %s backend, or no address to "
			  "send from: say where its tunnels begin in `source_addresses`",
			  m->name, family);
		return -ENETUNREACH;
	}
	if (memcmp(&out->prefix, &m->vip, sizeof(m->vip)))
		return 0;
	log_error("service %s: this host would send from %s, the VIP, which is the backends' own: "
		  "say where tunnels begin in `source_addresses`",
		  m->name, net_format_addr(&m->vip, vip));
	return -EINVAL;
}

static void tell_source(struct plan *p, const struct service_plan *s,
			const struct serin_tunnel *before, bool is_v4)
{
	char from[NET_PREFIX_LEN], to[NET_PREFIX_LEN];

	dp_tunnel_format(before, is_v4, from);
	dp_tunnel_format(&s->tunnel, is_v4, to);
	if (!s->is_new && strcmp(from, to))
		plan_tell(p, "~ service %s: tunnels begin at %s%s%s", s->model->name, to,
			  *from ? ", no longer at " : "", from);
}

static int plan_tunnel(struct sourcing *q, struct plan *p, struct service_plan *s)
{
	const struct serin_tunnel before = s->tunnel;
	uint16_t port_be = htons(s->model->gue_port);
	int error = 0;

	for (int family = 0; !error && family < 2; family++) {
		struct model_source source;

		q->is_v4 = !family;
		q->is_needed = false;
		error = find_source(q, &source);
		if (!error)
			dp_tunnel_set_source(&s->tunnel, &source);
		else if (error == -ENOENT) /* stays as it is */
			error = 0;
		tell_source(p, s, &before, q->is_v4);
	}
	if (s->model->forwarding != SERIN_FORWARDING_GUE)
		return error;
	if (before.port_be && before.port_be != port_be)
		plan_tell(p, "~ service %s: gue_port %u -> %u", s->model->name,
			  ntohs(before.port_be), s->model->gue_port);
	s->tunnel.port_be = port_be;
	return error;
}

int plan_forwarding(struct dataplane *dp, struct rtnl *rtnl, struct plan *p, struct service_plan *s,
		    const struct roster *r, const struct dp_hop *hops)
{
	struct sourcing q = {.dp = dp, .rtnl = rtnl, .s = s, .roster = r};
	int error = plan_change(dp, p, s);

	s->tunnel = (struct serin_tunnel){0};
	if (!s->is_new)
		s->tunnel = dp->services[s->id].tunnel;
	if (!error && s->model->forwarding == SERIN_FORWARDING_DSR)
		error = check_dsr(s->model, hops);
	if (!error && is_tunnel(s->model->forwarding))
		error = plan_tunnel(&q, p, s);
	return error;
}

/* What tunnels are made of is there before the first packet takes one. */
void plan_commit_forwarding(struct dataplane *dp, const struct service_plan *s)
{
	struct serin_service *svc = &dp->services[s->id];

	dp_tunnel_write(&svc->tunnel, &s->tunnel);
	__atomic_store_n(&svc->forwarding, (uint8_t)s->model->forwarding, __ATOMIC_RELEASE);
}

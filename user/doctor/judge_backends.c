// SPDX-License-Identifier: GPL-2.0-or-later
/* What is to be said of the ways to backends. */
#include "doctor/findings.h"

#include <stdio.h>

#include "doctor/facts.h"
#include "lib/net.h"

#define IP6_MTU_MIN 1280
#define UDP_LEN	    8

/* What the tunnel to a backend adds to a packet; 0: there is none. */
static uint32_t tunnel_len(const struct doctor_backend *b)
{
	uint32_t ip_len = net_is_v4(&b->address) ? 20 : 40;

	switch (b->forwarding) {
	case SERIN_FORWARDING_IPIP:
		return ip_len;
	case SERIN_FORWARDING_GUE:
		return ip_len + UDP_LEN;
	default:
		return 0;
	}
}

static uint32_t clients_mtu(const struct doctor_facts *facts)
{
	uint32_t most = 0;

	for (size_t i = 0; i < facts->nic_count; i++)
		if (facts->nics[i].is_wanted && facts->nics[i].mtu > most)
			most = facts->nics[i].mtu;
	return most;
}

static bool judge_mtu(const struct doctor_facts *facts, const struct doctor_backend *b,
		      const char *where, struct doctor_report *r)
{
	uint32_t added = tunnel_len(b), clients = clients_mtu(facts);
	bool is_below_least = !net_is_v4(&b->vip) && b->mtu < IP6_MTU_MIN + added;
	struct doctor_finding *f;

	if (!added || (b->mtu >= clients + added && !is_below_least))
		return true;
	if (is_below_least)
		f = doctor_find(
			r, DOCTOR_STOP, "tunnel-mtu", where,
			"%s: IPv6 packets of 1280 bytes must fit into the tunnel, and do not",
			b->service);
	else
		f = doctor_find(r, DOCTOR_SLOW, "tunnel-mtu", where,
				"%s: clients' largest packets do not fit into the tunnel: Serin "
				"answers \"fragmentation needed\", and not every client hears that",
				b->service);
	doctor_found(f, "%s: mtu %u, clients' packets up to %u, the tunnel adds %u", b->nic, b->mtu,
		     clients, added);
	doctor_remedy(f, "ip link set dev %s mtu %u (and all there is on the way)", b->nic,
		      (is_below_least && IP6_MTU_MIN > clients ? IP6_MTU_MIN : clients) + added);
	return false;
}

/* Whether there is a route that can be used. */
static bool judge_route(const struct doctor_backend *b, const char *where, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (b->route == DOCTOR_ROUTE_NONE) {
		f = doctor_find(r, DOCTOR_STOP, "backend-route", where,
				"%s: this host has no route to it", b->service);
		doctor_remedy(f, "ip route add %s via GATEWAY", where);
		return false;
	}
	if (b->route == DOCTOR_ROUTE_LOCAL) {
		f = doctor_find(r, DOCTOR_STOP, "backend-route", where,
				"%s: is an address of this host; a backend must be another one",
				b->service);
		doctor_remedy(f, "ip address del %s dev IF, or another backend", where);
		return false;
	}
	if (b->route != DOCTOR_ROUTE_FOUND)
		return true;
	if (!b->is_nic_ours) {
		f = doctor_find(r, DOCTOR_STOP, "backend-route", where,
				"%s: is reached by an interface that is not in `interfaces`",
				b->service);
		doctor_found(f, "%s", b->nic);
		doctor_remedy(f, "add %s to `interfaces`", b->nic);
		return false;
	}
	if (b->forwarding != SERIN_FORWARDING_DSR || b->is_on_link)
		return true;
	f = doctor_find(
		r, DOCTOR_STOP, "backend-route", where,
		"%s: dsr reaches only backends on a link of this host, not behind a gateway",
		b->service);
	doctor_remedy(f, "write `forwarding: ipip` or gue");
	return false;
}

static bool judge_neighbour(const struct doctor_backend *b, const char *where,
			    struct doctor_report *r)
{
	char next[NET_ADDR_LEN];
	struct doctor_finding *f;

	if (b->route != DOCTOR_ROUTE_FOUND || b->has_neighbour == FACT_YES)
		return true;
	net_format_addr(&b->next, next);
	if (b->has_neighbour == FACT_UNKNOWN) {
		f = doctor_find(r, DOCTOR_NOTE, "backend-neighbour", where,
				"%s: the kernel does not know its next hop's MAC address yet",
				b->service);
		doctor_remedy(f, "sudo serin doctor asks for it");
	} else {
		f = doctor_find(r, DOCTOR_STOP, "backend-neighbour", where,
				"%s: its next hop does not answer, so that it takes no connection",
				b->service);
		doctor_remedy(f, "see that %s is up and on that link; ip neigh show dev %s", next,
			      b->nic);
	}
	doctor_found(f, "%s on %s", next, b->nic);
	return false;
}

void doctor_judge_backends(const struct doctor_facts *facts, struct doctor_report *out)
{
	size_t good = 0;

	for (size_t i = 0; i < facts->backend_count; i++) {
		const struct doctor_backend *b = &facts->backends[i];
		char where[NET_ADDR_LEN];
		bool is_good;

		net_format_addr(&b->address, where);
		is_good = judge_route(b, where, out);
		if (is_good)
			is_good = judge_neighbour(b, where, out) & judge_mtu(facts, b, where, out);
		good += is_good;
	}
	if (facts->backend_count && good == facts->backend_count)
		doctor_found(doctor_find(out, DOCTOR_OK, "backends", "",
					 "every backend has a route, a neighbour and room"),
			     "%zu", good);
}

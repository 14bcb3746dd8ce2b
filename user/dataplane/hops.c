// SPDX-License-Identifier: GPL-2.0-or-later
/* Next hops: what the kernel's routes and neighbours say of each backend. Asked, never guessed. */
#include "dataplane/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/net.h"

#define POLL_MS 10

uint64_t dp_hop_word(const struct dataplane *dp, const struct dp_hop *hop)
{
	uint32_t port = dp_port_find(dp, (uint32_t)hop->ifindex);
	uint64_t mac = 0;

	if (!hop->is_resolved || !port)
		return 0;
	memcpy(&mac, hop->mac, sizeof(hop->mac));
	return mac | (uint64_t)port << SERIN_HOP_PORT_SHIFT;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Where the route to a backend leads: on which link, and to which neighbour. No route is like a
 * neighbour that does not answer: it may come later, and other backends must not wait for it. */
static int find_route(struct rtnl *rtnl, struct dp_hop *hop, struct in6_addr *next)
{
	char text[NET_ADDR_LEN];
	struct rtnl_route route;
	int error = rtnl_route_get(rtnl, &hop->address, &route);

	net_format_addr(&hop->address, text);
	if (error == -ENETUNREACH || (!error && route.kind == RTNL_ROUTE_OTHER))
		return 0;
	if (!error && route.kind == RTNL_ROUTE_LOCAL) {
		log_error("backend %s: is an address of this host; a backend must be another one",
			  text);
		return -EINVAL;
	}
	if (error) {
		log_error("backend %s: cannot ask for its route: %s", text, strerror(-error));
		return error;
	}
	hop->ifindex = route.ifindex;
	hop->is_on_link = !memcmp(&route.next, &hop->address, sizeof(route.next));
	*next = route.next;
	return 0;
}

/* Asks for one neighbour; probes it, once, where the kernel does not know. */
static int find_neighbour(struct rtnl *rtnl, struct dp_hop *hop, const struct in6_addr *next,
			  bool probe)
{
	struct rtnl_neigh neigh;
	int error = rtnl_neigh_get(rtnl, hop->ifindex, next, &neigh);

	if (error)
		return error;
	if (neigh.state == RTNL_NEIGH_VALID) {
		memcpy(hop->mac, neigh.mac, sizeof(hop->mac));
		hop->is_resolved = true;
		return 0;
	}
	return probe ? rtnl_neigh_probe(rtnl, hop->ifindex, next) : 0;
}

int dp_hops_resolve(struct rtnl *rtnl, struct dp_hop *hops, size_t count, int wait_ms)
{
	struct in6_addr *next = calloc(count + 1, sizeof(*next));
	uint64_t deadline = now_ms() + (uint64_t)wait_ms;
	size_t waiting = count;
	bool is_first = true;
	int error = 0;

	if (!next)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) { /* all of them, so that all errors are told */
		int failed = find_route(rtnl, &hops[i], &next[i]);

		error = error ? error : failed;
	}
	while (!error && waiting && (is_first || now_ms() < deadline)) {
		if (!is_first)
			poll(NULL, 0, POLL_MS);
		waiting = 0;
		for (size_t i = 0; !error && i < count; i++) {
			if (hops[i].is_resolved || !hops[i].ifindex)
				continue;
			error = find_neighbour(rtnl, &hops[i], &next[i], is_first);
			waiting += !hops[i].is_resolved;
		}
		is_first = false;
	}
	free(next);
	return error;
}

/* What may be asked of the kernel for one backend, and what it said. */
struct looking {
	struct dataplane *dp;
	struct rtnl *rtnl;
	bool confirm;
};

/* A backend whose neighbour fell silent keeps its hop until the kernel has asked everybody, too: a
 * new MAC address costs its connections a moment, not their lives. */
#define HOP_FAILURES 2

static uint64_t hop_of_silent(struct serin_backend *b, const struct rtnl_neigh *neigh, uint64_t old)
{
	if (neigh->state == RTNL_NEIGH_FAILED && b->hop_failures < HOP_FAILURES)
		b->hop_failures++;
	return b->hop_failures < HOP_FAILURES ? old : 0;
}

/* The route leads elsewhere: the way there was is as good as before until the neighbour answers there,
 * unless its NIC is gone. */
static uint64_t hop_of_moved(const struct dataplane *dp, const struct serin_backend *b,
			     const struct rtnl_neigh *neigh)
{
	const struct serin_port *old = &dp->ports[b->hop >> SERIN_HOP_PORT_SHIFT];
	bool is_there = old->ifindex && old->ifindex != SERIN_PORT_GONE;

	return is_there && neigh->state != RTNL_NEIGH_FAILED ? b->hop : 0;
}

/* What a backend's hop should be now: the old one, unless the kernel knows better. */
static int look_at(const struct looking *l, struct serin_backend *b, uint64_t *out)
{
	struct dp_hop hop = {.address = dp_addr(&b->at.addr), .is_resolved = true};
	uint32_t port;
	struct rtnl_neigh neigh;
	struct rtnl_route route;
	int error;

	*out = 0;
	error = rtnl_route_get(l->rtnl, &hop.address, &route);
	if (error == -ENETUNREACH || (!error && route.kind != RTNL_ROUTE_UNICAST))
		return 0;
	if (!error)
		error = rtnl_neigh_get(l->rtnl, route.ifindex, &route.next, &neigh);
	if (error)
		return error;
	hop.ifindex = route.ifindex;
	port = dp_port_find(l->dp, (uint32_t)route.ifindex);
	if (neigh.state == RTNL_NEIGH_VALID) {
		memcpy(hop.mac, neigh.mac, sizeof(hop.mac));
		*out = dp_hop_word(l->dp, &hop);
		b->hop_failures = 0;
		return l->confirm ? rtnl_neigh_confirm(l->rtnl, route.ifindex, &route.next) : 0;
	}
	*out = b->hop >> SERIN_HOP_PORT_SHIFT == port ? hop_of_silent(b, &neigh, b->hop)
						      : hop_of_moved(l->dp, b, &neigh);
	if (neigh.state == RTNL_NEIGH_RESOLVING)
		return 0;
	return rtnl_neigh_probe(l->rtnl, route.ifindex, &route.next);
}

static void log_hop(const struct dataplane *dp, const struct serin_backend *b, uint64_t hop)
{
	struct in6_addr addr = dp_addr(&b->at.addr);
	char text[NET_ENDPOINT_LEN];
	const uint8_t *mac = (const uint8_t *)&hop;

	net_format_endpoint(&addr, ntohs(b->at.port_be), text);
	if (!hop)
		log_warning("service %s: backend %s has no next hop any more: it takes no new flow",
			    dp->info[b->service].name, text);
	else
		log_info("service %s: backend %s: next hop is %02x:%02x:%02x:%02x:%02x:%02x",
			 dp->info[b->service].name, text, mac[0], mac[1], mac[2], mac[3], mac[4],
			 mac[5]);
}

int dataplane_follow_hops(struct dataplane *dp, struct rtnl *rtnl, bool confirm, size_t *unresolved)
{
	const struct looking looking = {dp, rtnl, confirm};
	int changed = 0, failed = 0, error;
	bool is_table_stale = false;

	*unresolved = 0;
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		struct serin_backend *b = &dp->backends[id];
		uint64_t hop = 0;

		if (b->state == SERIN_BACKEND_FREE)
			continue;
		error = look_at(&looking, b, &hop);
		if (error) { /* of this one alone: its link may have gone while we looked */
			failed = error;
			continue;
		}
		*unresolved += !hop;
		if (hop == b->hop)
			continue;
		log_hop(dp, b, hop);
		is_table_stale |= !hop != !b->hop;
		__atomic_store_n(&b->hop, hop, __ATOMIC_RELEASE);
		changed++;
	}
	error = is_table_stale ? dp_tables_refresh_all(dp) : 0;
	if (!error)
		error = failed;
	return error ? error : changed;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "dataplane/routes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#define DUMP_TRIES 3 /* of a table that changes while it is read */

static bool is_same_prefix(const struct rtnl_prefix *a, const struct rtnl_prefix *b)
{
	return a->prefix_len == b->prefix_len && !memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));
}

/* Two of one metric (IPv6's default routers are such): the kernel chooses, by what we do not see. */
static void merge(struct rtnl_prefix *known, const struct rtnl_prefix *p)
{
	bool is_open = known->is_multipath || p->is_multipath || known->metric == p->metric;

	if (p->metric < known->metric)
		*known = *p;
	known->is_multipath = is_open;
}

int route_list_add(struct route_list *l, const struct rtnl_prefix *p)
{
	for (size_t i = 0; i < l->count; i++) {
		if (is_same_prefix(&l->prefix[i], p)) {
			merge(&l->prefix[i], p);
			return 0;
		}
	}
	if (l->count == SERIN_MAX_ROUTES)
		return -ENOSPC;
	l->prefix[l->count++] = *p;
	return 0;
}

/* By address last, so that one and the same routes are the same bytes every time. */
static int by_precedence(const void *a, const void *b)
{
	const struct rtnl_prefix *x = a, *y = b;

	if (x->prefix_len != y->prefix_len)
		return x->prefix_len > y->prefix_len ? -1 : 1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return memcmp(&x->prefix, &y->prefix, sizeof(x->prefix));
}

void route_list_sort(struct route_list *l)
{
	qsort(l->prefix, l->count, sizeof(*l->prefix), by_precedence);
}

static bool is_within(const struct in6_addr *address, const struct rtnl_prefix *p)
{
	for (uint8_t bit = 0; bit < p->prefix_len; bit += 8) {
		uint8_t left = p->prefix_len - bit,
			mask = left < 8 ? (uint8_t)(0xff00 >> left) : 0xff;

		if ((address->s6_addr[bit / 8] ^ p->prefix.s6_addr[bit / 8]) & mask)
			return false;
	}
	return true;
}

int route_list_add_host(struct route_list *l, const struct in6_addr *address)
{
	const struct rtnl_prefix host = {.prefix = *address, .prefix_len = 128}, *best = NULL;

	for (size_t i = 0; i < l->count; i++)
		if (is_within(address, &l->prefix[i]) &&
		    (!best || l->prefix[i].prefix_len > best->prefix_len))
			best = &l->prefix[i];
	return best && best->has_gateway ? route_list_add(l, &host) : 0;
}

/* All ones, and then zeroes from prefix_len on. */
static struct serin_addr mask_of(uint8_t prefix_len)
{
	uint8_t bytes[sizeof(struct serin_addr)] = {0};
	struct serin_addr mask;

	for (size_t bit = 0; bit < prefix_len && bit < 8 * sizeof(bytes); bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	memcpy(&mask, bytes, sizeof(mask));
	return mask;
}

static void write_route4(const struct rtnl_prefix *p, uint64_t hop, struct serin_route4 *out)
{
	struct serin_addr mask = mask_of(p->prefix_len), prefix;

	memcpy(&prefix, &p->prefix, sizeof(prefix));
	out->mask_be = mask.word_be[3];
	out->prefix_be = prefix.word_be[3] & mask.word_be[3];
	out->hop = hop;
}

static void write_route6(const struct rtnl_prefix *p, uint64_t hop, struct serin_route6 *out)
{
	struct serin_addr mask = mask_of(p->prefix_len), prefix;

	memcpy(&prefix, &p->prefix, sizeof(prefix));
	out->mask_high = serin_addr_high(&mask);
	out->mask_low = serin_addr_low(&mask);
	out->high = serin_addr_high(&prefix) & out->mask_high;
	out->low = serin_addr_low(&prefix) & out->mask_low;
	out->hop = hop;
}

void routes_write(const struct route_list *v4, const struct route_list *v6,
		  struct serin_routes *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < v4->count; i++)
		write_route4(&v4->prefix[i], v4->hop[i], &out->v4[i]);
	for (size_t i = 0; i < v6->count; i++)
		write_route6(&v6->prefix[i], v6->hop[i], &out->v6[i]);
	out->count4 = (uint32_t)v4->count;
	out->count6 = (uint32_t)v6->count;
}

/* The hop to a route's gateway; 0 where there is none, or the kernel does not know it (yet). */
static uint64_t gateway_hop(const struct dataplane *dp, struct rtnl *rtnl,
			    const struct rtnl_prefix *p, bool probe)
{
	struct dp_hop hop = {.address = p->gateway, .ifindex = p->ifindex};
	struct rtnl_neigh neigh;

	if (!p->has_gateway || p->is_multipath || !dp_port_find(dp, (uint32_t)p->ifindex) ||
	    rtnl_neigh_get(rtnl, p->ifindex, &p->gateway, &neigh))
		return 0;
	if (neigh.state == RTNL_NEIGH_VALID) {
		memcpy(hop.mac, neigh.mac, sizeof(hop.mac));
		hop.is_resolved = true;
		return dp_hop_word(dp, &hop);
	}
	if (probe && neigh.state != RTNL_NEIGH_RESOLVING)
		rtnl_neigh_probe(rtnl, p->ifindex, &p->gateway);
	return 0;
}

static int add_route(const struct rtnl_prefix *p, void *arg)
{
	return route_list_add(arg, p);
}

static struct in6_addr address_of(const struct sockaddr *sa)
{
	struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (sa->sa_family == AF_INET6)
		return ((const struct sockaddr_in6 *)sa)->sin6_addr;
	memcpy(&a.s6_addr[12], &((const struct sockaddr_in *)sa)->sin_addr, sizeof(struct in_addr));
	return a;
}

/* Nothing is sent to a backend from there. */
static bool is_no_source(const struct dataplane *dp, const struct in6_addr *address)
{
	if (IN6_IS_ADDR_LOOPBACK(address) || (net_is_v4(address) && address->s6_addr[12] == 127))
		return true;
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp->info[id].name[0] &&
		    !memcmp(&dp->services[id].vip.addr, address, sizeof(*address)))
			return true;
	return false;
}

typedef void address_visitor(struct dataplane *dp, const struct in6_addr *address, void *arg);

static void each_own_address(struct dataplane *dp, int family, address_visitor *visit, void *arg)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct in6_addr address;

		if (!i->ifa_addr || i->ifa_addr->sa_family != family)
			continue;
		address = address_of(i->ifa_addr);
		if (!is_no_source(dp, &address))
			visit(dp, &address, arg);
	}
	freeifaddrs(all);
}

/* What a backend answers this host is not to go to a gateway. Few addresses need this: most are within
 * their link's prefix. Where there is no room, clients' routes matter more. */
static void keep_from_gateways(struct dataplane *dp, const struct in6_addr *address, void *arg)
{
	(void)dp;
	route_list_add_host(arg, address);
}

/* Nor to anybody else. */
static void keep_here(struct dataplane *dp, const struct in6_addr *address, void *arg)
{
	uint64_t hop = SERIN_HOP_HOST;

	(void)arg;
	bpf_map_update_elem(dp->map_fd[DP_MAP_CLIENT_HOPS], address, &hop, BPF_ANY);
}

static void read_routes(struct dataplane *dp, struct rtnl *rtnl, int family, bool probe,
			struct route_list *l)
{
	int error = -EINTR;

	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++) {
		l->count = 0;
		error = rtnl_route_each(rtnl, family, add_route, l);
	}
	if (error)
		l->count = 0;
	each_own_address(dp, family, keep_from_gateways, l);
	route_list_sort(l);
	for (size_t i = 0; i < l->count; i++)
		l->hop[i] = gateway_hop(dp, rtnl, &l->prefix[i], probe);
}

/* Of the default route, if a gateway of ours has it: what it forwards to us needs no other look. */
static uint64_t default_gateway_mac(const struct route_list *l, uint8_t default_len)
{
	size_t last = l->count - 1;

	return l->count && l->prefix[last].prefix_len == default_len
		       ? l->hop[last] & ((1ull << SERIN_HOP_PORT_SHIFT) - 1)
		       : 0;
}

int dp_routes_sync(struct dataplane *dp, struct rtnl *rtnl, bool probe)
{
	struct route_list v4 = {.count = 0}, v6 = {.count = 0};
	struct serin_routes wanted;
	uint32_t live;
	bool has_rules;

	if (!dp->routes || !dp->switches) /* nothing loaded */
		return 0;
	live = dp->switches->live_routes & 1;
	each_own_address(dp, AF_INET, keep_here, NULL);
	each_own_address(dp, AF_INET6, keep_here, NULL);
	if (!rtnl_has_policy_rules(rtnl, &has_rules) && !has_rules) {
		read_routes(dp, rtnl, AF_INET, probe, &v4);
		read_routes(dp, rtnl, AF_INET6, probe, &v6);
	}
	routes_write(&v4, &v6, &wanted);
	__atomic_store_n(&dp->switches->gateway_mac[0], default_gateway_mac(&v4, 96),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&dp->switches->gateway_mac[1], default_gateway_mac(&v6, 0),
			 __ATOMIC_RELAXED);
	if (!memcmp(&wanted, &dp->routes[live], sizeof(wanted)))
		return 0;
	/* Packets that came before the last change may still be reading the other one. */
	dp_wait_for_packets();
	dp->routes[!live] = wanted;
	__atomic_store_n(&dp->switches->live_routes, !live, __ATOMIC_RELEASE);
	return 1;
}

void dataplane_follow_routes(struct dataplane *dp, struct rtnl *rtnl)
{
	dp_routes_sync(dp, rtnl, true);
}

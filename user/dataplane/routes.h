/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the ways to clients: the kernel's main routing table, laid out for the packet path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <serin/abi.h>

#include "lib/rtnl.h"

struct dataplane;

/* The routes of one family, one a prefix. */
struct route_list {
	struct rtnl_prefix prefix[SERIN_MAX_ROUTES];
	uint64_t hop[SERIN_MAX_ROUTES];
	size_t count;
};

/* Adds a route; of one prefix's routes the least metric wins. -ENOSPC: there are too many. */
int route_list_add(struct route_list *l, const struct rtnl_prefix *p);
/* Longest prefix first, then least metric; before the hops are filled in. */
void route_list_sort(struct route_list *l);
/* Adds what keeps packets to an address of this host from a gateway that leads to its prefix. */
int route_list_add_host(struct route_list *l, const struct in6_addr *address);
/* Lays sorted lists out as the packet path reads them; every other byte is zero. */
void routes_write(const struct route_list *v4, const struct route_list *v6,
		  struct serin_routes *out);

/*
 * dp_routes_sync() - make the packet path's routes those of the kernel.
 * @probe: make the kernel ask for gateways whose MAC address it does not know
 *
 * What cannot be told (too many routes, policy rules, an error of asking) leaves a family without
 * routes: its clients are found by their frames or the FIB, which is right, only slower.
 *
 * Returns 1 if something changed, 0 if not.
 */
int dp_routes_sync(struct dataplane *dp, struct rtnl *rtnl, bool probe);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns rtnetlink: links, routes and neighbours, asked and followed. Over libmnl.
 * Addresses are struct in6_addr, IPv4 as IPv4-mapped.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct rtnl;

enum rtnl_link_kind {
	RTNL_LINK_OTHER,
	RTNL_LINK_VLAN,
	RTNL_LINK_BOND,
};

struct rtnl_link {
	int ifindex;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	uint32_t mtu;
	bool is_up; /* administratively */
	enum rtnl_link_kind kind;
	int parent;		  /* of a VLAN: what it is upon; 0: nothing in this namespace */
	bool is_parent_elsewhere; /* in another namespace */
	uint32_t vlan_tag_be;	  /* TPID << 16 | VLAN id: a frame's four bytes */
	int master;		  /* what it is a part of: a bond, a bridge; 0: nothing */
	bool is_bonded;		  /* and that is a bond */
	uint32_t xdp_prog_id;	  /* 0: none; whatever way it was attached */
	uint8_t xdp_attach_mode;  /* XDP_ATTACHED_* of linux/if_link.h */
};

enum rtnl_route_kind {
	RTNL_ROUTE_UNICAST,
	RTNL_ROUTE_LOCAL, /* the address is this host's own */
	RTNL_ROUTE_OTHER, /* blackhole, prohibit, unreachable, broadcast, multicast … */
};

struct rtnl_route {
	enum rtnl_route_kind kind;
	int ifindex;
	struct in6_addr next;	/* the gateway; the address asked for where it is on the link */
	struct in6_addr source; /* what the kernel would send from; unspecified: nothing */
};

enum rtnl_neigh_state {
	RTNL_NEIGH_NONE,      /* no entry */
	RTNL_NEIGH_RESOLVING, /* the kernel is asking */
	RTNL_NEIGH_VALID,     /* mac is good: reachable, stale, delay, probe, permanent, noarp */
	RTNL_NEIGH_FAILED,    /* nobody answered */
};

struct rtnl_neigh {
	enum rtnl_neigh_state state;
	bool is_stale; /* VALID, but nobody has confirmed it lately */
	uint8_t mac[6];
};

/* Every function returns 0 or -errno and leaves its out-parameter alone on failure. */
int rtnl_open(struct rtnl **out);
void rtnl_close(struct rtnl *r);

/* -ENODEV: no such interface. */
int rtnl_link_by_name(struct rtnl *r, const char *name, struct rtnl_link *out);
int rtnl_link_by_index(struct rtnl *r, int ifindex, struct rtnl_link *out);

/* Visits all links, in no order; ends by anything but 0, which is then returned. -EINTR: links came
 * or went meanwhile. */
int rtnl_link_each(struct rtnl *r, int (*visit)(const struct rtnl_link *link, void *arg),
		   void *arg);

/* What the kernel's own routing tables say (RTM_GETROUTE). -ENETUNREACH: no route. */
int rtnl_route_get(struct rtnl *r, const struct in6_addr *dst, struct rtnl_route *out);

/* What a routing table says of a prefix. */
struct rtnl_prefix {
	struct in6_addr prefix;
	uint8_t prefix_len; /* of 128: an IPv4 prefix counts its mapped 96 bits too */
	bool has_gateway;
	struct in6_addr gateway; /* of either family */
	int ifindex;		 /* 0: nowhere (blackhole, unreachable …), or not one alone */
	bool is_multipath; /* has no one next hop for all packets: several, by TOS or source, a tunnel */
	uint32_t metric;
};

/*
 * rtnl_route_each() - visit the routes of the main table that the kernel would use now.
 * @family: AF_INET or AF_INET6
 * @visit: ends the visits by anything but 0, which is then returned; may ask @r meanwhile
 *
 * Routes that refuse (blackhole, unreachable …) are visited too, with neither gateway nor ifindex:
 * they shadow shorter prefixes. -EINTR: routes changed meanwhile, so some may have been missed.
 */
int rtnl_route_each(struct rtnl *r, int family,
		    int (*visit)(const struct rtnl_prefix *p, void *arg), void *arg);

/* Whether either family has rules besides the kernel's own three: then the main table is not all
 * there is to know. */
int rtnl_has_policy_rules(struct rtnl *r, bool *out);

/* The neighbour entry of one address on one link; state NONE if there is none. */
int rtnl_neigh_get(struct rtnl *r, int ifindex, const struct in6_addr *addr,
		   struct rtnl_neigh *out);

/* Makes the kernel ask a neighbour it knows whether it is still there (NUD_PROBE), which traffic
 * that goes past the kernel never does; the entry stays valid meanwhile, and FAILED comes of silence. */
int rtnl_neigh_confirm(struct rtnl *r, int ifindex, const struct in6_addr *addr);

/* Makes the kernel send ARP or a neighbour solicitation, as if it had a packet to send
 * (RTM_NEWNEIGH with NTF_USE). A FAILED entry is tried anew. */
int rtnl_neigh_probe(struct rtnl *r, int ifindex, const struct in6_addr *addr);

/*
 * Followers: one socket that hears of every change of links, neighbours and routes.
 * rtnl_follow_fd() is readable when there are some; rtnl_follow_drain() reads them all and tells
 * whether any arrived (also true if the kernel had to drop some: look at everything anew).
 */
struct rtnl_follower;
int rtnl_follow_open(struct rtnl_follower **out);
int rtnl_follow_fd(const struct rtnl_follower *f);
int rtnl_follow_drain(struct rtnl_follower *f, bool *changed);
void rtnl_follow_close(struct rtnl_follower *f);

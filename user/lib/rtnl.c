// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/rtnl.h"

#include <errno.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "lib/net.h"
#include "lib/rtnl_talk.h"

/* Somebody's word, not a discovery of the kernel's; and known, but not heard of lately. */
#define NUD_CONFIGURED	(NUD_PERMANENT | NUD_NOARP)
#define NUD_UNCONFIRMED (NUD_STALE | NUD_DELAY | NUD_PROBE)

static enum rtnl_route_kind route_kind(uint8_t type)
{
	switch (type) {
	case RTN_UNICAST:
		return RTNL_ROUTE_UNICAST;
	case RTN_LOCAL:
		return RTNL_ROUTE_LOCAL;
	default:
		return RTNL_ROUTE_OTHER;
	}
}

static int take_route_attr(const struct nlattr *attr, struct rtnl_route *route)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const struct rtvia *via = mnl_attr_get_payload(attr);
	uint32_t oif;

	switch (mnl_attr_get_type(attr)) {
	case RTA_GATEWAY:
		return rtnl_take_addr(mnl_attr_get_payload(attr), len, &route->next);
	case RTA_VIA: /* a gateway of the other family: RFC 5549 and alike */
		if (len < sizeof(*via))
			return -EBADMSG;
		return rtnl_take_addr(via->rtvia_addr, len - sizeof(*via), &route->next);
	case RTA_PREFSRC:
		return rtnl_take_addr(mnl_attr_get_payload(attr), len, &route->source);
	case RTA_OIF:
		if (rtnl_take_u32(attr, &oif))
			return -EBADMSG;
		route->ifindex = (int)oif;
		return 0;
	case RTA_ENCAP: /* a tunnel without an interface: only the kernel's stack sends into it */
		route->kind = RTNL_ROUTE_OTHER;
		return 0;
	default:
		return 0;
	}
}

static int parse_route(const struct nlmsghdr *nlh, void *out)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(nlh);
	struct rtnl_route *route = out;
	const struct nlattr *attr;
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*header))
		return -EBADMSG;
	route->kind = route_kind(header->rtm_type);
	mnl_attr_for_each(attr, nlh, sizeof(*header))
	{
		err = take_route_attr(attr, route);
		if (err)
			break;
	}
	return err;
}

int rtnl_route_get(struct rtnl *r, const struct in6_addr *dst, struct rtnl_route *out)
{
	struct nlmsghdr *nlh = rtnl_request(r, RTM_GETROUTE, 0);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
	struct rtnl_route route = {.next = *dst};
	int err;

	header->rtm_family = rtnl_family(dst);
	header->rtm_dst_len = net_is_v4(dst) ? 32 : 128;
	rtnl_put_addr(nlh, RTA_DST, dst);
	err = rtnl_talk(r, nlh, parse_route, &route);
	/* What unreachable, prohibit and blackhole routes answer; no route is -ENETUNREACH. */
	if (err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL) {
		route = (struct rtnl_route){.kind = RTNL_ROUTE_OTHER, .next = *dst};
		err = 0;
	}
	if (!err)
		*out = route;
	return err;
}

struct neigh_answer {
	uint16_t nud;
	struct rtnl_neigh neigh;
};

static enum rtnl_neigh_state neigh_state(uint16_t nud)
{
	if (nud & NUD_FAILED)
		return RTNL_NEIGH_FAILED;
	if (nud & NUD_INCOMPLETE)
		return RTNL_NEIGH_RESOLVING;
	return nud == NUD_NONE ? RTNL_NEIGH_NONE : RTNL_NEIGH_VALID;
}

static int parse_neigh(const struct nlmsghdr *nlh, void *out)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(nlh);
	struct neigh_answer *answer = out;
	const struct nlattr *attr;
	bool has_mac = false;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*header))
		return -EBADMSG;
	mnl_attr_for_each(attr, nlh, sizeof(*header))
	{
		if (mnl_attr_get_type(attr) != NDA_LLADDR ||
		    mnl_attr_get_payload_len(attr) != sizeof(answer->neigh.mac))
			continue;
		memcpy(answer->neigh.mac, mnl_attr_get_payload(attr), sizeof(answer->neigh.mac));
		has_mac = true;
	}
	answer->nud = header->ndm_state;
	answer->neigh.state = neigh_state(header->ndm_state);
	answer->neigh.is_stale = header->ndm_state & NUD_UNCONFIRMED;
	/* A link without Ethernet addresses (a tunnel): nobody there to send a frame to. */
	if (answer->neigh.state == RTNL_NEIGH_VALID && !has_mac)
		answer->neigh.state = RTNL_NEIGH_FAILED;
	return 0;
}

static struct nlmsghdr *neigh_request(struct rtnl *r, uint16_t type, int ifindex,
				      const struct in6_addr *addr)
{
	struct nlmsghdr *nlh = rtnl_request(r, type, 0);
	struct ndmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));

	header->ndm_family = rtnl_family(addr);
	header->ndm_ifindex = ifindex;
	rtnl_put_addr(nlh, NDA_DST, addr);
	return nlh;
}

static int get_neigh(struct rtnl *r, int ifindex, const struct in6_addr *addr,
		     struct neigh_answer *answer)
{
	struct nlmsghdr *nlh = neigh_request(r, RTM_GETNEIGH, ifindex, addr);
	int err = rtnl_talk(r, nlh, parse_neigh, answer);

	return err == -ENOENT ? 0 : err;
}

int rtnl_neigh_get(struct rtnl *r, int ifindex, const struct in6_addr *addr, struct rtnl_neigh *out)
{
	struct neigh_answer answer = {0};
	int err = get_neigh(r, ifindex, addr, &answer);

	if (!err)
		*out = answer.neigh;
	return err;
}

/* Since Linux 5.17 NTF_USE takes NUD_PERMANENT away from an entry: those are left alone. */
static int touch_neigh(struct rtnl *r, int ifindex, const struct in6_addr *addr, uint16_t nud)
{
	struct neigh_answer answer = {0};
	struct nlmsghdr *nlh;
	struct ndmsg *header;
	int err = get_neigh(r, ifindex, addr, &answer);

	if (err || answer.nud & NUD_CONFIGURED)
		return err;
	nlh = neigh_request(r, RTM_NEWNEIGH, ifindex, addr);
	nlh->nlmsg_flags |= nud ? NLM_F_REPLACE : NLM_F_CREATE;
	header = mnl_nlmsg_get_payload(nlh);
	header->ndm_flags = nud ? 0 : NTF_USE;
	header->ndm_state = nud;
	return rtnl_talk(r, nlh, NULL, NULL);
}

int rtnl_neigh_confirm(struct rtnl *r, int ifindex, const struct in6_addr *addr)
{
	int err = touch_neigh(r, ifindex, addr, NUD_PROBE);

	return err == -ENOENT ? 0 : err; /* gone meanwhile: the next look will tell */
}

int rtnl_neigh_probe(struct rtnl *r, int ifindex, const struct in6_addr *addr)
{
	return touch_neigh(r, ifindex, addr, 0);
}

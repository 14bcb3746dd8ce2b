// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/rtnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "lib/rtnl_talk.h"

#define V4_MAPPED_BITS 96

/* The priorities of the kernel's own rules (fib4_default_rules_init). */
#define PRIORITY_LOCAL	 0u
#define PRIORITY_MAIN	 32766u
#define PRIORITY_DEFAULT 32767u

static int dump(uint16_t type, int family, rtnl_parser *take, void *arg)
{
	_Alignas(struct nlmsghdr) char request[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));

	_Static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr), "one header for both");
	nlh->nlmsg_type = type;
	header->rtm_family = (unsigned char)family;
	return rtnl_dump(nlh, take, arg);
}

struct route_visit {
	int family;
	int (*visit)(const struct rtnl_prefix *p, void *arg);
	void *arg;
};

static int take_gateway(const void *data, size_t len, struct rtnl_prefix *p)
{
	int err = rtnl_take_addr(data, len, &p->gateway);

	p->has_gateway = !err;
	return err;
}

static int take_prefix_attr(const struct nlattr *attr, struct rtnl_prefix *p)
{
	size_t len = mnl_attr_get_payload_len(attr);
	const struct rtvia *via = mnl_attr_get_payload(attr);
	uint32_t oif;

	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		return rtnl_take_addr(mnl_attr_get_payload(attr), len, &p->prefix);
	case RTA_GATEWAY:
		return take_gateway(mnl_attr_get_payload(attr), len, p);
	case RTA_VIA: /* of the other family: RFC 5549 and alike */
		if (len < sizeof(*via))
			return -EBADMSG;
		return take_gateway(via->rtvia_addr, len - sizeof(*via), p);
	case RTA_OIF:
		if (rtnl_take_u32(attr, &oif))
			return -EBADMSG;
		p->ifindex = (int)oif;
		return 0;
	case RTA_PRIORITY:
		return rtnl_take_u32(attr, &p->metric);
	case RTA_MULTIPATH:
	case RTA_ENCAP: /* a tunnel without an interface: only the kernel's stack sends into it */
		p->is_multipath = true;
		return 0;
	default:
		return 0;
	}
}

/* Of other tables, or none to look up: what an ICMP message taught of one address, a dead link. */
static bool is_of_no_interest(const struct rtmsg *header, int family)
{
	return header->rtm_family != family || header->rtm_table != RT_TABLE_MAIN ||
	       header->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD);
}

static int take_prefix(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(nlh);
	const struct route_visit *v = arg;
	struct rtnl_prefix p = {0};
	const struct nlattr *attr;
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*header))
		return -EBADMSG;
	if (nlh->nlmsg_type != RTM_NEWROUTE || is_of_no_interest(header, v->family))
		return 0;
	p.prefix_len = header->rtm_dst_len;
	if (v->family == AF_INET) { /* a default route comes without RTA_DST */
		p.prefix_len += V4_MAPPED_BITS;
		memset(&p.prefix.s6_addr[10], 0xff, 2);
	}
	p.is_multipath = header->rtm_tos || header->rtm_src_len;
	mnl_attr_for_each(attr, nlh, sizeof(*header))
	{
		err = take_prefix_attr(attr, &p);
		if (err)
			return err;
	}
	if (header->rtm_type != RTN_UNICAST) {
		p.has_gateway = false;
		p.ifindex = 0;
	}
	return v->visit(&p, v->arg);
}

int rtnl_route_each(struct rtnl *r, int family,
		    int (*visit)(const struct rtnl_prefix *p, void *arg), void *arg)
{
	struct route_visit v = {.family = family, .visit = visit, .arg = arg};

	(void)r;
	return dump(RTM_GETROUTE, family, take_prefix, &v);
}

struct rule {
	uint32_t priority;
	uint32_t table;
	bool is_plain; /* looks up a table for every packet */
};

static bool is_kernels_own(const struct rule *rule)
{
	if (!rule->is_plain)
		return false;
	return (rule->priority == PRIORITY_LOCAL && rule->table == RT_TABLE_LOCAL) ||
	       (rule->priority == PRIORITY_MAIN && rule->table == RT_TABLE_MAIN) ||
	       (rule->priority == PRIORITY_DEFAULT && rule->table == RT_TABLE_DEFAULT);
}

static int take_rule_attr(const struct nlattr *attr, struct rule *rule)
{
	uint32_t prefix_len;

	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		return rtnl_take_u32(attr, &rule->priority);
	case FRA_TABLE:
		return rtnl_take_u32(attr, &rule->table);
	case FRA_SUPPRESS_PREFIXLEN: /* always told; -1 is none */
		if (rtnl_take_u32(attr, &prefix_len))
			return -EBADMSG;
		rule->is_plain &= prefix_len == UINT32_MAX;
		return 0;
	case FRA_PROTOCOL: /* who made it */
	case FRA_PAD:
		return 0;
	default: /* a selector */
		rule->is_plain = false;
		return 0;
	}
}

static int take_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(nlh);
	bool *has_others = arg;
	struct rule rule = {0};
	const struct nlattr *attr;
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*header))
		return -EBADMSG;
	rule.table = header->table;
	rule.is_plain = header->action == FR_ACT_TO_TBL && !header->src_len && !header->dst_len &&
			!header->tos && !(header->flags & FIB_RULE_INVERT);
	mnl_attr_for_each(attr, nlh, sizeof(*header))
	{
		err = take_rule_attr(attr, &rule);
		if (err)
			return err;
	}
	*has_others |= !is_kernels_own(&rule);
	return 0;
}

int rtnl_has_policy_rules(struct rtnl *r, bool *out)
{
	static const int families[] = {AF_INET, AF_INET6};
	bool has_others = false;

	(void)r;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		int err = dump(RTM_GETRULE, families[i], take_rule, &has_others);

		/* A kernel without that family, or without rules. */
		if (err && err != -EAFNOSUPPORT && err != -EOPNOTSUPP)
			return err;
	}
	*out = has_others;
	return 0;
}

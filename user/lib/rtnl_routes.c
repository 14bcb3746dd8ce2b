// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole tables, read as dumps. Each has a socket of its own: one that is given up half-way leaves
 * no answers behind for the next question, and visitors can ask questions meanwhile.
 */
#include "lib/rtnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "lib/rtnl_talk.h"

#define RECEIVE_TIMEOUT_S 2
#define REPLY_SIZE	  32768 /* the kernel makes no larger part of a dump */
#define V4_MAPPED_BITS	  96

/* The priorities of the kernel's own rules (fib4_default_rules_init). */
#define PRIORITY_LOCAL	 0u
#define PRIORITY_MAIN	 32766u
#define PRIORITY_DEFAULT 32767u

struct dump {
	struct mnl_socket *socket;
	rtnl_parser *take; /* anything but 0 ends the dump */
	void *arg;
	bool is_torn; /* the table changed meanwhile */
	bool is_complete;
};

static int take_datagram(struct dump *d, const char *reply, int left)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)reply;
	int err = 0;

	for (; !err && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		d->is_torn |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		if (nlh->nlmsg_type != NLMSG_DONE && nlh->nlmsg_type != NLMSG_ERROR) {
			err = d->take(nlh, d->arg);
			continue;
		}
		if (mnl_nlmsg_get_payload_len(nlh) < sizeof(err))
			return -EBADMSG;
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
		d->is_complete = true;
		break;
	}
	return err;
}

static int receive_all(struct dump *d)
{
	_Alignas(struct nlmsghdr) char reply[REPLY_SIZE];
	int err = 0;

	while (!err && !d->is_complete) {
		ssize_t n = mnl_socket_recvfrom(d->socket, reply, sizeof(reply));

		if (n >= 0)
			err = take_datagram(d, reply, (int)n);
		else if (errno != EINTR)
			err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	return err ? err : d->is_torn ? -EINTR : 0;
}

static int ask(struct dump *d, uint16_t type, int family)
{
	struct timeval timeout = {.tv_sec = RECEIVE_TIMEOUT_S};
	_Alignas(struct nlmsghdr) char request[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));

	_Static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr), "one header for both");
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->rtm_family = (unsigned char)family;
	if (mnl_socket_bind(d->socket, 0, MNL_SOCKET_AUTOPID) ||
	    setsockopt(mnl_socket_get_fd(d->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) ||
	    mnl_socket_sendto(d->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	return 0;
}

static int dump(uint16_t type, int family, rtnl_parser *take, void *arg)
{
	struct dump d = {.take = take, .arg = arg};
	int err;

	d.socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!d.socket)
		return -errno;
	err = ask(&d, type, family);
	if (!err)
		err = receive_all(&d);
	mnl_socket_close(d.socket);
	return err;
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

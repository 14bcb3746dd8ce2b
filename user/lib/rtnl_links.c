// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "lib/rtnl_talk.h"

/* A program in several places at once (driver and hardware) has an id for each, none for all. */
static int take_xdp(const struct nlattr *nest, struct rtnl_link *link)
{
	const struct nlattr *attr;
	uint32_t id;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_XDP_ATTACHED:
			if (mnl_attr_get_payload_len(attr) < 1)
				return -EBADMSG;
			link->xdp_attach_mode = mnl_attr_get_u8(attr);
			break;
		case IFLA_XDP_PROG_ID:
		case IFLA_XDP_DRV_PROG_ID:
		case IFLA_XDP_SKB_PROG_ID:
		case IFLA_XDP_HW_PROG_ID:
			if (rtnl_take_u32(attr, &id))
				return -EBADMSG;
			if (!link->xdp_prog_id)
				link->xdp_prog_id = id;
			break;
		}
	}
	return 0;
}

static bool is_text(const struct nlattr *attr, const char *text)
{
	size_t len = strlen(text);

	return mnl_attr_get_payload_len(attr) >= len &&
	       !strncmp(mnl_attr_get_payload(attr), text, mnl_attr_get_payload_len(attr));
}

/* TPID, then the id, as they stand in a frame. */
static int take_vlan(const struct nlattr *nest, struct rtnl_link *link)
{
	uint16_t id = 0, tpid_be = htons(ETH_P_8021Q);
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type != IFLA_VLAN_ID && type != IFLA_VLAN_PROTOCOL)
			continue;
		if (mnl_attr_get_payload_len(attr) < sizeof(uint16_t))
			return -EBADMSG;
		if (type == IFLA_VLAN_ID)
			id = mnl_attr_get_u16(attr);
		else
			tpid_be = mnl_attr_get_u16(attr);
	}
	link->vlan_tag_be = htonl((uint32_t)ntohs(tpid_be) << 16 | id);
	return 0;
}

/* What kind it is, and then what there is to say of that kind. */
static int take_info(const struct nlattr *nest, struct rtnl_link *link)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_INFO_KIND:
			if (is_text(attr, "vlan"))
				link->kind = RTNL_LINK_VLAN;
			else if (is_text(attr, "bond"))
				link->kind = RTNL_LINK_BOND;
			break;
		case IFLA_INFO_SLAVE_KIND:
			link->is_bonded = is_text(attr, "bond");
			break;
		case IFLA_INFO_DATA:
			data = attr;
			break;
		}
	}
	return data && link->kind == RTNL_LINK_VLAN ? take_vlan(data, link) : 0;
}

static int take_index(const struct nlattr *attr, int *out)
{
	uint32_t index;

	if (rtnl_take_u32(attr, &index))
		return -EBADMSG;
	*out = (int)index;
	return 0;
}

static int take_link_attr(const struct nlattr *attr, struct rtnl_link *link)
{
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		if (!len || len > sizeof(link->name))
			return -EBADMSG;
		memcpy(link->name, mnl_attr_get_payload(attr), len - 1);
		return 0;
	case IFLA_ADDRESS:
		if (len == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(attr), len);
		return 0;
	case IFLA_MTU:
		return rtnl_take_u32(attr, &link->mtu);
	case IFLA_XDP:
		return take_xdp(attr, link);
	case IFLA_LINKINFO:
		return take_info(attr, link);
	case IFLA_LINK:
		return take_index(attr, &link->parent);
	case IFLA_MASTER:
		return take_index(attr, &link->master);
	case IFLA_LINK_NETNSID:
		link->is_parent_elsewhere = true;
		return 0;
	default:
		return 0;
	}
}

int rtnl_link_parse(const struct nlmsghdr *nlh, void *out)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(nlh);
	struct rtnl_link *link = out;
	const struct nlattr *attr;
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*header))
		return -EBADMSG;
	link->ifindex = header->ifi_index;
	link->is_up = header->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, nlh, sizeof(*header))
	{
		err = take_link_attr(attr, link);
		if (err)
			return err;
	}
	/* An index is of one namespace; that of a veth's peer is of no interest. */
	if (link->kind != RTNL_LINK_VLAN || link->is_parent_elsewhere)
		link->parent = 0;
	return 0;
}

static int get_link(struct rtnl *r, const char *name, int ifindex, struct rtnl_link *out)
{
	struct nlmsghdr *nlh = rtnl_request(r, RTM_GETLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
	struct rtnl_link link = {0};
	int err;

	header->ifi_family = AF_UNSPEC;
	header->ifi_index = ifindex;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = rtnl_talk(r, nlh, rtnl_link_parse, &link);
	if (!err)
		*out = link;
	return err;
}

int rtnl_link_by_name(struct rtnl *r, const char *name, struct rtnl_link *out)
{
	if (!*name || strlen(name) >= IF_NAMESIZE)
		return -ENODEV;
	return get_link(r, name, 0, out);
}

int rtnl_link_by_index(struct rtnl *r, int ifindex, struct rtnl_link *out)
{
	return ifindex > 0 ? get_link(r, NULL, ifindex, out) : -ENODEV;
}

struct link_visit {
	int (*visit)(const struct rtnl_link *link, void *arg);
	void *arg;
};

static int take_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct link_visit *v = arg;
	struct rtnl_link link = {0};
	int err;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	err = rtnl_link_parse(nlh, &link);
	return err ? err : v->visit(&link, v->arg);
}

int rtnl_link_each(struct rtnl *r, int (*visit)(const struct rtnl_link *link, void *arg), void *arg)
{
	struct link_visit v = {.visit = visit, .arg = arg};
	_Alignas(struct nlmsghdr) char request[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));

	(void)r;
	nlh->nlmsg_type = RTM_GETLINK;
	header->ifi_family = AF_UNSPEC;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return rtnl_dump(nlh, take_link, &v);
}

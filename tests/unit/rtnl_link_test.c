// SPDX-License-Identifier: GPL-2.0-or-later
/* Links as the kernel describes them: VLANs, bonds and what is within those. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "lib/rtnl.h"
#include "lib/rtnl_talk.h"

static _Alignas(struct nlmsghdr) char buffer[1024];

static struct nlmsghdr *message(int ifindex, const char *name)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	struct nlmsghdr *nlh;
	struct ifinfomsg *header;

	memset(buffer, 0, sizeof(buffer));
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = RTM_NEWLINK;
	header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
	header->ifi_index = ifindex;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(mac), mac);
	return nlh;
}

/* @id 0: the attribute is left out; @protocol 0 likewise. */
static void put_vlan(struct nlmsghdr *nlh, uint16_t protocol, uint16_t id)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	if (protocol)
		mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(protocol));
	if (id)
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, id);
	mnl_attr_put_u32(nlh, IFLA_VLAN_FLAGS, 1);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static void put_kind(struct nlmsghdr *nlh, uint16_t attribute, const char *kind)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);

	mnl_attr_put_strz(nlh, attribute, kind);
	mnl_attr_nest_end(nlh, info);
}

static struct rtnl_link parse(const struct nlmsghdr *nlh)
{
	struct rtnl_link link = {0};

	assert_int_equal(rtnl_link_parse(nlh, &link), 0);
	return link;
}

static void expect_tag(const struct rtnl_link *link, const char bytes[4])
{
	assert_memory_equal(&link->vlan_tag_be, bytes, 4);
}

static void test_a_plain_link(void **state)
{
	struct nlmsghdr *nlh = message(7, "eth0");
	struct rtnl_link link;

	(void)state;
	mnl_attr_put_u32(nlh, IFLA_LINK, 8); /* a veth's peer */
	put_kind(nlh, IFLA_INFO_KIND, "veth");
	link = parse(nlh);
	assert_int_equal(link.ifindex, 7);
	assert_string_equal(link.name, "eth0");
	assert_int_equal(link.mtu, 1500);
	assert_int_equal(link.mac[5], 7);
	assert_int_equal(link.kind, RTNL_LINK_OTHER);
	assert_int_equal(link.parent, 0);
	assert_int_equal(link.master, 0);
	assert_false(link.is_bonded);
}

static void test_vlans(void **state)
{
	struct nlmsghdr *nlh = message(9, "eth0.10");
	struct rtnl_link link;

	(void)state;
	mnl_attr_put_u32(nlh, IFLA_LINK, 7);
	put_vlan(nlh, ETH_P_8021Q, 10);
	link = parse(nlh);
	assert_int_equal(link.kind, RTNL_LINK_VLAN);
	assert_int_equal(link.parent, 7);
	expect_tag(&link, "\x81\x00\x00\x0a");

	nlh = message(10, "outer");
	put_vlan(nlh, ETH_P_8021AD, 4094);
	mnl_attr_put_u32(nlh, IFLA_LINK, 7);
	link = parse(nlh);
	assert_int_equal(link.parent, 7);
	expect_tag(&link, "\x88\xa8\x0f\xfe");

	/* Kernels before 3.10 knew one protocol, and did not tell it. */
	nlh = message(11, "old");
	put_vlan(nlh, 0, 5);
	link = parse(nlh);
	expect_tag(&link, "\x81\x00\x00\x05");
}

/* Its number would be another link's in this namespace. */
static void test_a_vlan_upon_something_elsewhere(void **state)
{
	struct nlmsghdr *nlh = message(9, "eth0.10");
	struct rtnl_link link;

	(void)state;
	mnl_attr_put_u32(nlh, IFLA_LINK, 7);
	mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
	put_vlan(nlh, ETH_P_8021Q, 10);
	link = parse(nlh);
	assert_int_equal(link.kind, RTNL_LINK_VLAN);
	assert_int_equal(link.parent, 0);
}

static void test_bonds_and_their_parts(void **state)
{
	struct nlmsghdr *nlh = message(12, "bond0");
	struct rtnl_link link;

	(void)state;
	put_kind(nlh, IFLA_INFO_KIND, "bond");
	assert_int_equal(parse(nlh).kind, RTNL_LINK_BOND);

	nlh = message(7, "eth0");
	mnl_attr_put_u32(nlh, IFLA_MASTER, 12);
	put_kind(nlh, IFLA_INFO_SLAVE_KIND, "bond");
	link = parse(nlh);
	assert_int_equal(link.kind, RTNL_LINK_OTHER);
	assert_int_equal(link.master, 12);
	assert_true(link.is_bonded);

	nlh = message(7, "eth0");
	mnl_attr_put_u32(nlh, IFLA_MASTER, 13);
	put_kind(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
	link = parse(nlh);
	assert_int_equal(link.master, 13);
	assert_false(link.is_bonded);
}

static void test_kinds_that_look_alike(void **state)
{
	static const char *const kinds[] = {"", "vla", "vlanx", "macvlan", "bonding", "ipvlan"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct nlmsghdr *nlh = message(7, "eth0");

		put_kind(nlh, IFLA_INFO_KIND, kinds[i]);
		assert_int_equal(parse(nlh).kind, RTNL_LINK_OTHER);
	}
}

static void test_messages_that_are_cut(void **state)
{
	struct nlmsghdr *nlh = message(9, "eth0.10");
	struct nlattr *info, *data;
	struct rtnl_link link = {0};

	(void)state;
	mnl_attr_put_u16(nlh, IFLA_LINK, 7);
	assert_int_equal(rtnl_link_parse(nlh, &link), -EBADMSG);

	nlh = message(9, "eth0.10");
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(nlh, IFLA_VLAN_ID, 10);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	assert_int_equal(rtnl_link_parse(nlh, &link), -EBADMSG);

	nlh = mnl_nlmsg_put_header(buffer);
	assert_int_equal(rtnl_link_parse(nlh, &link), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_link),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_a_vlan_upon_something_elsewhere),
		cmocka_unit_test(test_bonds_and_their_parts),
		cmocka_unit_test(test_kinds_that_look_alike),
		cmocka_unit_test(test_messages_that_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

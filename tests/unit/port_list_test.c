// SPDX-License-Identifier: GPL-2.0-or-later
/* From a host's links to the ports of the packet path: NICs, VLANs upon them, bonds and their parts. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/port_list.h"

#define CTAG(id) htonl(0x81000000u | (id))
#define STAG(id) htonl(0x88a80000u | (id))

static struct rtnl_link links[200];
static struct link_list host;

static struct rtnl_link *add_link(int ifindex, const char *name)
{
	struct rtnl_link *link = &links[host.count++];

	*link = (struct rtnl_link){.ifindex = ifindex, .mtu = 1500};
	snprintf(link->name, sizeof(link->name), "%s", name);
	link->mac[5] = (uint8_t)ifindex;
	host.list = links;
	return link;
}

static void add_vlan(int ifindex, const char *name, int parent, uint32_t tag_be)
{
	struct rtnl_link *link = add_link(ifindex, name);

	link->kind = RTNL_LINK_VLAN;
	link->parent = parent;
	link->vlan_tag_be = tag_be;
	link->mtu = 1400;
}

/* eth0 (2) with VLANs one, two and three deep, and eth1 (3), which nobody has attached. */
static int make_host(void **state)
{
	(void)state;
	host.count = 0;
	add_link(1, "lo");
	add_link(2, "eth0");
	add_link(3, "eth1");
	add_vlan(10, "eth0.10", 2, CTAG(10));
	add_vlan(11, "eth0.11", 2, STAG(11));
	add_vlan(12, "eth0.11.12", 11, CTAG(12));
	add_vlan(13, "three", 12, CTAG(13));
	add_vlan(14, "eth1.14", 3, CTAG(14));
	add_vlan(15, "elsewhere", 0, CTAG(15));
	return 0;
}

static const struct serin_port *port_of(const struct port_list *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->port[i].ifindex == ifindex)
			return &l->port[i];
	return NULL;
}

static void expect_port(const struct port_list *l, uint32_t ifindex, uint32_t nic, uint16_t mtu,
			uint8_t mac)
{
	const struct serin_port *port = port_of(l, ifindex);

	assert_non_null(port);
	assert_int_equal(port->nic, nic);
	assert_int_equal(port->mtu, mtu);
	assert_int_equal(port->mac[5], mac);
}

static void expect_tags(const struct port_list *l, uint32_t ifindex, uint8_t count, uint32_t outer,
			uint32_t inner)
{
	const struct serin_port *port = port_of(l, ifindex);

	assert_int_equal(port->tag_count, count);
	assert_int_equal(port->tag_be[0], outer);
	assert_int_equal(port->tag_be[1], inner);
}

static void test_nics_and_vlans_upon_them(void **state)
{
	static const int nics[] = {2};
	struct port_list l;

	(void)state;
	assert_int_equal(port_list_begin(&l, &host, nics, 1), 0);
	assert_int_equal(l.count, 1);
	expect_port(&l, 2, 2, 1500, 2);
	expect_tags(&l, 2, 0, 0, 0);
	port_list_fill(&l);
	assert_int_equal(l.count, 4);
	assert_int_equal(l.left_out, 0);
	expect_port(&l, 10, 2, 1400, 10);
	expect_tags(&l, 10, 1, CTAG(10), 0);
	expect_tags(&l, 11, 1, STAG(11), 0);
	expect_port(&l, 12, 2, 1400, 12);
	expect_tags(&l, 12, 2, STAG(11), CTAG(12));
	assert_false(port_list_has(&l, 3));
	assert_false(port_list_has(&l, 14));
	assert_false(port_list_has(&l, 15));
}

/* Attached itself, it sees frames whose tag is off already; what is upon it has one less. */
static void test_a_vlan_that_is_attached(void **state)
{
	static const int nics[] = {11};
	struct port_list l;

	(void)state;
	assert_int_equal(port_list_begin(&l, &host, nics, 1), 0);
	port_list_fill(&l);
	assert_int_equal(l.count, 3);
	expect_port(&l, 11, 11, 1400, 11);
	expect_tags(&l, 11, 0, 0, 0);
	expect_port(&l, 12, 11, 1400, 12);
	expect_tags(&l, 12, 1, CTAG(12), 0);
	expect_tags(&l, 13, 2, CTAG(12), CTAG(13));
}

static void test_bonds(void **state)
{
	static const int nics[] = {20};
	struct port_list l;
	struct rtnl_link *bond = add_link(20, "bond0");

	(void)state;
	bond->kind = RTNL_LINK_BOND;
	bond->mtu = 1450;
	add_link(21, "part1")->master = 20;
	links[host.count - 1].is_bonded = true;
	add_link(22, "part2")->master = 20;
	links[host.count - 1].is_bonded = true;
	add_link(23, "bridged")->master = 20;
	add_vlan(24, "bond0.5", 20, CTAG(5));
	assert_int_equal(port_list_begin(&l, &host, nics, 1), 0);
	port_list_fill(&l);
	assert_int_equal(l.count, 4);
	expect_port(&l, 20, 20, 1450, 20);
	expect_port(&l, 21, 20, 1450, 20);
	expect_port(&l, 22, 20, 1450, 20);
	expect_port(&l, 24, 20, 1400, 24);
	expect_tags(&l, 24, 1, CTAG(5), 0);
}

static void test_jumbo_frames(void **state)
{
	static const int nics[] = {1, 3};
	struct port_list l;

	(void)state;
	links[0].mtu = 65536; /* the loopback's */
	links[2].mtu = 9000;
	assert_int_equal(port_list_begin(&l, &host, nics, 2), 0);
	expect_port(&l, 1, 1, 65535, 1);
	expect_port(&l, 3, 3, 9000, 3);
}

static void add_many_vlans(int count)
{
	for (int i = 0; i < count; i++)
		add_vlan(100 + i, "many", 2, CTAG(100 + (uint32_t)i));
}

/* Those that are needed are asked for first. */
static void test_more_vlans_than_places(void **state)
{
	static const int nics[] = {2};
	struct port_list l;

	(void)state;
	add_many_vlans(100);
	assert_int_equal(port_list_begin(&l, &host, nics, 1), 0);
	assert_true(port_list_add(&l, 199));
	assert_true(port_list_add(&l, 199));
	assert_true(port_list_add(&l, 2));
	assert_int_equal(l.count, 2);
	port_list_fill(&l);
	assert_int_equal(l.count, SERIN_MAX_PORTS - 1);
	assert_int_equal(l.left_out, 3 + 100 - (SERIN_MAX_PORTS - 1 - 1));
	assert_true(port_list_has(&l, 199));
	assert_false(port_list_has(&l, 198));
	assert_false(port_list_add(&l, 198));
}

static void test_more_parts_of_bonds_than_places(void **state)
{
	static const int nics[] = {2};
	struct port_list l;

	(void)state;
	links[1].kind = RTNL_LINK_BOND;
	for (int i = 0; i < SERIN_MAX_PORTS; i++) {
		struct rtnl_link *part = add_link(100 + i, "part");

		part->master = 2;
		part->is_bonded = true;
	}
	assert_int_equal(port_list_begin(&l, &host, nics, 1), -ENOSPC);
}

static void expect_refusal(const struct port_list *l, int ifindex, const char *wanted)
{
	char why[PORT_REFUSAL_LEN];

	port_list_refusal(l, ifindex, why);
	if (!strstr(why, wanted))
		fail_msg("said \"%s\", wanted \"%s\"", why, wanted);
}

static void test_refusals_say_why(void **state)
{
	static const int nics[] = {2};
	struct port_list l;

	(void)state;
	add_many_vlans(100);
	assert_int_equal(port_list_begin(&l, &host, nics, 1), 0);
	port_list_fill(&l);
	expect_refusal(&l, 3,
		       "eth1, which Serin is not attached to, so its replies would not be "
		       "rewritten. Add eth1 to `interfaces`");
	expect_refusal(&l, 14, "eth1.14 upon eth1, which Serin is not attached to");
	expect_refusal(&l, 14, "Add eth1 to `interfaces`");
	expect_refusal(&l, 15, "Add elsewhere to");
	expect_refusal(&l, 13,
		       "three, whose frames have 3 VLAN tags on eth0: Serin reads and writes 2");
	expect_refusal(&l, 199, "no place: Serin can hold 63");
	expect_refusal(&l, 999, "link 999, which is gone");
}

/* What the kernel does not allow must not make it run for ever. */
static void test_vlans_in_a_circle(void **state)
{
	static const int nics[] = {2};
	struct port_list l;

	(void)state;
	add_vlan(30, "head", 31, CTAG(1));
	add_vlan(31, "tail", 30, CTAG(2));
	assert_int_equal(port_list_begin(&l, &host, nics, 1), 0);
	port_list_fill(&l);
	assert_false(port_list_has(&l, 30));
	expect_refusal(&l, 30, "head");
}

#define TEST(f) cmocka_unit_test_setup(f, make_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nics_and_vlans_upon_them),
		TEST(test_a_vlan_that_is_attached),
		TEST(test_bonds),
		TEST(test_jumbo_frames),
		TEST(test_more_vlans_than_places),
		TEST(test_more_parts_of_bonds_than_places),
		TEST(test_refusals_say_why),
		TEST(test_vlans_in_a_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

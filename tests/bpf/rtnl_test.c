// SPDX-License-Identifier: GPL-2.0-or-later
/* Links and routes, asked of the kernel. */
#include <errno.h>

#include "rtnl_lab.h"

static void expect_route(const char *dst, enum rtnl_route_kind kind, const char *next)
{
	struct in6_addr to = addr(dst), gateway = addr(next);
	struct rtnl_route route;

	assert_int_equal(rtnl_route_get(rtnl, &to, &route), 0);
	assert_int_equal(route.kind, kind);
	assert_memory_equal(&route.next, &gateway, sizeof(gateway));
	if (kind == RTNL_ROUTE_UNICAST)
		assert_int_equal(route.ifindex, ifindex);
}

static void links_by_name_and_index(void **state)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 1};
	struct rtnl_link by_name, by_index;

	(void)state;
	assert_int_equal(rtnl_link_by_name(rtnl, "near", &by_name), 0);
	assert_string_equal(by_name.name, "near");
	assert_int_equal(by_name.ifindex, ifindex);
	assert_memory_equal(by_name.mac, mac, sizeof(mac));
	assert_int_equal(by_name.mtu, 1400);
	assert_true(by_name.is_up);
	assert_int_equal(by_name.xdp_prog_id, 0);
	assert_int_equal(rtnl_link_by_index(rtnl, ifindex, &by_index), 0);
	assert_memory_equal(&by_name, &by_index, sizeof(by_name));
}

struct found {
	size_t count;
	bool has_near;
};

static int find_near(const struct rtnl_link *link, void *arg)
{
	struct found *found = arg;
	struct rtnl_link again;

	found->count++;
	if (strcmp(link->name, "near"))
		return 0;
	found->has_near = true;
	assert_int_equal(rtnl_link_by_index(rtnl, link->ifindex, &again), 0);
	assert_memory_equal(link, &again, sizeof(again));
	return 0;
}

static int stop(const struct rtnl_link *link, void *arg)
{
	(void)link;
	++*(size_t *)arg;
	return -ECANCELED;
}

static void all_links_are_visited(void **state)
{
	struct found found = {0};
	size_t visits = 0;

	(void)state;
	assert_int_equal(rtnl_link_each(rtnl, find_near, &found), 0);
	assert_true(found.has_near);
	assert_true(found.count >= 2); /* the loopback, too */
	assert_int_equal(rtnl_link_each(rtnl, stop, &visits), -ECANCELED);
	assert_int_equal(visits, 1);
}

static void link_down_is_told(void **state)
{
	struct rtnl_link link;

	(void)state;
	run("ip link add idle type veth peer name idle2");
	assert_int_equal(rtnl_link_by_name(rtnl, "idle", &link), 0);
	assert_false(link.is_up);
	run("ip link delete idle");
}

static void absent_links_leave_out_alone(void **state)
{
	struct rtnl_link link = {.ifindex = 77};

	(void)state;
	assert_int_equal(rtnl_link_by_name(rtnl, "nowhere", &link), -ENODEV);
	assert_int_equal(rtnl_link_by_name(rtnl, "", &link), -ENODEV);
	assert_int_equal(rtnl_link_by_name(rtnl, "a-name-beyond-any-length", &link), -ENODEV);
	assert_int_equal(rtnl_link_by_index(rtnl, 12345, &link), -ENODEV);
	assert_int_equal(rtnl_link_by_index(rtnl, 0, &link), -ENODEV);
	assert_int_equal(link.ifindex, 77);
}

static void routes_on_the_link(void **state)
{
	(void)state;
	expect_route("10.99.0.2", RTNL_ROUTE_UNICAST, "10.99.0.2");
	expect_route("2001:db8:99::2", RTNL_ROUTE_UNICAST, "2001:db8:99::2");
}

static void expect_source(const char *dst, const char *source)
{
	struct in6_addr to = addr(dst), from = addr(source);
	struct rtnl_route route;

	assert_int_equal(rtnl_route_get(rtnl, &to, &route), 0);
	assert_memory_equal(&route.source, &from, sizeof(from));
}

/* A route may say which, in place of the link's own. */
static void routes_tell_what_to_send_from(void **state)
{
	(void)state;
	expect_source("10.99.0.2", "10.99.0.1");
	expect_source("2001:db8:99::2", "2001:db8:99::1");
	run("ip address add 10.98.0.1/32 dev near");
	run("ip route add 198.18.0.0/24 via 10.99.0.2 src 10.98.0.1");
	expect_source("198.18.0.7", "10.98.0.1");
}

static void routes_by_a_gateway(void **state)
{
	(void)state;
	run("ip route add 198.51.100.0/24 via 10.99.0.2");
	run("ip route add 203.0.113.0/24 via inet6 2001:db8:99::2 dev near");
	run("ip route add 2001:db8:100::/64 via 2001:db8:99::2");
	expect_route("198.51.100.7", RTNL_ROUTE_UNICAST, "10.99.0.2");
	expect_route("203.0.113.7", RTNL_ROUTE_UNICAST, "2001:db8:99::2");
	expect_route("2001:db8:100::7", RTNL_ROUTE_UNICAST, "2001:db8:99::2");
}

static void multipath_routes_give_one_gateway(void **state)
{
	struct in6_addr dst = addr("192.0.2.7"), two = addr("10.99.0.2"), three = addr("10.99.0.3");
	struct rtnl_route route;

	(void)state;
	run("ip route add 192.0.2.0/24 nexthop via 10.99.0.2 nexthop via 10.99.0.3");
	assert_int_equal(rtnl_route_get(rtnl, &dst, &route), 0);
	assert_int_equal(route.kind, RTNL_ROUTE_UNICAST);
	assert_int_equal(route.ifindex, ifindex);
	assert_true(!memcmp(&route.next, &two, sizeof(two)) ||
		    !memcmp(&route.next, &three, sizeof(three)));
}

static void own_addresses_are_local(void **state)
{
	(void)state;
	expect_route("10.99.0.1", RTNL_ROUTE_LOCAL, "10.99.0.1");
	expect_route("2001:db8:99::1", RTNL_ROUTE_LOCAL, "2001:db8:99::1");
}

static void no_route_is_an_error(void **state)
{
	struct in6_addr v4 = addr("100.64.0.1"), v6 = addr("2001:db8:ffff::1");
	struct rtnl_route route = {.ifindex = 77};

	(void)state;
	assert_int_equal(rtnl_route_get(rtnl, &v4, &route), -ENETUNREACH);
	assert_int_equal(rtnl_route_get(rtnl, &v6, &route), -ENETUNREACH);
	assert_int_equal(route.ifindex, 77);
}

static void refusing_routes_are_other(void **state)
{
	static const char *const kinds[] = {"blackhole", "unreachable", "prohibit"};
	char dst[NET_ADDR_LEN];

	(void)state;
	for (int i = 0; i < 3; i++) {
		run("ip route add %s 172.16.%d.0/24", kinds[i], i);
		run("ip -6 route add %s 2001:db8:20%d::/64", kinds[i], i);
		snprintf(dst, sizeof(dst), "172.16.%d.1", i);
		expect_route(dst, RTNL_ROUTE_OTHER, dst);
		snprintf(dst, sizeof(dst), "2001:db8:20%d::1", i);
		expect_route(dst, RTNL_ROUTE_OTHER, dst);
	}
	expect_route("10.99.0.255", RTNL_ROUTE_OTHER, "10.99.0.255");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_by_name_and_index),
		cmocka_unit_test(all_links_are_visited),
		cmocka_unit_test(link_down_is_told),
		cmocka_unit_test(absent_links_leave_out_alone),
		cmocka_unit_test(routes_on_the_link),
		cmocka_unit_test(routes_tell_what_to_send_from),
		cmocka_unit_test(routes_by_a_gateway),
		cmocka_unit_test(multipath_routes_give_one_gateway),
		cmocka_unit_test(own_addresses_are_local),
		cmocka_unit_test(no_route_is_an_error),
		cmocka_unit_test(refusing_routes_are_other),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

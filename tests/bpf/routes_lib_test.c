// SPDX-License-Identifier: GPL-2.0-or-later
/* The main routing table and the rules, read whole. */
#include <errno.h>

#include "rtnl_lab.h"

/* The one route to a prefix that is looked for among all. */
struct wanted {
	struct in6_addr prefix;
	uint8_t prefix_len;
	size_t count;
	struct rtnl_prefix found;
};

static int look_for(const struct rtnl_prefix *p, void *arg)
{
	struct wanted *w = arg;

	if (p->prefix_len == w->prefix_len && !memcmp(&p->prefix, &w->prefix, sizeof(p->prefix))) {
		w->found = *p;
		w->count++;
	}
	return 0;
}

static size_t find(const char *prefix, struct rtnl_prefix *out)
{
	struct wanted w = {.count = 0};

	assert_int_equal(net_parse_prefix(prefix, &w.prefix, &w.prefix_len), 0);
	assert_int_equal(
		rtnl_route_each(rtnl, net_is_v4(&w.prefix) ? AF_INET : AF_INET6, look_for, &w), 0);
	*out = w.found;
	return w.count;
}

static struct rtnl_prefix the_route(const char *prefix)
{
	struct rtnl_prefix p;

	assert_int_equal(find(prefix, &p), 1);
	return p;
}

static void expect_gateway(const char *prefix, const char *gateway, uint32_t metric)
{
	struct rtnl_prefix p = the_route(prefix);
	struct in6_addr a = addr(gateway);

	assert_true(p.has_gateway);
	assert_memory_equal(&p.gateway, &a, sizeof(a));
	assert_int_equal(p.ifindex, ifindex);
	assert_int_equal(p.metric, metric);
	assert_false(p.is_multipath);
}

static void expect_no_route(const char *prefix)
{
	struct rtnl_prefix p;

	assert_int_equal(find(prefix, &p), 0);
}

static void routes_on_the_link(void **state)
{
	static const char *const prefixes[] = {"10.99.0.0/24", "2001:db8:99::/64"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rtnl_prefix p = the_route(prefixes[i]);

		assert_false(p.has_gateway);
		assert_false(p.is_multipath);
		assert_int_equal(p.ifindex, ifindex);
	}
}

static void routes_by_a_gateway(void **state)
{
	(void)state;
	run("ip route add 198.51.100.0/24 via 10.99.0.2 metric 7");
	run("ip route add 203.0.113.0/24 via inet6 2001:db8:99::2 dev near");
	run("ip route add 2001:db8:100::/48 via 2001:db8:99::2 metric 9");
	expect_gateway("198.51.100.0/24", "10.99.0.2", 7);
	expect_gateway("203.0.113.0/24", "2001:db8:99::2", 0);
	expect_gateway("2001:db8:100::/48", "2001:db8:99::2", 9);
}

static void default_routes(void **state)
{
	(void)state;
	expect_no_route("0.0.0.0/0");
	run("ip route add default via 10.99.0.2");
	run("ip -6 route add default via 2001:db8:99::2 metric 5");
	expect_gateway("0.0.0.0/0", "10.99.0.2", 0);
	expect_gateway("::/0", "2001:db8:99::2", 5);
	run("ip route delete default");
	run("ip -6 route delete default");
	expect_no_route("0.0.0.0/0");
}

static void routes_of_one_prefix_are_all_told(void **state)
{
	struct rtnl_prefix p;

	(void)state;
	run("ip route add 100.64.0.0/10 via 10.99.0.2 metric 1");
	run("ip route add 100.64.0.0/10 via 10.99.0.3 metric 2");
	assert_int_equal(find("100.64.0.0/10", &p), 2);
}

static void routes_that_depend_on_more(void **state)
{
	(void)state;
	run("ip route add 192.0.2.0/25 nexthop via 10.99.0.2 nexthop via 10.99.0.3");
	run("ip route add 192.0.2.128/25 tos 0x10 via 10.99.0.2");
	run("ip -6 route add 2001:db8:101::/48 nexthop via 2001:db8:99::2 "
	    "nexthop via 2001:db8:99::3");
	run("ip -6 route add 2001:db8:102::/48 from 2001:db8:99::/64 via 2001:db8:99::2");
	assert_true(the_route("192.0.2.0/25").is_multipath);
	assert_true(the_route("192.0.2.128/25").is_multipath);
	assert_true(the_route("2001:db8:101::/48").is_multipath);
	assert_true(the_route("2001:db8:102::/48").is_multipath);
}

static void refusing_routes_lead_nowhere(void **state)
{
	static const char *const kinds[] = {"blackhole", "unreachable", "prohibit", "throw"};
	char prefix[NET_ADDR_LEN];
	struct rtnl_prefix p;

	(void)state;
	for (int i = 0; i < 4; i++) {
		for (int family = 4; family <= 6; family += 2) {
			snprintf(prefix, sizeof(prefix),
				 family == 4 ? "172.16.%d.0/24" : "2001:db8:20%d::/48", i);
			run("ip -%d route add %s %s", family, kinds[i], prefix);
			p = the_route(prefix);
			assert_false(p.has_gateway);
			assert_int_equal(p.ifindex, 0);
		}
	}
}

static void other_tables_and_dead_links_are_left_out(void **state)
{
	(void)state;
	run("ip route add 198.18.0.0/15 via 10.99.0.2 table 100");
	run("ip -6 route add 2001:db8:300::/48 via 2001:db8:99::2 table 1000");
	expect_no_route("198.18.0.0/15");
	expect_no_route("2001:db8:300::/48");
	expect_no_route("10.99.0.1/32");
	run("ip link add idle up type veth peer name idle2");
	run("ip address add 10.98.0.1/24 dev idle");
	run("echo 0 > /proc/sys/net/ipv4/conf/idle/ignore_routes_with_linkdown");
	assert_int_not_equal(the_route("10.98.0.0/24").ifindex, ifindex);
	run("echo 1 > /proc/sys/net/ipv4/conf/idle/ignore_routes_with_linkdown");
	expect_no_route("10.98.0.0/24");
	run("ip link delete idle");
}

struct visits {
	size_t count;
	int answer;
};

static int count_visit(const struct rtnl_prefix *p, void *arg)
{
	struct visits *v = arg;
	struct rtnl_link link;

	assert_true(net_is_v4(&p->prefix));
	assert_int_equal(rtnl_link_by_index(rtnl, ifindex, &link), 0); /* in between */
	v->count++;
	return v->answer;
}

/* More than one message of the kernel's holds. */
static void long_tables_are_read_whole(void **state)
{
	struct visits before = {0}, after = {0}, stopped = {.answer = -ENOSPC};

	(void)state;
	assert_int_equal(rtnl_route_each(rtnl, AF_INET, count_visit, &before), 0);
	run("for i in $(seq 0 3); do for j in $(seq 0 249); do "
	    "echo route add 10.$i.$j.0/24 via 10.99.0.2; done; done | ip -batch -");
	assert_int_equal(rtnl_route_each(rtnl, AF_INET, count_visit, &after), 0);
	assert_int_equal(after.count, before.count + 1000);
	assert_int_equal(rtnl_route_each(rtnl, AF_INET, count_visit, &stopped), -ENOSPC);
	assert_int_equal(stopped.count, 1);
}

static bool has_rules(void)
{
	bool out;

	assert_int_equal(rtnl_has_policy_rules(rtnl, &out), 0);
	return out;
}

static void rules_besides_the_kernels_own(void **state)
{
	static const struct {
		int family;
		const char *text;
	} rules[] = {
		{4, "priority 100 from all lookup main"},
		{4, "priority 100 from 10.0.0.0/8 lookup 100"},
		{4, "priority 32766 iif near lookup main"},
		{4, "priority 32766 to 10.0.0.0/8 lookup main"},
		{4, "priority 32767 lookup main"},
		{4, "priority 32766 lookup main suppress_prefixlength 0"},
		{4, "priority 32766 not fwmark 1 lookup main"},
		{4, "priority 32766 prohibit"},
		{6, "priority 100 lookup 1000"},
		{6, "priority 32766 fwmark 1 lookup main"},
	};

	(void)state;
	assert_false(has_rules());
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		run("ip -%d rule add %s", rules[i].family, rules[i].text);
		assert_true(has_rules());
		run("ip -%d rule delete %s", rules[i].family, rules[i].text);
		assert_false(has_rules());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_on_the_link),
		cmocka_unit_test(routes_by_a_gateway),
		cmocka_unit_test(default_routes),
		cmocka_unit_test(routes_of_one_prefix_are_all_told),
		cmocka_unit_test(routes_that_depend_on_more),
		cmocka_unit_test(refusing_routes_lead_nowhere),
		cmocka_unit_test(other_tables_and_dead_links_are_left_out),
		cmocka_unit_test(long_tables_are_read_whole),
		cmocka_unit_test(rules_besides_the_kernels_own),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Ways to the backends as apply writes them: tunnels' sources, what may change, and the VIPs' map. */
#include <arpa/inet.h>

#include "lib/rtnl.h"

#include "apply_lab.h"

#define SEED 0x2b71d90ef4a85c36ull

#define HOST6(n)	 "{address: \"2001:db8:1::" #n "\"}, "
#define WEB_BY(settings) WEB(", " settings, POOL("stable", HOST(2) HOST(3)))
#define BACKENDS	 POOL("stable", HOST(2) HOST(3))

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static int open_map(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), LAB_PINS "/%s", name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static struct serin_service read_service(const char *name)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_service *found = snapshot_find_service(s, name);
	struct serin_service svc;
	int fd = open_map("services");

	assert_non_null(found);
	assert_int_equal(bpf_map_lookup_elem(fd, &found->id, &svc), 0);
	close(fd);
	snapshot_free(s);
	return svc;
}

static void expect_tunnel4(const char *source, const char *mask)
{
	struct serin_service svc = read_service("web");

	assert_int_equal(svc.tunnel.source4_be, inet_addr(source));
	assert_int_equal(svc.tunnel.host_mask4_be, inet_addr(mask));
}

static void expect_tunnel6(const char *source, const char *mask)
{
	struct serin_service svc = read_service("web");
	struct in6_addr s = lab_addr(source), m = lab_addr(mask);

	assert_memory_equal(&svc.tunnel.source6, &s, sizeof(s));
	assert_memory_equal(&svc.tunnel.host_mask6, &m, sizeof(m));
}

/* ---- what tunnels begin at ---- */

static void test_nat_has_no_tunnel(void **state)
{
	struct serin_service svc;

	(void)state;
	lab_apply(WEB("", BACKENDS));
	svc = read_service("web");
	assert_int_equal(svc.forwarding, SERIN_FORWARDING_NAT);
	assert_int_equal(svc.tunnel.port_be, 0);
	expect_tunnel4("0.0.0.0", "0.0.0.0");
	expect_tunnel6("::", "::");
}

static void test_sources_from_the_file(void **state)
{
	(void)state;
	lab_apply(WEB_BY("forwarding: gue, gue_port: 6081, "
			 "source_addresses: [10.9.0.0/20, \"2001:db8:8000::/33\"]"));
	assert_int_equal(read_service("web").forwarding, SERIN_FORWARDING_GUE);
	assert_int_equal(read_service("web").tunnel.port_be, htons(6081));
	expect_tunnel4("10.9.0.0", "0.0.15.255");
	expect_tunnel6("2001:db8:8000::", "0:0:7fff:ffff:ffff:ffff:ffff:ffff");
}

/* What the kernel would send from, by the first backend it has a route to. */
static void test_sources_by_default(void **state)
{
	(void)state;
	lab_apply(WEB(", forwarding: ipip", POOL("stable", "{address: 203.0.113.9}, " HOST(2))));
	assert_int_equal(read_service("web").forwarding, SERIN_FORWARDING_IPIP);
	expect_tunnel4("10.1.255.254", "0.0.0.0");
	expect_tunnel6("::", "::");
	lab_detach();
	lab_apply(WEB(", forwarding: gue", POOL("stable", HOST(2) HOST6(3))));
	assert_int_equal(read_service("web").tunnel.port_be, htons(6080));
	expect_tunnel4("10.1.255.254", "0.0.0.0");
	expect_tunnel6("2001:db8:1::ffff", "::");
}

static void test_no_source_is_refused(void **state)
{
	static const char lonely[] = WEB(", forwarding: ipip", POOL("stable", "{address: "
									      "203.0.113.9}"));

	(void)state;
	assert_int_equal(lab_apply_yaml(lonely, false), -ENETUNREACH);
	assert_non_null(strstr(lab_errors, "no route to any IPv4 backend"));
	assert_non_null(strstr(lab_errors, "`source_addresses`"));
	assert_int_equal(dataplane_probe(LAB_DIR), -ENOENT);
}

/* What runs keeps its source while the route is away. */
static void test_a_source_outlives_its_route(void **state)
{
	static const char yaml[] = WEB(", forwarding: ipip", POOL("stable", "{address: "
									    "198.18.7.1}"));

	(void)state;
	run("ip route add 198.18.7.0/24 via 10.1.0.9");
	lab_apply(yaml);
	expect_tunnel4("10.1.255.254", "0.0.0.0");
	run("ip route del 198.18.7.0/24");
	lab_apply(yaml);
	expect_tunnel4("10.1.255.254", "0.0.0.0");
}

static void test_a_vip_is_no_source(void **state)
{
	(void)state;
	run("ip address add 192.0.2.1/32 dev lo");
	run("ip route add 198.18.8.0/24 via 10.1.0.9 src 192.0.2.1");
	assert_int_equal(
		lab_apply_yaml(WEB(", forwarding: ipip", POOL("stable", "{address: 198.18.8.1}")),
			       false),
		-EINVAL);
	assert_non_null(strstr(lab_errors, "would send from 192.0.2.1, the VIP"));
	run("ip route del 198.18.8.0/24");
	run("ip address del 192.0.2.1/32 dev lo");
}

/* ---- what changes while it runs ---- */

static void test_tunnels_change_live(void **state)
{
	static const char
		first[] = WEB_BY("forwarding: gue"),
		again[] =
			WEB_BY("forwarding: gue, gue_port: 7000, source_addresses: [10.9.0.0/24]");
	uint32_t epoch;

	(void)state;
	lab_apply(first);
	epoch = read_service("web").epoch;
	apply_step(again, "~ service web: tunnels begin at 10.9.0.0/24, no longer at 10.1.255.254\n"
			  "~ service web: gue_port 6080 -> 7000\n");
	expect_tunnel4("10.9.0.0", "0.0.0.255");
	assert_int_equal(read_service("web").tunnel.port_be, htons(7000));
	assert_int_equal(read_service("web").epoch, epoch);
	apply_expect_settled(again);
	apply_step(WEB_BY("forwarding: gue, gue_port: 7000, "
			  "source_addresses: [10.9.0.0/24, \"2001:db8:9::/64\"]"),
		   "~ service web: tunnels begin at 2001:db8:9::/64\n");
}

/* To a connection these three are one: its backend owns the VIP and stays its backend. */
static void test_ways_of_direct_return_change_live(void **state)
{
	static const char dsr[] = WEB_BY("forwarding: dsr"), ipip[] = WEB_BY("forwarding: ipip"),
			  gue[] = WEB_BY("forwarding: gue");
	struct outcome out;
	struct frame f;
	uint64_t mac;

	(void)state;
	lab_apply(dsr);
	f = lab_request("198.51.100.7", 4242, "192.0.2.1", 80, IPPROTO_TCP);
	lab_run_frame(lab_front, &f, &out);
	assert_int_equal(out.action, XDP_TX);
	memcpy(&mac, out.bytes, sizeof(mac));
	f.tcp_flags = FRAME_ACK;
	for (int i = 0; i < 3; i++) {
		const char *const next[] = {ipip, gue, dsr};
		static const char *const told[] = {"~ service web: forwarding dsr -> ipip\n",
						   "~ service web: forwarding ipip -> gue\n",
						   "~ service web: forwarding gue -> dsr\n"};

		lab_apply(next[i]);
		assert_non_null(strstr(lab_changes, told[i]));
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_TX);
		assert_memory_equal(&mac, out.bytes, 6);
	}
	apply_expect_settled(dsr);
}

static void test_other_ways_do_not_change(void **state)
{
	static const char nat[] = WEB("", BACKENDS), dsr[] = WEB_BY("forwarding: dsr");

	(void)state;
	lab_apply(nat);
	apply_expect_refusal(dsr, -EBUSY);
	assert_non_null(strstr(lab_errors, "cannot change from nat to dsr while it runs"));
	apply_expect_refusal(WEB_BY("forwarding: fullnat, source_addresses: [10.1.255.254]"),
			     -EBUSY);
	lab_detach();
	lab_apply(dsr);
	apply_expect_refusal(nat, -EBUSY);
	apply_expect_settled(dsr);
}

/* Its connections end, and new ones find the new way at once. */
static void test_another_name_is_another_service(void **state)
{
	static const char nat[] = WEB("", BACKENDS);
	static const char dsr[] =
		LAB_HEAD SERVICE("web2", "192.0.2.1", ", forwarding: dsr", BACKENDS);
	struct snapshot *s;

	(void)state;
	lab_apply(nat);
	lab_apply(dsr);
	s = lab_snapshot();
	assert_int_equal(s->service_count, 1);
	assert_string_equal(s->services[0].name, "web2");
	assert_int_equal(s->services[0].forwarding, SERIN_FORWARDING_DSR);
	snapshot_free(s);
}

#define FAR POOL("stable", HOST(2) "{address: 198.18.9.1}")

static void test_dsr_stays_on_the_link(void **state)
{
	(void)state;
	run("ip route add 198.18.9.0/24 via 10.1.0.9");
	assert_int_equal(lab_apply_yaml(WEB(", forwarding: dsr", FAR), false), -EINVAL);
	assert_non_null(strstr(lab_errors, "backend 198.18.9.1: is behind a gateway"));
	lab_apply(WEB(", forwarding: ipip", FAR));
	run("ip route del 198.18.9.0/24");
}

/* ---- who has the VIPs ---- */

static size_t count_vips(void)
{
	int fd = open_map("vips");
	struct serin_addr key;
	size_t count = 0;

	while (!bpf_map_get_next_key(fd, count ? &key : NULL, &key))
		count++;
	close(fd);
	return count;
}

/* -1: no VIP. */
static int answers_echo(const char *vip)
{
	struct in6_addr key = lab_addr(vip);
	struct serin_vip value = {0};
	int fd = open_map("vips"), error = bpf_map_lookup_elem(fd, &key, &value);

	close(fd);
	return error ? -1 : (int)value.answers_echo;
}

static void test_vips_are_those_of_the_services(void **state)
{
	(void)state;
	lab_apply(LAB_HEAD SERVICE("a", "192.0.2.1", "", BACKENDS)
			  SERVICE("b", "192.0.2.2", "", POOL("stable", HOST(4)))
				  SERVICE("c", "\"2001:db8:f::1\"", "", POOL("stable", HOST6(4))));
	assert_int_equal(count_vips(), 3);
	assert_int_equal(answers_echo("192.0.2.1"), 1);
	assert_int_equal(answers_echo("192.0.2.2"), 1);
	assert_int_equal(answers_echo("2001:db8:f::1"), 1);
	/* One goes, and one of two on the same address. */
	lab_apply(LAB_HEAD SERVICE("a", "192.0.2.1", "",
				   BACKENDS) "  - {name: d, vip: 192.0.2.1, port: 81, pools: "
					     "[" POOL("stable",
						      "{address: 10.1.0.4, port: 81}") "]}\n");
	assert_int_equal(count_vips(), 1);
	lab_apply(LAB_HEAD SERVICE("a", "192.0.2.1", "", BACKENDS));
	assert_int_equal(count_vips(), 1);
	assert_int_equal(answers_echo("192.0.2.1"), 1);
	/* A service that moves takes its VIP along. */
	lab_apply(LAB_HEAD SERVICE("a", "192.0.2.3", "", BACKENDS));
	assert_int_equal(answers_echo("192.0.2.1"), -1);
	assert_int_equal(answers_echo("192.0.2.3"), 1);
}

static void follow(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	struct rtnl *rtnl = NULL;

	assert_int_equal(rtnl_open(&rtnl), 0);
	assert_int_equal(dataplane_follow_host(dp, rtnl), 0);
	rtnl_close(rtnl);
	dataplane_close(dp);
}

/* The host answers for what it owns, by an address or by a route; and that may change. */
static void test_a_host_that_owns_the_vip_answers(void **state)
{
	static const char yaml[] = LAB_HEAD SERVICE("a", "192.0.2.1", "", BACKENDS)
		SERVICE("b", "192.0.2.65", "", POOL("stable", HOST(4)))
			SERVICE("c", "\"2001:db8:f::1\"", "", POOL("stable", HOST6(4)))
				SERVICE("d", "192.0.2.129", "", POOL("stable", HOST(5)));
	uint64_t since_ms;

	(void)state;
	run("ip address add 192.0.2.1/32 dev lo");
	run("ip route add local 192.0.2.64/26 dev lo");
	run("ip route add blackhole 192.0.2.128/26");
	lab_apply(yaml);
	assert_int_equal(answers_echo("192.0.2.1"), 0);
	assert_int_equal(answers_echo("192.0.2.65"), 0);
	assert_int_equal(answers_echo("2001:db8:f::1"), 1);
	assert_int_equal(answers_echo("192.0.2.129"), 1);
	run("ip address del 192.0.2.1/32 dev lo");
	run("ip address add 2001:db8:f::1/128 dev lo nodad");
	/* The kernel gives an IPv6 address its route when it comes to it. */
	for (since_ms = lab_now_ms(); answers_echo("2001:db8:f::1"); follow())
		lab_wait(since_ms, "the host to own the IPv6 VIP");
	assert_int_equal(answers_echo("192.0.2.1"), 1);
	assert_int_equal(answers_echo("2001:db8:f::1"), 0);
	run("ip address del 2001:db8:f::1/128 dev lo");
	run("ip route del local 192.0.2.64/26 dev lo");
	run("ip route del blackhole 192.0.2.128/26");
	lab_apply(yaml);
	assert_int_equal(answers_echo("192.0.2.65"), 1);
	assert_int_equal(answers_echo("2001:db8:f::1"), 1);
}

#define TEST(f) cmocka_unit_test_teardown(f, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nat_has_no_tunnel),
		TEST(test_sources_from_the_file),
		TEST(test_sources_by_default),
		TEST(test_no_source_is_refused),
		TEST(test_a_source_outlives_its_route),
		TEST(test_a_vip_is_no_source),
		TEST(test_tunnels_change_live),
		TEST(test_ways_of_direct_return_change_live),
		TEST(test_other_ways_do_not_change),
		TEST(test_another_name_is_another_service),
		TEST(test_dsr_stays_on_the_link),
		TEST(test_vips_are_those_of_the_services),
		TEST(test_a_host_that_owns_the_vip_answers),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

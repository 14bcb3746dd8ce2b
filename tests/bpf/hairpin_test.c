// SPDX-License-Identifier: GPL-2.0-or-later
/* Clients that are backends of the service they speak to: refused by nat, and nobody else ever. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <serin/hash.h>

#include "apply_lab.h"

#include "dataplane/internal.h"

#define SEED 0x83d5f10b6c92ae47ull

#define HAIRPIN(name, vip, protocol, settings, pools)                                 \
	"  - {name: " name ", vip: '" vip "', port: 80, protocol: " protocol settings \
	", primary: stable, pools: [" pools "]}\n"
#define POOLS4                                         \
	WEIGHED("canary", "40", "{address: 10.1.0.1}") \
	POOL("stable", "{address: 10.1.0.2}, {address: 10.2.0.3}")
#define POOLS6                                                \
	WEIGHED("canary", "40", "{address: '2001:db8:1::1'}") \
	POOL("stable", "{address: '2001:db8:1::2'}, {address: '2001:db8:2::3'}")
#define ALL(settings)                                                            \
	LAB_HEAD HAIRPIN("t4", "192.0.2.1", "tcp", settings, POOLS4)             \
		HAIRPIN("u4", "192.0.2.1", "udp", settings, POOLS4)              \
			HAIRPIN("t6", "2001:db8:ff::1", "tcp", settings, POOLS6) \
				HAIRPIN("u6", "2001:db8:ff::1", "udp", settings, POOLS6)

static const char plain[] = ALL("");
static const char tracked[] = ALL(", track: always");

static const struct {
	const char *vip, *hosts[3], *other;
	uint8_t protocol;
} cases[] = {
	{"192.0.2.1", {"10.1.0.1", "10.1.0.2", "10.2.0.3"}, "10.1.0.4", IPPROTO_TCP},
	{"192.0.2.1", {"10.1.0.1", "10.1.0.2", "10.2.0.3"}, "10.1.0.4", IPPROTO_UDP},
	{"2001:db8:ff::1",
	 {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::3"},
	 "2001:db8:1::4",
	 IPPROTO_TCP},
	{"2001:db8:ff::1",
	 {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::3"},
	 "2001:db8:1::4",
	 IPPROTO_UDP},
};

#define CASES (sizeof(cases) / sizeof(*cases))

static uint64_t count_of(enum serin_reason reason)
{
	struct snapshot *s = lab_snapshot();
	uint64_t count = s->packets[reason];

	snapshot_free(s);
	return count;
}

static uint32_t run(const char *client, uint16_t port, size_t n, uint8_t flags)
{
	struct frame f = lab_request(client, port, cases[n].vip, 80, cases[n].protocol);
	struct outcome out;

	f.tcp_flags = flags;
	lab_run_frame(lab_front, &f, &out);
	return out.action;
}

static bool is_sent(uint32_t action)
{
	return action == XDP_TX || action == XDP_REDIRECT;
}

#define PORTS 20

static void expect_refused(const char *client, size_t n)
{
	uint64_t before = count_of(SERIN_DROP_HAIRPIN);

	for (uint16_t port = 1; port <= PORTS; port++)
		assert_int_equal(run(client, port, n, FRAME_SYN), XDP_DROP);
	assert_int_equal(count_of(SERIN_DROP_HAIRPIN), before + PORTS);
}

static void expect_served(const char *client, size_t n)
{
	for (uint16_t port = 1; port <= PORTS; port++)
		assert_true(is_sent(run(client, port, n, FRAME_SYN)));
}

/* The connections of t4 that come after those, by the only backend there was. */
static void expect_old(const char *client, uint8_t flags)
{
	for (uint16_t port = PORTS + 1; port <= 2 * PORTS; port++)
		assert_int_equal(run(client, port, 0, flags), XDP_REDIRECT);
}

/* Whatever backend it would be sent to: itself, or another one. */
static void expect_all_refused(void)
{
	for (size_t n = 0; n < CASES; n++) {
		for (int i = 0; i < 3; i++)
			expect_refused(cases[n].hosts[i], n);
		expect_served(cases[n].other, n);
		expect_served(n < 2 ? "198.51.100.9" : "2001:db8:c::9", n);
	}
}

static uint64_t flow_entries(void)
{
	struct snapshot *s = lab_snapshot();
	uint64_t entries = s->flow_entries;

	snapshot_free(s);
	return entries;
}

/* At settled places, at moving ones, and where every flow is remembered. */
static void test_a_backend_is_no_client_of_its_own_service(void **state)
{
	(void)state;
	lab_apply(plain);
	expect_all_refused();
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = {"t4", "u4", "t6", "u6"};

		assert_int_equal(lab_shift(names[i], "canary", 900000), 0);
	}
	expect_all_refused();
	lab_apply(tracked);
	expect_all_refused();
}

static void test_what_is_refused_is_not_remembered(void **state)
{
	(void)state;
	lab_apply(tracked);
	for (size_t n = 0; n < CASES; n++)
		expect_refused(cases[n].hosts[1], n);
	assert_int_equal(flow_entries(), 0);
}

/* Who became a backend while it had connections keeps them. */
static void test_connections_there_are_go_on(void **state)
{
	static const char before[] = LAB_HEAD HAIRPIN("t4", "192.0.2.1", "tcp", "",
						      POOL("stable", "{address: 10.2.0.3}"));
	static const char after[] =
		LAB_HEAD HAIRPIN("t4", "192.0.2.1", "tcp", "",
				 POOL("stable", "{address: 10.2.0.3}, {address: 10.1.0.1}"));

	(void)state;
	lab_apply(before);
	expect_old("10.1.0.1", FRAME_SYN);
	lab_apply(after);
	expect_old("10.1.0.1", FRAME_ACK);
	expect_refused("10.1.0.1", 0);
	expect_old("10.1.0.1", FRAME_ACK);
}

/* ---- whose bit is set, and is none ---- */

static struct in6_addr same_bit(const char *host, uint8_t last)
{
	struct in6_addr a = lab_addr(host), other = a;
	struct serin_addr x, y;

	memcpy(&x, &a, sizeof(x));
	for (uint32_t i = 1;; i++) {
		other.s6_addr[13] = (uint8_t)(i >> 16);
		other.s6_addr[14] = (uint8_t)(i >> 8);
		other.s6_addr[15] = (uint8_t)i;
		memcpy(&y, &other, sizeof(y));
		if (other.s6_addr[15] != last && serin_host_bit(&x) == serin_host_bit(&y))
			return other;
	}
}

static void test_others_of_the_same_bit_are_served(void **state)
{
	(void)state;
	lab_apply(plain);
	for (size_t n = 0; n < CASES; n++) {
		for (uint8_t i = 0; i < 3; i++) {
			struct in6_addr other = same_bit(cases[n].hosts[i], (uint8_t)(i + 1));
			char text[NET_ADDR_LEN];

			expect_served(net_format_addr(&other, text), n);
		}
	}
	assert_int_equal(count_of(SERIN_DROP_HAIRPIN), 0);
}

/* A backend of one service is as good a client of another as any. */
static void test_backends_of_other_services_are_served(void **state)
{
	static const char yaml[] = LAB_HEAD HAIRPIN("t4", "192.0.2.1", "tcp", "",
						    POOL("stable", "{address: 10.1.0.1}"))
		HAIRPIN("other", "192.0.2.2", "tcp", "", POOL("stable", "{address: 10.1.0.2}"));

	(void)state;
	lab_apply(yaml);
	expect_served("10.1.0.2", 0);
	expect_refused("10.1.0.1", 0);
}

/* ---- coming and going ---- */

#define HASTY(pools) LAB_HASTY_HEAD(1) HAIRPIN("t4", "192.0.2.1", "tcp", "", pools)

/* While it leaves it has connections of others to answer; then it is anybody. */
static void test_a_backend_that_has_left_is_served(void **state)
{
	static const char before[] = HASTY(
		POOL("stable",
		     "{address: 10.1.0.1}, {address: 10.1.0.1, port: 81}, {address: 10.1.0.2}"));
	static const char fewer[] =
		HASTY(POOL("stable", "{address: 10.1.0.1, port: 81}, {address: 10.1.0.2}"));
	static const char after[] = HASTY(POOL("stable", "{address: 10.1.0.2}"));
	uint64_t begin = lab_now_ms();

	(void)state;
	lab_apply(before);
	expect_refused("10.1.0.1", 0);
	do {
		lab_wait(begin, "one of its two to go");
		lab_apply(fewer);
	} while (!strstr(lab_changes, "its last flow has ended"));
	expect_refused("10.1.0.1", 0); /* it is one still, at another port */
	lab_apply(after);
	expect_refused("10.1.0.1", 0);
	do {
		lab_wait(begin, "the other one to go");
		lab_apply(after);
	} while (!strstr(lab_changes, "its last flow has ended"));
	expect_served("10.1.0.1", 0);
	expect_refused("10.1.0.2", 0);
}

static atomic_bool is_over;
static atomic_uint packets_run;
static unsigned int let_through;

static void *run_packets(void *arg)
{
	while (!atomic_load(&is_over)) {
		let_through += run("10.1.0.2", 9, 0, FRAME_SYN) != XDP_DROP;
		atomic_fetch_add(&packets_run, 1);
	}
	return arg;
}

/* The filter is made anew beside a backend that stays: it is in it all the while. */
static void test_who_stays_is_refused_at_every_moment(void **state)
{
	static const char *const configs[] = {
		LAB_HEAD HAIRPIN("t4", "192.0.2.1", "tcp", "",
				 POOL("stable", "{address: 10.1.0.2}")),
		LAB_HEAD HAIRPIN("t4", "192.0.2.1", "tcp", "",
				 POOL("stable", "{address: 10.1.0.2}, {address: 10.1.0.5}"))
			HAIRPIN("more", "192.0.2.2", "tcp", "",
				POOL("stable", "{address: 10.1.0.2}, {address: 10.1.0.6}")),
	};
	pthread_t thread;

	(void)state;
	lab_apply(configs[0]);
	assert_int_equal(pthread_create(&thread, NULL, run_packets, NULL), 0);
	for (int i = 1; i <= 10; i++) {
		unsigned int before = atomic_load(&packets_run);

		assert_int_equal(lab_apply_yaml(configs[i % 2], false), 0);
		while (atomic_load(&packets_run) < before + 200)
			sched_yield();
	}
	atomic_store(&is_over, true);
	lab_join(&thread, 1);
	assert_int_equal(let_through, 0);
}

/* An apply was killed before it forgot an address: the next one does. */
static void test_a_leftover_address_is_forgotten(void **state)
{
	struct in6_addr a = lab_addr("10.1.0.4");
	struct serin_addr addr;
	struct dataplane *dp;

	(void)state;
	lab_apply(plain);
	memcpy(&addr, &a, sizeof(addr));
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(dp_host_add(dp, (uint32_t)dp_service_find(dp, "t4"), &addr), 0);
	dataplane_close(dp);
	expect_refused("10.1.0.4", 0);
	lab_apply(plain);
	expect_served("10.1.0.4", 0);
	expect_refused("10.1.0.1", 0);
}

/* ---- ways that have no such trouble ---- */

static void test_direct_answers_are_served(void **state)
{
	static const char *const modes[] = {", forwarding: dsr", ", forwarding: ipip",
					    ", forwarding: gue"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char yaml[1024];

		snprintf(yaml, sizeof(yaml),
			 LAB_HEAD HAIRPIN(
				 "t4", "192.0.2.1", "tcp", "%s",
				 POOL("stable", "{address: 10.1.0.1}, {address: 10.1.0.2}")),
			 modes[i]);
		lab_apply(yaml);
		expect_served("10.1.0.1", 0);
		lab_detach();
	}
}

static void test_explain_says_so(void **state)
{
	struct in6_addr host = lab_addr("10.1.0.1"), other = lab_addr("10.1.0.4");
	struct dataplane *dp;

	(void)state;
	lab_apply(plain);
	dp = lab_open(DATAPLANE_READ);
	assert_int_equal(lab_explain(dp, "t4", &host, 1).refusal, SERIN_DROP_HAIRPIN);
	assert_int_equal(lab_explain(dp, "t4", &other, 1).refusal, SERIN_GO_ON);
	dataplane_close(dp);
}

int main(void)
{
#define HAIRPIN_TEST(name) cmocka_unit_test_teardown(name, lab_teardown)
	const struct CMUnitTest tests[] = {
		HAIRPIN_TEST(test_a_backend_is_no_client_of_its_own_service),
		HAIRPIN_TEST(test_what_is_refused_is_not_remembered),
		HAIRPIN_TEST(test_connections_there_are_go_on),
		HAIRPIN_TEST(test_others_of_the_same_bit_are_served),
		HAIRPIN_TEST(test_backends_of_other_services_are_served),
		HAIRPIN_TEST(test_a_backend_that_has_left_is_served),
		HAIRPIN_TEST(test_who_stays_is_refused_at_every_moment),
		HAIRPIN_TEST(test_a_leftover_address_is_forgotten),
		HAIRPIN_TEST(test_direct_answers_are_served),
		HAIRPIN_TEST(test_explain_says_so),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

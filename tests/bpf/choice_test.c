// SPDX-License-Identifier: GPL-2.0-or-later
/* Which pool and which backend: what the kernel does, what explain says, and what it may depend on. */
#include "choice_lab.h"

#define SEED	0xb8f1d25c7e0a4396ull
#define CLIENTS 100000

static const unsigned int some[POOLS] = {2, 3, 7};

static int setup(void **state)
{
	lab_setup(state);
	return 0;
}

static int start(void **state)
{
	(void)state;
	choice_apply(some, true);
	return 0;
}

static int start_plain(void **state)
{
	(void)state;
	choice_apply(some, false);
	return 0;
}

/* Where the first service is enough: a table takes the kernel a grace period. */
static int start_one(void **state)
{
	(void)state;
	choice_service_count = 1;
	choice_apply(some, true);
	return 0;
}

static int start_one_plain(void **state)
{
	(void)state;
	choice_service_count = 1;
	choice_apply(some, false);
	return 0;
}

static int stop(void **state)
{
	choice_service_count = CHOICE_SERVICES;
	return lab_teardown(state);
}

/* Every third client from where the target rules are. */
static struct in6_addr some_client(bool is_v4)
{
	static const char *const near4[] = {"198.18.1.1", "198.18.5.0", "198.19.255.9"};
	static const char *const near6[] = {"2001:db8:a:5::7", "2001:db8:a:6::7",
					    "2001:db8:c:1::9"};
	struct in6_addr a = random_client(is_v4);

	if (lab_below(3) == 0) {
		a = lab_addr(is_v4 ? near4[lab_below(3)] : near6[lab_below(3)]);
		a.s6_addr[15] = (uint8_t)lab_below(16);
	}
	return a;
}

static uint64_t rules_seen[EXPLAIN_RULE_MAX];

/* One client of one service, asked about first and run then. Adds to fallbacks by pool. */
static enum explain_reason compare(struct dataplane *dp, const struct choice_service *svc,
				   uint64_t fallbacks[POOLS])
{
	struct in6_addr client = some_client(svc->is_v4), went;
	uint16_t port = (uint16_t)(1 + lab_below(65535));
	struct frame f = client_frame(svc, &client, port, FRAME_SYN);
	struct explanation e = lab_explain_frame(dp, svc->name, &f);
	struct outcome out;

	lab_run_frame(lab_front, &f, &out);
	assert_true(out.action == XDP_TX || out.action == XDP_REDIRECT);
	went = lab_wire_addr(out.bytes, true);
	assert_true(e.has_backend);
	assert_memory_equal(&went, &e.backend, sizeof(went));
	assert_int_equal(frame_get16(out.bytes + frame_l4_offset(out.bytes) + 2), e.backend_port);
	assert_string_equal(e.pool, pool_names[pool_of(went.s6_addr[15])]);
	for (int pool = 0; pool < POOLS; pool++)
		if (e.reason == EXPLAIN_FALLBACK && !strcmp(e.chosen_pool, pool_names[pool]))
			fallbacks[pool]++;
	rules_seen[e.rule]++;
	return e.reason;
}

static void expect_fallbacks(const struct choice_service *svc, const uint64_t wanted[POOLS])
{
	struct snapshot *s = lab_snapshot();

	for (int pool = 0; pool < POOLS; pool++) {
		const struct snapshot_counters *c =
			&lab_pool(s, svc->name, pool_names[pool])->counters;

		assert_int_equal(c->fallbacks, wanted[pool]);
	}
	snapshot_free(s);
}

/* All services; in two of them all of the canary is drained. */
static void test_the_kernel_does_what_explain_says(void **state)
{
	uint64_t fallbacks[CHOICE_SERVICES][POOLS] = {}, reasons[EXPLAIN_MAX] = {};
	struct dataplane *dp;

	(void)state;
	assert_int_equal(lab_drain("conn4", "10.2.0.1", true, false), 0);
	assert_int_equal(lab_drain("conn4", "10.1.0.2", true, false), 0);
	assert_int_equal(lab_drain("client6", "2001:db8:2::1", true, false), 0);
	assert_int_equal(lab_drain("client6", "2001:db8:1::2", true, false), 0);
	dp = lab_open(DATAPLANE_READ);
	for (int i = 0; i < CLIENTS; i++) {
		size_t n = (size_t)i % CHOICE_SERVICES;

		reasons[compare(dp, &choice_services[n], fallbacks[n])]++;
	}
	dataplane_close(dp);
	for (int i = 0; i < EXPLAIN_MAX; i++)
		printf("%s %llu\n", explain_reason_name(i), (unsigned long long)reasons[i]);
	assert_true(rules_seen[EXPLAIN_RULE_SOURCE] > 1000 && rules_seen[EXPLAIN_RULE_DSCP] > 1000);
	assert_true(reasons[EXPLAIN_TARGET] > 1000 && reasons[EXPLAIN_FALLBACK] > 1000);
	for (size_t n = 0; n < CHOICE_SERVICES; n++)
		expect_fallbacks(&choice_services[n], fallbacks[n]);
}

/* ---- shares ---- */

static void count_pools(const struct choice_service *svc, uint32_t seen[POOLS])
{
	for (int i = 0; i < CLIENTS; i++) {
		struct in6_addr client = random_client(svc->is_v4);
		struct frame f = client_frame(svc, &client, (uint16_t)lab_random(), FRAME_SYN);
		int pool = pool_of(lab_choose(&f));

		assert_true(pool >= 0);
		seen[pool]++;
	}
}

static void expect_share(const char *what, uint32_t seen, double p)
{
	double sigma = sqrt(CLIENTS * p * (1 - p));

	if (fabs(seen - CLIENTS * p) > 4 * sigma)
		fail_msg("%s: %u of %d clients, to be %.0f +- %.0f", what, seen, CLIENTS,
			 CLIENTS * p, sigma);
}

static void test_shares_are_the_weights(void **state)
{
	static const uint32_t ppm[] = {0, 1000, 10000, 333333, 500000, 876544};
	size_t round = 0;

	(void)state;
	for (size_t n = 0; n < CHOICE_SERVICES; n++) {
		const struct choice_service *svc = &choice_services[n];

		for (int i = 0; i < 2 && svc->protocol == IPPROTO_TCP; i++, round++) {
			uint32_t seen[POOLS] = {}, canary = ppm[round % 6];

			assert_int_equal(lab_shift(svc->name, "canary", canary), 0);
			count_pools(svc, seen);
			expect_share(svc->name, seen[CANARY], canary / 1e6);
			expect_share(svc->name, seen[BASELINE], 0.123456);
			expect_share(svc->name, seen[STABLE], 0.876544 - canary / 1e6);
		}
	}
}

/* Inside a pool, by the backends' weights: hosts 61 .. 67 weigh 2 3 1 2 3 1 2. */
static void test_backends_share_by_their_weights(void **state)
{
	uint32_t seen[LAB_HOSTS + 1] = {}, total = 0;

	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		struct in6_addr client = random_client(true);
		struct frame f = client_frame(&choice_services[0], &client, 7, FRAME_SYN);
		unsigned int host = lab_choose(&f);

		if (pool_of(host) == STABLE) {
			seen[host]++;
			total++;
		}
	}
	for (unsigned int host = 61; host <= 67; host++) {
		double p = (1 + host % 3) / 14.0, sigma = sqrt(total * p * (1 - p));

		/* and a slot of 16381 is as exact as a table gets */
		assert_true(fabs(seen[host] - total * p) < 4 * sigma + total / 16381.0);
	}
}

/* ---- what a pool's membership does not depend on ---- */

#define MEMBERS 8000

struct member {
	struct in6_addr client;
	uint16_t port;
	int pool;
	unsigned int host;
};

static struct member members[CHOICE_SERVICES][MEMBERS];

static void draw_members(size_t service)
{
	const struct choice_service *svc = &choice_services[service];

	for (int i = 0; i < MEMBERS; i++) {
		struct member *m = &members[service][i];
		struct frame f;

		m->client = random_client(svc->is_v4);
		m->port = (uint16_t)lab_random();
		f = client_frame(svc, &m->client, m->port, FRAME_SYN);
		m->host = lab_choose(&f);
		m->pool = pool_of(m->host);
		assert_true(m->pool >= 0);
	}
}

static void expect_members(size_t service)
{
	const struct choice_service *svc = &choice_services[service];

	for (int i = 0; i < MEMBERS; i++) {
		const struct member *m = &members[service][i];
		struct frame f = client_frame(svc, &m->client, m->port, FRAME_SYN);

		assert_int_equal(pool_of(lab_choose(&f)), m->pool);
	}
}

/* The first apply changes what runs; the others stand for other hosts with the same services. */
static void test_pools_do_not_depend_on_backends_and_tables(void **state)
{
	static const unsigned int others[][POOLS] = {{30, 2, 40}, {1, 30, 1}, {5, 5, 2}};
	static const unsigned int sizes[] = {16381, 65537, 1009};

	for (size_t n = 0; n < 4; n++)
		draw_members(n);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (i)
			lab_teardown(state);
		choice_table_size = sizes[i];
		choice_apply(others[i], false);
		for (size_t n = 0; n < 4; n++)
			expect_members(n);
	}
	choice_table_size = 16381;
}

/* Drained: the pool's others take what it had, and nobody changes the pool. */
static void test_pools_do_not_depend_on_drains(void **state)
{
	const struct choice_service *svc = &choice_services[0];

	(void)state;
	draw_members(0);
	assert_int_equal(lab_drain(svc->name, "10.2.0.1", true, false), 0);
	assert_int_equal(lab_drain(svc->name, "10.2.0.61", true, false), 0);
	expect_members(0);
	for (int i = 0; i < MEMBERS; i++) {
		struct frame f =
			client_frame(svc, &members[0][i].client, members[0][i].port, FRAME_SYN);
		unsigned int host = lab_choose(&f);

		assert_true(host != 1 && host != 61);
		if (members[0][i].pool == BASELINE)
			assert_int_equal(host, members[0][i].host);
	}
}

/* A canary with no backend left: its clients, and nobody else's, go to the primary. */
static void test_an_empty_pool_falls_back_to_the_primary(void **state)
{
	const struct choice_service *svc = &choice_services[0];
	uint64_t fallbacks[POOLS] = {};

	(void)state;
	draw_members(0);
	assert_int_equal(lab_drain(svc->name, "10.2.0.1", true, false), 0);
	assert_int_equal(lab_drain(svc->name, "10.1.0.2", true, false), 0);
	for (int i = 0; i < MEMBERS; i++) {
		struct frame f =
			client_frame(svc, &members[0][i].client, members[0][i].port, FRAME_SYN);
		unsigned int host = lab_ask(&f);

		fallbacks[CANARY] += members[0][i].pool == CANARY;
		if (members[0][i].pool == CANARY)
			assert_int_equal(pool_of(host), STABLE);
		else
			assert_int_equal(host, members[0][i].host);
		f.tcp_flags = FRAME_ACK; /* no new flow: not counted again */
		assert_int_equal(lab_ask(&f), host);
	}
	assert_true(fallbacks[CANARY] > MEMBERS / 40);
	expect_fallbacks(svc, fallbacks);
}

/* Clients of one network are one client, whatever their ports; the next network is another. */
static void test_a_network_is_one_client(void **state)
{
	const struct choice_service *svc = &choice_services[5];
	uint32_t moved = 0;

	(void)state;
	for (int i = 0; i < MEMBERS; i++) {
		struct in6_addr client = random_client(true), next = client;
		struct frame f = client_frame(svc, &client, (uint16_t)lab_random(), FRAME_SYN);
		unsigned int host = lab_choose(&f);

		client.s6_addr[14] ^= (uint8_t)lab_below(16);
		client.s6_addr[15] = (uint8_t)lab_random();
		f = client_frame(svc, &client, (uint16_t)lab_random(), FRAME_SYN);
		assert_int_equal(lab_choose(&f), host);
		next.s6_addr[14] ^= 16;
		f = client_frame(svc, &next, 1, FRAME_SYN);
		moved += lab_choose(&f) != host;
	}
	assert_true(moved > MEMBERS / 2);
}

/* ---- targets ---- */

static const struct {
	size_t service;
	const char *client;
	int pool;
} rules[] = {
	{0, "198.18.0.1", CANARY},	  {0, "198.19.255.255", CANARY},
	{0, "198.18.5.0", STABLE},	  {0, "198.18.5.255", STABLE},
	{0, "198.18.5.7", BASELINE},	  {0, "198.18.6.7", CANARY},
	{4, "198.18.5.7", BASELINE},	  {4, "198.18.5.6", STABLE},
	{2, "2001:db8:a::1", CANARY},	  {2, "2001:db8:a:5::1", STABLE},
	{2, "2001:db8:a:5::7", BASELINE}, {2, "2001:db8:a:5:0:0:1:7", STABLE},
	{2, "2001:db8:a:6::7", CANARY},	  {2, "2001:db8:b::1", BASELINE},
	{3, "fd00::1", CANARY},		  {3, "2a00::1", STABLE},
	{3, "3fff:ffff::1", STABLE},	  {3, "4000::1", CANARY},
	{3, "2001:db8:c::1", BASELINE},	  {3, "2001:db8:d::1", STABLE},
};

static void test_the_longest_target_wins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct in6_addr client = lab_addr(rules[i].client);

		for (uint16_t port = 1; port <= 300; port++) {
			struct frame f = client_frame(&choice_services[rules[i].service], &client,
						      port, FRAME_SYN);

			if (pool_of(lab_ask(&f)) != rules[i].pool)
				fail_msg("%s:%u is not in %s", rules[i].client, port,
					 pool_names[rules[i].pool]);
		}
	}
}

/* Beside the prefixes, and in a service that has no rules, the split alone decides. */
static void test_targets_touch_nobody_else(void **state)
{
	static const char *const clients[] = {"198.17.255.255", "198.20.0.0", "2001:db8:9:ffff::1",
					      "2001:db8:d::1", "198.18.5.7"};
	static const size_t services[] = {0, 0, 2, 2, 1};

	(void)state;
	assert_int_equal(lab_shift("client4", "canary", 700000), 0);
	for (size_t i = 0; i < 5; i++) {
		struct in6_addr client = lab_addr(clients[i]);
		uint32_t seen[POOLS] = {};

		for (uint16_t n = 0; n < 2000; n++) {
			struct frame f;

			if (services[i] == 1) /* affinity: client */
				client.s6_addr[14] = (uint8_t)(n >> 8),
				client.s6_addr[15] = (uint8_t)n;
			f = client_frame(&choice_services[services[i]], &client, n + 1, FRAME_SYN);
			seen[pool_of(lab_choose(&f))]++;
		}
		for (int pool = 0; pool < POOLS; pool++)
			assert_true(seen[pool] > 20 && seen[pool] < 1900);
	}
}

static void test_targets_hold_at_no_and_at_full_weight(void **state)
{
	static const uint32_t ppm[] = {0, 876544};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(lab_shift("conn4", "canary", ppm[i]), 0);
		assert_int_equal(lab_shift("conn6", "canary", ppm[i]), 0);
		test_the_longest_target_wins(state);
	}
}

static void test_a_target_falls_back_too(void **state)
{
	const struct choice_service *svc = &choice_services[0];
	struct in6_addr client = lab_addr("198.18.0.1");

	(void)state;
	assert_int_equal(lab_drain(svc->name, "10.2.0.1", true, false), 0);
	assert_int_equal(lab_drain(svc->name, "10.1.0.2", true, false), 0);
	for (uint16_t port = 1; port <= 100; port++) {
		struct frame f = client_frame(svc, &client, port, FRAME_SYN);

		assert_int_equal(pool_of(lab_ask(&f)), STABLE);
	}
	expect_fallbacks(svc, (uint64_t[POOLS]){100, 0, 0});
}

int main(void)
{
#define CHOICE_TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, stop)
	const struct CMUnitTest tests[] = {
		CHOICE_TEST(test_the_kernel_does_what_explain_says, start),
		CHOICE_TEST(test_shares_are_the_weights, start_plain),
		CHOICE_TEST(test_backends_share_by_their_weights, start_one_plain),
		CHOICE_TEST(test_pools_do_not_depend_on_backends_and_tables, start_plain),
		CHOICE_TEST(test_pools_do_not_depend_on_drains, start_one_plain),
		CHOICE_TEST(test_an_empty_pool_falls_back_to_the_primary, start_one_plain),
		CHOICE_TEST(test_a_network_is_one_client, start_plain),
		CHOICE_TEST(test_the_longest_target_wins, start),
		CHOICE_TEST(test_targets_touch_nobody_else, start),
		CHOICE_TEST(test_targets_hold_at_no_and_at_full_weight, start),
		CHOICE_TEST(test_a_target_falls_back_too, start_one),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, NULL);
}

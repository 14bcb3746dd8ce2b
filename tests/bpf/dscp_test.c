// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules for DSCP values: which new flows they send where, and which flows they leave alone. */
#include "apply_lab.h"
#include "choice_lab.h"

#include "lib/rtnl.h"

#define SEED 0x9a6e40d7c21b835full

static const unsigned int some[POOLS] = {2, 3, 7};

/* The rules of DSCP in choice_lab.h, by value; -1: none. */
static int ruled(uint8_t dscp)
{
	switch (dscp) {
	case 0:
	case 34:
	case 46:
		return CANARY;
	case 10:
		return BASELINE;
	case 63:
		return STABLE;
	default:
		return -1;
	}
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

/* Where a frame goes that is marked like this, whatever its two bits of congestion say. */
static unsigned int ask_marked(const struct frame *f, uint8_t dscp)
{
	uint8_t bytes[FRAME_MAX], class = (uint8_t)(dscp << 2 | lab_below(4));
	size_t len = frame_build(f, bytes);
	struct outcome out;

	if (frame_is_v4(f)) {
		bytes[FRAME_ETH + 1] = class;
		frame_refresh(bytes);
	} else {
		bytes[FRAME_ETH] = (uint8_t)(0x60 | class >> 4);
		bytes[FRAME_ETH + 1] = (uint8_t)(class << 4 | (bytes[FRAME_ETH + 1] & 0x0f));
	}
	lab_run(lab_front, bytes, len, &out);
	return lab_host_of(&out);
}

/* A client that no source rule is for. */
static struct frame plain_frame(const struct choice_service *svc)
{
	struct in6_addr client = random_client(svc->is_v4);

	client.s6_addr[svc->is_v4 ? 12 : 0] = svc->is_v4 ? 203 : 0x2a;
	return client_frame(svc, &client, (uint16_t)(1 + lab_below(65535)), FRAME_SYN);
}

static void expect_every_value(const struct choice_service *svc, bool has_rules)
{
	uint32_t seen[POOLS] = {};

	for (uint8_t dscp = 0; dscp < SERIN_DSCP_VALUES; dscp++) {
		int wanted = has_rules ? ruled(dscp) : -1;

		for (int i = 0; i < 40; i++) {
			struct frame f = plain_frame(svc);
			int pool = pool_of(ask_marked(&f, dscp));

			assert_true(pool >= 0);
			if (wanted >= 0)
				assert_int_equal(pool, wanted);
			else
				seen[pool]++;
		}
	}
	/* All others as the split says: 5, 12.3 and 82.7 % of 2,360 and more. */
	assert_true(seen[CANARY] > 60 && seen[CANARY] < 200);
	assert_true(seen[BASELINE] > 200 && seen[BASELINE] < 400);
}

static void test_every_value_goes_by_its_rule(void **state)
{
	(void)state;
	expect_every_value(&choice_services[2], true);
	expect_every_value(&choice_services[4], true);
	expect_every_value(&choice_services[5], true);
	expect_every_value(&choice_services[0], false);
}

static void test_a_source_outweighs_a_value(void **state)
{
	static const struct {
		size_t service;
		const char *client;
		int pool;
	} clients[] = {
		{4, "198.18.0.1", CANARY},	{4, "198.18.5.1", STABLE},
		{4, "198.18.5.7", BASELINE},	{2, "2001:db8:a:5::1", STABLE},
		{2, "2001:db8:b::1", BASELINE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(clients) / sizeof(*clients); i++) {
		struct in6_addr client = lab_addr(clients[i].client);

		for (uint8_t dscp = 0; dscp < SERIN_DSCP_VALUES; dscp++) {
			struct frame f = client_frame(&choice_services[clients[i].service], &client,
						      dscp + 1, FRAME_SYN);

			assert_int_equal(pool_of(ask_marked(&f, dscp)), clients[i].pool);
		}
	}
}

/* How its first packet was marked counts, and no later one's. */
static void test_a_flow_stays_however_it_is_marked(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		const struct choice_service *svc = &choice_services[i % 2 ? 2 : 4];
		struct frame f = plain_frame(svc);
		unsigned int host = ask_marked(&f, 46);

		assert_int_equal(pool_of(host), CANARY);
		f.tcp_flags = FRAME_ACK;
		assert_int_equal(ask_marked(&f, 10), host);
		assert_int_equal(ask_marked(&f, (uint8_t)lab_below(64)), host);
	}
}

/* Connections from before stay when rules come, change and go. */
static void test_rules_come_and_go(void **state)
{
	struct frame old[500];
	unsigned int hosts[500];

	(void)state;
	for (int i = 0; i < 500; i++) {
		old[i] = plain_frame(&choice_services[2]);
		hosts[i] = ask_marked(&old[i], 46);
		old[i].tcp_flags = FRAME_ACK;
	}
	assert_int_equal(lab_lines(lab_changes) > 0, true);
	choice_apply(some, true);
	assert_non_null(strstr(lab_changes, "~ service conn6: 5 DSCP rules\n"));
	expect_every_value(&choice_services[2], true);
	for (int i = 0; i < 500; i++)
		assert_int_equal(ask_marked(&old[i], 46), hosts[i]);
	choice_apply(some, true);
	assert_string_equal(lab_changes, "no changes\n");
	choice_apply(some, false);
	assert_non_null(strstr(lab_changes, "~ service conn6: 5 DSCP rules\n"));
	expect_every_value(&choice_services[2], false);
	for (int i = 0; i < 500; i++)
		assert_int_equal(ask_marked(&old[i], 46), hosts[i]);
}

static void test_explain_tells_the_rule(void **state)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	struct explain_query q = {.service = "udp4", .client = lab_addr("203.0.113.9"), .port = 7};
	struct explanation e;

	(void)state;
	q.dscp = 46;
	assert_int_equal(dataplane_explain(dp, &q, &e), 0);
	assert_int_equal(e.rule, EXPLAIN_RULE_DSCP);
	assert_int_equal(e.dscp, 46);
	assert_string_equal(e.pool, "canary");
	q.dscp = 45;
	assert_int_equal(dataplane_explain(dp, &q, &e), 0);
	assert_int_equal(e.rule, EXPLAIN_RULE_NONE);
	q.dscp = 46;
	q.client = lab_addr("198.18.5.7");
	assert_int_equal(dataplane_explain(dp, &q, &e), 0);
	assert_int_equal(e.rule, EXPLAIN_RULE_SOURCE);
	assert_string_equal(e.pool, "baseline");
	dataplane_close(dp);
}

static bool is_settled(void)
{
	struct snapshot *s = lab_snapshot();
	bool is = snapshot_find_service(s, "web")->is_settled;

	snapshot_free(s);
	return is;
}

/* A flow that lives where its mark sends it stands in nobody's way; without the rule it would. */
static void test_marked_flows_let_a_service_settle(void **state)
{
	static const char yaml[] = LAB_HASTY_HEAD(1)
		SERVICE("web", "192.0.2.1", ", targets: [{dscp: EF, pool: canary}]",
			WEIGHED("canary", "0", HOST(1)) POOL("stable", HOST(2)));
	struct frame f = lab_request("203.0.113.9", 7, "192.0.2.1", 80, IPPROTO_TCP);
	struct rtnl *rtnl = NULL;
	uint64_t since;

	(void)state;
	assert_int_equal(rtnl_open(&rtnl), 0);
	lab_apply(yaml);
	assert_int_equal(lab_shift("web", "canary", 1), 0);
	since = lab_now_ms();
	do {
		struct dataplane *dp = lab_open(DATAPLANE_WRITE);

		assert_int_equal(ask_marked(&f, 46), 1);
		assert_int_equal(dataplane_maintain(dp, rtnl), 0);
		dataplane_close(dp);
		lab_wait(since, "the service to settle");
	} while (!is_settled());
	assert_true(lab_now_ms() - since >= 1000);
	assert_int_equal(ask_marked(&f, 46), 1);
	rtnl_close(rtnl);
}

int main(void)
{
#define DSCP_TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, lab_teardown)
	const struct CMUnitTest tests[] = {
		DSCP_TEST(test_every_value_goes_by_its_rule, start),
		DSCP_TEST(test_a_source_outweighs_a_value, start),
		DSCP_TEST(test_a_flow_stays_however_it_is_marked, start),
		DSCP_TEST(test_rules_come_and_go, start_plain),
		DSCP_TEST(test_explain_tells_the_rule, start),
		cmocka_unit_test_teardown(test_marked_flows_let_a_service_settle, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

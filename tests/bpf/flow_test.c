// SPDX-License-Identifier: GPL-2.0-or-later
/* What the flow table holds fast while everything around it changes. */
#include "flow_lab.h"

#define SEED 0x27fe94a1c06b3d58ull

static int start(void **state)
{
	(void)state;
	lab_apply(flow_config);
	return 0;
}

/* ---- flows stay ---- */

static void test_shifts_move_no_flow(void **state)
{
	static const uint32_t ppm[] = {0, 1000000, 500000, 10000, 0, 1000000};

	(void)state;
	flow_open_all(FRAME_ACK);
	for (size_t i = 0; i < sizeof(ppm) / sizeof(*ppm); i++) {
		assert_int_equal(lab_shift("tcp", "canary", ppm[i]), 0);
		assert_int_equal(lab_shift("udp", "canary", ppm[i]), 0);
		flow_expect_all(FRAME_ACK);
	}
}

static void test_a_retransmitted_syn_stays(void **state)
{
	(void)state;
	flow_open_all(0);
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	flow_expect_all(FRAME_SYN);
	for (uint16_t n = 0; n < FLOWS; n++)
		assert_int_equal(flow_send(false, n, FRAME_ACK), hosts[0][n]);
	flow_expect_all(FRAME_SYN); /* nor one that comes late */
	assert_int_equal(flow_entries(), 2 * FLOWS);
}

static void test_drains_move_no_flow(void **state)
{
	(void)state;
	flow_open_all(FRAME_ACK);
	assert_int_equal(lab_drain("tcp", "10.1.0.61", true, false), 0);
	assert_int_equal(lab_drain("udp", "10.2.0.62", true, false), 0);
	assert_int_equal(lab_drain("tcp", "10.1.0.1", true, false), 0);
	flow_expect_all(FRAME_ACK);
	for (uint16_t n = FLOWS; n < 2 * FLOWS; n++) {
		unsigned int host = flow_send(false, n, FRAME_SYN);

		assert_true(host && host != 61 && host != 1);
		host = flow_send(true, n, 0);
		assert_true(host && host != 62);
	}
	assert_int_equal(lab_drain("tcp", "10.1.0.61", false, false), 0);
	flow_expect_all(FRAME_ACK);
}

static void test_removed_backends_keep_their_flows(void **state)
{
	struct snapshot *s;

	(void)state;
	flow_open_all(FRAME_ACK);
	lab_apply(FLOW_CONFIG("", CANARY_1, STABLE_1));
	flow_expect_all(FRAME_ACK);
	lab_apply(FLOW_CONFIG("", LATER_2, LATER_1));
	flow_expect_all(FRAME_ACK);
	lab_apply(FLOW_CONFIG("", LATER_2, LATER_1));
	flow_expect_all(FRAME_ACK);
	s = lab_snapshot();
	assert_int_equal(lab_pool(s, "tcp", "stable")->backend_count, 4);
	snapshot_free(s);
	for (uint16_t n = FLOWS; n < 2 * FLOWS; n++) {
		unsigned int host = flow_send(false, n, FRAME_SYN);

		assert_true(host == 71 || host == 72);
	}
}

static void test_table_swaps_move_no_flow(void **state)
{
	(void)state;
	flow_open_all(FRAME_ACK);
	lab_apply(FLOW_CONFIG(", table_size: 65537", CANARY_1 CANARY_2 LATER_1,
			      STABLE_1 STABLE_2 STABLE_3 LATER_2));
	flow_expect_all(FRAME_ACK);
	lab_apply(FLOW_CONFIG(", table_size: 1009", CANARY_1 CANARY_2 LATER_1,
			      STABLE_1 STABLE_2 STABLE_3 LATER_2));
	flow_expect_all(FRAME_ACK);
	lab_apply(FLOW_CONFIG("", STABLE_1 STABLE_2 LATER_1, CANARY_1 CANARY_2 LATER_2));
	flow_expect_all(FRAME_ACK);
}

/* ---- flows that may move ---- */

static void close_by_client(uint16_t n, uint8_t flags)
{
	assert_int_equal(flow_send(false, n, flags | FRAME_ACK), hosts[0][n]);
}

static void close_by_backend(uint16_t n, uint8_t flags)
{
	struct outcome out;

	assert_true(flow_answer(false, n, hosts[0][n], flags | FRAME_ACK, &out) >= XDP_TX);
}

static void test_a_syn_on_a_closing_flow_chooses_anew(void **state)
{
	(void)state;
	assert_int_equal(lab_shift("tcp", "canary", 0), 0);
	flow_open_all(FRAME_ACK);
	for (uint16_t n = 0; n < FLOWS; n++) {
		if (n % 2)
			close_by_client(n, n % 4 < 2 ? FRAME_FIN : FRAME_RST);
		else
			close_by_backend(n, n % 4 < 2 ? FRAME_FIN : FRAME_RST);
		flow_expect_state(n, SERIN_FLOW_CLOSING);
	}
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	flow_expect_all(FRAME_ACK); /* what is left of the old connection */
	for (uint16_t n = 0; n < FLOWS; n++) {
		hosts[0][n] = flow_send(false, n, FRAME_SYN);
		assert_true(is_canary(hosts[0][n]));
		flow_expect_state(n, SERIN_FLOW_SYN);
	}
	assert_int_equal(lab_shift("tcp", "canary", 0), 0);
	flow_expect_all(FRAME_ACK);
}

static void test_a_syn_leaves_a_backend_that_takes_no_flows(void **state)
{
	(void)state;
	flow_open_all(FRAME_ACK);
	assert_int_equal(lab_drain("tcp", "10.1.0.61", true, false), 0);
	lab_apply(FLOW_CONFIG("", CANARY_1 CANARY_2, STABLE_1 STABLE_3));
	for (uint16_t n = 0; n < FLOWS; n++) {
		unsigned int host = flow_send(false, n, FRAME_SYN);

		assert_true(host && host != 61 && host != 62);
		if (hosts[0][n] != 61 && hosts[0][n] != 62)
			assert_int_equal(host, hosts[0][n]);
		hosts[0][n] = host;
	}
	flow_expect_all(FRAME_ACK);
}

static void test_idle_flows(void **state)
{
	(void)state;
	assert_int_equal(lab_shift("tcp", "canary", 0), 0);
	assert_int_equal(lab_shift("udp", "canary", 0), 0);
	flow_open_all(FRAME_ACK);
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	assert_int_equal(lab_shift("udp", "canary", 1000000), 0);
	for (uint16_t n = 0; n < FLOWS; n += 3) {
		flow_age(false, n);
		flow_age(true, n);
		assert_true(is_canary(flow_send(false, n, FRAME_SYN)));
		assert_true(is_canary(flow_send(true, n, 0)));
		flow_age(false, n + 1);
		assert_int_equal(flow_send(false, n + 1, FRAME_ACK), hosts[0][n + 1]);
		assert_int_equal(flow_send(true, n + 1, 0), hosts[1][n + 1]);
	}
}

/* explain speaks of the next packet that is no SYN. */
static void test_explain_agrees_about_idle_flows(void **state)
{
	struct dataplane *dp;

	(void)state;
	assert_int_equal(lab_shift("tcp", "canary", 0), 0);
	flow_open_all(FRAME_ACK);
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	dp = lab_open(DATAPLANE_READ);
	for (uint16_t n = 0; n < 20; n++) {
		struct frame f = flow_frame(false, n, FRAME_ACK);
		struct explanation e;

		if (n % 2)
			flow_age(false, n);
		e = lab_explain(dp, "tcp", &f.src, f.src_port);
		if (e.backend.s6_addr[15] != lab_ask(&f))
			fail_msg("flow %u (%s) goes to %u, explain says %u", n,
				 n % 2 ? "idle" : "live", hosts[0][n], e.backend.s6_addr[15]);
	}
	dataplane_close(dp);
}

/* ---- the table's own rules ---- */

static void test_a_reset_begins_nothing(void **state)
{
	(void)state;
	for (uint16_t n = 0; n < FLOWS; n++) {
		struct outcome out;
		unsigned int host = flow_send(false, n, FRAME_RST);

		assert_true(host > 0);
		assert_int_equal(flow_send(false, n, FRAME_RST | FRAME_ACK), host);
		assert_int_equal(flow_answer(false, n, host, FRAME_ACK, &out), XDP_PASS);
	}
	assert_int_equal(flow_entries(), 0);
}

static void test_states(void **state)
{
	struct flow_search s;
	struct outcome out;
	unsigned int host;

	(void)state;
	assert_false(flow_find(false, 0, &s));
	host = flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_SYN);
	assert_true(flow_answer(false, 0, host, FRAME_SYN | FRAME_ACK, &out) >= XDP_TX);
	flow_expect_state(0, SERIN_FLOW_SYN);
	flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_SYN);
	flow_send(false, 0, FRAME_ACK);
	flow_expect_state(0, SERIN_FLOW_ESTABLISHED);
	flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_ESTABLISHED);
	flow_send(false, 0, FRAME_FIN | FRAME_ACK);
	flow_expect_state(0, SERIN_FLOW_CLOSING);
	flow_send(false, 0, FRAME_ACK);
	assert_true(flow_answer(false, 0, host, FRAME_ACK, &out) >= XDP_TX);
	flow_expect_state(0, SERIN_FLOW_CLOSING);
	flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_SYN);
	flow_send(false, 1, FRAME_ACK); /* out of the middle */
	flow_expect_state(1, SERIN_FLOW_ESTABLISHED);
	flow_send(false, 2, FRAME_FIN | FRAME_ACK);
	flow_expect_state(2, SERIN_FLOW_CLOSING);
	flow_send(true, 3, 0);
	assert_true(flow_find(true, 3, &s));
	assert_int_equal(s.found.state, SERIN_FLOW_UDP);
	assert_int_equal(flow_entries(), 4);
}

static void test_what_the_table_shows(void **state)
{
	struct frame f = flow_frame(false, 5, FRAME_SYN);
	unsigned int host = lab_ask(&f);
	struct flow_search s;
	struct snapshot *snapshot = lab_snapshot();

	(void)state;
	assert_true(flow_find(false, 5, &s));
	assert_string_equal(s.pool, is_canary(host) ? "canary" : "stable");
	assert_memory_equal(&s.found.client, &f.src, sizeof(f.src));
	assert_int_equal(s.found.backend.s6_addr[15], host);
	assert_int_equal(s.found.backend_port, 80);
	assert_int_equal(s.found.epoch, snapshot_find_service(snapshot, "tcp")->epoch);
	assert_false(flow_find(true, 5, &s));
	snapshot_free(snapshot);
}

/* Only what begins a flow counts as one. */
static void test_flows_are_counted_when_they_begin(void **state)
{
	struct snapshot *s;
	uint64_t flows = 0;

	(void)state;
	for (uint16_t n = 0; n < 10; n++) {
		flow_send(false, n, FRAME_SYN); /* counts */
		flow_send(false, n, FRAME_SYN);
		flow_send(false, n, FRAME_FIN);
		flow_send(false, n, FRAME_SYN);	      /* counts */
		flow_send(false, 100 + n, FRAME_ACK); /* was somebody else's */
		flow_send(false, 200 + n, FRAME_RST);
	}
	s = lab_snapshot();
	flows = lab_pool(s, "tcp", "canary")->counters.flows;
	flows += lab_pool(s, "tcp", "stable")->counters.flows;
	assert_int_equal(flows, 20);
	snapshot_free(s);
}

/* ---- the way back ---- */

static void expect_return(unsigned int host, const uint8_t *mac, bool by_back)
{
	struct outcome out;
	bool from_back = host % 2 == 0;

	assert_int_equal(flow_answer(false, 0, host, FRAME_ACK, &out),
			 from_back == by_back ? XDP_TX : XDP_REDIRECT);
	assert_memory_equal(out.bytes, mac, 6);
	assert_memory_equal(out.bytes + 6, by_back ? lab_back_mac : lab_front_mac, 6);
}

static void test_replies_follow_the_client(void **state)
{
	static const uint8_t other_mac[6] = {2, 0xc1, 9, 9, 9, 9};
	struct frame f = flow_frame(false, 0, FRAME_SYN);
	unsigned int host = lab_ask(&f);
	struct outcome out;

	(void)state;
	expect_return(host, lab_client_mac, false);
	f.tcp_flags = FRAME_ACK;
	memcpy(f.src_mac, other_mac, 6);
	assert_int_equal(lab_ask(&f), host);
	expect_return(host, other_mac, false);
	memcpy(f.dst_mac, lab_back_mac, 6);
	lab_run_frame(lab_back, &f, &out); /* it comes in by the other NIC now */
	assert_int_equal(lab_host_of(&out), host);
	expect_return(host, other_mac, true);
	memcpy(f.src_mac, lab_client_mac, 6);
	assert_int_equal(lab_ask(&f), host);
	expect_return(host, lab_client_mac, false);
}

static void test_only_its_own_backend_answers_a_flow(void **state)
{
	unsigned int host = flow_send(false, 0, FRAME_SYN);
	static const unsigned int all[] = {1, 2, 61, 62, 63};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct outcome out;
		uint32_t action = flow_answer(false, 0, all[i], FRAME_ACK, &out);

		assert_int_equal(action != XDP_PASS, all[i] == host);
	}
	flow_expect_state(0, SERIN_FLOW_SYN);
}

/* ---- slots of backends that are used again ---- */

static uint32_t backend_id(const char *pool, unsigned int host)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_pool *p = lab_pool(s, "tcp", pool);
	uint32_t id = UINT32_MAX;

	for (size_t i = 0; i < p->backend_count; i++)
		if (p->backends[i].address.s6_addr[15] == host)
			id = p->backends[i].id;
	snapshot_free(s);
	return id;
}

/* Frees the only canary's slot and gives it to another, 71, while the old flows' entries remain. */
static void reuse_slot(void)
{
	uint32_t id = backend_id("canary", 1);

	for (uint16_t n = 0; n < FLOWS; n++) {
		flow_age(false, n);
		flow_age(true, n);
	}
	lab_apply(FLOW_CONFIG("", CANARY_2, STABLE_1)); /* leaving: */
	lab_apply(FLOW_CONFIG("", CANARY_2, STABLE_1)); /* gone */
	lab_apply(FLOW_CONFIG("", CANARY_2 LATER_1, STABLE_1));
	assert_int_equal(backend_id("canary", 71), id);
}

static void test_a_reused_slot_is_never_followed(void **state)
{
	struct dataplane *dp;
	uint32_t elsewhere = 0;

	(void)state;
	lab_apply(FLOW_CONFIG("", CANARY_1, STABLE_1));
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	flow_open_all(FRAME_ACK);
	reuse_slot();
	dp = lab_open(DATAPLANE_READ);
	for (uint16_t n = 0; n < FLOWS; n++) {
		struct frame f = flow_frame(false, n, FRAME_ACK);
		struct explanation e = lab_explain(dp, "tcp", &f.src, f.src_port);
		struct flow_search s;
		struct outcome out;

		assert_false(e.has_flow);
		assert_false(flow_find(false, n, &s));
		assert_int_equal(flow_answer(false, n, 71, FRAME_ACK, &out), XDP_PASS);
		assert_int_equal(lab_ask(&f), e.backend.s6_addr[15]);
		elsewhere += e.backend.s6_addr[15] != 71;
	}
	dataplane_close(dp);
	assert_true(elsewhere > FLOWS / 5);
}

int main(void)
{
#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, start, lab_teardown)
	const struct CMUnitTest tests[] = {
		FLOW_TEST(test_shifts_move_no_flow),
		FLOW_TEST(test_a_retransmitted_syn_stays),
		FLOW_TEST(test_drains_move_no_flow),
		FLOW_TEST(test_removed_backends_keep_their_flows),
		FLOW_TEST(test_table_swaps_move_no_flow),
		FLOW_TEST(test_a_syn_on_a_closing_flow_chooses_anew),
		FLOW_TEST(test_a_syn_leaves_a_backend_that_takes_no_flows),
		FLOW_TEST(test_idle_flows),
		FLOW_TEST(test_explain_agrees_about_idle_flows),
		FLOW_TEST(test_a_reset_begins_nothing),
		FLOW_TEST(test_states),
		FLOW_TEST(test_what_the_table_shows),
		FLOW_TEST(test_flows_are_counted_when_they_begin),
		FLOW_TEST(test_replies_follow_the_client),
		FLOW_TEST(test_only_its_own_backend_answers_a_flow),
		FLOW_TEST(test_a_reused_slot_is_never_followed),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

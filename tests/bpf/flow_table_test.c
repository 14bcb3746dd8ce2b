// SPDX-License-Identifier: GPL-2.0-or-later
/* What the flow table remembers, says and forgets; and the way back. */
#include "flow_lab.h"

#define SEED 0x5c20d7b9e16f8a43ull

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

static void test_a_reset_begins_nothing(void **state)
{
	(void)state;
	for (uint16_t n = 0; n < FLOWS; n++) {
		struct outcome out;
		unsigned int host = flow_send(false, n, FRAME_RST);

		assert_true(host > 0);
		assert_int_equal(flow_send(false, n, FRAME_RST | FRAME_ACK), host);
		assert_int_equal(flow_answer(false, n, host == 62 ? 63 : 62, FRAME_ACK, &out),
				 XDP_PASS);
	}
	assert_int_equal(flow_entries(), 0);
}

static void answer(bool is_udp, uint16_t n, unsigned int host, uint8_t flags)
{
	struct outcome out;

	assert_true(flow_answer(is_udp, n, host, flags, &out) >= XDP_TX);
}

static void test_states(void **state)
{
	struct flow_search s;
	unsigned int host;

	(void)state;
	assert_false(flow_find(false, 0, &s));
	host = flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_SYN);
	flow_send(false, 0, FRAME_ACK); /* nobody has answered yet */
	flow_expect_state(0, SERIN_FLOW_SYN);
	answer(false, 0, host, FRAME_SYN | FRAME_ACK);
	flow_expect_state(0, SERIN_FLOW_REPLIED);
	flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_REPLIED);
	flow_send(false, 0, FRAME_ACK);
	flow_expect_state(0, SERIN_FLOW_ESTABLISHED);
	flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_ESTABLISHED);
	flow_send(false, 0, FRAME_FIN | FRAME_ACK);
	flow_expect_state(0, SERIN_FLOW_CLOSING);
	flow_send(false, 0, FRAME_ACK);
	answer(false, 0, host, FRAME_FIN | FRAME_ACK);
	flow_expect_state(0, SERIN_FLOW_CLOSING);
	flow_send(false, 0, FRAME_SYN);
	flow_expect_state(0, SERIN_FLOW_SYN);
	host = flow_send(false, 1, FRAME_ACK); /* out of the middle */
	flow_expect_state(1, SERIN_FLOW_ADOPTED);
	flow_send(false, 1, FRAME_ACK);
	flow_expect_state(1, SERIN_FLOW_ADOPTED);
	answer(false, 1, host, FRAME_ACK);
	flow_expect_state(1, SERIN_FLOW_ESTABLISHED);
	answer(false, 1, host, FRAME_FIN | FRAME_ACK);
	flow_expect_state(1, SERIN_FLOW_CLOSING);
	host = flow_send(true, 3, 0);
	assert_true(flow_find(true, 3, &s));
	assert_int_equal(s.found.state, SERIN_FLOW_UDP);
	answer(true, 3, host, 0);
	assert_true(flow_find(true, 3, &s));
	assert_int_equal(s.found.state, SERIN_FLOW_UDP_REPLIED);
	assert_int_equal(flow_entries(), 3);
}

/* The backend's SYN crosses the client's: known by what is remembered alone. */
static void test_both_ends_open_at_once(void **state)
{
	static const uint8_t vip[4] = {192, 0, 2, 1};
	unsigned int host = flow_send(false, 0, FRAME_SYN);
	struct outcome out;

	(void)state;
	assert_int_equal(flow_answer(false, 1, host, FRAME_SYN, &out), XDP_PASS);
	if (!is_tracked) {
		assert_int_equal(flow_answer(false, 0, host, FRAME_SYN, &out), XDP_PASS);
		return;
	}
	assert_int_equal(flow_answer(false, 0, host == 1 ? 2 : 1, FRAME_SYN, &out), XDP_PASS);
	assert_true(flow_answer(false, 0, host, FRAME_SYN, &out) >= XDP_TX);
	assert_memory_equal(out.bytes + 26, vip, sizeof(vip));
	assert_int_equal(flow_send(false, 0, FRAME_SYN | FRAME_ACK), host);
	flow_expect_state(0, SERIN_FLOW_REPLIED);
	answer(false, 0, host, FRAME_SYN | FRAME_ACK);
	assert_int_equal(flow_send(false, 0, FRAME_ACK), host);
	flow_expect_state(0, SERIN_FLOW_ESTABLISHED);
	assert_int_equal(flow_answer(false, 0, host, FRAME_SYN, &out), XDP_PASS);
}

/* Whoever is not proven to have a connection ends it at once, and it holds no place. */
static void test_the_end_of_an_unproven_flow_frees_its_entry(void **state)
{
	static const uint8_t ends[] = {FRAME_RST, FRAME_RST | FRAME_ACK, FRAME_FIN | FRAME_ACK};
	struct flow_search s;
	unsigned int host;

	(void)state;
	for (uint16_t n = 0; n < 12; n++) {
		bool is_adopted = n % 2, is_by_backend = n % 4 > 1;

		host = flow_send(false, n, is_adopted ? FRAME_ACK : FRAME_SYN);
		assert_true(flow_find(false, n, &s));
		if (is_by_backend)
			answer(false, n, host, FRAME_RST | FRAME_ACK);
		else
			assert_int_equal(flow_send(false, n, ends[n % 3]), host);
		if (flow_find(false, n, &s))
			fail_msg("flow %u, which has ended by %s, is %s", n,
				 is_by_backend ? "a backend's reset"
				 : n % 3 == 2  ? "a FIN"
					       : "a reset",
				 flow_state_name(s.found.state));
	}
	assert_int_equal(flow_entries(), 0);
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
		flow_send(false, n, FRAME_RST);
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
	if (is_tracked)
		flow_expect_state(0, SERIN_FLOW_SYN);
}

/* A client that resets what a backend sent it unasked does not talk to that backend past the VIP. */
static void test_a_reset_to_a_backend_begins_no_conversation(void **state)
{
	(void)state;
	for (uint16_t n = 0; n < FLOWS; n++) {
		unsigned int host = flow_send(false, n, FRAME_SYN);
		struct frame reset = flow_frame(false, n, FRAME_RST);
		char backend[NET_ADDR_LEN];
		struct outcome out;

		snprintf(backend, sizeof(backend), "10.%u.0.%u", host % 2 ? 1 : 2, host);
		reset.dst = lab_addr(backend);
		lab_run_frame(lab_front, &reset, &out);
		assert_int_equal(out.action, XDP_PASS);
		answer(false, n, host, FRAME_SYN | FRAME_ACK);
		reset.tcp_flags = FRAME_SYN;
		lab_run_frame(lab_front, &reset, &out);
		assert_int_equal(flow_answer(false, n, host, FRAME_SYN | FRAME_ACK, &out),
				 XDP_PASS);
	}
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

#define HASTY(canary, stable) LAB_HASTY_HEAD(1) FLOW_SERVICES(TRACKED, canary, stable)

static int start_hasty(void **state)
{
	(void)state;
	is_tracked = true;
	lab_apply(HASTY(CANARY_1, STABLE_1));
	return 0;
}

/* Frees the only canary's slot, once all its flows are over, and gives it to another, 71. */
static void reuse_slot(void)
{
	uint32_t id = backend_id("canary", 1);
	uint64_t since = lab_now_ms();

	lab_apply(HASTY(CANARY_2, STABLE_1));
	assert_int_equal(backend_id("canary", 1), id);
	while (backend_id("canary", 1) == id) {
		lab_wait(since, "the last flow to end");
		lab_apply(HASTY(CANARY_2, STABLE_1));
	}
	assert_true(lab_now_ms() - since >= 1000);
	lab_apply(HASTY(CANARY_2 LATER_1, STABLE_1));
	assert_int_equal(backend_id("canary", 71), id);
}

/* Old connections never get there; new ones do, as explain says. */
static void test_a_reused_slot_is_never_followed(void **state)
{
	struct dataplane *dp;
	uint32_t elsewhere = 0;

	(void)state;
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	flow_open_all(FRAME_ACK);
	reuse_slot();
	dp = lab_open(DATAPLANE_READ);
	for (uint16_t n = 0; n < FLOWS; n++) {
		struct frame f = flow_frame(false, n, n % 2 ? FRAME_ACK : FRAME_SYN);
		struct explanation e = lab_explain(dp, "tcp", &f.src, f.src_port);
		struct flow_search s;
		unsigned int host;

		assert_false(e.has_flow);
		assert_false(flow_find(false, n, &s));
		host = lab_ask(&f);
		assert_int_equal(host, n % 2 ? 2 : e.backend.s6_addr[15]);
		elsewhere += host != 71;
	}
	dataplane_close(dp);
	assert_true(elsewhere > FLOWS / 2 + FLOWS / 10 && elsewhere < FLOWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(test_explain_agrees_about_idle_flows, start_tracked),
		FLOW_TEST(test_a_reset_begins_nothing, start),
		FLOW_TEST(test_a_reset_begins_nothing, start_tracked),
		FLOW_TEST(test_states, start_tracked),
		FLOW_TEST(test_both_ends_open_at_once, start),
		FLOW_TEST(test_both_ends_open_at_once, start_tracked),
		FLOW_TEST(test_the_end_of_an_unproven_flow_frees_its_entry, start_tracked),
		FLOW_TEST(test_what_the_table_shows, start_tracked),
		FLOW_TEST(test_flows_are_counted_when_they_begin, start_tracked),
		FLOW_TEST(test_replies_follow_the_client, start),
		FLOW_TEST(test_replies_follow_the_client, start_tracked),
		FLOW_TEST(test_only_its_own_backend_answers_a_flow, start),
		FLOW_TEST(test_only_its_own_backend_answers_a_flow, start_tracked),
		FLOW_TEST(test_a_reset_to_a_backend_begins_no_conversation, start),
		FLOW_TEST(test_a_reused_slot_is_never_followed, start_hasty),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

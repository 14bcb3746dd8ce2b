// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows that live while everything around them changes, remembered or not; and those that may move. */
#include "flow_lab.h"

#define SEED 0x27fe94a1c06b3d58ull

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

/* Born at any moment of a release; some of them silent for the rest of it. */
static void test_flows_born_between_shifts_stay(void **state)
{
	static const uint32_t ppm[] = {1000000, 0, 500000, 100000, 900000, 300000};
	const uint16_t part = FLOWS / 6;

	(void)state;
	for (uint16_t i = 0; i < 6; i++) {
		flow_open(i * part, (i + 1) * part, FRAME_ACK);
		assert_int_equal(lab_shift("tcp", "canary", ppm[i]), 0);
		assert_int_equal(lab_shift("udp", "canary", ppm[i]), 0);
		for (uint16_t j = 0; j <= i; j++)
			flow_expect(j * part, j * part + part / 2, FRAME_ACK);
	}
	flow_expect(0, 6 * part, FRAME_ACK);
}

/* Whether every flow is remembered is no reason to go elsewhere. */
static void test_tracking_moves_no_flow(void **state)
{
	(void)state;
	flow_open_all(FRAME_ACK);
	for (int i = 0; i < 4; i++) {
		is_tracked = !is_tracked;
		FLOW_APPLY("", CANARY_1 CANARY_2, STABLE_1 STABLE_2 STABLE_3);
		if (i % 2)
			flow_expect_all(FRAME_ACK);
		assert_int_equal(lab_shift("tcp", "canary", i % 2 ? 100000 : 800000), 0);
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

static uint32_t answer_syn(uint16_t n, unsigned int host)
{
	struct outcome out;

	return flow_answer(false, n, host, FRAME_SYN | FRAME_ACK, &out);
}

/* The SYN was before shift and drain; its answer and the SYN sent again cross each other after it. */
static void test_an_answer_binds_a_handshake(void **state)
{
	unsigned int moving = 0;

	(void)state;
	flow_open_all(0);
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	assert_int_equal(lab_drain("tcp", "10.1.0.61", true, false), 0);
	for (uint16_t n = 0; n < FLOWS; n++) {
		unsigned int host = hosts[0][n];

		assert_true(answer_syn(n, host) >= XDP_TX);
		assert_int_equal(flow_send(false, n, FRAME_SYN), host);
		assert_true(answer_syn(n, host) >= XDP_TX);
		if (!is_canary(host)) {
			flow_expect_state(n, SERIN_FLOW_REPLIED);
			moving++;
		}
		assert_int_equal(flow_send(false, n, FRAME_ACK), host);
	}
	assert_true(moving > FLOWS / 2);
	flow_expect_all(FRAME_ACK);
}

/* And where the SYN is first: the client hears of one backend only. */
static void test_a_late_answer_is_not_the_flows(void **state)
{
	(void)state;
	flow_open_all(0);
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	for (uint16_t n = 0; n < FLOWS; n++) {
		unsigned int old = hosts[0][n];

		hosts[0][n] = flow_send(false, n, FRAME_SYN);
		assert_true(is_canary(hosts[0][n]));
		if (old != hosts[0][n])
			assert_int_equal(answer_syn(n, old), XDP_PASS);
		assert_true(answer_syn(n, hosts[0][n]) >= XDP_TX);
	}
	flow_expect_all(FRAME_ACK);
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
	FLOW_APPLY("", CANARY_1, STABLE_1);
	flow_expect_all(FRAME_ACK);
	FLOW_APPLY("", LATER_2, LATER_1);
	flow_expect_all(FRAME_ACK);
	FLOW_APPLY("", LATER_2, LATER_1);
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
	FLOW_APPLY(", table_size: 65537", CANARY_1 CANARY_2 LATER_1,
		   STABLE_1 STABLE_2 STABLE_3 LATER_2);
	flow_expect_all(FRAME_ACK);
	FLOW_APPLY(", table_size: 1009", CANARY_1 CANARY_2 LATER_1,
		   STABLE_1 STABLE_2 STABLE_3 LATER_2);
	flow_expect_all(FRAME_ACK);
	FLOW_APPLY("", STABLE_1 STABLE_2 LATER_1, CANARY_1 CANARY_2 LATER_2);
	flow_expect_all(FRAME_ACK);
}

/* ---- flows that may move ---- */

/* Anybody can pretend to be a client: its reset is a wish. A backend's reset ends all. */
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
	struct flow_search s;

	(void)state;
	assert_int_equal(lab_shift("tcp", "canary", 0), 0);
	flow_open_all(FRAME_ACK);
	for (uint16_t n = 0; n < FLOWS; n++) {
		if (n % 2)
			close_by_client(n, n % 4 < 2 ? FRAME_FIN : FRAME_RST);
		else
			close_by_backend(n, n % 4 < 2 ? FRAME_FIN : FRAME_RST);
		if (n % 4 != 2)
			flow_expect_state(n, SERIN_FLOW_CLOSING);
		else
			assert_false(flow_find(false, n, &s));
	}
	assert_int_equal(lab_shift("tcp", "canary", 1000000), 0);
	flow_expect_all(FRAME_ACK); /* what is left of the old connection */
	for (uint16_t n = 0; n < FLOWS; n++) {
		unsigned int old = hosts[0][n];

		hosts[0][n] = flow_send(false, n, FRAME_SYN);
		if (!is_canary(hosts[0][n]))
			fail_msg("flow %u, %s, still goes to %u", n,
				 n % 4 < 2 ? "closing" : "reset", old);
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
	FLOW_APPLY("", CANARY_1 CANARY_2, STABLE_1 STABLE_3);
	for (uint16_t n = 0; n < FLOWS; n++) {
		unsigned int host = flow_send(false, n, FRAME_SYN);

		assert_true(host && host != 61 && host != 62);
		if (is_tracked && hosts[0][n] != 61 && hosts[0][n] != 62)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(test_shifts_move_no_flow, start),
		FLOW_TEST(test_shifts_move_no_flow, start_tracked),
		FLOW_TEST(test_flows_born_between_shifts_stay, start),
		FLOW_TEST(test_flows_born_between_shifts_stay, start_tracked),
		FLOW_TEST(test_tracking_moves_no_flow, start),
		FLOW_TEST(test_tracking_moves_no_flow, start_tracked),
		FLOW_TEST(test_a_retransmitted_syn_stays, start_tracked),
		FLOW_TEST(test_an_answer_binds_a_handshake, start),
		FLOW_TEST(test_a_late_answer_is_not_the_flows, start),
		FLOW_TEST(test_drains_move_no_flow, start),
		FLOW_TEST(test_drains_move_no_flow, start_tracked),
		FLOW_TEST(test_removed_backends_keep_their_flows, start),
		FLOW_TEST(test_removed_backends_keep_their_flows, start_tracked),
		FLOW_TEST(test_table_swaps_move_no_flow, start),
		FLOW_TEST(test_table_swaps_move_no_flow, start_tracked),
		FLOW_TEST(test_a_syn_on_a_closing_flow_chooses_anew, start_tracked),
		FLOW_TEST(test_a_syn_leaves_a_backend_that_takes_no_flows, start),
		FLOW_TEST(test_a_syn_leaves_a_backend_that_takes_no_flows, start_tracked),
		FLOW_TEST(test_idle_flows, start_tracked),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

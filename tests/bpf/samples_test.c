// SPDX-License-Identifier: GPL-2.0-or-later
/* Sampled flows, step by step: what is counted and timed of each, and how each ends. */
#include "signals_lab.h"

#define SEED 0x2c7be4f190a5d368ull

static int setup(void **state)
{
	lab_setup(state);
	talk_apply();
	talk_open_samples();
	return 0;
}

/* No test finds what another one left. */
static int start(void **state)
{
	(void)state;
	talk_forget_samples();
	return 0;
}

struct latencies {
	uint64_t of[SERIN_LATENCY_MAX];
};

static struct latencies count_latencies(const struct talk_way *w)
{
	struct latencies l;

	for (int i = 0; i < SERIN_LATENCY_MAX; i++)
		l.of[i] = talk_latency_count(w, (enum serin_latency)i);
	return l;
}

static void expect_latencies(const struct talk_way *w, const struct latencies *before,
			     const struct latencies *wanted)
{
	struct latencies now = count_latencies(w);

	for (int i = 0; i < SERIN_LATENCY_MAX; i++)
		if (now.of[i] - before->of[i] != wanted->of[i])
			fail_msg("%s: latency %d: %llu, to be %llu", w->name, i,
				 (unsigned long long)(now.of[i] - before->of[i]),
				 (unsigned long long)wanted->of[i]);
}

static bool is_seen_tcp(const struct talk_way *w)
{
	return w->protocol == IPPROTO_TCP && way_is_seen(w);
}

static bool is_one_way_tcp(const struct talk_way *w)
{
	return w->protocol == IPPROTO_TCP && !way_is_seen(w);
}

static bool is_seen_udp(const struct talk_way *w)
{
	return w->protocol == IPPROTO_UDP && way_is_seen(w);
}

/* A test of each way there is of a kind: what it does to a fresh conversation, and what of it is
 * counted then. */
static void each_way(bool (*is_one)(const struct talk_way *w), void (*act)(struct talk *t),
		     const struct serin_signals *signals, const struct latencies *latencies,
		     size_t left)
{
	static uint16_t port = 5000;

	for (size_t i = 0; i < TALK_WAYS; i++) {
		const struct talk_way *w = &talk_ways[i];
		struct talk t = talk_begin(w, ++port);
		struct serin_signals before;
		struct latencies timed;

		if (!is_one(w))
			continue;
		start(NULL);
		before = talk_signals(w->name, "canary");
		timed = count_latencies(w);
		act(&t);
		talk_expect(w, &before, signals);
		expect_latencies(w, &timed, latencies);
		assert_int_equal(talk_count_samples(), left);
	}
}

static void test_a_connection_from_end_to_end(void **state)
{
	(void)state;
	each_way(is_seen_tcp, whole_connection,
		 &(struct serin_signals){.syns = 1,
					 .syn_acks = 1,
					 .fins_in = 2,
					 .fins_out = 2,
					 .sampled_flows = 1,
					 .handshakes = 1,
					 .closed = 1},
		 &(struct latencies){{1, 1, 1, 1}}, 0);
}

static void syns_again(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 0);
	talk_send(t, FRAME_SYN, 7, 0);
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_send(t, FRAME_SYN, 7, 0);
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_send(t, FRAME_ACK, 8, 0);
	talk_send(t, FRAME_SYN, 7, 0);
}

static void test_a_syn_sent_again_is_known(void **state)
{
	(void)state;
	each_way(is_seen_tcp, syns_again,
		 &(struct serin_signals){.syns = 4,
					 .syn_acks = 2,
					 .sampled_flows = 1,
					 .handshakes = 1,
					 .syn_retransmits = 2},
		 &(struct latencies){{1, 1}}, 1);
}

/* Its port is used again: the one before ended unseen. */
static void another_syn(struct talk *t)
{
	open_connection(t);
	talk_send(t, FRAME_SYN, 9, 0);
	talk_answer(t, FRAME_SYN | FRAME_ACK, 90, 0);
}

static void test_another_number_is_another_connection(void **state)
{
	(void)state;
	each_way(is_seen_tcp, another_syn,
		 &(struct serin_signals){
			 .syns = 2, .syn_acks = 2, .sampled_flows = 2, .handshakes = 2},
		 &(struct latencies){{2, 1}}, 1);
}

static void test_a_refused_connection(void **state)
{
	(void)state;
	each_way(is_seen_tcp, refuse,
		 &(struct serin_signals){.syns = 1,
					 .resets_by_backend = 1,
					 .refused = 1,
					 .sampled_flows = 1,
					 .sampled_refused = 1,
					 .failures = 1},
		 &(struct latencies){{0}}, 0);
}

static void reset_request(struct talk *t)
{
	open_connection(t);
	talk_send(t, FRAME_ACK, 8, 100);
	talk_answer(t, FRAME_RST, 71, 0);
}

static void reset_late(struct talk *t)
{
	ask_and_answer(t);
	talk_answer(t, FRAME_RST, 171, 0);
}

static void client_resets(struct talk *t)
{
	open_connection(t);
	talk_send(t, FRAME_RST, 8, 0);
}

static void test_resets(void **state)
{
	(void)state;
	talk_forget_failures();
	each_way(is_seen_tcp, reset_request,
		 &(struct serin_signals){.syns = 1,
					 .syn_acks = 1,
					 .resets_by_backend = 1,
					 .sampled_flows = 1,
					 .handshakes = 1,
					 .resets_before_data = 1,
					 .failures = 1},
		 &(struct latencies){{1, 1}}, 0);
	each_way(is_seen_tcp, reset_late,
		 &(struct serin_signals){.syns = 1,
					 .syn_acks = 1,
					 .resets_by_backend = 1,
					 .sampled_flows = 1,
					 .handshakes = 1,
					 .resets_after_data = 1},
		 &(struct latencies){{1, 1, 1}}, 0);
	each_way(is_seen_tcp, client_resets,
		 &(struct serin_signals){.syns = 1,
					 .syn_acks = 1,
					 .resets_by_client = 1,
					 .sampled_flows = 1,
					 .handshakes = 1},
		 &(struct latencies){{1, 1}}, 0);
}

static void unreachable(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 20);
	talk_unreachable(t);
}

static void unreachable_late(struct talk *t)
{
	ask_and_answer(t);
	talk_unreachable(t);
}

static void test_unreachable_backends(void **state)
{
	(void)state;
	talk_forget_failures();
	each_way(is_seen_tcp, unreachable,
		 &(struct serin_signals){.syns = 1,
					 .unreachables = 1,
					 .sampled_flows = 1,
					 .sampled_unreachables = 1,
					 .failures = 1},
		 &(struct latencies){{0}}, 0);
	each_way(is_seen_udp, unreachable,
		 &(struct serin_signals){.unreachables = 1,
					 .sampled_flows = 1,
					 .sampled_unreachables = 1,
					 .failures = 1},
		 &(struct latencies){{0}}, 0);
	each_way(is_seen_tcp, unreachable_late,
		 &(struct serin_signals){.syns = 1,
					 .syn_acks = 1,
					 .unreachables = 1,
					 .sampled_flows = 1,
					 .handshakes = 1},
		 &(struct latencies){{1, 1, 1}}, 1);
}

static void server_speaks_first(struct talk *t)
{
	open_connection(t);
	talk_answer(t, FRAME_ACK, 71, 30);
	talk_send(t, FRAME_ACK, 8, 100);
	talk_answer(t, FRAME_ACK, 101, 30);
}

static void test_a_server_that_speaks_first_answers_nothing(void **state)
{
	(void)state;
	each_way(is_seen_tcp, server_speaks_first,
		 &(struct serin_signals){
			 .syns = 1, .syn_acks = 1, .sampled_flows = 1, .handshakes = 1},
		 &(struct latencies){{1, 1}}, 1);
}

static void one_way(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 0);
	talk_send(t, FRAME_SYN, 7, 0);
	talk_send(t, FRAME_ACK, 8, 0);
	talk_send(t, FRAME_ACK, 8, 100);
	talk_send(t, FRAME_ACK | FRAME_FIN, 108, 0);
	talk_send(t, FRAME_ACK, 109, 0);
}

static void test_what_clients_alone_tell(void **state)
{
	(void)state;
	each_way(is_one_way_tcp, one_way,
		 &(struct serin_signals){.syns = 2,
					 .fins_in = 1,
					 .sampled_flows = 1,
					 .handshakes = 1,
					 .syn_retransmits = 1,
					 .closed = 1},
		 &(struct latencies){{1, 0, 0, 1}}, 0);
}

static bool is_one_way_udp(const struct talk_way *w)
{
	return w->protocol == IPPROTO_UDP && !way_is_seen(w);
}

static void one_datagram(struct talk *t)
{
	talk_send(t, 0, 0, 20);
}

static void conversation(struct talk *t)
{
	talk_send(t, 0, 0, 20);
	talk_send(t, 0, 0, 20);
	talk_answer(t, 0, 0, 200);
	talk_answer(t, 0, 0, 200);
	talk_send(t, 0, 0, 20);
}

/* The entry stays, or a conversation's last datagram would begin another one. */
static void test_a_conversations_first_answer(void **state)
{
	(void)state;
	each_way(is_seen_udp, conversation,
		 &(struct serin_signals){.sampled_flows = 1, .answered = 1},
		 &(struct latencies){{0, 0, 1}}, 1);
	each_way(is_one_way_udp, one_datagram, &(struct serin_signals){0}, &(struct latencies){{0}},
		 0);
}

/* ---- time ---- */

static void wait_in_vain(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 20);
	talk_age_samples(SERIN_ANSWER_MS - 500);
	talk_sweep();
	talk_age_samples(SERIN_HANDSHAKE_MS - SERIN_ANSWER_MS + 500);
	talk_sweep();
	talk_sweep();
}

static void test_what_is_not_answered_in_time(void **state)
{
	(void)state;
	talk_forget_failures();
	each_way(is_seen_tcp, wait_in_vain,
		 &(struct serin_signals){
			 .syns = 1, .sampled_flows = 1, .timed_out = 1, .failures = 1},
		 &(struct latencies){{0}}, 1);
	each_way(is_one_way_tcp, wait_in_vain,
		 &(struct serin_signals){
			 .syns = 1, .sampled_flows = 1, .timed_out = 1, .failures = 1},
		 &(struct latencies){{0}}, 1);
	each_way(is_seen_udp, wait_in_vain,
		 &(struct serin_signals){.sampled_flows = 1, .unanswered = 1, .failures = 1},
		 &(struct latencies){{0}}, 1);
}

static void answered_in_time(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 20);
	talk_age_samples(SERIN_ANSWER_MS - 500);
	talk_sweep();
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 20);
	talk_age_samples(5000);
	talk_sweep();
}

static void test_what_is_answered_in_time(void **state)
{
	(void)state;
	each_way(is_seen_tcp, answered_in_time,
		 &(struct serin_signals){
			 .syns = 1, .syn_acks = 1, .sampled_flows = 1, .handshakes = 1},
		 &(struct latencies){{1}}, 1);
	each_way(is_seen_udp, answered_in_time,
		 &(struct serin_signals){.sampled_flows = 1, .answered = 1},
		 &(struct latencies){{0, 0, 1}}, 1);
}

/* It is a failure, once, and a handshake with its true length all the same. */
static void answered_late(struct talk *t)
{
	wait_in_vain(t);
	talk_send(t, FRAME_SYN, 7, 0);
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_answer(t, FRAME_RST, 71, 0);
}

static void test_a_late_answer(void **state)
{
	(void)state;
	talk_forget_failures();
	each_way(is_seen_tcp, answered_late,
		 &(struct serin_signals){.syns = 2,
					 .syn_acks = 1,
					 .resets_by_backend = 1,
					 .sampled_flows = 1,
					 .handshakes = 1,
					 .syn_retransmits = 1,
					 .resets_before_data = 1,
					 .timed_out = 1,
					 .failures = 1},
		 &(struct latencies){{1}}, 0);
}

static void silent(struct talk *t)
{
	ask_and_answer(t);
	talk_age_samples(SERIN_SAMPLE_KEEP_S * 1000 - 60000);
	talk_sweep();
	assert_int_equal(talk_count_samples(), 1);
	talk_age_samples(120000);
	talk_sweep();
}

static void test_what_nothing_is_seen_of_is_forgotten(void **state)
{
	(void)state;
	each_way(is_seen_tcp, silent,
		 &(struct serin_signals){
			 .syns = 1, .syn_acks = 1, .sampled_flows = 1, .handshakes = 1},
		 &(struct latencies){{1, 1, 1}}, 0);
}

static void half_open(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 0);
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_age_samples(SERIN_SAMPLE_LINGER_S * 1000 - 2000);
	talk_sweep();
	assert_int_equal(talk_count_samples(), 1);
	talk_age_samples(4000);
	talk_sweep();
}

/* Or a flood of them would leave no place to others. */
static void test_what_no_client_ends_the_handshake_of_is_forgotten_soon(void **state)
{
	(void)state;
	each_way(is_seen_tcp, half_open,
		 &(struct serin_signals){
			 .syns = 1, .syn_acks = 1, .sampled_flows = 1, .handshakes = 1},
		 &(struct latencies){{1}}, 0);
}

/* Each latency is counted from its own beginning. */
static void test_latencies_are_as_long_as_they_took(void **state)
{
	static const uint64_t ms[SERIN_LATENCY_MAX] = {40, 150, 600, 3290};
	const struct talk_way *w = talk_way("nat4");
	struct talk t = talk_begin(w, 4100);
	struct serin_histogram before[SERIN_LATENCY_MAX], now;

	(void)state;
	for (int i = 0; i < SERIN_LATENCY_MAX; i++)
		before[i] = talk_latency(w, (enum serin_latency)i);
	talk_send(&t, FRAME_SYN, 7, 0);
	talk_age_samples(40);
	talk_answer(&t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_age_samples(150);
	talk_send(&t, FRAME_ACK, 8, 0);
	talk_age_samples(500);
	talk_send(&t, FRAME_ACK, 8, 100);
	talk_age_samples(600);
	talk_answer(&t, FRAME_ACK, 71, 100);
	talk_send(&t, FRAME_ACK | FRAME_FIN, 108, 0);
	talk_age_samples(2000);
	talk_answer(&t, FRAME_ACK | FRAME_FIN, 171, 0);
	for (int i = 0; i < SERIN_LATENCY_MAX; i++) {
		uint32_t bucket = serin_latency_bucket(ms[i] * 1000);

		now = talk_latency(w, (enum serin_latency)i);
		assert_true(now.sum_us - before[i].sum_us >= ms[i] * 1000);
		/* The test itself takes a while. */
		assert_int_equal(now.bucket[bucket] + now.bucket[bucket + 1] -
					 before[i].bucket[bucket] - before[i].bucket[bucket + 1],
				 1);
	}
}

#define TEST(function) cmocka_unit_test_setup(function, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_connection_from_end_to_end),
		TEST(test_a_syn_sent_again_is_known),
		TEST(test_another_number_is_another_connection),
		TEST(test_a_refused_connection),
		TEST(test_resets),
		TEST(test_unreachable_backends),
		TEST(test_a_server_that_speaks_first_answers_nothing),
		TEST(test_what_clients_alone_tell),
		TEST(test_a_conversations_first_answer),
		TEST(test_what_is_not_answered_in_time),
		TEST(test_what_is_answered_in_time),
		TEST(test_a_late_answer),
		TEST(test_what_nothing_is_seen_of_is_forgotten),
		TEST(test_what_no_client_ends_the_handshake_of_is_forgotten_soon),
		TEST(test_latencies_are_as_long_as_they_took),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

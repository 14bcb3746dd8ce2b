// SPDX-License-Identifier: GPL-2.0-or-later
/* What is counted of every flow's packets by what they say: SYN, FIN, RST, and errors about them. */
#include "signals_lab.h"

#define SEED 0x6d1e93b5c2a7f048ull

static int setup(void **state)
{
	lab_setup(state);
	talk_apply();
	return 0;
}

static void say_all(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 0);
	talk_send(t, FRAME_SYN, 7, 0);
	talk_send(t, FRAME_ACK, 8, 0);
	talk_send(t, FRAME_ACK, 8, 100);
	talk_send(t, FRAME_ACK | FRAME_FIN, 108, 0);
	talk_send(t, FRAME_RST, 109, 0);
	talk_send(t, FRAME_RST | FRAME_ACK, 0, 0);
}

static void answer_all(struct talk *t)
{
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_answer(t, FRAME_ACK, 71, 900);
	talk_answer(t, FRAME_ACK | FRAME_FIN, 971, 0);
	talk_answer(t, FRAME_ACK | FRAME_FIN, 971, 5);
	talk_answer(t, FRAME_RST | FRAME_ACK, 972, 0);
	talk_answer(t, FRAME_RST, 0, 0);
}

/* Only what is exact for every flow. */
static void expect_exact(const struct talk_way *w, const struct serin_signals *from,
			 const struct serin_signals *wanted)
{
	struct serin_signals to = talk_signals(w->name, "canary"), found = talk_delta(from, &to);

	if (memcmp(&found, wanted, offsetof(struct serin_signals, unreachables) + 8))
		fail_msg("%s", w->name);
}

static void test_tcp_is_counted_by_its_flags(void **state)
{
	const struct serin_signals seen = {.syns = 2,
					   .syn_acks = 1,
					   .fins_in = 1,
					   .fins_out = 2,
					   .resets_by_client = 2,
					   .resets_by_backend = 2};
	const struct serin_signals unseen = {.syns = 2, .fins_in = 1, .resets_by_client = 2};

	(void)state;
	for (size_t i = 0; i < TALK_WAYS; i++) {
		const struct talk_way *w = &talk_ways[i];
		struct serin_signals before = talk_signals(w->name, "canary");
		struct talk t = talk_begin(w, 4000);

		if (w->protocol != IPPROTO_TCP)
			continue;
		talk_send(&t, FRAME_SYN, 7, 0);
		before = talk_signals(w->name, "canary");
		say_all(&t);
		if (way_is_seen(w))
			answer_all(&t);
		expect_exact(w, &before, way_is_seen(w) ? &seen : &unseen);
	}
}

static void test_a_refusal_has_the_number_0(void **state)
{
	(void)state;
	for (size_t i = 0; i < TALK_WAYS; i++) {
		const struct talk_way *w = &talk_ways[i];
		struct serin_signals before = talk_signals(w->name, "canary");
		struct talk t = talk_begin(w, 4001);

		if (w->protocol != IPPROTO_TCP || !way_is_seen(w))
			continue;
		talk_send(&t, FRAME_SYN, 7, 0);
		talk_answer(&t, FRAME_RST | FRAME_ACK, 0, 0);
		expect_exact(
			w, &before,
			&(struct serin_signals){.syns = 1, .refused = 1, .resets_by_backend = 1});
	}
}

/* Of what a backend's host sends, the one error that says that it was not reached. */
static void test_unreachables_are_those_of_the_backend(void **state)
{
	(void)state;
	for (size_t i = 0; i < TALK_WAYS; i++) {
		const struct talk_way *w = &talk_ways[i];
		struct talk t = talk_begin(w, 4002);
		struct serin_signals before;

		if (!way_is_seen(w))
			continue;
		talk_send(&t, FRAME_SYN, 7, 20);
		before = talk_signals(w->name, "canary");
		talk_error(&t, 11, 0, 3, 0);
		talk_error(&t, 3, 4, 2, 0);
		expect_exact(w, &before, &(struct serin_signals){0});
		talk_unreachable(&t);
		expect_exact(w, &before, &(struct serin_signals){.unreachables = 1});
	}
}

/* A client that does not take a reply says nothing of the backend. */
static void test_unreachable_clients_are_not_counted(void **state)
{
	const struct talk_way *w = talk_way("nat4");
	struct talk t = talk_begin(w, 4003);
	struct frame got = frame_reply(&t.request);
	struct icmp_message m = {.outer = t.request, .type = 3, .code = 3};
	struct quoted q = quote_of(&got);
	struct serin_signals before;
	uint8_t bytes[FRAME_MAX];
	struct outcome out;
	size_t len = icmp_build(&m, &q, bytes);

	(void)state;
	talk_send(&t, FRAME_SYN, 7, 0);
	before = talk_signals(w->name, "canary");
	lab_run(lab_front, bytes, len, &out);
	assert_int_equal(out.action, XDP_TX);
	expect_exact(w, &before, &(struct serin_signals){0});
}

static void test_what_is_not_forwarded_is_not_counted(void **state)
{
	const struct talk_way *w = talk_way("nat4");
	struct talk t = talk_begin(w, 4004);
	struct serin_signals before = talk_signals(w->name, "canary");
	struct outcome out;

	(void)state;
	t.request.ttl = 1;
	lab_run_frame(lab_front, &t.request, &out);
	assert_int_equal(out.action, XDP_PASS);
	expect_exact(w, &before, &(struct serin_signals){0});
	expect_exact(w, &(struct serin_signals){0}, &before);
}

#define ONE_POOL(name, vip, host)                                                        \
	"  - {name: " name ", vip: " vip ", port: 80, protocol: tcp, pools: [{name: p, " \
	"backends: [{address: 10.1.0." host "}]}]}\n"

/* A number that a service leaves, of a pool and of a backend, is another's: which begins at 0. */
static void test_a_new_pool_begins_at_0(void **state)
{
	const struct talk_way first = {.name = "a",
				       .forwarding = "nat",
				       .vip = "192.0.2.1",
				       .source = "",
				       .settings = "",
				       .protocol = IPPROTO_TCP};
	struct talk t = talk_begin(&first, 4005);
	struct serin_signals now;

	(void)state;
	lab_detach();
	lab_apply(LAB_HEAD ONE_POOL("a", "192.0.2.1", "1"));
	talk_send(&t, FRAME_SYN, 7, 0);
	now = talk_signals("a", "p");
	assert_int_equal(now.syns, 1);
	lab_apply(LAB_HEAD ONE_POOL("b", "192.0.2.2", "2"));
	lab_apply(LAB_HEAD ONE_POOL("b", "192.0.2.2", "2") ONE_POOL("c", "192.0.2.3", "3"));
	now = talk_signals("c", "p");
	assert_memory_equal(&now, &(struct serin_signals){0}, sizeof(now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_is_counted_by_its_flags),
		cmocka_unit_test(test_a_refusal_has_the_number_0),
		cmocka_unit_test(test_unreachables_are_those_of_the_backend),
		cmocka_unit_test(test_unreachable_clients_are_not_counted),
		cmocka_unit_test(test_what_is_not_forwarded_is_not_counted),
		cmocka_unit_test(test_a_new_pool_begins_at_0),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

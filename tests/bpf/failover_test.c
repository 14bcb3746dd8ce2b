// SPDX-License-Identifier: GPL-2.0-or-later
/* SYN failover: which SYN moves its flow, which never does, and where the flow's packets go then. */
#include "guard_lab.h"

#define SEED 0x83d6f15e0b7c294aull

/* SYNs sent again till the next one is the last that its pool gets. */
static void exhaust(struct talk *t)
{
	for (int i = 0; i < FAILOVER_K; i++)
		assert_int_equal(begin(t), canary_of(t->way));
}

static void test_the_kth_syn_sent_again_goes_to_the_primary(void **state)
{
	(void)state;
	EACH_FAILING_OVER(w)
	{
		struct talk t = new_talk(w), other = new_talk(w);

		exhaust(&t);
		assert_int_equal(begin(&t), primary_of(w));
		assert_int_equal(begin(&t), primary_of(w));
		answer(&t);
		assert_int_equal(send_to(&t, FRAME_ACK, 8), primary_of(w));
		talk_answer(&t, FRAME_ACK, 71, 10);
		assert_int_equal(begin(&other), canary_of(w));
		assert_int_equal(guard_of(w, "canary")->failed_over, 1);
		assert_int_equal(talk_signals(w->name, "canary").failures, 1);
	}
}

static void test_what_was_answered_stays(void **state)
{
	(void)state;
	EACH_FAILING_OVER(w)
	{
		struct talk t = new_talk(w);

		exhaust(&t);
		answer(&t);
		for (int i = 0; i < 2 * FAILOVER_K; i++)
			assert_int_equal(begin(&t), canary_of(w));
		assert_int_equal(send_to(&t, FRAME_ACK, 8), canary_of(w));
		assert_int_equal(guard_of(w, "canary")->failed_over, 0);
	}
}

/* The pool's answer comes when its client has another backend: the client must not hear of it. */
static void test_a_late_answer_goes_nowhere(void **state)
{
	(void)state;
	EACH_FAILING_OVER(w)
	{
		struct talk t = new_talk(w);
		struct frame late;
		struct outcome out;

		exhaust(&t);
		late = t.reply;
		assert_int_equal(begin(&t), primary_of(w));
		late.tcp_flags = FRAME_SYN | FRAME_ACK;
		lab_run_frame(lab_front, &late, &out);
		assert_int_not_equal(out.action, XDP_TX);
		assert_int_not_equal(out.action, XDP_REDIRECT);
		answer(&t);
		assert_int_equal(send_to(&t, FRAME_ACK, 8), primary_of(w));
	}
}

/* Another number is another connection: it begins anew, and has its tries. */
static void test_another_connection_has_tries_of_its_own(void **state)
{
	(void)state;
	EACH_FAILING_OVER(w)
	{
		struct talk t = new_talk(w);

		exhaust(&t);
		for (int i = 0; i < FAILOVER_K; i++)
			assert_int_equal(send_to(&t, FRAME_SYN, 5007), canary_of(w));
		assert_int_equal(send_to(&t, FRAME_SYN, 5007), primary_of(w));
	}
}

static void test_other_flows_stay(void **state)
{
	(void)state;
	EACH_FAILING_OVER(w)
	{
		struct talk before = new_talk(w), t = new_talk(w), after = new_talk(w);

		assert_int_equal(begin(&before), canary_of(w));
		answer(&before);
		exhaust(&t);
		assert_int_equal(begin(&t), primary_of(w));
		assert_int_equal(send_to(&before, FRAME_ACK, 8), canary_of(w));
		talk_answer(&before, FRAME_ACK, 71, 10);
		assert_int_equal(begin(&after), canary_of(w));
		answer(&after);
		assert_int_equal(send_to(&after, FRAME_ACK, 8), canary_of(w));
		assert_int_equal(send_to(&t, FRAME_SYN, 7), primary_of(w));
	}
}

static void test_without_it_none_moves(void **state)
{
	const struct talk_way *w = &ways[WAYS - 1];
	struct talk t = new_talk(w);

	(void)state;
	for (int i = 0; i < 5 * FAILOVER_K; i++)
		assert_int_equal(begin(&t), canary_of(w));
	assert_int_equal(diverts_of(w), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_kth_syn_sent_again_goes_to_the_primary),
		TEST(test_what_was_answered_stays),
		TEST(test_a_late_answer_goes_nowhere),
		TEST(test_another_connection_has_tries_of_its_own),
		TEST(test_other_flows_stay),
		TEST(test_without_it_none_moves),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

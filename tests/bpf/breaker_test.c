// SPDX-License-Identifier: GPL-2.0-or-later
/* Breakers: when they open and close, what becomes of new flows meanwhile, and that no other one
 * moves. There is no agent in any of this. */
#include "guard_lab.h"

#define SEED 0x5be1c07d92fa4638ull

/* ---- opening ---- */

static void test_the_next_flow_goes_to_the_primary(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		for (int i = 0; i < BUDGET - 1; i++)
			fail_one(w);
		expect_next(w, canary_of(w));
		assert_int_equal(diverts_of(w), 0);
		fail_one(w);
		for (int i = 0; i < 20; i++)
			expect_next(w, primary_of(w));
		assert_int_equal(state_of(w), SERIN_BREAKER_OPEN);
		assert_int_equal(guard_of(w, "canary")->trips, 1);
		assert_int_equal(guard_of(w, "canary")->moved, 20);
	}
	for (int i = 0; i < 5 * BUDGET; i++)
		fail_one(&ways[WAYS - 1]); /* which has none */
}

static void test_one_clients_failures_are_one(void **state)
{
	const struct talk_way *w = &ways[0];

	(void)state;
	for (uint16_t port = 1; port < 5 * BUDGET; port++) {
		struct talk t = talk_from(w, "198.51.100.250", port);

		assert_int_equal(begin(&t), canary_of(w));
		fail_flow(&t);
	}
	assert_int_equal(state_of(w), SERIN_BREAKER_CLOSED);
}

static void test_failures_of_another_window_do_not_count(void **state)
{
	const struct talk_way *w = &ways[0];

	(void)state;
	for (int i = 0; i < BUDGET - 1; i++)
		fail_one(w);
	age_breaker(w, WINDOW_S);
	for (int i = 0; i < BUDGET - 1; i++)
		fail_one(w);
	assert_int_equal(state_of(w), SERIN_BREAKER_CLOSED);
	fail_one(w);
	assert_int_equal(state_of(w), SERIN_BREAKER_OPEN);
}

/* The pool answers nothing at all, and nobody sweeps: clients that try again tell. */
static void test_timeouts_open_it_without_a_sweep(void **state)
{
	const struct talk_way *w = &ways[0];
	struct talk t[BUDGET];

	(void)state;
	for (int i = 0; i < BUDGET; i++) {
		t[i] = new_talk(w);
		assert_int_equal(begin(&t[i]), canary_of(w));
	}
	talk_age_samples(SERIN_HANDSHAKE_MS);
	for (int i = 0; i < BUDGET; i++)
		assert_int_equal(begin(&t[i]), canary_of(w));
	assert_int_equal(state_of(w), SERIN_BREAKER_OPEN);
	expect_next(w, primary_of(w));
}

static void test_the_primary_has_none(void **state)
{
	const struct talk_way *w = &ways[0];

	(void)state;
	assert_int_equal(guard_of(w, "stable")->budget, 0);
	trip(w);
	for (int i = 0; i < 5 * BUDGET; i++) {
		struct talk t = new_talk(w);

		assert_int_equal(begin(&t), primary_of(w));
		fail_flow(&t);
	}
	expect_next(w, primary_of(w));
}

/* ---- flows that live ---- */

#define FLOWS 50

static void open_flows(const struct talk_way *w, struct talk t[FLOWS], unsigned int host)
{
	for (int i = 0; i < FLOWS; i++) {
		t[i] = new_talk(w);
		assert_int_equal(begin(&t[i]), host);
		answer(&t[i]);
		assert_int_equal(send_to(&t[i], FRAME_ACK, 8), host);
	}
}

static void expect_flows(struct talk t[FLOWS], unsigned int host)
{
	for (int i = 0; i < FLOWS; i++) {
		unsigned int went = send_to(&t[i], FRAME_ACK, 8);

		if (went != host)
			fail_msg("%s: flow %d left %u for %u", t->way->name, i, host, went);
		talk_answer(&t[i], FRAME_ACK, 71, 10);
	}
}

static void test_no_living_flow_moves(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		struct talk before[FLOWS], during[FLOWS], after[FLOWS];

		open_flows(w, before, canary_of(w));
		trip(w);
		expect_flows(before, canary_of(w));
		open_flows(w, during, primary_of(w));
		age_breaker(w, RECOVER_S);
		for (int i = 0; i < SERIN_BREAKER_PROBES; i++) {
			struct talk probe = new_talk(w);

			assert_int_equal(begin(&probe), canary_of(w));
			expect_flows(before, canary_of(w));
			expect_flows(during, primary_of(w));
			answer(&probe);
		}
		assert_int_equal(state_of(w), SERIN_BREAKER_CLOSED);
		open_flows(w, after, canary_of(w));
		expect_flows(before, canary_of(w));
		expect_flows(during, primary_of(w));
		expect_flows(after, canary_of(w));
	}
}

/* And neither do they at places that a shift has moved. */
static void test_no_living_flow_moves_with_a_shift(void **state)
{
	const struct talk_way *w = &ways[0];
	struct talk before[FLOWS], during[FLOWS], between[FLOWS];

	(void)state;
	open_flows(w, before, canary_of(w));
	dataplane_close(dp);
	assert_int_equal(lab_shift(w->name, "canary", 0), 0);
	dp = lab_open(DATAPLANE_WRITE);
	open_flows(w, between, primary_of(w));
	dataplane_close(dp);
	assert_int_equal(lab_shift(w->name, "canary", 1000000), 0);
	dp = lab_open(DATAPLANE_WRITE);
	trip(w);
	open_flows(w, during, primary_of(w));
	expect_flows(before, canary_of(w));
	expect_flows(between, primary_of(w));
	expect_flows(during, primary_of(w));
}

/* ---- closing ---- */

static void test_one_probe_at_a_time(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		trip(w);
		age_breaker(w, RECOVER_S - 1);
		expect_next(w, primary_of(w));
		age_breaker(w, 1);
		for (int i = 0; i < SERIN_BREAKER_PROBES; i++) {
			struct talk probe = new_talk(w);

			assert_int_equal(begin(&probe), canary_of(w));
			assert_int_equal(state_of(w), SERIN_BREAKER_PROBING);
			expect_next(w, primary_of(w));
			expect_next(w, primary_of(w));
			answer(&probe);
		}
		assert_int_equal(state_of(w), SERIN_BREAKER_CLOSED);
		for (int i = 0; i < BUDGET - 1; i++)
			fail_one(w); /* the budget is whole again */
		expect_next(w, canary_of(w));
	}
}

static void test_a_probe_that_fails_opens_it_again(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		struct talk probe;

		trip(w);
		age_breaker(w, RECOVER_S);
		probe = new_talk(w);
		assert_int_equal(begin(&probe), canary_of(w));
		fail_flow(&probe);
		assert_int_equal(state_of(w), SERIN_BREAKER_OPEN);
		assert_int_equal(guard_of(w, "canary")->trips, 2);
		expect_next(w, primary_of(w));
		age_breaker(w, RECOVER_S);
		expect_next(w, canary_of(w));
	}
}

static void test_a_probe_that_nothing_is_heard_of_opens_it_again(void **state)
{
	const struct talk_way *w = &ways[0];

	(void)state;
	trip(w);
	age_breaker(w, RECOVER_S);
	expect_next(w, canary_of(w));
	age_breaker(w, SERIN_PROBE_S);
	expect_next(w, primary_of(w));
	assert_int_equal(state_of(w), SERIN_BREAKER_OPEN);
}

/* ---- the end ---- */

static void maintain(void)
{
	struct rtnl *rtnl = NULL;

	assert_int_equal(rtnl_open(&rtnl), 0);
	assert_int_equal(dataplane_maintain(dp, rtnl), 0);
	rtnl_close(rtnl);
}

/* The flow table is asked as long as a diverted flow lives, and not for ever. */
static void test_the_flow_table_is_left_in_the_end(void **state)
{
	const struct talk_way *w = &ways[0];
	struct talk before = new_talk(w), during = new_talk(w);
	uint64_t began;

	(void)state;
	assert_int_equal(begin(&before), canary_of(w));
	answer(&before);
	trip(w);
	maintain();
	assert_int_not_equal(diverts_of(w), 0); /* it is open */
	assert_int_equal(begin(&during), primary_of(w));
	answer(&during);
	age_breaker(w, RECOVER_S);
	for (int i = 0; i < SERIN_BREAKER_PROBES; i++) {
		struct talk probe = new_talk(w);

		assert_int_equal(begin(&probe), canary_of(w));
		answer(&probe);
	}
	assert_int_equal(send_to(&during, FRAME_ACK, 8), primary_of(w));
	maintain();
	assert_int_not_equal(diverts_of(w), 0); /* a flow lives */
	assert_int_equal(send_to(&during, FRAME_ACK, 8), primary_of(w));
	for (began = lab_now_ms(); diverts_of(w); maintain())
		lab_wait(began, "the diverted flow to be over");
	assert_int_equal(send_to(&before, FRAME_ACK, 8), canary_of(w));
	/* The same client and port anew, and once more when it is asked again. */
	assert_int_equal(send_to(&during, FRAME_SYN, 1007), canary_of(w));
	trip(w);
	assert_int_equal(send_to(&during, FRAME_ACK, 1008), canary_of(w));
}

/* ---- what people see ---- */

static void test_it_is_told(void **state)
{
	const struct talk_way *w = &ways[0];
	struct talk t = new_talk(w);
	struct events *events = NULL;
	struct event_view v;
	struct snapshot *s;

	(void)state;
	assert_int_equal(events_open(LAB_DIR, EVENTS_NEW, &events), 0);
	trip(w);
	assert_int_equal(events_next(events, &v), 1);
	assert_int_equal(v.kind, SERIN_EVENT_BREAKER_OPENED);
	assert_int_equal(v.cause, SERIN_EVENT_CAUSE_FAILURES);
	assert_string_equal(v.service, w->name);
	assert_string_equal(v.pool, "canary");
	assert_int_equal(v.total, 1);
	assert_int_equal(lab_explain_frame(dp, w->name, &t.request).reason, EXPLAIN_BREAKER);
	assert_int_equal(begin(&t), primary_of(w));
	assert_int_equal(events_next(events, &v), 1);
	assert_int_equal(v.kind, SERIN_EVENT_FLOW_MOVED);
	assert_string_equal(v.pool, "canary");
	assert_memory_equal(&v.client, &t.request.src, sizeof(v.client));
	s = lab_snapshot();
	assert_int_equal(lab_pool(s, w->name, "canary")->guard.state, SERIN_BREAKER_OPEN);
	assert_int_equal(lab_pool(s, w->name, "canary")->guard.trips, 1);
	assert_int_equal(lab_pool(s, w->name, "canary")->guard.moved, 1);
	assert_int_equal(lab_pool(s, w->name, "stable")->guard.budget, 0);
	snapshot_free(s);
	assert_int_equal(events_next(events, &v), 0);
	events_close(events);
}

static uint8_t sample_few(uint32_t pool, uint64_t flows, uint8_t shift, void *arg)
{
	(void)pool;
	(void)flows;
	(void)shift;
	(void)arg;
	return SERIN_SAMPLE_SHIFT_MAX;
}

static void test_a_guarded_pool_is_sampled_wholly(void **state)
{
	struct snapshot *s;

	(void)state;
	assert_int_equal(dataplane_set_samples(dp, sample_few, NULL), 0);
	s = lab_snapshot();
	assert_int_equal(lab_pool(s, "b-nat4", "canary")->sample_shift, 0);
	assert_int_equal(lab_pool(s, "b-nat4", "stable")->sample_shift, SERIN_SAMPLE_SHIFT_MAX);
	assert_int_equal(lab_pool(s, "none4", "canary")->sample_shift, SERIN_SAMPLE_SHIFT_MAX);
	snapshot_free(s);
}

/* Applied again it stays open; taken away, the pool has its flows again. */
static void test_apply_keeps_it_and_takes_it_away(void **state)
{
	const struct talk_way *w = &ways[0];
	struct talk_way without = *w;
	char *text = NULL;
	size_t size;
	FILE *yaml;

	(void)state;
	trip(w);
	dataplane_close(dp);
	apply(LAB_HEAD);
	expect_next(w, primary_of(w));
	without.settings = "";
	yaml = open_memstream(&text, &size);
	fputs(LAB_HEAD, yaml);
	describe(yaml, &without);
	fclose(yaml);
	lab_apply(text);
	free(text);
	expect_next(w, canary_of(w));
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(guard_of(w, "canary")->budget, 0);
}

#define TEST(function)	cmocka_unit_test_setup_teardown(function, start, stop)
#define HASTY(function) cmocka_unit_test_setup_teardown(function, start_hasty, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_next_flow_goes_to_the_primary),
		TEST(test_one_clients_failures_are_one),
		TEST(test_failures_of_another_window_do_not_count),
		TEST(test_timeouts_open_it_without_a_sweep),
		TEST(test_the_primary_has_none),
		TEST(test_no_living_flow_moves),
		TEST(test_no_living_flow_moves_with_a_shift),
		TEST(test_one_probe_at_a_time),
		TEST(test_a_probe_that_fails_opens_it_again),
		TEST(test_a_probe_that_nothing_is_heard_of_opens_it_again),
		HASTY(test_the_flow_table_is_left_in_the_end),
		TEST(test_it_is_told),
		TEST(test_a_guarded_pool_is_sampled_wholly),
		TEST(test_apply_keeps_it_and_takes_it_away),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

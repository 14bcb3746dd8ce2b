// SPDX-License-Identifier: GPL-2.0-or-later
/* The cap on living flows: so many at once, and a seat for another as soon as one is over. */
#include "guard_lab.h"

#include <bpf/bpf.h>

#define SEED	   0x5ea75c0ffee12345ull
#define FLOWS_SENT (4 * SEATS)

/* As if all seats had been taken some time ago: of who has just taken one nothing is known yet. */
static void age_seats(const struct talk_way *w)
{
	struct serin_guard *g = guard_of(w, "canary");
	uint32_t id, index = (uint32_t)(g - dp->guards);
	struct serin_seat *seats;
	size_t size = g->flows * sizeof(*seats);
	int fd;

	assert_int_equal(bpf_map_lookup_elem(dp->map_fd[DP_MAP_SEATS], &index, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	seats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(seats != MAP_FAILED);
	for (uint32_t i = 0; i < g->flows; i++)
		if (seats[i].taken)
			seats[i].taken -= jiffies_of(2);
	munmap(seats, size);
	close(fd);
}

static void silence(__u64 key, __u64 *value)
{
	if (key && key != SERIN_FLOW_BUSY)
		*value -= 1ull << (SERIN_FLOW_SEEN_BITS - 2 + SERIN_FLOW_SEEN_SHIFT);
}

static void silence_table(const struct dp_flow_table *t)
{
	for (uint32_t n = 0; n < t->buckets * SERIN_FLOW4_WAYS; n++) {
		struct serin_flow4 *e4 = t->v4 ? &t->v4[n / 4].flow[n % 4] : NULL;
		struct serin_flow6 *e6 = t->v6 ? &t->v6[n / 4].flow[n % 4] : NULL;

		if (e4)
			silence(e4->key, &e4->value);
		if (e6)
			silence(e6->key, &e6->value);
	}
}

/* As if nobody had said anything for days. */
static void silence_flows(void)
{
	struct dp_flow_table t;

	assert_int_equal(dp_mmap_flows(dp), 0);
	silence_table(&(struct dp_flow_table){.v4 = dp->flows4, .buckets = dp->meta.flow_buckets});
	silence_table(&(struct dp_flow_table){.v6 = dp->flows6, .buckets = dp->meta.flow_buckets});
	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		if (!dp_has_sources(dp, id))
			continue;
		assert_int_equal(dp_source_table_open(dp, id, &t), 0);
		silence_table(&t);
		dp_source_table_close(&t);
	}
}

/* Begins so many flows, which are answered; returns how many the canary got. */
static unsigned int begin_many(const struct talk_way *w, int count, struct talk *talks)
{
	unsigned int of_canary = 0;

	for (int i = 0; i < count; i++) {
		struct talk t = new_talk(w);
		unsigned int went = begin(&t);

		assert_true(went == canary_of(w) || went == primary_of(w));
		of_canary += went == canary_of(w);
		answer(&t);
		if (talks)
			talks[i] = t;
	}
	return of_canary;
}

static void test_there_are_no_more_than_seats(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		struct talk t[FLOWS_SENT];

		assert_int_equal(begin_many(w, FLOWS_SENT, t), SEATS);
		assert_int_equal(guard_of(w, "canary")->capped, FLOWS_SENT - SEATS);
		age_seats(w);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), 0);
		for (int i = 0; i < FLOWS_SENT; i++) /* and all stay where they went */
			assert_int_equal(send_to(&t[i], FRAME_ACK, 8),
					 i < SEATS ? canary_of(w) : primary_of(w));
	}
}

/* A reset ends a flow, a FIN begins its end. */
static void test_a_flow_that_is_over_leaves_its_seat(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		struct talk t[SEATS];

		if (w->protocol == IPPROTO_UDP)
			continue;
		assert_int_equal(begin_many(w, SEATS, t), SEATS);
		age_seats(w);
		send_to(&t[0], FRAME_ACK, 8);
		talk_answer(&t[0], FRAME_RST, 71, 0);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), 1);
		age_seats(w);
		send_to(&t[1], FRAME_ACK, 8);
		talk_answer(&t[1], FRAME_ACK, 71, 4);
		send_to(&t[1], FRAME_ACK | FRAME_FIN, 8);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), 1);
	}
}

static void test_who_falls_silent_leaves_his_seat(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), SEATS);
		age_seats(w);
		silence_flows();
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), SEATS);
	}
}

/* His client's next flow went to the primary: the seat is not that one's. */
static void test_a_seat_is_of_its_pool(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		struct talk t[SEATS];

		assert_int_equal(begin_many(w, SEATS, t), SEATS);
		silence_flows();
		for (int i = 0; i < SEATS; i++)
			assert_int_equal(begin(&t[i]), primary_of(w));
		age_seats(w);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), SEATS);
	}
}

static void set_seats(const struct talk_way *w, uint32_t count)
{
	struct serin_guard *g = guard_of(w, "canary");

	assert_int_equal(dp_seats_set(dp, (uint32_t)(g - dp->guards), count), 0);
}

static void test_who_sits_stays_when_there_are_more(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), SEATS);
		set_seats(w, SEATS + 3);
		age_seats(w);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), 3);
		set_seats(w, 2);
		age_seats(w);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), 0);
		set_seats(w, 0);
		assert_int_equal(begin_many(w, FLOWS_SENT, NULL), FLOWS_SENT);
		set_seats(w, SEATS);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_there_are_no_more_than_seats),
		TEST(test_a_flow_that_is_over_leaves_its_seat),
		TEST(test_who_falls_silent_leaves_his_seat),
		TEST(test_a_seat_is_of_its_pool),
		TEST(test_who_sits_stays_when_there_are_more),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

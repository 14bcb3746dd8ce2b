// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two CPUs at once: what both see of a flow is counted once, a breaker opens once, and a cap is not
 * exceeded.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "guard_lab.h"

#define SEED	0x2c9b15e07fd8a643ull
#define THREADS 2
#define TALKS	100
#define AT_ONCE 10 /* few, for none to time out while others have the CPUs */
#define ROUNDS	20
#define FLOWS	50
#define SYNS	5

static atomic_uint arrived;

/* Spins: whom the kernel must wake is late. */
static void meet(void)
{
	unsigned int mine = atomic_fetch_add(&arrived, 1), all = mine - mine % THREADS + THREADS;

	while ((int)(atomic_load(&arrived) - all) < 0)
		;
}

/* ---- one flow, both at once ---- */

/* A packet that both send, or one each. */
struct step {
	struct {
		bool is_answer;
		uint8_t flags;
		uint32_t seq;
		uint16_t payload;
	} of[THREADS];
};

#define BOTH(...)                           \
	{                                   \
		{                           \
			{__VA_ARGS__},      \
			{                   \
				__VA_ARGS__ \
			}                   \
		}                           \
	}

static const struct step open_and_talk[] = {
	BOTH(true, FRAME_SYN | FRAME_ACK, 70, 0),
	BOTH(false, FRAME_ACK, 8, 0),
	BOTH(false, FRAME_ACK, 8, 100),
	BOTH(true, FRAME_ACK, 71, 50),
};

struct script {
	const struct step *steps;
	size_t count;
	struct talk *talks;
	int number; /* of the thread */
};

static void run_step(struct talk *t, const struct step *step, int number)
{
	struct outcome out;
	struct frame f = step->of[number].is_answer ? t->reply : t->request;

	f.tcp_flags = step->of[number].flags;
	f.payload_len = step->of[number].payload;
	meet();
	talk_run(&f, step->of[number].seq, &out);
}

static void *run_script(void *arg)
{
	const struct script *s = arg;

	for (int i = 0; i < AT_ONCE; i++)
		for (size_t n = 0; n < s->count; n++)
			run_step(&s->talks[i], &s->steps[n], s->number);
	return NULL;
}

static void run_at_once(struct talk *talks, const struct step *steps, size_t count)
{
	struct script scripts[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		scripts[i] = (struct script){steps, count, talks, i};
		assert_int_equal(pthread_create(&threads[i], NULL, run_script, &scripts[i]), 0);
	}
	lab_join(threads, THREADS);
}

/* So many conversations, each step by both CPUs; each conversation counts what is wanted. */
static void expect_each(const struct talk_way *w, const struct step *steps, size_t count,
			struct serin_signals wanted)
{
	struct serin_signals from = talk_signals(w->name, "canary");
	uint64_t words[sizeof(wanted) / 8];

	for (int begun = 0; begun < TALKS; begun += AT_ONCE) {
		struct talk talks[AT_ONCE];

		for (int i = 0; i < AT_ONCE; i++) {
			talks[i] = new_talk(w);
			begin(&talks[i]); /* tells whom the backend sees */
		}
		run_at_once(talks, steps, count);
	}
	memcpy(words, &wanted, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		words[i] *= TALKS;
	memcpy(&wanted, words, sizeof(words));
	talk_expect(w, &from, &wanted);
}

#define STEPS(...)                          \
	(const struct step[]){__VA_ARGS__}, \
		sizeof((struct step[]){__VA_ARGS__}) / sizeof(struct step)

static const char *const raced[] = {"none4", "b-tracked4", "b-nat6", "b-full4"};

#define EACH_RACED(w)                                                  \
	for (size_t k_ = 0; k_ < sizeof(raced) / sizeof(*raced); k_++) \
		for (const struct talk_way *w = way_called(raced[k_]); w; w = NULL)

static const struct talk_way *way_called(const char *name)
{
	for (size_t i = 0; i < WAYS; i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}

static void test_each_end_is_counted_once(void **state)
{
	(void)state;
	EACH_RACED(w)
	{
		uint64_t counts[SERIN_LATENCY_MAX];

		for (int i = 0; i < SERIN_LATENCY_MAX; i++)
			counts[i] = talk_latency_count(w, i);
		expect_each(w,
			    STEPS(BOTH(false, FRAME_SYN, 7, 0), open_and_talk[0], open_and_talk[1],
				  open_and_talk[2], open_and_talk[3],
				  {{{false, FRAME_ACK | FRAME_FIN, 108, 0},
				    {true, FRAME_ACK | FRAME_FIN, 121, 0}}}),
			    (struct serin_signals){.syns = 3,
						   .syn_acks = 2,
						   .fins_in = 1,
						   .fins_out = 1,
						   .sampled_flows = 1,
						   .handshakes = 1,
						   .syn_retransmits = 2,
						   .closed = 1});
		for (int i = 0; i < SERIN_LATENCY_MAX; i++)
			assert_int_equal(talk_latency_count(w, i) - counts[i], TALKS);
	}
}

static void test_each_failure_is_counted_once(void **state)
{
	const struct talk_way *w = way_called("none4");

	(void)state;
	expect_each(w, STEPS(BOTH(true, FRAME_RST | FRAME_ACK, 0, 0)),
		    (struct serin_signals){.syns = 1,
					   .resets_by_backend = 2,
					   .refused = 2,
					   .sampled_flows = 1,
					   .sampled_refused = 1,
					   .failures = 1});
	expect_each(w, STEPS(open_and_talk[0], open_and_talk[1], BOTH(true, FRAME_RST, 71, 0)),
		    (struct serin_signals){.syns = 1,
					   .syn_acks = 2,
					   .resets_by_backend = 2,
					   .sampled_flows = 1,
					   .handshakes = 1,
					   .resets_before_data = 1,
					   .failures = 1});
}

/* ---- flows of a guarded pool, begun at once ---- */

struct beginner {
	struct talk *talks;
	unsigned int of_canary;
	bool fails;
};

static atomic_uint dropped;

/* A SYN that the other CPU left no room for is sent again, as clients do. */
static unsigned int begin_beside(struct talk *t)
{
	struct frame f = t->request;
	uint8_t bytes[FRAME_MAX];
	struct outcome out = {};
	size_t len;

	f.tcp_flags = FRAME_SYN;
	len = frame_build(&f, bytes);
	lab_run(lab_front, bytes, len, &out);
	for (int i = 1; i < SYNS && out.action != XDP_TX; i++) {
		atomic_fetch_add(&dropped, 1);
		lab_run(lab_front, bytes, len, &out);
	}
	if (out.action != XDP_TX)
		lab_fail("action %u after %d SYNs", out.action, SYNS);
	talk_learn_reply(t, out.bytes);
	return lab_host_of(&out);
}

static void *begin_flows(void *arg)
{
	struct beginner *b = arg;

	for (int i = 0; i < FLOWS; i++) {
		struct talk *t = &b->talks[i];
		bool is_of_canary;

		meet();
		is_of_canary = begin_beside(t) == canary_of(t->way);
		b->of_canary += is_of_canary;
		meet();
		if (is_of_canary && b->fails)
			fail_flow(t);
	}
	return NULL;
}

/* Returns how many the canary got. */
static unsigned int begin_at_once(const struct talk_way *w, bool fails)
{
	static struct talk talks[THREADS][FLOWS];
	struct beginner b[THREADS];
	pthread_t threads[THREADS];
	unsigned int of_canary = 0;

	for (int n = 0; n < THREADS; n++) {
		for (int i = 0; i < FLOWS; i++)
			talks[n][i] = new_talk(w);
		b[n] = (struct beginner){.talks = talks[n], .fails = fails};
		assert_int_equal(pthread_create(&threads[n], NULL, begin_flows, &b[n]), 0);
	}
	lab_join(threads, THREADS);
	for (int n = 0; n < THREADS; n++)
		of_canary += b[n].of_canary;
	return of_canary;
}

/* Of one that was dropped its seat is another's only later. */
static void test_no_seat_is_taken_twice(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		struct serin_guard *g = guard_of(w, "canary");
		uint32_t index = (uint32_t)(g - dp->guards);
		uint64_t moved = 0;

		for (int round = 0; round < ROUNDS; round++) {
			unsigned int passed;

			assert_int_equal(dp_seats_set(dp, index, 0), 0);
			assert_int_equal(dp_seats_set(dp, index, SEATS), 0);
			atomic_store(&dropped, 0);
			passed = begin_at_once(w, false);
			assert_in_range(passed + atomic_load(&dropped), SEATS, THREADS * FLOWS);
			assert_in_range(passed, 0, SEATS);
			moved += THREADS * FLOWS - passed;
		}
		assert_true(g->capped >= moved);
	}
}

/* Flows under way on other CPUs when it opens have passed it. */
static void test_a_breaker_opens_once(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		struct serin_guard *g = guard_of(w, "canary");
		uint64_t of_canary = 0;

		for (uint64_t round = 1; round <= ROUNDS; round++) {
			unsigned int passed = begin_at_once(w, true);

			of_canary += passed;
			assert_true(passed >= BUDGET && passed < BUDGET + THREADS);
			assert_int_equal(g->trips, round);
			assert_true(g->moved >= round * THREADS * FLOWS - of_canary);
			g->phase = g->window = g->probe = 0;
		}
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_end_is_counted_once),
		TEST(test_each_failure_is_counted_once),
		TEST(test_no_seat_is_taken_twice),
		TEST(test_a_breaker_opens_once),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* A release's own seed: others are its clients, and nobody moves. */
#include "seed_lab.h"

#define SEED 0x1d70c5be92f34a68ull
#define BORN 400 /* clients born at each time */

/* ---- whom it draws ---- */

/* As explain foretells of a seed, or tells of the live one. */
static void explain_cohort(const uint64_t *seed, bool is_canary[CLIENTS])
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct frame f = frame_of(i);
		struct explain_query q = {.service = "web", .port = f.src_port};
		struct explanation e;

		q.client = f.src;
		q.has_seed = seed;
		q.seed = seed ? *seed : 0;
		assert_int_equal(dataplane_explain(dp, &q, &e), 0);
		is_canary[i] = !strcmp(e.pool, "canary");
	}
	dataplane_close(dp);
}

static unsigned int count_both(const bool a[CLIENTS], const bool b[CLIENTS])
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < CLIENTS; i++)
		count += a[i] && b[i];
	return count;
}

static void expect_other_cohort(const char *yaml)
{
	static const uint64_t seed = 77;
	static bool first[CLIENTS], foretold[CLIENTS], second[CLIENTS], told[CLIENTS];

	lab_apply(yaml);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	find_cohort(first);
	explain_cohort(&seed, foretold);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	take_seed(seed);
	expect_seeds(seed, FILE_SEED);
	find_cohort(second);
	assert_int_equal(count_both(second, second), 0);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	find_cohort(second);
	explain_cohort(NULL, told);
	assert_memory_equal(second, foretold, sizeof(second));
	assert_memory_equal(second, told, sizeof(second));
	/* A quarter of all in both, if the two draw independently: six sigmas are 64. */
	assert_in_range(count_both(first, second), CLIENTS / 4 - 64, CLIENTS / 4 + 64);
	assert_in_range(count_both(second, second), CLIENTS / 2 - 74, CLIENTS / 2 + 74);
}

static void test_others_are_its_clients(void **state)
{
	(void)state;
	expect_other_cohort(file);
	lab_teardown(NULL);
	expect_other_cohort(clients_file);
}

/* ---- nobody moves ---- */

/* Which of the first CLIENTS have a place that is settled. */
static unsigned int count_settled(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	unsigned int count = 0;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct frame f = frame_of(i);
		struct explanation e = lab_explain_frame(dp, "web", &f);

		count += e.is_settled;
	}
	dataplane_close(dp);
	return count;
}

static void give_birth(unsigned int from)
{
	for (unsigned int i = from; i < from + BORN; i++) {
		unsigned int host = send_of(i, FRAME_SYN);

		if (i % 2)
			assert_int_equal(send_of(i, FRAME_ACK), host);
	}
}

static void find_hosts(unsigned int from, uint8_t hosts[BORN])
{
	for (unsigned int i = 0; i < BORN; i++)
		hosts[i] = (uint8_t)send_of(from + i, FRAME_ACK);
}

static unsigned int count_on(const uint8_t hosts[BORN], uint8_t host)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < BORN; i++)
		count += hosts[i] == host;
	return count;
}

/* A service that was quiet remembers no flow, before it or after: what is settled stays so. */
static void test_a_quiet_service_stays_settled(void **state)
{
	static uint8_t hosts[2][BORN];

	(void)state;
	lab_apply(file);
	give_birth(0);
	find_hosts(0, hosts[0]);
	assert_int_equal(count_settled(), CLIENTS);
	take_seed(77);
	assert_int_equal(count_settled(), CLIENTS);
	find_hosts(0, hosts[1]);
	assert_memory_equal(hosts[0], hosts[1], BORN);
	/* And it is of the new seed that what the canary then leaves is settled. */
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	assert_in_range(count_settled(), CLIENTS / 2 - 74, CLIENTS / 2 + 74);
	find_hosts(0, hosts[1]);
	assert_memory_equal(hosts[0], hosts[1], BORN);
}

/* Those of a release that has ended stay on its canary while the next one has others. */
static void test_connections_stay_where_they_are(void **state)
{
	enum { OLD, AMID = BORN, LATE = 2 * BORN };
	static uint8_t hosts[4][3][BORN];

	(void)state;
	lab_apply(file);
	give_birth(OLD);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	give_birth(AMID);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	give_birth(LATE);
	for (int look = 0; look < 4; look++) {
		for (unsigned int g = 0; g < 3; g++)
			find_hosts(g * BORN, hosts[look][g]);
		assert_memory_equal(hosts[look], hosts[0], sizeof(hosts[0]));
		if (look == 0)
			take_seed(77);
		if (look == 1)
			assert_int_equal(lab_shift("web", "canary", HALF), 0);
		if (look == 2) {
			assert_int_equal(lab_shift("web", "canary", 0), 0);
			take_seed(78);
		}
	}
	assert_in_range(count_on(hosts[0][1], 1), BORN / 2 - 60, BORN / 2 + 60);
	assert_int_equal(count_on(hosts[0][0], 1) + count_on(hosts[0][2], 1), 0);
}

/* A client at the very end of the interval, which a baseline of a millionth has. */
static struct frame find_last_client(void)
{
	struct serin_hashing h = {.split_key = serin_split_key(FILE_SEED),
				  .affinity = SERIN_AFFINITY_CONNECTION};
	struct in6_addr vip = lab_addr("192.0.2.1");
	struct serin_endpoint at = {.port_be = htons(80), .protocol = IPPROTO_TCP};

	memcpy(&at.addr, &vip, sizeof(at.addr));
	h.flow_key = serin_flow_key(&at);
	for (;;) {
		struct frame f = lab_request("198.18.0.0", (uint16_t)(1 + lab_below(65535)),
					     "192.0.2.1", 80, IPPROTO_TCP);
		uint32_t low = lab_below(1 << 16);
		struct serin_addr client;

		memcpy(&f.src.s6_addr[14], &low, 2);
		memcpy(&client, &f.src, sizeof(client));
		if (serin_hash_point(&h, serin_flow_hash(&h, &client, htons(f.src_port))) >
		    UINT32_MAX - 4000)
			return f;
	}
}

/* What is settled is told in units that are larger than that. */
static void test_nor_does_one_of_the_smallest_pool(void **state)
{
	struct frame f = find_last_client();

	(void)state;
	lab_apply(file);
	assert_int_equal(lab_shift("web", "base", 1), 0);
	f.tcp_flags = FRAME_SYN;
	assert_int_equal(lab_ask(&f), 5);
	assert_int_equal(lab_shift("web", "base", 0), 0);
	f.tcp_flags = FRAME_ACK;
	take_seed(77);
	assert_int_equal(lab_ask(&f), 5);
}

/* ---- what it tells, and refuses ---- */

static void test_what_it_tells(void **state)
{
	struct snapshot *s;

	(void)state;
	lab_apply(file);
	take_seed(77);
	assert_true(change.is_made);
	assert_int_equal(live_find(change.before, "web")->seed, FILE_SEED);
	assert_false(live_find(change.before, "web")->has_file_seed);
	assert_int_equal(live_find(change.after, "web")->seed, 77);
	assert_int_equal(live_find(change.after, "web")->file_seed, FILE_SEED);
	s = lab_snapshot();
	assert_string_equal(snapshot_find_service(s, "web")->last.actor, "test");
	assert_int_equal(snapshot_find_service(s, "web")->epoch, 1);
	snapshot_free(s);
	live_change_fini(&change);
	take_seed(77);
	assert_false(change.is_made);
	take_seed(FILE_SEED);
	assert_false(live_find(change.after, "web")->has_file_seed);
}

static void expect_refusal(int64_t epoch, int wanted, const char *why)
{
	char *before = lab_status();

	assert_int_equal(ask_seed(77, epoch), wanted);
	assert_int_equal(lab_lines(lab_errors), 1);
	if (!strstr(lab_errors, why))
		fail_msg("not said: %s\nbut: %s", why, lab_errors);
	assert_false(change.is_made);
	expect_seeds(FILE_SEED, FILE_SEED);
	lab_expect_status(before);
}

static void test_refusals(void **state)
{
	(void)state;
	lab_apply(file);
	expect_refusal(7, -ESTALE, "its epoch is 1, not 7");
	assert_int_equal(lab_shift("web", "base", 1), 0);
	expect_refusal(-1, -EBUSY, "pool base has 0.0001 %");
	assert_int_equal(lab_shift("web", "base", 0), 0);
	assert_int_equal(lab_shift("web", "canary", SPLIT_PPM_ALL), 0);
	expect_refusal(-1, -EBUSY, "pool canary has 100 %");
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	take_seed(77);
}

int main(void)
{
#define SEED_TEST(test) cmocka_unit_test_teardown(test, finish)
	const struct CMUnitTest tests[] = {
		SEED_TEST(test_others_are_its_clients),
		SEED_TEST(test_a_quiet_service_stays_settled),
		SEED_TEST(test_connections_stay_where_they_are),
		SEED_TEST(test_nor_does_one_of_the_smallest_pool),
		SEED_TEST(test_what_it_tells),
		SEED_TEST(test_refusals),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

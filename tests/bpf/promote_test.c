// SPDX-License-Identifier: GPL-2.0-or-later
/* Another primary: nobody moves, and what apply and a restart make of it afterwards. */
#include <arpa/inet.h>

#include <serin/hash.h>

#include "apply_lab.h"

#include "dataplane/internal.h"
#include "model/live.h"

#define SEED   0x5b1fe03c97d2a846ull
#define POINTS (1u << 16)
#define BORN   1500 /* clients born at each time */

/* The canary's host is 1, the baseline's 5; 2 and 3 are the stable one's. */
#define CANARY(weight)	 WEIGHED("canary", weight, HOST(1))
#define BASELINE(weight) WEIGHED("base", weight, HOST(5))
#define STABLE		 POOL("stable", HOST(2) HOST(3))
#define FILE_OF(primary, pools)                                                               \
	LAB_HEAD "  - {name: web, vip: 192.0.2.1, port: 80, protocol: tcp, primary: " primary \
		 ", pools: [" pools "]}\n"

static const char first[] = FILE_OF("stable", CANARY("10") BASELINE("20") STABLE);
static const char middle[] = FILE_OF("stable", BASELINE("20") CANARY("10") STABLE);
static const char last[] = FILE_OF("stable", STABLE BASELINE("20") CANARY("10"));
static const char *const files[] = {first, middle, last};

#define FILES (sizeof(files) / sizeof(*files))

static struct live_change change;

static int ask_promotion(const char *pool, int64_t epoch, bool dry_run, struct dataplane_shift *out)
{
	struct dataplane_promote_request request = {
		.service = "web",
		.pool = pool,
		.expect_epoch = epoch,
		.dry_run = dry_run,
		.author = {.actor = "test", .reason = "because", .change = &change},
	};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	int real = lab_hush_begin();
	int error = dataplane_promote(dp, &request, out);

	lab_hush_end(real);
	dataplane_close(dp);
	return error;
}

static void promote(const char *pool)
{
	struct dataplane_shift out;

	if (ask_promotion(pool, -1, false, &out))
		fail_msg("%s", lab_errors);
}

static void shift_all_to(const char *pool)
{
	static const char *const pools[] = {"canary", "base", "stable"};
	struct snapshot *s = lab_snapshot();
	const struct snapshot_service *svc = snapshot_find_service(s, "web");

	for (int i = 0; i < 3; i++)
		if (strcmp(pools[i], pool) && strcmp(pools[i], svc->pools[svc->primary].name))
			assert_int_equal(lab_shift("web", pools[i], 0), 0);
	assert_int_equal(lab_shift("web", pool, SPLIT_PPM_ALL), 0);
	snapshot_free(s);
}

static void start_promoted(const char *file)
{
	lab_teardown(NULL);
	lab_apply(file);
	shift_all_to("canary");
	promote("canary");
}

static int finish(void **state)
{
	live_change_fini(&change);
	return lab_teardown(state);
}

static void expect_primary(const char *pool, const uint32_t weights[3])
{
	static const char *const pools[] = {"canary", "base", "stable"};
	struct snapshot *s = lab_snapshot();
	const struct snapshot_service *svc = snapshot_find_service(s, "web");

	assert_string_equal(svc->pools[svc->primary].name, pool);
	for (int i = 0; i < 3; i++)
		assert_int_equal(lab_pool(s, "web", pools[i])->weight_ppm, weights[i]);
	snapshot_free(s);
}

/* ---- nobody moves ---- */

/* Of the service's live split, for each of many points: its pool, and above it what is settled. */
static void read_places(uint8_t places[POINTS])
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	const struct serin_service *svc = &dp->services[dp_service_find(dp, "web")];
	const struct serin_generation *g = &svc->ring[svc->epoch % SERIN_SPLIT_RING];

	for (uint32_t i = 0; i < POINTS; i++) {
		uint32_t point = i * (UINT32_MAX / (POINTS - 1));
		int pool = serin_split_pick(&g->now, svc->epoch, point);
		int base = serin_split_pick(&g->base, svc->epoch, point);
		int settled = serin_settled_pick(&g->settled, svc->epoch, point);

		assert_true(pool >= 0 && base >= 0);
		places[i] = (uint8_t)(pool | base << 3 | (settled >= 0) << 6);
	}
	dataplane_close(dp);
}

/* How a client's flow is known: not at all, by its SYN, or established. */
enum birth { BIRTH_FRESH, BIRTH_FORGOTTEN, BIRTH_SYN, BIRTH_ESTABLISHED };

static struct frame frame_of(unsigned int client)
{
	char address[32];

	snprintf(address, sizeof(address), "198.51.%u.1", 100 + client / 50000);
	return lab_request(address, (uint16_t)(1 + client % 50000), "192.0.2.1", 80, IPPROTO_TCP);
}

static unsigned int send_of(unsigned int client, uint8_t flags)
{
	struct frame f = frame_of(client);

	f.tcp_flags = flags;
	return lab_ask(&f);
}

static void give_birth(unsigned int from, enum birth birth)
{
	for (unsigned int i = from; i < from + BORN; i++) {
		unsigned int host = send_of(i, FRAME_SYN);

		if (birth == BIRTH_ESTABLISHED)
			assert_int_equal(send_of(i, FRAME_ACK), host);
	}
}

/* Where each goes now; a fresh one, and one that nobody remembers, leave nothing behind. */
static void find_hosts(unsigned int from, enum birth birth, uint8_t hosts[BORN])
{
	for (unsigned int i = 0; i < BORN; i++) {
		struct frame f = frame_of(from + i);

		if (birth == BIRTH_FRESH)
			hosts[i] = (uint8_t)lab_choose(&f);
		else
			hosts[i] = (uint8_t)send_of(from + i, birth == BIRTH_FORGOTTEN ? FRAME_RST
										       : FRAME_ACK);
	}
}

/* Before the release, while it had a part, and when it had everything. */
enum {
	OLD = 0,
	OLD_ACKED = BORN,
	AMID = 2 * BORN,
	LATE = 3 * BORN,
	NEW = 4 * BORN,
	END = 5 * BORN,
	UNSEEN = 6 * BORN
};

static const struct {
	unsigned int from;
	enum birth birth;
} groups[] = {
	{OLD, BIRTH_SYN},	   {OLD_ACKED, BIRTH_ESTABLISHED},
	{AMID, BIRTH_ESTABLISHED}, {LATE, BIRTH_SYN},
	{NEW, BIRTH_FRESH},	   {END, BIRTH_FORGOTTEN},
};

#define GROUPS (sizeof(groups) / sizeof(*groups))

static void find_all(uint8_t hosts[GROUPS][BORN])
{
	for (size_t g = 0; g < GROUPS; g++)
		find_hosts(groups[g].from, groups[g].birth, hosts[g]);
}

/* Of clients that were never there. */
static void expect_explained(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	for (unsigned int i = UNSEEN; i < UNSEEN + BORN; i++) {
		struct frame f = frame_of(i);
		struct explanation e = lab_explain_frame(dp, "web", &f);

		assert_string_equal(e.pool, "canary");
		assert_int_equal(e.reason, EXPLAIN_SPLIT);
		assert_int_equal(e.backend.s6_addr[15], send_of(i, FRAME_SYN));
	}
	dataplane_close(dp);
}

static void test_nobody_moves(void **state)
{
	static uint8_t places[2][POINTS], hosts[2][GROUPS][BORN];

	(void)state;
	for (size_t i = 0; i < FILES; i++) {
		lab_teardown(NULL);
		lab_apply(files[i]);
		give_birth(OLD, BIRTH_SYN);
		give_birth(OLD_ACKED, BIRTH_ESTABLISHED);
		assert_int_equal(lab_shift("web", "canary", 500000), 0);
		give_birth(AMID, BIRTH_ESTABLISHED);
		shift_all_to("canary");
		give_birth(LATE, BIRTH_SYN);
		find_all(hosts[0]);
		read_places(places[0]);
		promote("canary");
		read_places(places[1]);
		assert_memory_equal(places[0], places[1], sizeof(places[0]));
		find_all(hosts[1]);
		assert_memory_equal(hosts[0], hosts[1], sizeof(hosts[0]));
		expect_explained();
		expect_primary("canary", (uint32_t[]){SPLIT_PPM_ALL, 0, 0});
	}
}

/* And it is a primary as any other: weights of others are taken from it, also the old one's. */
static void test_it_takes_what_others_leave(void **state)
{
	(void)state;
	start_promoted(first);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1));
	assert_int_equal(lab_shift("web", "stable", 300000), 0);
	assert_int_equal(lab_shift("web", "base", 100000), 0);
	expect_primary("canary", (uint32_t[]){600000, 100000, 300000});
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3) | BIT(5));
	assert_int_equal(lab_drain("web", "10.1.0.5", true, false), 0); /* falls back to it */
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3));
}

static void test_what_a_promotion_tells(void **state)
{
	struct dataplane_shift out;
	const struct live_service *after;
	char *before;

	(void)state;
	lab_apply(first);
	shift_all_to("canary");
	before = lab_status();
	assert_int_equal(ask_promotion("canary", -1, true, &out), 0);
	assert_int_equal(out.took_effect_ns, 0);
	lab_expect_status(before);
	assert_int_equal(ask_promotion("canary", out.epoch, false, &out), 0);
	assert_true(out.took_effect_ns > 0 && change.is_made);
	assert_int_equal(out.pool_count, 3);
	for (size_t i = 0; i < out.pool_count; i++)
		assert_int_equal(out.pool[i].before_ppm, out.pool[i].after_ppm);
	assert_string_equal(live_find(change.before, "web")->primary, "stable");
	assert_string_equal(live_find(change.before, "web")->file_primary, "");
	after = live_find(change.after, "web");
	assert_string_equal(after->primary, "canary");
	assert_string_equal(after->file_primary, "stable");
	assert_int_equal(after->epoch, out.epoch);
	before = lab_status(); /* again: it is so already */
	assert_int_equal(ask_promotion("canary", out.epoch, false, &out), 0);
	assert_int_equal(out.took_effect_ns, 0);
	lab_expect_status(before);
}

static void expect_refusal(const char *pool, int64_t epoch, int wanted, const char *why)
{
	struct dataplane_shift out, untouched;
	char *before = lab_status();

	memset(&out, 0x77, sizeof(out));
	memcpy(&untouched, &out, sizeof(out));
	assert_int_equal(ask_promotion(pool, epoch, false, &out), wanted);
	assert_int_equal(lab_lines(lab_errors), 1);
	if (!strstr(lab_errors, why))
		fail_msg("not said: %s\nbut: %s", why, lab_errors);
	assert_memory_equal(&out, &untouched, sizeof(out));
	lab_expect_status(before);
}

static void test_refusals(void **state)
{
	(void)state;
	lab_apply(first);
	expect_refusal("canary", -1, -EBUSY, "pool canary has 10 %");
	assert_int_equal(lab_shift("web", "base", 1), 0);
	assert_int_equal(lab_shift("web", "canary", SPLIT_PPM_ALL - 1), 0);
	expect_refusal("canary", -1, -EBUSY, "from 100 %");
	shift_all_to("canary");
	expect_refusal("canarx", -1, -ENOENT, "has no pool \"canarx\"");
	expect_refusal("canary", 1, -ESTALE, "its epoch is");
	assert_int_equal(lab_drain("web", "10.1.0.1", true, true), 0);
	expect_refusal("canary", -1, -EBUSY, "no backend that takes new connections");
	assert_int_equal(lab_drain("web", "10.1.0.1", false, false), 0);
	promote("canary");
}

static void test_samples_follow_the_role(void **state)
{
	struct dataplane *dp;
	const struct serin_service *svc;
	uint32_t id;

	(void)state;
	start_promoted(first);
	dp = lab_open(DATAPLANE_READ);
	id = (uint32_t)dp_service_find(dp, "web");
	svc = &dp->services[id];
	assert_int_equal(dp_sample_shift(svc, (uint32_t)dp_pool_find(dp, id, "canary")),
			 DP_PRIMARY_SAMPLE_SHIFT);
	assert_int_equal(dp_sample_shift(svc, (uint32_t)dp_pool_find(dp, id, "stable")), 0);
	dataplane_close(dp);
}

/* ---- apply afterwards ---- */

#define KEEPS "= service web: keeps its live primary canary (file: stable)\n"

static void test_an_unchanged_file_keeps_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++) {
		start_promoted(files[i]);
		for (int again = 0; again < 2; again++) {
			char *before = lab_status();

			apply_step(files[i],
				   KEEPS "= service web: pool base keeps its live weight 0 % "
					 "(file: 20 %)\nno changes\n");
			lab_expect_status(before);
		}
	}
}

static void test_weights_after_it_are_kept_too(void **state)
{
	(void)state;
	start_promoted(first);
	assert_int_equal(lab_shift("web", "stable", 300000), 0);
	lab_apply(FILE_OF("stable", CANARY("10") STABLE POOL("late", HOST(5))));
	assert_non_null(strstr(lab_changes, KEEPS));
	assert_non_null(strstr(lab_changes, "= service web: pool stable keeps its live weight 30 % "
					    "(file: primary)\n"));
	apply_expect_weight("stable", 300000);
	apply_expect_weight("canary", 700000);
}

/* Whoever writes another one into the file means it, also if it is the live one already. */
static void test_a_file_that_says_another_one_wins(void **state)
{
	static const char live[] = FILE_OF("canary", POOL("canary", HOST(1)) BASELINE("20") WEIGHED(
							     "stable", "70", HOST(2) HOST(3)));

	(void)state;
	start_promoted(first);
	assert_int_equal(lab_shift("web", "stable", 300000), 0);
	lab_apply(live);
	assert_null(strstr(lab_changes, "keeps its live primary"));
	expect_primary("canary", (uint32_t[]){700000, 0, 300000});
	lab_apply(first);
	assert_null(strstr(lab_changes, "keeps its live primary"));
	expect_primary("stable", (uint32_t[]){700000, 0, 300000});
	lab_apply(FILE_OF("base", CANARY("10") POOL("base", HOST(5))
					  WEIGHED("stable", "70", HOST(2) HOST(3))));
	expect_primary("base", (uint32_t[]){700000, 0, 300000});
}

/* At another address it is the same service. */
static void test_a_service_that_moves_keeps_it(void **state)
{
	static const char moved[] = LAB_HEAD
		"  - {name: web, vip: 192.0.2.9, port: 80, protocol: tcp, primary: stable"
		", pools: [" CANARY("10") BASELINE("20") STABLE "]}\n";

	(void)state;
	start_promoted(first);
	assert_int_equal(lab_shift("web", "stable", 300000), 0);
	for (int again = 0; again < 2; again++) {
		lab_apply(moved);
		assert_non_null(strstr(lab_changes, KEEPS));
		expect_primary("canary", (uint32_t[]){700000, 0, 300000});
	}
	assert_int_equal(apply_hosts("192.0.2.9"), BIT(1) | BIT(2) | BIT(3));
}

/* It leaves the file: then the file's has what it leaves. */
static void test_one_that_leaves_the_file(void **state)
{
	(void)state;
	start_promoted(first);
	assert_int_equal(lab_shift("web", "base", 200000), 0);
	lab_apply(FILE_OF("stable", BASELINE("20") STABLE));
	assert_null(strstr(lab_changes, "keeps its live primary"));
	apply_expect_weight("stable", 800000);
	apply_expect_weight("base", 200000);
}

/* And back: nothing is left of it. */
static void test_undone(void **state)
{
	(void)state;
	start_promoted(first);
	shift_all_to("stable");
	promote("stable");
	expect_primary("stable", (uint32_t[]){0, 0, SPLIT_PPM_ALL});
	lab_apply(first);
	assert_null(strstr(lab_changes, "keeps its live primary"));
	expect_primary("stable", (uint32_t[]){0, 0, SPLIT_PPM_ALL});
}

/* ---- a restart ---- */

/* What the database would keep, and the agent or apply take from it. */
static int apply_after_restart(const char *file)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	struct model *m = lab_parse(file);
	uint64_t when;
	int error;

	assert_int_equal(dataplane_live(dp, &m->remembered, &when), 0);
	dataplane_close(dp);
	lab_detach();
	error = lab_apply_model(m, false);
	model_free(m);
	lab_program = bpf_obj_get(LAB_PINS "/program");
	return error;
}

static void test_a_restart_keeps_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++) {
		start_promoted(files[i]);
		assert_int_equal(lab_shift("web", "stable", 300000), 0);
		for (int again = 0; again < 2; again++) {
			struct snapshot *s;

			assert_int_equal(apply_after_restart(files[i]), 0);
			assert_non_null(strstr(lab_changes, KEEPS));
			expect_primary("canary", (uint32_t[]){700000, 0, 300000});
			assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3));
			s = lab_snapshot();
			assert_int_equal(snapshot_find_service(s, "web")->epoch, 1);
			snapshot_free(s);
		}
		lab_apply(files[i]);
		assert_non_null(strstr(lab_changes, KEEPS));
	}
}

static void test_a_file_changed_before_a_restart_wins(void **state)
{
	(void)state;
	start_promoted(first);
	assert_int_equal(lab_shift("web", "stable", 300000), 0);
	assert_int_equal(
		apply_after_restart(FILE_OF("base", CANARY("10") POOL("base", HOST(5))
							    WEIGHED("stable", "70", HOST(2)))),
		0);
	assert_null(strstr(lab_changes, "keeps its live primary"));
	expect_primary("base", (uint32_t[]){700000, 0, 300000});
}

int main(void)
{
#define PROMOTE_TEST(test) cmocka_unit_test_teardown(test, finish)
	const struct CMUnitTest tests[] = {
		PROMOTE_TEST(test_nobody_moves),
		PROMOTE_TEST(test_it_takes_what_others_leave),
		PROMOTE_TEST(test_what_a_promotion_tells),
		PROMOTE_TEST(test_refusals),
		PROMOTE_TEST(test_samples_follow_the_role),
		PROMOTE_TEST(test_an_unchanged_file_keeps_it),
		PROMOTE_TEST(test_weights_after_it_are_kept_too),
		PROMOTE_TEST(test_a_file_that_says_another_one_wins),
		PROMOTE_TEST(test_a_service_that_moves_keeps_it),
		PROMOTE_TEST(test_one_that_leaves_the_file),
		PROMOTE_TEST(test_undone),
		PROMOTE_TEST(test_a_restart_keeps_it),
		PROMOTE_TEST(test_a_file_changed_before_a_restart_wins),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

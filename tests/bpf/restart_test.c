// SPDX-License-Identifier: GPL-2.0-or-later
/* What an apply where nothing is loaded takes up of before, and the account it gives of a change. */
#include "apply_lab.h"

#include "model/live.h"

#define SEED 0x3c1f70aa94e2b651ull

static const char file[] =
	WEB("", WEIGHED("canary", "10", HOST(1) HOST(4)) POOL("stable", HOST(2) HOST(3)));

static struct live_change change;
static const struct dataplane_author author = {.actor = "test", .reason = "why", .change = &change};

static int finish(void **state)
{
	live_change_fini(&change);
	return lab_teardown(state);
}

/* One service as it was: canary and drained backends of the primary. */
static struct live *remember(const char *name, uint64_t seed, uint32_t ppm, const char *drained)
{
	struct live *l = live_new();
	struct live_service *s = live_add(l);
	struct in6_addr address;

	*s = (struct live_service){.primary = "stable", .seed = seed, .epoch = 9, .pool_count = 3};
	strcpy(s->name, name);
	strcpy(s->pools[0].name, "canary");
	s->pools[0].ppm = ppm;
	strcpy(s->pools[1].name, "gone");
	s->pools[1].ppm = 20000;
	strcpy(s->pools[2].name, "stable");
	s->pools[2].ppm = 980000 - ppm;
	assert_int_equal(net_parse_addr(drained, &address), 0);
	assert_int_equal(live_add_drained(s, &address, 80), 0);
	return l;
}

static int apply(struct live *remembered, bool dry_run)
{
	struct model *m = lab_parse(file);
	FILE *changes = fmemopen(lab_changes, sizeof(lab_changes), "w");
	int real = lab_hush_begin();
	int error;

	m->remembered = remembered;
	error = dataplane_apply(LAB_DIR, m, &author, dry_run, changes);
	lab_hush_end(real);
	fclose(changes);
	model_free(m);
	return error;
}

static void expect_told(const char *line)
{
	if (!strstr(lab_changes, line))
		fail_msg("not told: %s\nbut: %s", line, lab_changes);
}

/* Epoch 1: there was no shift, so no moment with other weights. */
static void test_what_is_remembered_is_in_force_from_the_first_split(void **state)
{
	struct snapshot *s;

	(void)state;
	assert_int_equal(
		apply(remember("web", model_default_seed("web"), 777777, "10.1.0.3"), false), 0);
	expect_told("= service web: pool canary keeps its live weight 77.7777 % (file: 10 %)\n");
	expect_told("= service web: backend 10.1.0.3:80 stays drained\n");
	apply_expect_weight("canary", 777777);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_DRAINING);
	assert_int_equal(apply_state("web", "stable", 2), SERIN_BACKEND_UP);
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->epoch, 1);
	assert_true(snapshot_find_service(s, "web")->is_settled);
	snapshot_free(s);
	lab_program = bpf_obj_get(LAB_PINS "/program");
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(4) | BIT(2));
}

static void test_another_service_is_not_meant(void **state)
{
	(void)state;
	assert_int_equal(apply(remember("api", 1, 777777, "10.1.0.3"), false), 0);
	apply_expect_weight("canary", 100000);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_UP);
}

static void test_what_runs_is_stronger_than_what_is_remembered(void **state)
{
	(void)state;
	assert_int_equal(apply(NULL, false), 0);
	assert_int_equal(lab_shift("web", "canary", 30000), 0);
	assert_int_equal(apply(remember("web", 5, 777777, "10.1.0.3"), false), 0);
	apply_expect_weight("canary", 30000);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_UP);
}

/* There was no restart, so its weights are from before it was taken away. */
static void test_a_service_that_comes_back_is_new(void **state)
{
	(void)state;
	lab_apply(LAB_HEAD SERVICE("api", "192.0.2.9", "", POOL("stable", HOST(2))));
	assert_int_equal(apply(remember("web", 5, 777777, "10.1.0.3"), false), 0);
	apply_expect_weight("canary", 100000);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_UP);
}

static void test_a_release_keeps_its_seed(void **state)
{
	struct snapshot *s;

	(void)state;
	assert_int_equal(apply(remember("web", 5, 777777, "10.1.0.3"), false), 0);
	expect_told("= service web: keeps its live seed 5 ");
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->seed, 5);
	snapshot_free(s);
}

static void test_an_account_of_an_apply(void **state)
{
	const struct live_service *web;
	uint32_t ppm = 0;

	(void)state;
	assert_int_equal(apply(NULL, true), 0);
	assert_false(change.is_made);
	assert_null(change.after);
	assert_int_equal(apply(NULL, false), 0);
	assert_true(change.is_made && change.is_whole && change.made_ns);
	assert_string_equal(change.told, lab_changes);
	assert_int_equal(change.before->count, 0);
	assert_int_equal(change.after->count, 1);
	web = live_find(change.after, "web");
	assert_true(live_weight(web, "canary", &ppm));
	assert_int_equal(ppm, 100000);
	assert_false(live_weight(web, "stable", &ppm));
	assert_int_equal(web->pools[1].ppm, 900000);
	assert_int_equal(web->seed, model_default_seed("web"));
	assert_int_equal(apply(NULL, false), 0);
	assert_false(change.is_made);
	assert_int_equal(change.after->count, 1);
}

static void shift(uint32_t ppm)
{
	const struct dataplane_weight weight = {.pool = "canary", .ppm = ppm};
	const struct dataplane_shift_request request = {.service = "web",
							.weights = &weight,
							.weight_count = 1,
							.expect_epoch = -1,
							.author = author};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	struct dataplane_shift result;

	assert_int_equal(dataplane_shift(dp, &request, &result), 0);
	dataplane_close(dp);
}

static void test_an_account_of_a_shift(void **state)
{
	uint32_t ppm = 0;

	(void)state;
	assert_int_equal(apply(NULL, false), 0);
	live_change_fini(&change);
	shift(100000); /* as it is */
	assert_false(change.is_made);
	shift(250000);
	assert_true(change.is_made && !change.is_whole);
	assert_true(live_weight(live_find(change.before, "web"), "canary", &ppm));
	assert_int_equal(ppm, 100000);
	assert_true(live_weight(live_find(change.after, "web"), "canary", &ppm));
	assert_int_equal(ppm, 250000);
	assert_int_equal(live_find(change.after, "web")->epoch, 2);
}

static void test_an_account_of_a_drain_and_of_the_end(void **state)
{
	const struct dataplane_drain_request request = {
		.service = "web", .drain = true, .author = author};
	struct dataplane *dp;
	struct in6_addr host;

	(void)state;
	assert_int_equal(apply(NULL, false), 0);
	assert_int_equal(net_parse_addr("10.1.0.3", &host), 0);
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(dataplane_drain(dp, &request, &host, 0), 0);
	dataplane_close(dp);
	assert_true(change.is_made && !change.is_whole);
	assert_false(live_is_drained(live_find(change.before, "web"), &host, 80));
	assert_true(live_is_drained(live_find(change.after, "web"), &host, 80));
	assert_int_equal(dataplane_detach(LAB_DIR, &author, false, stderr), 0);
	assert_true(change.is_made && change.is_whole);
	assert_int_equal(change.before->count, 1);
	assert_int_equal(change.after->count, 0);
}

int main(void)
{
#define RESTART_TEST(name) cmocka_unit_test_teardown(name, finish)
	const struct CMUnitTest tests[] = {
		RESTART_TEST(test_what_is_remembered_is_in_force_from_the_first_split),
		RESTART_TEST(test_another_service_is_not_meant),
		RESTART_TEST(test_what_runs_is_stronger_than_what_is_remembered),
		RESTART_TEST(test_a_service_that_comes_back_is_new),
		RESTART_TEST(test_a_release_keeps_its_seed),
		RESTART_TEST(test_an_account_of_an_apply),
		RESTART_TEST(test_an_account_of_a_shift),
		RESTART_TEST(test_an_account_of_a_drain_and_of_the_end),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

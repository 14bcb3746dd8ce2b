// SPDX-License-Identifier: GPL-2.0-or-later
/* A release's own seed: what apply, a kill and a restart make of it afterwards. */
#include "seed_lab.h"

#define SEED 0x7e41a90cd35b26f1ull

/* ---- apply afterwards ---- */

#define KEEPS "= service web: keeps its live seed 77 (file: 11)\n"

static void test_an_unchanged_file_keeps_it(void **state)
{
	(void)state;
	lab_apply(file);
	take_seed(77);
	for (int again = 0; again < 2; again++) {
		char *before = lab_status();

		apply_step(file, KEEPS "no changes\n");
		lab_expect_status(before);
	}
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	lab_apply(file);
	expect_seeds(77, FILE_SEED);
}

/* In the middle of a release it cannot. */
static void test_a_file_that_says_another_one_wins(void **state)
{
	(void)state;
	lab_apply(file);
	take_seed(77);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	apply_expect_refusal(new_file, -EBUSY);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	apply_step(new_file, "~ service web: new seed\n");
	expect_seeds(12, 12);
	take_seed(77);
	lab_apply(FILE_OF("192.0.2.1", ", seed: 77")); /* the live one, as it happens */
	expect_seeds(77, 77);
	lab_apply(file);
	expect_seeds(FILE_SEED, FILE_SEED);
}

/* At another address it is the same service. */
static void test_a_service_that_moves_keeps_it(void **state)
{
	(void)state;
	lab_apply(file);
	take_seed(77);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	for (int again = 0; again < 2; again++) {
		lab_apply(FILE_OF("192.0.2.9", ", seed: 11"));
		assert_non_null(strstr(lab_changes, KEEPS));
		expect_seeds(77, FILE_SEED);
	}
}

/* Killed after the one store, before anything else was noted. */
static void test_the_store_is_all_of_it(void **state)
{
	struct dataplane *dp;
	uint32_t id;

	(void)state;
	lab_apply(file);
	dp = lab_open(DATAPLANE_WRITE);
	id = (uint32_t)dp_service_find(dp, "web");
	dp->services[id].now.split_key = serin_split_key(77);
	dataplane_close(dp);
	expect_seeds(77, FILE_SEED);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	apply_step(file, KEEPS "= service web: pool canary keeps its live weight 50 % (file: 0 %)\n"
			       "no changes\n");
	expect_seeds(77, FILE_SEED);
}

/* One that an older serin made, which knew one seed. */
static void test_maps_that_know_no_file_seed(void **state)
{
	(void)state;
	for (int takes = 0; takes < 2; takes++) {
		struct dataplane *dp;

		lab_teardown(NULL);
		lab_apply(file);
		dp = lab_open(DATAPLANE_WRITE);
		dp->services[dp_service_find(dp, "web")].has_file_seed = 0;
		dataplane_close(dp);
		expect_seeds(FILE_SEED, FILE_SEED);
		if (takes)
			take_seed(77);
		lab_apply(file);
		expect_seeds(takes ? 77 : FILE_SEED, FILE_SEED);
		lab_apply(new_file);
		expect_seeds(12, 12);
	}
}

/* ---- a restart ---- */

/* What the database would keep, and the agent or apply take from it. */
static void apply_after_restart(const char *yaml)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	struct model *m = lab_parse(yaml);
	uint64_t when;

	assert_int_equal(dataplane_live(dp, &m->remembered, &when), 0);
	dataplane_close(dp);
	lab_detach();
	assert_int_equal(lab_apply_model(m, false), 0);
	model_free(m);
	lab_program = bpf_obj_get(LAB_PINS "/program");
}

static void test_a_restart_keeps_it(void **state)
{
	static bool before[CLIENTS], after[CLIENTS];

	(void)state;
	lab_apply(file);
	take_seed(77);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	find_cohort(before);
	for (int again = 0; again < 2; again++) {
		apply_after_restart(file);
		assert_non_null(strstr(lab_changes, KEEPS));
		expect_seeds(77, FILE_SEED);
		find_cohort(after);
		assert_memory_equal(before, after, sizeof(before));
	}
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	apply_after_restart(file);
	expect_seeds(77, FILE_SEED);
}

/* A file that changed before it waits for the release to end, and wins then. */
static void test_a_file_changed_before_a_restart(void **state)
{
	(void)state;
	lab_apply(file);
	take_seed(77);
	assert_int_equal(lab_shift("web", "canary", HALF), 0);
	apply_after_restart(new_file);
	assert_non_null(strstr(lab_changes, "keeps its live seed 77 (file: 12) while a pool"));
	expect_seeds(77, FILE_SEED);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	lab_apply(new_file);
	expect_seeds(12, 12);
	take_seed(77);
	apply_after_restart(file);
	expect_seeds(FILE_SEED, FILE_SEED);
}

int main(void)
{
#define SEED_TEST(test) cmocka_unit_test_teardown(test, finish)
	const struct CMUnitTest tests[] = {
		SEED_TEST(test_an_unchanged_file_keeps_it),
		SEED_TEST(test_a_file_that_says_another_one_wins),
		SEED_TEST(test_a_service_that_moves_keeps_it),
		SEED_TEST(test_the_store_is_all_of_it),
		SEED_TEST(test_maps_that_know_no_file_seed),
		SEED_TEST(test_a_restart_keeps_it),
		SEED_TEST(test_a_file_changed_before_a_restart),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

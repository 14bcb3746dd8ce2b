// SPDX-License-Identifier: GPL-2.0-or-later
/* What is kept of rollouts: state, evidence and record in one transaction, and within bounds. */
#include <jansson.h>

#include "store/rollouts.h"
#include "store_lab.h"

static const uint8_t evidence[] = {0, 1, 2, 0xff, 0, 7};

static int keep(struct store *s, int64_t id, const char *service, int64_t ended_ms,
		json_t *transitions, json_t *samples)
{
	json_t *state = json_pack("{s:I, s:s}", "id", (json_int_t)id, "phase", "stepping");
	const struct store_rollout r = {
		.id = id,
		.service = service,
		.release = "v2",
		.state = state,
		.evidence = evidence,
		.evidence_size = sizeof(evidence),
		.started_ms = 1000 + id,
		.ended_ms = ended_ms,
		.who = "root by API",
		.reason = "it's; DROP TABLE rollout--",
		.more = {[STORE_TRANSITIONS] = transitions, [STORE_SAMPLES] = samples},
	};
	int error = store_rollouts_keep(s, &r, 1);

	json_decref(state);
	json_decref(transitions);
	json_decref(samples);
	return error;
}

static json_t *sample(int64_t at_ms, int flows, int p50)
{
	json_t *counters = json_pack("{s:i, s:i}", "flows", flows, "handshake_p50_us", p50);

	return json_pack("{s:I, s:i, s:s, s:f, s:f, s:f, s:n, s:n, s:{s:o}}", "at_ms",
			 (json_int_t)at_ms, "step", 1, "phase", "stepping", "weight", 5.0, "log_e",
			 0.25, "log_bound", 4.5, "fine_log_e", "fine_log_bound", "pools", "canary",
			 counters);
}

struct seen {
	size_t count;
	int64_t ids[16];
	int64_t ended_ms;
	bool is_same; /* the evidence */
};

static int see(const struct store_rollout *r, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->count < 16);
	seen->ids[seen->count++] = r->id;
	seen->ended_ms = r->ended_ms;
	seen->is_same = r->evidence_size == sizeof(evidence) &&
			!memcmp(r->evidence, evidence, sizeof(evidence));
	assert_int_equal(json_integer_value(json_object_get(r->state, "id")), r->id);
	assert_string_equal(r->reason, "it's; DROP TABLE rollout--");
	return 0;
}

static struct seen list(struct store *s, struct store_rollouts_query query)
{
	struct seen seen = {};

	assert_int_equal(store_rollouts_read(s, &query, see, &seen), 0);
	return seen;
}

static json_t *rows_of(struct store *s, int64_t id, enum store_rollout_part part)
{
	json_t *rows = json_array();

	assert_int_equal(store_rollout_rows(s, id, part, rows), 0);
	return rows;
}

static void test_a_rollout_is_kept_whole(void **state)
{
	struct store *s = store_new(lab_path);
	json_t *step = json_pack("{s:i, s:s, s:s, s:i, s:s}", "at_ms", 5, "from", "starting", "to",
				 "stepping", "step", 0, "why", "");
	json_t *rows, *wanted = json_pack("[O]", step);
	struct seen seen;
	int64_t last = -1;

	(void)state;
	assert_int_equal(store_rollouts_last_id(s, &last), -ENOENT);
	assert_int_equal(
		keep(s, 7, "web", 0, json_pack("[o]", step), json_pack("[o]", sample(1, 2, 3))), 0);
	seen = list(s, (struct store_rollouts_query){.limit = -1});
	assert_int_equal(seen.count, 1);
	assert_true(seen.is_same);
	assert_int_equal(store_rollouts_last_id(s, &last), 0);
	assert_int_equal(last, 7);
	rows = rows_of(s, 7, STORE_TRANSITIONS);
	assert_true(json_equal(rows, wanted));
	json_decref(rows);
	json_decref(wanted);
	wanted = json_pack("[o]", sample(1, 2, 3));
	rows = rows_of(s, 7, STORE_SAMPLES);
	assert_true(json_equal(rows, wanted));
	json_decref(rows);
	json_decref(wanted);
	store_free(s);
}

static void test_current_ones_are_those_that_matter(void **state)
{
	struct store *s = store_new(lab_path);
	struct seen seen;

	(void)state;
	for (int64_t id = 1; id <= 4; id++)
		assert_int_equal(keep(s, id, id % 2 ? "web" : "api", id == 1 ? 0 : 50, NULL, NULL),
				 0);
	seen = list(s, (struct store_rollouts_query){.limit = -1, .is_current = true});
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.ids[0], 4);
	assert_int_equal(seen.ids[1], 3);
	assert_int_equal(seen.ids[2], 1);
	assert_int_equal(keep(s, 1, "web", 60, NULL, NULL), 0);
	seen = list(s, (struct store_rollouts_query){.limit = -1, .is_current = true});
	assert_int_equal(seen.count, 2);
	seen = list(s, (struct store_rollouts_query){.service = "web", .limit = 1});
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.ids[0], 3);
	seen = list(s, (struct store_rollouts_query){.id = 1, .limit = -1});
	assert_int_equal(seen.ended_ms, 60);
	store_free(s);
}

/* One that cannot be kept whole is not kept at all. */
static void test_it_is_one_transaction(void **state)
{
	struct store *s = store_new(lab_path);
	int real;

	(void)state;
	assert_int_equal(keep(s, 1, "web", 0, NULL, NULL), 0);
	lab_do("DROP TABLE rollout_sample");
	real = lab_hear_begin();
	assert_int_equal(keep(s, 1, "web", 99, NULL, json_pack("[o]", sample(1, 2, 3))), -EIO);
	lab_hear_end(real);
	assert_non_null(strstr(lab_said, "a rollout goes on"));
	assert_int_equal(list(s, (struct store_rollouts_query){.limit = -1}).ended_ms, 0);
	store_free(s);
}

static int64_t sum_of(const json_t *rows, const char *key)
{
	int64_t sum = 0;
	size_t index;
	json_t *row;

	json_array_foreach((json_t *)rows, index, row)
	{
		json_t *canary = json_object_get(json_object_get(row, "pools"), "canary");

		sum += json_integer_value(json_object_get(canary, key));
	}
	return sum;
}

static int64_t p50_of(const json_t *rows, size_t i)
{
	const json_t *pools = json_object_get(json_array_get(rows, i), "pools");

	return json_integer_value(
		json_object_get(json_object_get(pools, "canary"), "handshake_p50_us"));
}

/* A clock that is set back changes no order. */
static void test_samples_are_thinned_and_nothing_is_lost(void **state)
{
	struct store *s = store_new(lab_path);
	json_t *rows, *last;
	int64_t at_ms = 0;

	(void)state;
	for (int turn = 0; turn < 5; turn++) {
		json_t *more = json_array();

		for (int i = 0; i < 1000; i++)
			json_array_append_new(more, sample(++at_ms, 3, turn));
		assert_int_equal(keep(s, 1, "web", 0, NULL, more), 0);
		at_ms -= 1500;
	}
	rows = rows_of(s, 1, STORE_SAMPLES);
	assert_true(json_array_size(rows) <= STORE_SAMPLES_MAX);
	assert_true(json_array_size(rows) > STORE_SAMPLES_MAX / 2);
	assert_int_equal(sum_of(rows, "flows"), 15000);
	last = json_array_get(rows, json_array_size(rows) - 1);
	assert_int_equal(json_integer_value(json_object_get(last, "at_ms")), at_ms + 1500);
	for (size_t i = 1; i < json_array_size(rows); i++)
		assert_true(p50_of(rows, i) >= p50_of(rows, i - 1));
	json_decref(rows);
	store_free(s);
}

static void test_quantiles_are_not_added(void **state)
{
	json_t *earlier = sample(1, 10, 900), *later = sample(2, 5, 400);
	json_t *pool = json_object_get(json_object_get(later, "pools"), "canary");

	(void)state;
	store_merge_samples(earlier, later);
	assert_int_equal(json_integer_value(json_object_get(pool, "flows")), 15);
	assert_int_equal(json_integer_value(json_object_get(pool, "handshake_p50_us")), 900);
	json_decref(earlier);
	json_decref(later);
}

static void test_old_rollouts_go_with_all_that_is_theirs(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(keep(s, 1, "web", 0, NULL, json_pack("[o]", sample(1, 2, 3))), 0);
	for (int64_t id = 2; id <= STORE_ROLLOUTS_MAX + 5; id++)
		assert_int_equal(keep(s, id, "web", 9, NULL, json_pack("[o]", sample(1, 2, 3))), 0);
	assert_int_equal(lab_number("SELECT count(*) FROM rollout"), STORE_ROLLOUTS_MAX + 1);
	assert_int_equal(lab_number("SELECT count(*) FROM rollout_sample"), STORE_ROLLOUTS_MAX + 1);
	assert_int_equal(lab_number("SELECT count(*) FROM rollout WHERE id = 1"), 1);
	store_free(s);
}

/* What a serin made that knew of no rollouts is migrated, and keeps its history. */
static void test_an_older_database_is_migrated(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(lab_shift(s, 50000, 123456), 0);
	store_free(s);
	lab_do("DROP TABLE rollout; DROP TABLE rollout_transition; DROP TABLE rollout_sample;"
	       "DROP TABLE rollout_look; DROP TABLE rollout_hook; PRAGMA user_version = 1");
	s = store_new(lab_path);
	assert_int_equal(keep(s, 1, "web", 0, NULL, NULL), 0);
	assert_int_equal(lab_number("PRAGMA user_version"), 3);
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 1);
	store_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_rollout_is_kept_whole),
		TEST(test_current_ones_are_those_that_matter),
		TEST(test_it_is_one_transaction),
		TEST(test_samples_are_thinned_and_nothing_is_lost),
		TEST(test_quantiles_are_not_added),
		TEST(test_old_rollouts_go_with_all_that_is_theirs),
		TEST(test_an_older_database_is_migrated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

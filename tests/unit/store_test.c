// SPDX-License-Identifier: GPL-2.0-or-later
/* What is kept of changes, live weights and events, and what is read of it again. */
#include "store_lab.h"

struct seen {
	size_t count;
	char text[2048];
};

static int see(const struct history_entry *e, void *arg)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	s->count++;
	snprintf(s->text + at, sizeof(s->text) - at, "%s|%s|%s|%s|%s|%lld\n", e->actor, e->service,
		 e->reason, e->outcome, e->after, (long long)e->epoch);
	return 0;
}

static struct seen history(struct store *s, const char *service, int64_t limit)
{
	const struct history_query query = {.service = service, .limit = limit, .has_events = true};
	struct seen seen = {};

	assert_int_equal(store_history(s, &query, see, &seen), 0);
	return seen;
}

static void test_a_shift_is_kept(void **state)
{
	struct store *s = store_new(lab_path);
	struct seen seen;

	(void)state;
	assert_int_equal(lab_shift(s, 50000, 123456), 0);
	seen = history(s, NULL, -1);
	assert_string_equal(
		seen.text,
		"weight|web|it's; DROP TABLE change--|done|{\"epoch\":2,\"seed\":"
		"\"18364758544493064720\",\"primary\":\"stable\",\"weights\":{\"canary\":"
		"12.3456,\"stable\":87.6544},\"drained\":[]}|2\n");
	assert_int_equal(lab_kept_ppm(s, "web"), 123456);
	assert_int_equal(lab_number("PRAGMA user_version"), 3);
	assert_int_equal(lab_number("SELECT uid FROM change"), getuid());
	assert_true(lab_number("SELECT abs(at_ms - unixepoch() * 1000) FROM change") < 60000);
	assert_true(store_count(s).is_available);
	store_free(s);
}

static void test_history_is_of_one_service_and_the_newest(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(lab_shift_at(s, i % 2 ? "web" : "api", 0, i * 10000, i), 0);
	assert_int_equal(history(s, NULL, -1).count, 5);
	assert_int_equal(history(s, "web", -1).count, 3);
	assert_int_equal(history(s, "we", -1).count, 0);
	assert_int_equal(history(s, "' OR 1 --", -1).count, 0);
	assert_int_equal(history(s, "web", 2).count, 2);
	assert_non_null(strstr(history(s, "web", 1).text, "\"canary\":5.0,"));
	store_free(s);
}

/* Kept in another order than they were made. */
static void test_an_older_change_takes_nothing_back(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(lab_shift_at(s, "web", 0, 200, 20), 0);
	assert_int_equal(lab_shift_at(s, "web", 0, 100, 10), 0);
	assert_int_equal(lab_kept_ppm(s, "web"), 200);
	assert_int_equal(lab_shift_at(s, "web", 0, 300, 30), 0);
	assert_int_equal(lab_kept_ppm(s, "web"), 300);
	assert_int_equal(history(s, "web", -1).count, 3);
	store_free(s);
}

static int keep_all(struct store *s, struct live *after, uint64_t made_ns, const char *told)
{
	struct live_change change = {
		.is_made = true,
		.is_whole = true,
		.made_ns = made_ns,
		.before = lab_live("web", 1, 1),
		.after = after,
		.told = told ? strdup(told) : NULL,
	};
	const struct dataplane_author author = {.actor = "apply", .reason = "", .change = &change};
	const struct store_act act = {.author = &author};
	int error = store_record(s, &act);

	live_change_fini(&change);
	return error;
}

static void test_services_that_are_no_more_are_not_kept(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(lab_shift_at(s, "web", 0, 100, 10), 0);
	assert_int_equal(keep_all(s, lab_live("api", 7, 1), 20, NULL), 0);
	assert_int_equal(lab_kept_ppm(s, "web"), -1);
	assert_int_equal(lab_kept_ppm(s, "api"), 7);
	/* one that was made before, and comes late */
	assert_int_equal(lab_shift_at(s, "web", 0, 100, 15), 0);
	assert_int_equal(lab_kept_ppm(s, "web"), -1);
	/* one that was made since, and is there already */
	assert_int_equal(lab_shift_at(s, "web", 0, 100, 40), 0);
	assert_int_equal(keep_all(s, lab_live("api", 8, 1), 30, NULL), 0);
	assert_int_equal(lab_kept_ppm(s, "web"), 100);
	assert_int_equal(keep_all(s, live_new(), 50, NULL), 0); /* detach */
	assert_int_equal(lab_number("SELECT count(*) FROM live"), 0);
	store_free(s);
}

static void test_stamps_of_another_boot_are_older(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(keep_all(s, lab_live("web", 100, 1), 1000, NULL), 0);
	lab_do("UPDATE live_base SET boot = 'other'");
	lab_do("UPDATE live SET boot = 'other'");
	assert_int_equal(lab_shift_at(s, "web", 0, 200, 5), 0);
	assert_int_equal(lab_kept_ppm(s, "web"), 200);
	store_free(s);
}

static void test_a_failure_is_history_too(void **state)
{
	struct live_change change = {};
	const struct dataplane_author author = {.actor = "weight", .reason = "", .change = &change};
	struct store_act act = {.author = &author, .service = "web", .error = -ESTALE};
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(store_record(s, &act), 0);
	act.error = -EIO;
	assert_int_equal(store_record(s, &act), 0);
	act.error = -EINVAL; /* a word of the command was wrong: nobody's act */
	assert_int_equal(store_record(s, &act), 0);
	act.error = 0; /* it was so already */
	assert_int_equal(store_record(s, &act), 0);
	assert_string_equal(history(s, "web", -1).text,
			    "weight|web||conflict||-1\nweight|web||failed||-1\n");
	store_free(s);
}

static void test_what_is_kept_is_made_what_it_is(void **state)
{
	struct store *s = store_new(lab_path);
	struct live *l = lab_live("web", 333, 4);

	(void)state;
	assert_int_equal(lab_shift_at(s, "web", 0, 100, 10), 0);
	assert_int_equal(store_sync_live(s, l, 20), 1);
	assert_int_equal(lab_kept_ppm(s, "web"), 333);
	assert_int_equal(store_sync_live(s, l, 30), 0);
	assert_int_equal(lab_number("SELECT stamp FROM live"), 20);
	live_free(l);
	store_free(s);
}

static void test_what_makes_no_sense_is_not_taken_up(void **state)
{
	struct store *s = store_new(lab_path);
	struct live *l = lab_live("api", 5, 1);
	int real;

	(void)state;
	assert_int_equal(lab_shift_at(s, "web", 0, 100, 10), 0);
	assert_int_equal(store_sync_live(s, l, 5), 1);
	live_free(l);
	lab_do("UPDATE live SET state = replace(state, '99.99', '100.99') WHERE service = "
	       "'web'");
	real = lab_hear_begin();
	assert_int_equal(lab_kept_ppm(s, "web"), -1);
	assert_int_equal(lab_kept_ppm(s, "api"), 5);
	lab_hear_end(real);
	assert_non_null(strstr(lab_said, "service web: "));
	store_free(s);
}

static void test_events_are_kept_and_bounded(void **state)
{
	struct event_view v = {.when_us = 1700000000123456,
			       .kind = SERIN_EVENT_PORTS_EXHAUSTED,
			       .count = 3,
			       .total = 9,
			       .service = "web",
			       .pool = "stable"};
	struct store *s = store_new(lab_path);

	(void)state;
	for (v.sequence = 1; v.sequence <= 3; v.sequence++)
		assert_int_equal(store_events(s, &v, 1), 0);
	assert_int_equal(history(s, "web", -1).count, 3);
	assert_non_null(strstr(history(s, "web", 1).text, "ports_exhausted|web|"));
	lab_do("UPDATE event SET id = 200001 WHERE sequence = 3");
	lab_do("UPDATE event SET id = 100002 WHERE sequence = 2");
	assert_int_equal(store_events(s, &v, 1), 0);
	assert_int_equal(lab_number("SELECT min(sequence) FROM event"), 3);
	assert_int_equal(lab_number("SELECT count(*) FROM event"), 2);
	store_free(s);
}

static void test_nothing_is_kept_where_nobody_wants_it(void **state)
{
	struct store *s = store_new("");
	struct live *l;

	(void)state;
	assert_int_equal(lab_shift(s, 1, 2), 0);
	assert_int_equal(store_load_live(s, &l), 0);
	assert_null(l);
	assert_int_equal(store_count(s).errors, 0);
	store_free(s);
	assert_int_equal(lab_shift(NULL, 1, 2), 0);
}

/* Each by a process of its own, as verbs are: the log does not grow for ever, nor does what is in it
 * get lost when it is emptied. */
static void test_the_log_has_an_end(void **state)
{
	struct stat log;
	char path[128];

	(void)state;
	for (uint32_t i = 1; i <= 100; i++) {
		struct store *s = store_new(lab_path);

		assert_int_equal(lab_shift(s, 0, i), 0);
		store_free(s);
	}
	snprintf(path, sizeof(path), "%s-wal", lab_path);
	assert_int_equal(stat(path, &log), 0);
	if (log.st_size > 128 * 4200)
		fail_msg("the log has %lld bytes", (long long)log.st_size);
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 100);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_a_shift_is_kept),
		STORE_TEST(test_history_is_of_one_service_and_the_newest),
		STORE_TEST(test_an_older_change_takes_nothing_back),
		STORE_TEST(test_services_that_are_no_more_are_not_kept),
		STORE_TEST(test_stamps_of_another_boot_are_older),
		STORE_TEST(test_a_failure_is_history_too),
		STORE_TEST(test_what_is_kept_is_made_what_it_is),
		STORE_TEST(test_what_makes_no_sense_is_not_taken_up),
		STORE_TEST(test_events_are_kept_and_bounded),
		STORE_TEST(test_the_log_has_an_end),
		STORE_TEST(test_nothing_is_kept_where_nobody_wants_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

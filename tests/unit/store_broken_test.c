// SPDX-License-Identifier: GPL-2.0-or-later
/* A state database that is damaged, full, locked, not to be written or somebody else's: it is said
 * once, nothing is destroyed, and when it can be, it is used again. */
#include "store_lab.h"

#include <grp.h>
#include <signal.h>
#include <sys/resource.h>

static void write_file(const char *path, const char *text, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	fclose(f);
}

static void fill(size_t changes)
{
	struct store *s = store_new(lab_path);

	for (size_t i = 0; i < changes; i++)
		assert_int_equal(lab_shift(s, 0, (uint32_t)i), 0);
	store_free(s);
}

/* One that fails, and says why in one line, and one more, about which nothing new can be said. */
static void expect_failures(struct store *s, const char *why)
{
	int real = lab_hear_begin();
	int first = lab_shift(s, 0, 77), second = lab_shift(s, 0, 78);

	lab_hear_end(real);
	assert_int_equal(first, -EIO);
	assert_int_equal(second, -EIO);
	if (!strstr(lab_said, why) || strchr(lab_said, '\n') != strrchr(lab_said, '\n'))
		fail_msg("wanted one line with \"%s\", got: %s", why, lab_said);
	assert_non_null(strstr(lab_said, "not in the history"));
	assert_false(store_count(s).is_available);
	assert_int_equal(store_count(s).errors, 2);
	assert_int_equal(store_count(s).lost, 2);
}

static void expect_recovery(struct store *s)
{
	int real = lab_hear_begin();
	int error = lab_shift(s, 0, 4711);

	lab_hear_end(real);
	assert_int_equal(error, 0);
	assert_non_null(strstr(lab_said, "in use again"));
	assert_true(store_count(s).is_available);
	assert_int_equal(lab_kept_ppm(s, "web"), 4711);
}

static void expect_moved_aside(void)
{
	struct store *s = store_new(lab_path);
	int real = lab_hear_begin();
	int error = lab_shift(s, 0, 42);

	lab_hear_end(real);
	assert_int_equal(error, 0);
	assert_non_null(strstr(lab_said, "is damaged: it is now "));
	assert_int_equal(lab_kept_ppm(s, "web"), 42);
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 1);
	assert_int_equal(lab_count_files("state/serin.db.damaged-*Z-*[0-9]"), 1);
	store_free(s);
}

static void test_a_file_of_rubbish_is_moved_aside(void **state)
{
	char rubbish[8192];

	(void)state;
	fill(1);
	lab_number("PRAGMA wal_checkpoint(TRUNCATE)"); /* whose log would mend it */
	memset(rubbish, 'x', sizeof(rubbish));
	write_file(lab_path, rubbish, sizeof(rubbish));
	expect_moved_aside();
}

static void test_a_truncated_file_is_moved_aside(void **state)
{
	struct stat st;

	(void)state;
	fill(25);
	lab_number("PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(stat(lab_path, &st), 0);
	assert_int_equal(truncate(lab_path, st.st_size / 2), 0);
	expect_moved_aside();
}

static void test_damage_in_the_middle_is_moved_aside(void **state)
{
	char rubbish[8192];
	FILE *f;

	(void)state;
	fill(25);
	lab_number("PRAGMA wal_checkpoint(TRUNCATE)");
	memset(rubbish, 'x', sizeof(rubbish));
	f = fopen(lab_path, "r+");
	for (long page = 1; page < 6; page++) {
		fseek(f, page * 4096, SEEK_SET);
		assert_int_equal(fwrite(rubbish, 1, 4096, f), 4096);
	}
	fclose(f);
	expect_moved_aside();
}

static void test_an_empty_file_is_a_new_one(void **state)
{
	(void)state;
	fill(1);
	write_file(lab_path, "", 0);
	fill(1);
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 1);
}

static void test_a_later_schema_is_left_alone(void **state)
{
	struct store *s = store_new(lab_path);
	struct live *l = NULL;
	int real;

	(void)state;
	fill(2);
	lab_do("PRAGMA user_version = 99");
	expect_failures(s, "a later serin made it");
	store_free(s);
	s = store_new(lab_path);
	real = lab_hear_begin();
	assert_int_equal(store_load_live(s, &l), -EIO);
	lab_hear_end(real);
	assert_null(l);
	assert_non_null(strstr(lab_said, "a later serin made it"));
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 2);
	assert_int_equal(lab_count_files("state/serin.db"), 1);
	store_free(s);
}

static void test_a_database_of_others_is_left_alone(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	fill(1);
	lab_do("PRAGMA application_id = 0; PRAGMA user_version = 0");
	expect_failures(s, "not one of Serin's");
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 1);
	store_free(s);
}

static void test_a_file_named_by_mistake_is_left_alone(void **state)
{
	struct store *s;

	(void)state;
	snprintf(lab_path, sizeof(lab_path), "%s/passwd", lab_dir);
	write_file(lab_path, "root:x:0:0:root:/root:/bin/bash\n", 32);
	s = store_new(lab_path);
	expect_failures(s, "not a database");
	assert_int_equal(lab_count_files("passwd*"), 1);
	store_free(s);
}

static void test_a_directory_that_is_not_one_is_no_end(void **state)
{
	struct store *s;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/state", lab_dir);
	write_file(path, "", 0);
	s = store_new(lab_path);
	expect_failures(s, "unable to open");
	assert_int_equal(unlink(path), 0);
	expect_recovery(s);
	store_free(s);
}

static void test_a_locked_one_is_waited_for_briefly(void **state)
{
	struct store *s = store_new(lab_path);
	sqlite3 *other = NULL;

	(void)state;
	fill(1);
	store_set_patience(s, 100);
	assert_int_equal(sqlite3_open(lab_path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	expect_failures(s, "locked");
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	expect_recovery(s);
	sqlite3_close(other);
	store_free(s);
}

static void test_one_taken_away_is_begun_anew(void **state)
{
	struct store *s = store_new(lab_path);

	(void)state;
	assert_int_equal(lab_shift(s, 0, 1), 0);
	assert_int_equal(unlink(lab_path), 0);
	assert_int_equal(lab_shift(s, 0, 2), 0);
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 1);
	store_free(s);
}

/* As on a full disk: no file can grow beyond what it has. */
static void test_a_full_disk_is_no_end(void **state)
{
	struct rlimit limit, small;
	struct store *s = store_new(lab_path);
	int wal = lab_count_files("state/serin.db-wal");

	(void)state;
	assert_int_equal(wal, 0);
	fill(1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = (struct rlimit){.rlim_cur = 8192, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	expect_failures(s, "cannot be written");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	expect_recovery(s);
	assert_int_equal(lab_number("SELECT count(*) FROM change"), 2);
	store_free(s);
}

/* In a process of its own, as somebody who may not write; as root, one would be allowed anything. */
static int as_nobody(int (*work)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		if (!getuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
			_exit(99);
		_exit(work());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int count_one(const struct history_entry *e, void *arg)
{
	(void)e;
	++*(int *)arg;
	return 0;
}

static int read_only(void)
{
	struct store *s = store_new(lab_path);
	struct history_query query = {.limit = -1};
	struct live *l = NULL;
	int count = 0;

	if (store_history(s, &query, count_one, &count) || count != 3)
		return 1;
	if (store_load_live(s, &l) || !live_find(l, "web"))
		return 2;
	live_free(l);
	expect_failures(s, "cannot be ");
	store_free(s);
	return 0;
}

static void set_read_only(bool is_read_only)
{
	static const char *const parts[] = {"", "-wal", "-shm"};
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", lab_path, parts[i]);
		chmod(path, is_read_only ? 0444 : 0644);
	}
	snprintf(path, sizeof(path), "%s/state", lab_dir);
	assert_int_equal(chmod(path, is_read_only ? 0555 : 0755), 0);
}

static void test_what_may_only_be_read_is_read(void **state)
{
	(void)state;
	fill(3);
	set_read_only(true);
	assert_int_equal(as_nobody(read_only), 0);
	set_read_only(false);
	/* The same without a log: where it was made whole, as a backup is. */
	lab_number("PRAGMA wal_checkpoint(TRUNCATE)");
	unlink(strcat(strcpy(lab_said, lab_path), "-shm"));
	unlink(strcat(strcpy(lab_said, lab_path), "-wal"));
	set_read_only(true);
	assert_int_equal(as_nobody(read_only), 0);
	set_read_only(false);
}

#define WRITERS 6
#define WRITES	10

static void write_at_once(void)
{
	pid_t pids[WRITERS];

	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		if (pids[w])
			continue;
		for (uint64_t i = 1; i <= WRITES; i++) {
			struct store *s = store_new(lab_path);

			if (lab_shift_at(s, w % 2 ? "web" : "api", 0, (uint32_t)i, i))
				_exit(1);
			store_free(s);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status = -1;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(lab_number("SELECT count(*) FROM change"), WRITERS * WRITES);
	assert_int_equal(lab_number("SELECT sum(stamp) FROM live"), 2 * WRITES);
}

/* The first change of each makes the database, too. */
static void test_writers_at_once_lose_nothing(void **state)
{
	(void)state;
	write_at_once();
}

/* One of them puts it aside, and none the new one. */
static void test_writers_at_once_find_it_damaged(void **state)
{
	char rubbish[8192];
	int real;

	(void)state;
	fill(1);
	lab_number("PRAGMA wal_checkpoint(TRUNCATE)");
	memset(rubbish, 'x', sizeof(rubbish));
	write_file(lab_path, rubbish, sizeof(rubbish));
	real = lab_hear_begin();
	write_at_once();
	lab_hear_end(real);
	assert_int_equal(lab_count_files("state/serin.db.damaged-*Z-*[0-9]"), 1);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_a_file_of_rubbish_is_moved_aside),
		STORE_TEST(test_a_truncated_file_is_moved_aside),
		STORE_TEST(test_damage_in_the_middle_is_moved_aside),
		STORE_TEST(test_an_empty_file_is_a_new_one),
		STORE_TEST(test_a_later_schema_is_left_alone),
		STORE_TEST(test_a_database_of_others_is_left_alone),
		STORE_TEST(test_a_file_named_by_mistake_is_left_alone),
		STORE_TEST(test_a_directory_that_is_not_one_is_no_end),
		STORE_TEST(test_a_locked_one_is_waited_for_briefly),
		STORE_TEST(test_one_taken_away_is_begun_anew),
		STORE_TEST(test_a_full_disk_is_no_end),
		STORE_TEST(test_what_may_only_be_read_is_read),
		STORE_TEST(test_writers_at_once_lose_nothing),
		STORE_TEST(test_writers_at_once_find_it_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the tests of the state database have in common: a directory of its own for each, changes
 * to record, and what the database then says. For inclusion by one test program each.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

static char lab_dir[64];
static char lab_path[96];
static char lab_said[8192]; /* on stderr, by lab_hear_end() */

static inline int lab_setup(void **state)
{
	(void)state;
	strcpy(lab_dir, "/tmp/serin-store-XXXXXX");
	assert_non_null(mkdtemp(lab_dir));
	assert_int_equal(chmod(lab_dir, 0777), 0);
	snprintf(lab_path, sizeof(lab_path), "%s/state/serin.db", lab_dir);
	return 0;
}

static inline int lab_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline int lab_teardown(void **state)
{
	(void)state;
	return nftw(lab_dir, lab_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int lab_hear_begin(void)
{
	char path[96];
	int real = dup(STDERR_FILENO), fd;

	snprintf(path, sizeof(path), "%s/said", lab_dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	assert_true(fd >= 0 && real >= 0);
	dup2(fd, STDERR_FILENO);
	close(fd);
	return real;
}

static inline void lab_hear_end(int real)
{
	ssize_t length = pread(STDERR_FILENO, lab_said, sizeof(lab_said) - 1, 0);

	dup2(real, STDERR_FILENO);
	close(real);
	lab_said[length > 0 ? length : 0] = '\0';
}

static inline struct live *lab_live(const char *name, uint32_t ppm, uint32_t epoch)
{
	struct live *l = live_new();
	struct live_service *s = live_add(l);

	snprintf(s->name, sizeof(s->name), "%s", name);
	strcpy(s->primary, "stable");
	strcpy(s->pools[0].name, "canary");
	strcpy(s->pools[1].name, "stable");
	s->pools[0].ppm = ppm;
	s->pools[1].ppm = 1000000 - ppm;
	s->pool_count = 2;
	s->epoch = epoch;
	s->seed = 0xfedcba9876543210ull;
	return l;
}

/* A shift from one weight to another; 0 or the store's error. */
static inline int lab_shift_at(struct store *s, const char *service, uint32_t from, uint32_t to,
			       uint64_t made_ns)
{
	struct live_change change = {.is_made = true,
				     .made_ns = made_ns,
				     .before = lab_live(service, from, 1),
				     .after = lab_live(service, to, 2)};
	const struct dataplane_author author = {
		.actor = "weight", .reason = "it's; DROP TABLE change--", .change = &change};
	const struct store_act act = {.author = &author, .service = service};
	int error = store_record(s, &act);

	live_change_fini(&change);
	return error;
}

static inline int lab_shift(struct store *s, uint32_t from, uint32_t to)
{
	static uint64_t clock = 1000;

	return lab_shift_at(s, "web", from, to, ++clock);
}

static inline void lab_do(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(lab_path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The one number that a statement gives. */
static inline int64_t lab_number(const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t number;

	assert_int_equal(sqlite3_open(lab_path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	number = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return number;
}

/* The canary's kept weight, or -1. */
static inline int64_t lab_kept_ppm(struct store *s, const char *service)
{
	struct live *l = NULL;
	uint32_t ppm = 0;
	int64_t result = -1;

	assert_int_equal(store_load_live(s, &l), 0);
	if (live_find(l, service) && live_weight(live_find(l, service), "canary", &ppm))
		result = ppm;
	live_free(l);
	return result;
}

/* How many files there are whose names begin so. */
static inline int lab_count_files(const char *pattern)
{
	char command[256];
	FILE *f;
	int count = -1;

	snprintf(command, sizeof(command), "ls -d %s/%s 2>/dev/null | wc -l", lab_dir, pattern);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &count), 1);
	pclose(f);
	return count;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The way to the database: opening it, one transaction at a time, and what becomes of errors. */
#include "store/internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"

#define PATIENCE_MS 2000 /* a verb has printed its result by then */
#define RETRY_MS    3	 /* writers at once take turns: each has it for some milliseconds */
/* Pages of 4 KiB in the log before they are written into the database and it is emptied: whoever opens
 * it first reads as many. */
#define LOG_PAGES 100

struct store *store_new(const char *path)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!path)
		path = getenv(STORE_ENV);
	if (s)
		s->path = strdup(path ? path : STORE_DEFAULT_PATH);
	if (s && s->path) {
		s->patience_ms = PATIENCE_MS;
		return s;
	}
	free(s);
	return NULL;
}

static void close_db(struct store *s)
{
	sqlite3_close_v2(s->db);
	s->db = NULL;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	close_db(s);
	free(s->path);
	free(s);
}

const char *store_path(const struct store *s)
{
	return s ? s->path : "";
}

struct store_counts store_count(const struct store *s)
{
	return s ? s->counts : (struct store_counts){};
}

void store_lose(struct store *s, uint64_t count)
{
	if (s)
		s->counts.lost += count;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void store_set_patience(struct store *s, int ms)
{
	s->patience_ms = ms;
}

/* SQLite's own waits ever longer, so that who has waited longest comes last. */
static int wait_a_little(void *arg, int tries)
{
	const struct store *s = arg;

	(void)tries;
	poll(NULL, 0, RETRY_MS);
	return now_ms() < s->deadline_ms;
}

static int primary(int rc)
{
	return rc > 0 ? rc & 0xff : rc;
}

static bool is_damaged(int rc)
{
	return primary(rc) == SQLITE_CORRUPT || primary(rc) == SQLITE_NOTADB;
}

static const char *explain(int rc)
{
	if (rc == STORE_NEWER)
		return "a later serin made it, and this one does not know its tables";
	if (rc == STORE_FOREIGN)
		return "it is a database, but not one of Serin's";
	if (primary(rc) == SQLITE_BUSY)
		return "somebody else has it locked";
	return sqlite3_errstr(rc);
}

/* ---- opening ---- */

static void make_directory(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s", path) >= PATH_MAX)
		return;
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	mkdir(dir, 0755); /* opening tells if it is not there */
}

static int note_log(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *s = arg;

	(void)db, (void)name;
	s->log_pages = pages;
	return SQLITE_OK;
}

/* SQLite's own way would begin the log anew with the next transaction of the same process, of which
 * a verb has none. Whoever reads just now keeps it from that: another time will do. */
static void empty_log(struct store *s)
{
	if (!s->db || s->log_pages < LOG_PAGES)
		return;
	s->deadline_ms = 0;
	sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	s->log_pages = 0;
}

/*
 * The log stays when the last one leaves: then there is nothing to do at the end of each verb, and
 * whoever may only read finds all there is.
 */
static void set_up(struct store *s)
{
	sqlite3_busy_handler(s->db, wait_a_little, s);
	sqlite3_wal_hook(s->db, note_log, s);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
}

/* What is not ours is not turned into anything. The log is synced by each transaction, for a weight
 * taken back must not return with the power. */
static int prepare(sqlite3 *db)
{
	static const char pragmas[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
				      "PRAGMA cache_size = -256;"; /* KiB, of few and small rows */
	int rc = schema_check(db);

	if (rc && rc != SQLITE_EMPTY)
		return rc;
	rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
	return rc ? rc : schema_open(db);
}

/* Taken away or moved under us: what is written to it nobody would find. */
static bool is_moved(sqlite3 *db)
{
	int moved = 0;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved;
}

static int open_db(struct store *s)
{
	int rc;

	if (s->db && is_moved(s->db))
		close_db(s);
	if (s->db)
		return SQLITE_OK;
	make_directory(s->path);
	if (stat(s->path, &s->file))
		memset(&s->file, 0, sizeof(s->file));
	rc = sqlite3_open_v2(s->path, &s->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE,
			     NULL);
	if (!rc) {
		set_up(s);
		rc = prepare(s->db);
	}
	if (rc)
		close_db(s);
	return rc;
}

/* ---- errors ---- */

static int fail(struct store *s, int rc, const char *verb, const char *loss)
{
	s->counts.errors++;
	s->counts.is_available = false;
	if (!s->is_broken)
		log_warning("the state database %s cannot be %s: %s; work goes on without it: %s",
			    s->path, verb, explain(rc), loss);
	s->is_broken = true;
	return -EIO;
}

static void recover(struct store *s)
{
	if (s->is_broken)
		log_info("the state database %s is in use again", s->path);
	s->is_broken = false;
	s->counts.is_available = true;
}

/* ---- writing ---- */

static int transact(sqlite3 *db, store_work *work, void *arg)
{
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc)
		return rc;
	rc = work(db, arg);
	if (!rc)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static int try_once(struct store *s, store_work *work, void *arg)
{
	int rc = open_db(s);

	if (!rc)
		rc = transact(s->db, work, arg);
	if (rc)
		close_db(s);
	return rc;
}

/* Not everything that finds it locked waits by itself: turning the log on does not. */
static int try_for_a_while(struct store *s, store_work *work, void *arg)
{
	int rc;

	s->deadline_ms = now_ms() + (uint64_t)s->patience_ms;
	while (primary(rc = try_once(s, work, arg)) == SQLITE_BUSY && wait_a_little(s, 0))
		;
	return rc;
}

int store_write(struct store *s, store_work *work, void *arg, const char *loss)
{
	int rc;

	if (!s || !*s->path)
		return 0;
	rc = try_for_a_while(s, work, arg);
	if (is_damaged(rc) && !store_move_aside(s->path, &s->file))
		rc = try_for_a_while(s, work, arg);
	if (rc)
		return fail(s, rc, "written", loss);
	recover(s);
	empty_log(s);
	return 0;
}

int store_probe(struct store *s)
{
	return store_write(s, schema_touch, NULL,
			   "neither history nor live weights nor events are kept");
}

/* ---- reading ---- */

/* A path may have what a URI gives a meaning to. */
static char *immutable_uri(const char *path)
{
	char *uri = malloc(3 * strlen(path) + 32), *at = uri;

	if (!uri)
		return NULL;
	at += sprintf(at, "file:");
	for (; *path; path++) {
		if (*path == '?' || *path == '#' || *path == '%')
			at += sprintf(at, "%%%02x", (unsigned char)*path);
		else
			*at++ = *path;
	}
	strcpy(at, "?immutable=1");
	return uri;
}

static int read_as(struct store *s, const char *name, int flags, store_work *work, void *arg)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE | flags,
				 NULL);

	s->deadline_ms = now_ms() + (uint64_t)s->patience_ms;
	sqlite3_busy_handler(db, wait_a_little, s);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (!rc)
		rc = schema_check(db);
	if (!rc)
		rc = work(db, arg);
	sqlite3_close_v2(db);
	return rc;
}

/* Where the log's index can be neither read nor made, and there is nothing in the log. */
static int read_unchanging(struct store *s, store_work *work, void *arg)
{
	char *uri = NULL, log[PATH_MAX];
	struct stat st;
	int rc = SQLITE_CANTOPEN;

	if (snprintf(log, sizeof(log), "%s-wal", s->path) >= PATH_MAX ||
	    (!stat(log, &st) && st.st_size))
		return rc;
	uri = immutable_uri(s->path);
	if (uri)
		rc = read_as(s, uri, SQLITE_OPEN_URI, work, arg);
	free(uri);
	return rc;
}

int store_read(struct store *s, store_work *work, void *arg, const char *loss)
{
	int rc;

	if (!s || !*s->path || (access(s->path, F_OK) && errno == ENOENT))
		return -ENOENT;
	rc = read_as(s, s->path, 0, work, arg);
	if (primary(rc) == SQLITE_CANTOPEN || primary(rc) == SQLITE_READONLY)
		rc = read_unchanging(s, work, arg);
	if (rc == SQLITE_EMPTY)
		return -ENOENT;
	return rc ? fail(s, rc, "read", loss) : 0;
}

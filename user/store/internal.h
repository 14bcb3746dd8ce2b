/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of user/store/ share: the way to the database, and what is written there. */
#pragma once

#include <sqlite3.h>
#include <sys/stat.h>

#include "store/store.h"

/* Besides SQLite's own results. */
#define STORE_NEWER   (-1) /* made by a later serin */
#define STORE_FOREIGN (-2) /* somebody else's */

struct store {
	char *path;	  /* "": keeps nothing */
	sqlite3 *db;	  /* NULL: not open */
	struct stat file; /* that was opened last; all zero: none */
	bool is_broken;	  /* and it was said */
	int patience_ms;
	int log_pages;	      /* in the log after the last transaction */
	uint64_t deadline_ms; /* CLOCK_MONOTONIC: when it ends */
	struct store_counts counts;
};

/* ---- schema.c ---- */

/* Tables as this serin knows them, made or migrated. SQLite's result, or one of those above. */
int schema_open(sqlite3 *db);
/* The same for one that cannot be written. SQLITE_EMPTY: there is nothing in it. */
int schema_check(sqlite3 *db);

/* Writes what is there already: a work of store_write()'s. */
int schema_touch(sqlite3 *db, void *unused);

/* ---- access.c ---- */

/* Return SQLite's result. */
typedef int store_work(sqlite3 *db, void *arg);

/* In one transaction, all or nothing. @loss: what it means if it is not kept */
int store_write(struct store *s, store_work *work, void *arg, const char *loss);
/* -ENOENT: there is nothing to read. @loss: what it means if it cannot be read */
int store_read(struct store *s, store_work *work, void *arg, const char *loss);

/* ---- aside.c ---- */

/* Gives a damaged database another name, with the time in it, so that a new one can be begun. Of
 * several processes that find it damaged one does it. @damaged: which it is, whatever has its name
 * by now. 0 or -errno. */
int store_move_aside(const char *path, const struct stat *damaged);

/* ---- sql.c ---- */

/* NULL binds NULL; what is empty, too. */
void sql_text(sqlite3_stmt *st, const char *name, const char *text);
void sql_int(sqlite3_stmt *st, const char *name, int64_t value);
/* "" for NULL. */
const char *sql_column(sqlite3_stmt *st, int column);
/* Runs a statement that returns nothing, and makes it ready to be run again. */
int sql_run(sqlite3_stmt *st);
/* @sql: with the number of rows to keep as its only parameter */
int sql_prune(sqlite3 *db, const char *sql, int64_t keep);
int sql_number(sqlite3 *db, const char *sql, int64_t *out);

/* ---- live_json.c: pure ---- */

/* NULL for NULL and when out of memory; from malloc. */
char *live_to_json(const struct live_service *s);
/* Adds it to the list. -EINVAL: it makes no sense. */
int live_from_json(const char *name, const char *text, struct live *out);

/* ---- live_rows.c ---- */

/* What a change left, unless a later one has been kept already. */
int live_rows_put(sqlite3 *db, const struct live *l, bool is_whole, uint64_t made_ns);
int live_rows_read(sqlite3 *db, struct live *out);

/* ---- rows.c: pure ---- */

#define ROWS_DETAIL_MAX 4096

/* What is told of one service, or (the first row) of none. */
struct row {
	const char *service;
	const struct live_service *before, *after;
	char *detail;
	size_t omitted; /* lines beyond ROWS_DETAIL_MAX */
	bool is_changed;
};

struct rows {
	struct row *list;
	size_t count;
};

/* An account of a change by service. 0 or -ENOMEM. */
int rows_make(const struct live_change *c, const char *service, struct rows *out);
void rows_fini(struct rows *r);

/* ---- who.c ---- */

struct who {
	int64_t uid, sudo_uid; /* -1: none */
	char user[64], sudo_user[64];
};

/* Who runs this. */
void who_read(const struct dataplane_author *author, struct who *out);
/* @variable: SUDO_UID's value, or NULL; only root can have come from sudo. */
int64_t who_sudo_uid(int64_t uid, const char *variable);

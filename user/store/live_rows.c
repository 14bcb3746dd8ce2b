// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The live state of each service, for the time after a restart. Changes are kept after the kernel's
 * lock is given up, so that they may come in another order than they were made in: each has a stamp
 * from under that lock, and an older one changes nothing of a newer.
 */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#define BOOT_LEN 40

/* Stamps of other boots tell nothing. */
static void read_boot(char out[BOOT_LEN])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	*out = '\0';
	if (f && fgets(out, BOOT_LEN, f))
		out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
	if (!*out)
		strcpy(out, "unknown");
}

static int prepare(sqlite3 *db, const char *sql, const char *boot, uint64_t stamp,
		   sqlite3_stmt **out)
{
	int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);

	if (rc)
		return rc;
	sql_text(*out, ":boot", boot);
	sql_int(*out, ":stamp", (int64_t)stamp);
	return SQLITE_OK;
}

static int run(sqlite3 *db, const char *sql, const char *boot, uint64_t stamp)
{
	sqlite3_stmt *st = NULL;
	int rc = prepare(db, sql, boot, stamp, &st);

	if (!rc)
		rc = sql_run(st);
	sqlite3_finalize(st);
	return rc;
}

static int put_services(sqlite3 *db, const struct live *l, const char *boot, uint64_t stamp)
{
	static const char sql[] =
		"INSERT INTO live (service, boot, stamp, state)"
		" SELECT :service, :boot, :stamp, :state WHERE NOT EXISTS"
		" (SELECT 1 FROM live_base WHERE boot = :boot AND stamp > :stamp)"
		" ON CONFLICT (service) DO UPDATE SET boot = excluded.boot,"
		" stamp = excluded.stamp, state = excluded.state"
		" WHERE live.boot <> excluded.boot OR live.stamp < excluded.stamp";
	sqlite3_stmt *st = NULL;
	int rc = prepare(db, sql, boot, stamp, &st);

	for (size_t i = 0; !rc && i < l->count; i++) {
		char *state = live_to_json(&l->services[i]);

		sql_text(st, ":service", l->services[i].name);
		sql_text(st, ":state", state);
		rc = state ? sql_run(st) : SQLITE_NOMEM;
		free(state);
	}
	sqlite3_finalize(st);
	return rc;
}

int live_rows_put(sqlite3 *db, const struct live *l, bool is_whole, uint64_t made_ns)
{
	static const char clear[] = "DELETE FROM live WHERE boot <> :boot OR stamp < :stamp";
	static const char base[] =
		"INSERT INTO live_base (one, boot, stamp) VALUES (1, :boot, :stamp)"
		" ON CONFLICT (one) DO UPDATE SET boot = excluded.boot, stamp = excluded.stamp"
		" WHERE live_base.boot <> excluded.boot OR live_base.stamp < excluded.stamp";
	char boot[BOOT_LEN];
	int rc = SQLITE_OK;

	read_boot(boot);
	if (is_whole)
		rc = run(db, clear, boot, made_ns);
	if (!rc && is_whole)
		rc = run(db, base, boot, made_ns);
	return rc ? rc : put_services(db, l, boot, made_ns);
}

/* One that makes no sense is left out, not guessed at. */
static int read_one(sqlite3_stmt *st, struct live *out)
{
	const char *name = sql_column(st, 0);
	int error = live_from_json(name, sql_column(st, 1), out);

	if (error == -ENOMEM)
		return SQLITE_NOMEM;
	if (error)
		log_warning("service %s: what is kept of its live weights makes no sense, and is "
			    "left aside",
			    name);
	return SQLITE_OK;
}

int live_rows_read(sqlite3 *db, struct live *out)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT service, state FROM live", -1, &st, NULL);

	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW)
		rc = read_one(st, out);
	sqlite3_finalize(st);
	live_sort(out);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

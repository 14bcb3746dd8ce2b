// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables, and the way to them from what an earlier serin made. */
#include "store/internal.h"

#define APPLICATION_ID 0x5372696e /* "Srin": whose database it is */

/* Times are Unix time. Weights and drained backends are JSON: see live_json.c. */
static const char *const steps[] = {
	/* 0 -> 1 */
	"CREATE TABLE change (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, uid INTEGER NOT NULL,"
	" user TEXT, sudo_uid INTEGER, sudo_user TEXT, actor TEXT NOT NULL, reason TEXT,"
	" service TEXT, before TEXT, after TEXT, epoch INTEGER, outcome TEXT NOT NULL, detail "
	"TEXT);"
	"CREATE INDEX change_by_service ON change (service, id);"
	"CREATE TABLE event (id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL,"
	" sequence INTEGER NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL, service TEXT,"
	" pool TEXT, backend TEXT, client TEXT, count INTEGER NOT NULL, total INTEGER NOT NULL);"
	"CREATE INDEX event_by_service ON event (service, id);"
	/* boot and stamp (CLOCK_MONOTONIC, ns) are of the change; live_base's, of the last of all
	 * services: whatever is older was seen by it. */
	"CREATE TABLE live (service TEXT PRIMARY KEY, boot TEXT NOT NULL, stamp INTEGER NOT NULL,"
	" state TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE live_base (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL,"
	" stamp INTEGER NOT NULL);"
	"PRAGMA user_version = 1;",
	/* 1 -> 2: a rollout's state and evidence are as user/rollout and user/judge write them */
	"CREATE TABLE rollout (id INTEGER PRIMARY KEY, service TEXT NOT NULL, release TEXT NOT "
	"NULL,"
	" state TEXT NOT NULL, evidence BLOB, started_ms INTEGER NOT NULL, ended_ms INTEGER,"
	" who TEXT, reason TEXT);"
	"CREATE INDEX rollout_by_service ON rollout (service, id);"
	"CREATE TABLE rollout_transition (id INTEGER PRIMARY KEY, rollout INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, \"from\" TEXT, \"to\" TEXT, step INTEGER, why TEXT);"
	"CREATE INDEX rollout_transition_of ON rollout_transition (rollout, id);"
	"CREATE TABLE rollout_sample (id INTEGER PRIMARY KEY, rollout INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, step INTEGER, phase TEXT, weight REAL, log_e REAL,"
	" fine_log_e REAL, pools TEXT);"
	"CREATE INDEX rollout_sample_of ON rollout_sample (rollout, at_ms, id);"
	"CREATE TABLE rollout_look (id INTEGER PRIMARY KEY, rollout INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, finding TEXT, why TEXT, details TEXT);"
	"CREATE INDEX rollout_look_of ON rollout_look (rollout, id);"
	"CREATE TABLE rollout_hook (id INTEGER PRIMARY KEY, rollout INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, at TEXT, name TEXT, key TEXT, tries INTEGER, took_ms INTEGER,"
	" is_yes INTEGER, why TEXT);"
	"CREATE INDEX rollout_hook_of ON rollout_hook (rollout, id);"
	"PRAGMA user_version = 2;",
	/* 2 -> 3: bounds of evidence; samples are in order of id, for clocks are set */
	"ALTER TABLE rollout_sample ADD COLUMN log_bound REAL;"
	"ALTER TABLE rollout_sample ADD COLUMN fine_log_bound REAL;"
	"DROP INDEX rollout_sample_of;"
	"CREATE INDEX rollout_sample_of ON rollout_sample (rollout, id);"
	"PRAGMA user_version = 3;",
};

#define VERSION ((int64_t)(sizeof(steps) / sizeof(*steps)))

/* SQLITE_EMPTY where nobody has made anything in it. */
static int check(sqlite3 *db, int64_t *version)
{
	int64_t id = 0, tables = 0;
	int rc = sql_number(db, "PRAGMA application_id", &id);

	if (!rc)
		rc = sql_number(db, "PRAGMA user_version", version);
	if (!rc)
		rc = sql_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc)
		return rc;
	if (!id && !*version && !tables)
		return SQLITE_EMPTY;
	if (id != APPLICATION_ID)
		return STORE_FOREIGN;
	return *version > VERSION ? STORE_NEWER : SQLITE_OK;
}

/* At one moment: others may be making it. */
static int check_at_once(sqlite3 *db, int64_t *version)
{
	int rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);

	if (rc)
		return rc;
	rc = check(db, version);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int schema_check(sqlite3 *db)
{
	int64_t version;

	return check_at_once(db, &version);
}

/* Whoever came first may have done it meanwhile. */
static int migrate(sqlite3 *db)
{
	int64_t version = 0;
	int rc = check(db, &version);

	if (rc == SQLITE_EMPTY) {
		char sql[64];

		sqlite3_snprintf(sizeof(sql), sql, "PRAGMA application_id = %d", APPLICATION_ID);
		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	}
	for (; !rc && version < VERSION; version++)
		rc = sqlite3_exec(db, steps[version], NULL, NULL, NULL);
	return rc;
}

int schema_open(sqlite3 *db)
{
	int64_t version = 0;
	int rc = check_at_once(db, &version);

	if (rc && rc != SQLITE_EMPTY)
		return rc;
	if (!rc && version == VERSION)
		return SQLITE_OK;
	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc)
		return rc;
	rc = migrate(db);
	if (!rc)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* The first page is written whether it is the same or not. */
int schema_touch(sqlite3 *db, void *unused)
{
	char sql[64];

	(void)unused;
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA user_version = %lld", VERSION);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

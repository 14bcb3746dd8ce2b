// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/rollouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "store/rollout_rows.h"

struct batch {
	const struct store_rollout *list;
	size_t count;
};

static int keep_head(sqlite3 *db, const struct store_rollout *r)
{
	static const char sql[] =
		"INSERT INTO rollout (id, service, release, state, evidence, started_ms, ended_ms,"
		" who, reason) VALUES (:id, :service, :release, :state, :evidence, :started_ms,"
		" :ended_ms, :who, :reason) ON CONFLICT (id) DO UPDATE SET state = excluded.state,"
		" evidence = excluded.evidence, ended_ms = excluded.ended_ms";
	char *state = json_dumps(r->state, JSON_COMPACT);
	sqlite3_stmt *st = NULL;
	int rc = state ? sqlite3_prepare_v2(db, sql, -1, &st, NULL) : SQLITE_NOMEM;

	if (!rc) {
		sql_int(st, ":id", r->id);
		sql_text(st, ":service", r->service);
		sql_text(st, ":release", r->release);
		sql_text(st, ":state", state);
		if (r->evidence)
			sqlite3_bind_blob(st, sqlite3_bind_parameter_index(st, ":evidence"),
					  r->evidence, (int)r->evidence_size, SQLITE_TRANSIENT);
		sql_int(st, ":started_ms", r->started_ms);
		if (r->ended_ms)
			sql_int(st, ":ended_ms", r->ended_ms);
		sql_text(st, ":who", r->who);
		sql_text(st, ":reason", r->reason);
		rc = sql_run(st);
	}
	sqlite3_finalize(st);
	free(state);
	return rc;
}

static int prune(sqlite3 *db, int64_t ended_before)
{
	static const char sql[] =
		"DELETE FROM rollout WHERE ended_ms IS NOT NULL AND id <= (SELECT id FROM rollout"
		" WHERE ended_ms IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?)";
	int64_t ended;
	int rc = sql_number(db, "SELECT count(ended_ms) FROM rollout", &ended);

	if (rc || ended == ended_before || ended <= STORE_ROLLOUTS_MAX)
		return rc;
	rc = sql_prune(db, sql, STORE_ROLLOUTS_MAX);
	return rc ? rc : rollout_rows_prune(db);
}

static int keep_one(sqlite3 *db, const struct store_rollout *r)
{
	int rc = keep_head(db, r);

	for (int part = 0; !rc && part < STORE_PART_MAX; part++)
		if (json_array_size(r->more[part]))
			rc = rollout_rows_add(db, r->id, part, r->more[part]);
	if (!rc && json_array_size(r->more[STORE_SAMPLES]))
		rc = rollout_samples_thin(db, r->id);
	return rc;
}

static int keep_all(sqlite3 *db, void *arg)
{
	const struct batch *b = arg;
	int64_t ended;
	int rc = sql_number(db, "SELECT count(ended_ms) FROM rollout", &ended);

	for (size_t i = 0; !rc && i < b->count; i++)
		rc = keep_one(db, &b->list[i]);
	return rc ? rc : prune(db, ended);
}

int store_rollouts_keep(struct store *s, const struct store_rollout *list, size_t count)
{
	struct batch b = {list, count};

	return count ? store_write(s, keep_all, &b,
				   "a rollout goes on, but an agent that is killed would not know "
				   "how far it was")
		     : 0;
}

/* ---- reading ---- */

static int read_last_id(sqlite3 *db, void *arg)
{
	return sql_number(db, "SELECT coalesce(max(id), 0) FROM rollout", arg);
}

int store_rollouts_last_id(struct store *s, int64_t *out)
{
	return store_read(s, read_last_id, out, "rollouts of before are not taken up");
}

struct reading {
	const struct store_rollouts_query *query;
	store_rollout_visitor *visit;
	void *arg;
};

static int visit_row(sqlite3_stmt *st, const struct reading *r, int *end)
{
	struct store_rollout found = {
		.id = sqlite3_column_int64(st, 0),
		.service = sql_column(st, 1),
		.release = sql_column(st, 2),
		.evidence = sqlite3_column_blob(st, 4),
		.evidence_size = (size_t)sqlite3_column_bytes(st, 4),
		.started_ms = sqlite3_column_int64(st, 5),
		.ended_ms = sqlite3_column_int64(st, 6),
		.who = sql_column(st, 7),
		.reason = sql_column(st, 8),
	};
	json_t *state = json_loads(sql_column(st, 3), JSON_REJECT_DUPLICATES, NULL);

	if (state) {
		found.state = state;
		*end = r->visit(&found, r->arg);
	} else {
		log_warning("rollout %lld of service %s: what is kept of it makes no sense, and is "
			    "left aside",
			    (long long)found.id, found.service);
	}
	json_decref(state);
	return SQLITE_OK;
}

static int read_rollouts(sqlite3 *db, void *arg)
{
	static const char sql[] =
		"SELECT id, service, release, state, evidence, started_ms, ended_ms, who, reason"
		" FROM rollout WHERE (:service IS NULL OR service = :service)"
		" AND (:id = 0 OR id = :id) AND (NOT :current OR ended_ms IS NULL"
		" OR id IN (SELECT max(id) FROM rollout GROUP BY service))"
		" ORDER BY id DESC LIMIT :limit";
	const struct reading *r = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL), end = 0;

	if (!rc) {
		sql_text(st, ":service", r->query->service);
		sql_int(st, ":id", r->query->id);
		sql_int(st, ":current", r->query->is_current);
		sql_int(st, ":limit", r->query->limit);
	}
	while (!rc && !end && (rc = sqlite3_step(st)) == SQLITE_ROW)
		rc = visit_row(st, r, &end);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_rollouts_read(struct store *s, const struct store_rollouts_query *query,
			store_rollout_visitor *visit, void *arg)
{
	struct reading r = {query, visit, arg};

	return store_read(s, read_rollouts, &r, "there is no telling what rollouts there were");
}

struct rows_reading {
	int64_t id;
	enum store_rollout_part part;
	json_t *rows;
};

static int read_rows(sqlite3 *db, void *arg)
{
	const struct rows_reading *r = arg;

	return rollout_rows_read(db, r->id, r->part, r->rows);
}

int store_rollout_rows(struct store *s, int64_t id, enum store_rollout_part part, json_t *rows)
{
	struct rows_reading r = {id, part, rows};

	return store_read(s, read_rows, &r, "there is no telling what a rollout did");
}

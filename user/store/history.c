// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading what was done, and what happened. */
#include "store/internal.h"

struct reading {
	const struct history_query *query;
	history_visitor *visit;
	void *arg;
};

enum column {
	COLUMN_IS_EVENT,
	COLUMN_AT_MS,
	COLUMN_ACTOR,
	COLUMN_SERVICE,
	COLUMN_REASON,
	COLUMN_DETAIL,
	COLUMN_UID,
	COLUMN_SUDO_UID,
	COLUMN_USER,
	COLUMN_SUDO_USER,
	COLUMN_OUTCOME,
	COLUMN_EPOCH,
	COLUMN_BEFORE,
	COLUMN_AFTER,
	COLUMN_POOL,
	COLUMN_BACKEND,
	COLUMN_CLIENT,
	COLUMN_COUNT,
	COLUMN_TOTAL,
};

/* The newest of both, each by its own order, then put together. */
static const char sql[] =
	"SELECT * FROM ("
	"SELECT * FROM (SELECT 0, at_ms AS at, actor, service, reason, detail, uid, sudo_uid, user,"
	" sudo_user, outcome, epoch, before, after, NULL, NULL, NULL, 0, 0, id"
	" FROM change WHERE (:service IS NULL OR service = :service) AND at_ms >= :since"
	" ORDER BY id DESC LIMIT :limit)"
	" UNION ALL "
	"SELECT * FROM (SELECT 1, at_us / 1000, kind, service, cause, NULL, -1, NULL, NULL, NULL,"
	" NULL, NULL, NULL, NULL, pool, backend, client, count, total, id"
	" FROM event WHERE :events AND (:service IS NULL OR service = :service)"
	" AND at_us >= :since * 1000 ORDER BY id DESC LIMIT :limit)"
	" ORDER BY at DESC, id DESC LIMIT :limit) ORDER BY at, id";

static int64_t number_or_none(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL ? -1
							      : sqlite3_column_int64(st, column);
}

static struct history_entry entry_of(sqlite3_stmt *st)
{
	return (struct history_entry){
		.is_event = sqlite3_column_int(st, COLUMN_IS_EVENT),
		.at_ms = sqlite3_column_int64(st, COLUMN_AT_MS),
		.actor = sql_column(st, COLUMN_ACTOR),
		.service = sql_column(st, COLUMN_SERVICE),
		.reason = sql_column(st, COLUMN_REASON),
		.detail = sql_column(st, COLUMN_DETAIL),
		.uid = number_or_none(st, COLUMN_UID),
		.sudo_uid = number_or_none(st, COLUMN_SUDO_UID),
		.user = sql_column(st, COLUMN_USER),
		.sudo_user = sql_column(st, COLUMN_SUDO_USER),
		.outcome = sql_column(st, COLUMN_OUTCOME),
		.epoch = number_or_none(st, COLUMN_EPOCH),
		.before = sql_column(st, COLUMN_BEFORE),
		.after = sql_column(st, COLUMN_AFTER),
		.pool = sql_column(st, COLUMN_POOL),
		.backend = sql_column(st, COLUMN_BACKEND),
		.client = sql_column(st, COLUMN_CLIENT),
		.count = sqlite3_column_int64(st, COLUMN_COUNT),
		.total = sqlite3_column_int64(st, COLUMN_TOTAL),
	};
}

static int read_entries(sqlite3 *db, void *arg)
{
	const struct reading *r = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL), end = 0;

	if (!rc) {
		sql_text(st, ":service", r->query->service);
		sql_int(st, ":since", r->query->since_ms);
		sql_int(st, ":limit", r->query->limit);
		sql_int(st, ":events", r->query->has_events);
	}
	while (!rc && !end && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct history_entry e = entry_of(st);

		rc = SQLITE_OK;
		end = r->visit(&e, r->arg);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_history(struct store *s, const struct history_query *query, history_visitor *visit,
		  void *arg)
{
	struct reading r = {query, visit, arg};

	return store_read(s, read_entries, &r, "there is no telling what was done");
}

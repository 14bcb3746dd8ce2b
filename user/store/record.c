// SPDX-License-Identifier: GPL-2.0-or-later
/* One act into the history, and what it left into the live weights, in one transaction. */
#include "store/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct recording {
	const struct store_act *act;
	struct rows rows;
	struct who who;
	int64_t at_ms;
};

static const char *outcome_of(int error)
{
	return !error ? "done" : error == -ESTALE ? "conflict" : "failed";
}

static void bind_act(sqlite3_stmt *st, const struct recording *r)
{
	sql_int(st, ":at_ms", r->at_ms);
	sql_int(st, ":uid", r->who.uid);
	sql_text(st, ":user", r->who.user);
	if (r->who.sudo_uid >= 0)
		sql_int(st, ":sudo_uid", r->who.sudo_uid);
	sql_text(st, ":sudo_user", r->who.sudo_user);
	sql_text(st, ":actor", r->act->author->actor);
	sql_text(st, ":reason", r->act->author->reason);
	sql_text(st, ":outcome", outcome_of(r->act->error));
}

static void bind_row(sqlite3_stmt *st, const struct row *row)
{
	const struct live_service *now = row->after ? row->after : row->before;
	char *before = live_to_json(row->before), *after = live_to_json(row->after);

	sql_text(st, ":service", row->service);
	sql_text(st, ":before", before);
	sql_text(st, ":after", after);
	sql_text(st, ":detail", row->detail);
	sqlite3_bind_null(st, sqlite3_bind_parameter_index(st, ":epoch"));
	if (now)
		sql_int(st, ":epoch", now->epoch);
	free(before);
	free(after);
}

static int prune(sqlite3 *db)
{
	static const char sql[] = "DELETE FROM change WHERE id <= (SELECT max(id) FROM change) - ?";

	return sql_prune(db, sql, STORE_ROWS_MAX);
}

static int write_rows(sqlite3 *db, const struct recording *r)
{
	static const char sql[] =
		"INSERT INTO change (at_ms, uid, user, sudo_uid, sudo_user, actor, reason, service,"
		" before, after, epoch, outcome, detail) VALUES (:at_ms, :uid, :user, :sudo_uid,"
		" :sudo_user, :actor, :reason, :service, :before, :after, :epoch, :outcome,"
		" :detail)";
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (!rc)
		bind_act(st, r);
	for (size_t i = 0; !rc && i < r->rows.count; i++) {
		bind_row(st, &r->rows.list[i]);
		rc = sql_run(st);
	}
	sqlite3_finalize(st);
	return rc ? rc : prune(db);
}

static int write_act(sqlite3 *db, void *arg)
{
	const struct recording *r = arg;
	const struct live_change *c = r->act->author->change;
	int rc = r->rows.count ? write_rows(db, r) : SQLITE_OK;

	if (!rc && c->after)
		rc = live_rows_put(db, c->after, c->is_whole, c->made_ns);
	return rc;
}

/* Words of the command that were wrong are nobody's act, nor is what somebody was not allowed. */
static bool is_an_act(const struct store_act *act)
{
	switch (act->error) {
	case 0:
	case -EINVAL:
	case -ENOENT:
	case -EPERM:
	case -EACCES:
		return act->author->change->is_made;
	default:
		return true;
	}
}

int store_record(struct store *s, const struct store_act *act)
{
	struct live_change *c = act->author->change;
	struct recording r = {.act = act};
	struct timespec now;
	int error = 0;

	if (!is_an_act(act) && !c->after)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	r.at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	who_read(act->author, &r.who);
	if (is_an_act(act))
		error = rows_make(c, act->service, &r.rows);
	if (!error)
		error = store_write(s, write_act, &r,
				    "what was done just now is in force, but not in the history, "
				    "and a restart would take up what was kept before");
	if (error)
		store_lose(s, r.rows.count);
	rows_fini(&r.rows);
	return error;
}

/* ---- live weights alone ---- */

static int read_live(sqlite3 *db, void *arg)
{
	return live_rows_read(db, arg);
}

int store_load_live(struct store *s, struct live **out)
{
	struct live *l = live_new();
	int error =
		l ? store_read(s, read_live, l, "live weights of before a restart are not taken up")
		  : -ENOMEM;

	*out = error || !l->count ? NULL : l;
	if (!*out)
		live_free(l);
	return error == -ENOENT ? 0 : error;
}

void store_remember(struct store *s, const char *dir, struct model *m)
{
	if (dataplane_probe(dir) == -ENOENT)
		store_load_live(s, &m->remembered);
}

static bool is_same(const struct live *a, const struct live *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->services[i].name, b->services[i].name) ||
		    !live_equal(&a->services[i], &b->services[i]))
			return false;
	return true;
}

struct sync {
	const struct live *live;
	uint64_t read_ns;
};

static int write_live(sqlite3 *db, void *arg)
{
	const struct sync *sync = arg;

	return live_rows_put(db, sync->live, true, sync->read_ns);
}

int store_sync_live(struct store *s, const struct live *l, uint64_t read_ns)
{
	static const char loss[] = "a restart would take up live weights kept before";
	struct sync sync = {l, read_ns};
	struct live *kept = live_new();
	bool is_kept;
	int error;

	if (!s || !*s->path || !kept) {
		live_free(kept);
		return 0;
	}
	is_kept = !store_read(s, read_live, kept, loss) && is_same(kept, l);
	live_free(kept);
	if (is_kept)
		return 0;
	error = store_write(s, write_live, &sync, loss);
	return error ? error : 1;
}

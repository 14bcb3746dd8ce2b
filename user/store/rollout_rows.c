// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/rollout_rows.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 9

enum kind {
	KIND_INTEGER,
	KIND_NUMBER,
	KIND_FLAG,
	KIND_TEXT,
	KIND_JSON,
};

struct part {
	const char *name;
	const char *insert, *select;
	struct {
		const char *key;
		enum kind kind;
	} columns[COLUMNS_MAX];
};

/* Columns are in the order of both statements. */
static const struct part parts[STORE_PART_MAX] = {
	[STORE_TRANSITIONS] =
		{
			"transitions",
			"INSERT INTO rollout_transition (rollout, at_ms, \"from\", \"to\", step, "
			"why)"
			" VALUES (?, ?, ?, ?, ?, ?)",
			"SELECT at_ms, \"from\", \"to\", step, why FROM rollout_transition"
			" WHERE rollout = ? ORDER BY id",
			{{"at_ms", KIND_INTEGER},
			 {"from", KIND_TEXT},
			 {"to", KIND_TEXT},
			 {"step", KIND_INTEGER},
			 {"why", KIND_TEXT}},
		},
	[STORE_SAMPLES] =
		{
			"samples",
			"INSERT INTO rollout_sample (rollout, at_ms, step, phase, weight, log_e,"
			" log_bound, fine_log_e, fine_log_bound, pools)"
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"SELECT at_ms, step, phase, weight, log_e, log_bound, fine_log_e,"
			" fine_log_bound, pools FROM rollout_sample WHERE rollout = ? ORDER BY id",
			{{"at_ms", KIND_INTEGER},
			 {"step", KIND_INTEGER},
			 {"phase", KIND_TEXT},
			 {"weight", KIND_NUMBER},
			 {"log_e", KIND_NUMBER},
			 {"log_bound", KIND_NUMBER},
			 {"fine_log_e", KIND_NUMBER},
			 {"fine_log_bound", KIND_NUMBER},
			 {"pools", KIND_JSON}},
		},
	[STORE_LOOKS] =
		{
			"looks",
			"INSERT INTO rollout_look (rollout, at_ms, finding, why, details)"
			" VALUES (?, ?, ?, ?, ?)",
			"SELECT at_ms, finding, why, details FROM rollout_look"
			" WHERE rollout = ? ORDER BY id",
			{{"at_ms", KIND_INTEGER},
			 {"finding", KIND_TEXT},
			 {"why", KIND_TEXT},
			 {"details", KIND_JSON}},
		},
	[STORE_HOOKS] =
		{
			"hooks",
			"INSERT INTO rollout_hook (rollout, at_ms, at, name, key, tries, took_ms,"
			" is_yes, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"SELECT at_ms, at, name, key, tries, took_ms, is_yes, why FROM rollout_hook"
			" WHERE rollout = ? ORDER BY id",
			{{"at_ms", KIND_INTEGER},
			 {"at", KIND_TEXT},
			 {"name", KIND_TEXT},
			 {"key", KIND_TEXT},
			 {"tries", KIND_INTEGER},
			 {"took_ms", KIND_INTEGER},
			 {"is_yes", KIND_FLAG},
			 {"why", KIND_TEXT}},
		},
};

const char *store_part_name(enum store_rollout_part part)
{
	return (unsigned int)part < STORE_PART_MAX ? parts[part].name : NULL;
}

static void bind_json(sqlite3_stmt *st, int at, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text)
		sqlite3_bind_text(st, at, text, -1, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(st, at);
	free(text);
}

static void bind_value(sqlite3_stmt *st, int at, enum kind kind, const json_t *value)
{
	if (!value || json_is_null(value))
		sqlite3_bind_null(st, at);
	else if (kind == KIND_INTEGER)
		sqlite3_bind_int64(st, at, json_integer_value(value));
	else if (kind == KIND_NUMBER)
		sqlite3_bind_double(st, at, json_number_value(value));
	else if (kind == KIND_FLAG)
		sqlite3_bind_int(st, at, json_is_true(value));
	else if (kind == KIND_TEXT)
		sqlite3_bind_text(st, at, json_string_value(value), -1, SQLITE_TRANSIENT);
	else
		bind_json(st, at, value);
}

static json_t *value_of(sqlite3_stmt *st, int column, enum kind kind)
{
	if (sqlite3_column_type(st, column) == SQLITE_NULL)
		return json_null();
	if (kind == KIND_INTEGER)
		return json_integer(sqlite3_column_int64(st, column));
	if (kind == KIND_NUMBER)
		return json_real(sqlite3_column_double(st, column));
	if (kind == KIND_FLAG)
		return json_boolean(sqlite3_column_int(st, column));
	if (kind == KIND_TEXT)
		return json_string(sql_column(st, column));
	return json_loads(sql_column(st, column), JSON_DECODE_ANY, NULL);
}

int rollout_rows_add(sqlite3 *db, int64_t rollout, enum store_rollout_part part, const json_t *rows)
{
	const struct part *p = &parts[part];
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, p->insert, -1, &st, NULL);
	size_t index;
	json_t *row;

	json_array_foreach((json_t *)rows, index, row)
	{
		if (rc)
			break;
		sqlite3_bind_int64(st, 1, rollout);
		for (int i = 0; i < COLUMNS_MAX && p->columns[i].key; i++)
			bind_value(st, i + 2, p->columns[i].kind,
				   json_object_get(row, p->columns[i].key));
		rc = sql_run(st);
	}
	sqlite3_finalize(st);
	return rc;
}

int rollout_rows_read(sqlite3 *db, int64_t rollout, enum store_rollout_part part, json_t *rows)
{
	const struct part *p = &parts[part];
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, p->select, -1, &st, NULL);

	if (!rc)
		sqlite3_bind_int64(st, 1, rollout);
	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		json_t *row = json_object();

		for (int i = 0; i < COLUMNS_MAX && p->columns[i].key; i++)
			json_object_set_new(row, p->columns[i].key,
					    value_of(st, i, p->columns[i].kind));
		rc = json_array_append_new(rows, row) ? SQLITE_NOMEM : SQLITE_OK;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int rollout_rows_prune(sqlite3 *db)
{
	static const char sql[] =
		"DELETE FROM rollout_transition WHERE rollout NOT IN (SELECT id FROM rollout);"
		"DELETE FROM rollout_sample WHERE rollout NOT IN (SELECT id FROM rollout);"
		"DELETE FROM rollout_look WHERE rollout NOT IN (SELECT id FROM rollout);"
		"DELETE FROM rollout_hook WHERE rollout NOT IN (SELECT id FROM rollout);";

	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* ---- samples ---- */

static bool is_quantile(const char *key)
{
	size_t len = strlen(key);

	return len > 3 && !strcmp(key + len - 3, "_us");
}

/* Quantiles of two samples are no more than the greater one. */
static json_t *merged(const char *key, const json_t *a, const json_t *b)
{
	json_int_t x = json_integer_value(a), y = json_integer_value(b);

	if (!is_quantile(key))
		return json_integer(x + y);
	if (!json_is_integer(a) || !json_is_integer(b))
		return json_is_integer(a) ? json_integer(x) : json_deep_copy(b);
	return json_integer(x > y ? x : y);
}

void store_merge_samples(const json_t *earlier, json_t *into)
{
	json_t *before = json_object_get(earlier, "pools"), *pools = json_object_get(into, "pools");
	json_t *pool, *value;
	const char *name, *key;
	void *next;

	json_object_foreach(pools, name, pool)
	{
		json_t *old = json_object_get(before, name);

		json_object_foreach_safe(pool, next, key, value)
		{
			json_object_set_new(pool, key,
					    merged(key, json_object_get(old, key), value));
		}
	}
}

static int replace_samples(sqlite3 *db, int64_t rollout, const json_t *rows)
{
	static const char sql[] = "DELETE FROM rollout_sample WHERE rollout = ?";
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (!rc) {
		sqlite3_bind_int64(st, 1, rollout);
		rc = sql_run(st);
	}
	sqlite3_finalize(st);
	return rc ? rc : rollout_rows_add(db, rollout, STORE_SAMPLES, rows);
}

/* The older half of all, pair by pair: what is long ago is told more coarsely each time. All are written
 * anew, for their order is that of their ids. */
static int merge_older(sqlite3 *db, int64_t rollout, json_t *rows)
{
	size_t count = json_array_size(rows) / 4 * 2;
	json_t *kept = json_array();
	int rc;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		if (i % 2 == 0 && i < count)
			store_merge_samples(json_array_get(rows, i), json_array_get(rows, i + 1));
		else
			json_array_append(kept, json_array_get(rows, i));
	}
	rc = replace_samples(db, rollout, kept);
	json_decref(kept);
	return rc;
}

int rollout_samples_thin(sqlite3 *db, int64_t rollout)
{
	char sql[96];
	int64_t count = 0;
	json_t *rows;
	int rc;

	sqlite3_snprintf(sizeof(sql), sql,
			 "SELECT count(*) FROM rollout_sample WHERE rollout = %lld",
			 (long long)rollout);
	rc = sql_number(db, sql, &count);
	if (rc || count <= STORE_SAMPLES_MAX)
		return rc;
	rows = json_array();
	rc = rollout_rows_read(db, rollout, STORE_SAMPLES, rows);
	if (!rc)
		rc = merge_older(db, rollout, rows);
	json_decref(rows);
	return rc;
}

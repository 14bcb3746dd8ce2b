// SPDX-License-Identifier: GPL-2.0-or-later
/* Events that were read from the kernel's log, which is short. */
#include "store/internal.h"

#include "lib/net.h"

struct batch {
	const struct event_view *list;
	size_t count;
};

static void bind_event(sqlite3_stmt *st, const struct event_view *v)
{
	char text[NET_ENDPOINT_LEN];

	sql_int(st, ":at_us", (int64_t)v->when_us);
	sql_int(st, ":sequence", (int64_t)v->sequence);
	sql_text(st, ":kind", event_kind_name(v->kind));
	sql_text(st, ":cause", event_cause_name(v->cause));
	sql_text(st, ":service", v->service);
	sql_text(st, ":pool", v->pool);
	sql_text(st, ":backend",
		 v->has_backend ? net_format_endpoint(&v->backend, v->backend_port, text) : NULL);
	sql_text(st, ":client",
		 IN6_IS_ADDR_UNSPECIFIED(&v->client)
			 ? NULL
			 : net_format_endpoint(&v->client, v->client_port, text));
	sql_int(st, ":count", (int64_t)v->count);
	sql_int(st, ":total", (int64_t)v->total);
}

static int write_events(sqlite3 *db, void *arg)
{
	static const char sql[] =
		"INSERT INTO event (at_us, sequence, kind, cause, service, pool, backend, client,"
		" count, total) VALUES (:at_us, :sequence, :kind, :cause, :service, :pool,"
		" :backend, :client, :count, :total)";
	static const char prune[] = "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?";
	const struct batch *b = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	for (size_t i = 0; !rc && i < b->count; i++) {
		bind_event(st, &b->list[i]);
		rc = sql_run(st);
	}
	sqlite3_finalize(st);
	return rc ? rc : sql_prune(db, prune, STORE_ROWS_MAX);
}

int store_events(struct store *s, const struct event_view *list, size_t count)
{
	struct batch b = {list, count};

	return count ? store_write(s, write_events, &b, "events are not kept") : 0;
}

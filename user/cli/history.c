// SPDX-License-Identifier: GPL-2.0-or-later
/* history: who changed what, when and why; from the state database, whatever runs. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/history_text.h"
#include "cli/table.h"
#include "lib/log.h"
#include "store/store.h"

#define LIMIT_DEFAULT 100

static const struct table_column columns[] = {
	{.name = "TIME"},    {.name = "WHO"},	 {.name = "WHAT"},
	{.name = "SERVICE"}, {.name = "CHANGE"}, {.name = "EPOCH", .is_number = true},
	{.name = "OUTCOME"}, {.name = "REASON"},
};

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static int add_row(const struct history_entry *e, void *arg)
{
	struct libscols_line *row = table_row(arg, NULL);
	char time[HISTORY_TIME_LEN], who[160], summary[HISTORY_SUMMARY_LEN];

	table_set(row, 0, "%s", history_time(e->at_ms, time));
	table_set(row, 1, "%s", history_who(e, who, sizeof(who)));
	table_set(row, 2, "%s", e->actor);
	table_set(row, 3, "%s", or_dash(e->service));
	table_set(row, 4, "%s", or_dash(history_summary(e, summary)));
	if (e->epoch >= 0)
		table_set(row, 5, "%lld", (long long)e->epoch);
	table_set(row, 6, "%s", e->is_event ? "-" : e->outcome);
	table_set(row, 7, "%s", e->reason);
	if (!e->is_event && e->outcome[0] != 'd')
		table_warn(row);
	return 0;
}

/* An object a line. */
static int put_json(const struct history_entry *e, void *arg)
{
	json_t *json = history_json(e);

	(void)arg;
	if (json && !json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)))
		putchar('\n');
	json_decref(json);
	return ferror(stdout);
}

static int64_t since_ms(const struct cli *cli)
{
	struct timespec now;

	if (cli->since_s < 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return ((int64_t)now.tv_sec - cli->since_s) * 1000 + now.tv_nsec / 1000000;
}

static int show_table(struct store *s, const struct history_query *query)
{
	struct libscols_table *t = table_new(columns, sizeof(columns) / sizeof(*columns));
	int error = t ? store_history(s, query, add_row, t) : -ENOMEM;

	if (!error)
		table_print(t);
	if (t)
		table_free(t);
	return error;
}

int cmd_history(const struct cli *cli)
{
	struct store *s = store_new(cli->state);
	const struct history_query query = {
		.service = cli->arg_count ? cli->args[0] : NULL,
		.since_ms = since_ms(cli),
		.limit = cli->limit >= 0 ? cli->limit : LIMIT_DEFAULT,
		.has_events = cli->wants_events,
	};
	int error = s ? 0 : -ENOMEM;

	if (!error && cli->is_json)
		error = store_history(s, &query, put_json, NULL);
	else if (!error)
		error = show_table(s, &query);
	if (error == -ENOENT)
		log_info("nothing has been kept in %s yet", store_path(s));
	store_free(s);
	return error && error != -ENOENT ? CLI_FAILED : CLI_OK;
}

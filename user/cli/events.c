// SPDX-License-Identifier: GPL-2.0-or-later
/* events: what happened to packets that somebody should hear of. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/table.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"
#include "observe/event_json.h"

#define POLL_MS 100
#define US_IN_S 1000000

/* As wide as usual values are: rows of a log that is followed come a few at a time. */
static const struct table_column columns[] = {
	{.name = "TIME", .width = 27},
	{.name = "KIND", .width = 15},
	{.name = "SERVICE", .width = 12},
	{.name = "POOL", .width = 8},
	{.name = "BACKEND", .width = 17},
	{.name = "CLIENT", .width = 19},
	{.name = "COUNT", .is_number = true, .width = 7},
	{.name = "TOTAL", .is_number = true, .width = 9},
	{.name = "CAUSE"},
};

struct listing {
	const struct cli *cli;
	struct events *events;
	struct libscols_table *table; /* rows not printed yet; NULL: none */
	uint64_t since_us;
	uint64_t lost; /* told */
	bool has_head;
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int number)
{
	(void)number;
	is_interrupted = 1;
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static int add_row(struct listing *l, const struct event_view *v)
{
	char time[EVENT_TIME_LEN], backend[NET_ENDPOINT_LEN], client[NET_ENDPOINT_LEN];
	struct libscols_line *row;

	if (!l->table)
		l->table = table_new(columns, sizeof(columns) / sizeof(*columns));
	row = l->table ? table_row(l->table, NULL) : NULL;
	if (!row)
		return -ENOMEM;
	table_set(row, 0, "%s", event_time_text(v->when_us, time));
	table_set(row, 1, "%s", event_kind_name(v->kind));
	table_set(row, 2, "%s", or_dash(v->service));
	table_set(row, 3, "%s", or_dash(v->pool));
	table_set(row, 4, "%s", or_dash(event_backend_text(v, backend)));
	table_set(row, 5, "%s", or_dash(event_client_text(v, client)));
	table_set(row, 6, "%" PRIu64, v->count);
	table_set(row, 7, "%" PRIu64, v->total);
	table_set(row, 8, "%s", event_cause_name(v->cause));
	return 0;
}

/* An object a line. */
static int put_json(const struct event_view *v)
{
	json_t *o = event_json(v);
	int error = o ? 0 : -ENOMEM;

	if (!error && !json_dumpf(o, stdout, JSON_COMPACT))
		putchar('\n');
	json_decref(o);
	return error;
}

static bool is_wanted(const struct listing *l, const struct event_view *v)
{
	return v->when_us >= l->since_us &&
	       (!l->cli->arg_count || !strcmp(l->cli->args[0], v->service));
}

static void print_rows(struct listing *l)
{
	if (!l->table)
		return;
	if (l->has_head)
		table_hide_head(l->table);
	table_print(l->table);
	table_free(l->table);
	l->table = NULL;
	l->has_head = true;
}

static void tell_lost(struct listing *l)
{
	uint64_t lost = events_lost(l->events);

	if (lost > l->lost)
		log_warning("events came faster than they were read: %" PRIu64 " lost",
			    lost - l->lost);
	l->lost = lost;
}

/* All there are now. 0 or -errno. */
static int show_events(struct listing *l)
{
	struct event_view v;
	int result, error = 0;

	while (!error && (result = events_next(l->events, &v)) == 1)
		if (is_wanted(l, &v))
			error = l->cli->is_json ? put_json(&v) : add_row(l, &v);
	print_rows(l);
	fflush(stdout);
	tell_lost(l);
	return error ? error : result;
}

/* False when nobody reads what is printed any more. */
static bool wait_for_more(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, POLL_MS) <= 0 || !(out.revents & (POLLERR | POLLHUP | POLLNVAL));
}

/* While nothing is loaded it waits for what will be. */
static int follow_events(struct listing *l)
{
	const struct sigaction action = {.sa_handler = on_interrupt};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	int error;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	do
		error = show_events(l);
	while ((!error || error == -ENOENT) && !is_interrupted && !ferror(stdout) &&
	       wait_for_more() && !is_interrupted);
	return error == -ENOENT ? 0 : error;
}

/* A service that nothing has is a mistake, not one without events. */
static int check_service(const struct cli *cli)
{
	struct snapshot *s = NULL;
	struct dataplane *dp;
	int error = dataplane_open(cli->dir, DATAPLANE_READ, &dp);

	if (error)
		return error;
	if (cli->arg_count)
		error = dataplane_snapshot(dp, &s);
	if (s && !snapshot_find_service(s, cli->args[0])) {
		log_error("no service \"%s\" is loaded; `serin status` lists them", cli->args[0]);
		error = -EINVAL;
	}
	snapshot_free(s);
	dataplane_close(dp);
	return error;
}

static uint64_t since_us(const struct cli *cli)
{
	struct timespec now;
	uint64_t now_us;

	if (cli->since_s < 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	now_us = (uint64_t)now.tv_sec * US_IN_S + (uint64_t)now.tv_nsec / 1000;
	return now_us / US_IN_S > (uint64_t)cli->since_s ? now_us - (uint64_t)cli->since_s * US_IN_S
							 : 0;
}

int cmd_events(const struct cli *cli)
{
	bool is_new = cli->is_following && cli->since_s < 0;
	struct listing l = {.cli = cli, .since_us = since_us(cli)};
	int error = check_service(cli);

	if (!error)
		error = events_open(cli->dir, is_new ? EVENTS_NEW : EVENTS_OLDEST, &l.events);
	if (!error)
		error = cli->is_following ? follow_events(&l) : show_events(&l);
	events_close(l.events);
	return cli_exit_code(error);
}

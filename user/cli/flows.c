// SPDX-License-Identifier: GPL-2.0-or-later
/* flows: the flow table. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/table.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"

static const struct table_column columns[] = {
	{.name = "SERVICE"},
	{.name = "POOL"},
	{.name = "CLIENT"},
	{.name = "SOURCE"},
	{.name = "BACKEND"},
	{.name = "STATE"},
	{.name = "EPOCH", .is_number = true},
	{.name = "IDLE", .is_number = true},
};

struct listing {
	const struct cli *cli;
	struct libscols_table *table;
	json_t *json;
};

static void add_row(struct listing *l, const struct flow_view *f)
{
	struct libscols_line *row = table_row(l->table, NULL);
	char text[NET_ENDPOINT_LEN];

	table_set(row, 0, "%s", f->service);
	table_set(row, 1, "%s", f->pool);
	table_set(row, 2, "%s", net_format_endpoint(&f->client, f->client_port, text));
	table_set(row, 3, "%s",
		  f->source_port ? net_format_endpoint(&f->source, f->source_port, text) : "-");
	table_set(row, 4, "%s", net_format_endpoint(&f->backend, f->backend_port, text));
	table_set(row, 5, "%s", flow_state_name(f->state));
	table_set(row, 6, "%u", f->epoch);
	table_set(row, 7, "%.1fs", (double)f->idle_ms / 1000);
}

static void add_json(struct listing *l, const struct flow_view *f)
{
	char client[NET_ENDPOINT_LEN], source[NET_ENDPOINT_LEN], backend[NET_ENDPOINT_LEN];
	json_t *o;

	net_format_endpoint(&f->client, f->client_port, client);
	net_format_endpoint(&f->backend, f->backend_port, backend);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "service", f->service, "pool", f->pool,
		      "client", client, "backend", backend, "state", flow_state_name(f->state),
		      "epoch", f->epoch, "idle_ms", (json_int_t)f->idle_ms);
	if (f->source_port)
		json_object_set_new(
			o, "source",
			json_string(net_format_endpoint(&f->source, f->source_port, source)));
	json_array_append_new(l->json, o);
}

static int visit(const struct flow_view *f, void *arg)
{
	struct listing *l = arg;

	if (l->cli->arg_count && strcmp(l->cli->args[0], f->service))
		return 0;
	if (l->cli->pool && strcmp(l->cli->pool, f->pool))
		return 0;
	if (l->json)
		add_json(l, f);
	else
		add_row(l, f);
	return 0;
}

/* A name that nothing has is a mistake, not an empty answer. */
static int check_names(const struct cli *cli, struct dataplane *dp)
{
	const struct snapshot_service *s;
	struct snapshot *snapshot = NULL;
	bool is_pool = !cli->pool;
	int error = dataplane_snapshot(dp, &snapshot);

	if (error)
		return error;
	if (cli->arg_count && !snapshot_find_service(snapshot, cli->args[0])) {
		log_error("no service \"%s\" is loaded; `serin status` lists them", cli->args[0]);
		error = -EINVAL;
	}
	for (size_t i = 0; i < snapshot->service_count; i++) {
		s = &snapshot->services[i];
		for (size_t j = 0; j < s->pool_count; j++)
			is_pool |= cli->pool && !strcmp(s->pools[j].name, cli->pool);
	}
	if (!error && !is_pool) {
		log_error("no service has a pool \"%s\"; `serin status` lists them", cli->pool);
		error = -EINVAL;
	}
	snapshot_free(snapshot);
	return error;
}

int cmd_flows(const struct cli *cli)
{
	struct listing l = {.cli = cli};
	struct dataplane *dp = NULL;
	int error;

	if (dataplane_open(cli->dir, DATAPLANE_READ, &dp))
		return CLI_FAILED;
	if (cli->is_json)
		l.json = json_array();
	else
		l.table = table_new(columns, sizeof(columns) / sizeof(*columns));
	error = l.json || l.table ? check_names(cli, dp) : -ENOMEM;
	if (!error)
		error = dataplane_each_flow(dp, visit, &l);
	dataplane_close(dp);
	if (!error && l.table)
		table_print(l.table);
	table_free(l.table);
	if (!error && l.json)
		return cli_print_json(l.json);
	json_decref(l.json);
	return cli_exit_code(error);
}

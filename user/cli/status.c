// SPDX-License-Identifier: GPL-2.0-or-later
/* status: what runs, as a table or as JSON, once or every second. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/status_signals.h"
#include "cli/table.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"
#include "observe/recent.h"
#include "observe/share.h"
#include "observe/status_json.h"

enum {
	COLUMN_NAME,
	COLUMN_STATE,
	COLUMN_WANTED,
	COLUMN_ACTUAL,
	COLUMN_FLOWS,
	COLUMN_PACKETS_IN,
	COLUMN_PACKETS_OUT,
	COLUMN_BYTES_IN,
	COLUMN_BYTES_OUT,
	COLUMN_MAX,
};

static const struct table_column columns[COLUMN_MAX] = {
	[COLUMN_NAME] = {.name = "NAME", .is_tree = true},
	[COLUMN_STATE] = {.name = "STATE"},
	[COLUMN_WANTED] = {.name = "WANTED %", .is_number = true},
	[COLUMN_ACTUAL] = {.name = "ACTUAL % (99 % CI)", .is_number = true},
	[COLUMN_FLOWS] = {.name = "FLOWS", .is_number = true},
	[COLUMN_PACKETS_IN] = {.name = "PKT IN", .is_number = true},
	[COLUMN_PACKETS_OUT] = {.name = "PKT OUT", .is_number = true},
	[COLUMN_BYTES_IN] = {.name = "IN", .is_number = true},
	[COLUMN_BYTES_OUT] = {.name = "OUT", .is_number = true},
};

/* "1.5M": bytes for people, by powers of 1024. */
static const char *format_bytes(uint64_t bytes, char buf[16])
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	int unit = 0;

	while (value >= 1024 && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, 16, unit && value < 100 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return buf;
}

static void set_counters(struct libscols_line *row, const struct snapshot_counters *c)
{
	char text[16];

	table_set(row, COLUMN_FLOWS, "%llu", (unsigned long long)c->flows);
	table_set(row, COLUMN_PACKETS_IN, "%llu", (unsigned long long)c->packets_in);
	table_set(row, COLUMN_PACKETS_OUT, "%llu", (unsigned long long)c->packets_out);
	table_set(row, COLUMN_BYTES_IN, "%s", format_bytes(c->bytes_in, text));
	table_set(row, COLUMN_BYTES_OUT, "%s", format_bytes(c->bytes_out, text));
}

static void set_actual(struct libscols_line *row, uint64_t hits, uint64_t total)
{
	double low, high;

	if (!total) {
		table_set(row, COLUMN_ACTUAL, "-");
		return;
	}
	share_interval(hits, total, &low, &high);
	table_set(row, COLUMN_ACTUAL, "%.2f (%.2f .. %.2f)", 100.0 * (double)hits / (double)total,
		  low, high);
}

static void add_backend(struct libscols_table *t, struct libscols_line *parent,
			const struct snapshot_backend *b)
{
	struct libscols_line *row = table_row(t, parent);
	char text[NET_ENDPOINT_LEN];

	net_format_endpoint(&b->address, b->port, text);
	if (b->weight == 1)
		table_set(row, COLUMN_NAME, "%s", text);
	else
		table_set(row, COLUMN_NAME, "%s x%u", text, b->weight);
	if (b->state != SERIN_BACKEND_UP && (b->is_unhealthy || b->is_ejected))
		table_set(row, COLUMN_STATE, "%s, down", snapshot_backend_state_name(b));
	else
		table_set(row, COLUMN_STATE, "%s", snapshot_backend_state_name(b));
	set_counters(row, &b->counters);
	if (!snapshot_backend_takes_flows(b))
		table_warn(row);
}

static void set_pool_state(struct libscols_line *row, const struct snapshot_pool *p,
			   bool is_primary)
{
	size_t up = 0;

	for (size_t i = 0; i < p->backend_count; i++)
		up += snapshot_backend_takes_flows(&p->backends[i]);
	if (p->guard.state != SERIN_BREAKER_CLOSED)
		table_set(row, COLUMN_STATE, "%zu/%zu up, breaker %s", up, p->backend_count,
			  breaker_state_name(p->guard.state));
	else
		table_set(row, COLUMN_STATE, "%zu/%zu up%s", up, p->backend_count,
			  is_primary ? ", primary" : "");
	if (!up || p->guard.state != SERIN_BREAKER_CLOSED)
		table_warn(row);
}

static void add_pool(struct libscols_table *t, struct libscols_line *parent,
		     const struct snapshot_service *s, size_t pool)
{
	const struct snapshot_pool *p = &s->pools[pool];
	struct libscols_line *row = table_row(t, parent);
	uint64_t total = 0;
	char text[16];

	for (size_t i = 0; i < s->pool_count; i++)
		total += s->pools[i].counters.epoch_flows;
	table_set(row, COLUMN_NAME, "%s", p->name);
	table_set(row, COLUMN_WANTED, "%s", cli_percent(p->weight_ppm, text));
	set_pool_state(row, p, pool == s->primary);
	set_actual(row, p->counters.epoch_flows, total);
	set_counters(row, &p->counters);
	for (size_t i = 0; i < p->backend_count; i++)
		add_backend(t, row, &p->backends[i]);
}

/* "ipip from 10.9.0.0/24 and 1 more" */
static const char *format_forwarding(const struct snapshot_service *s, char buf[128])
{
	int len = snprintf(buf, 128, "%s", model_forwarding_name(s->forwarding));
	char prefix[NET_PREFIX_LEN];

	if (s->source_count)
		len += snprintf(
			buf + len, 128 - (size_t)len, " from %s",
			net_format_prefix(&s->sources[0].prefix, s->sources[0].prefix_len, prefix));
	if (s->source_count > 1)
		snprintf(buf + len, 128 - (size_t)len, " and %zu more", s->source_count - 1);
	return buf;
}

static void add_service(struct libscols_table *t, const struct snapshot_service *s)
{
	struct libscols_line *row = table_row(t, NULL);
	char vip[NET_ENDPOINT_LEN], forwarding[128];

	table_set(row, COLUMN_NAME, "%s %s/%s", s->name, net_format_endpoint(&s->vip, s->port, vip),
		  model_protocol_name(s->protocol));
	table_set(row, COLUMN_STATE, "%s, by %s, epoch %u, %s", format_forwarding(s, forwarding),
		  model_affinity_name(s->affinity), s->epoch,
		  s->is_tracked	  ? "tracked"
		  : s->is_settled ? "settled"
				  : "settling");
	for (size_t i = 0; i < s->pool_count; i++)
		add_pool(t, row, s, i);
}

/* "web: shifted 3 min ago by weight (root): trying v2" */
static void print_last_change(const struct snapshot_service *s)
{
	time_t when = (time_t)(s->last.when_ns / 1000000000);
	const struct passwd *user = getpwuid(s->last.uid);
	char stamp[32];
	struct tm local;

	if (!s->last.when_ns)
		return;
	localtime_r(&when, &local);
	strftime(stamp, sizeof(stamp), "%F %T", &local);
	printf("%s: last changed %s by %s", s->name, stamp, s->last.actor);
	if (user)
		printf(" (%s)", user->pw_name);
	else
		printf(" (uid %u)", s->last.uid);
	printf("%s%s\n", *s->last.reason ? ": " : "", s->last.reason);
}

/* "web: canary: breaker open, 42 connections went to stable", where something was done. */
static void print_guards(const struct snapshot_service *s)
{
	for (size_t i = 0; i < s->pool_count; i++) {
		const struct snapshot_guard *g = &s->pools[i].guard;

		if (g->state == SERIN_BREAKER_CLOSED && !g->moved && !g->failed_over && !g->capped)
			continue;
		printf("%s: %s: ", s->name, s->pools[i].name);
		if (g->budget)
			printf("breaker %s, tripped %llu time%s; ", breaker_state_name(g->state),
			       (unsigned long long)g->trips, g->trips == 1 ? "" : "s");
		printf("connections moved to %s: %llu by breaker, %llu by syn_failover, %llu by "
		       "exposure\n",
		       s->pools[s->primary].name, (unsigned long long)g->moved,
		       (unsigned long long)g->failed_over, (unsigned long long)g->capped);
	}
}

/* What is remembered, and what it costs; trouble only where there was some. */
static void print_flow_table(const struct snapshot *s)
{
	uint64_t evicted = 0, bytes = s->flow_bytes4 + s->flow_bytes6;
	char text[16];

	for (int state = 0; state < SERIN_FLOW_STATE_MAX; state++)
		evicted += s->flows_evicted[state];
	printf("flow table: %llu remembered; %llu places for each family in %s (half full, %.0f "
	       "bytes "
	       "an IPv4 flow and %.0f an IPv6 flow)",
	       (unsigned long long)s->flow_entries, (unsigned long long)s->flow_capacity,
	       format_bytes(bytes, text), 2.0 * (double)s->flow_bytes4 / (double)s->flow_capacity,
	       2.0 * (double)s->flow_bytes6 / (double)s->flow_capacity);
	if (evicted || s->flows_unremembered)
		printf("; %llu gave way while alive, %llu not remembered",
		       (unsigned long long)evicted, (unsigned long long)s->flows_unremembered);
	putchar('\n');
}

/* "web: source ports: 312 of 64512 in use, 1.0M": trouble only where there was some. */
static void print_ports(const struct snapshot_service *s)
{
	const struct snapshot_ports *p = &s->ports;
	char text[16];

	if (!p->capacity)
		return;
	printf("%s: source ports: ", s->name);
	if (p->has_used)
		printf("%llu of ", (unsigned long long)p->used);
	printf("%llu%s, %s", (unsigned long long)p->capacity, p->has_used ? " in use" : "",
	       format_bytes(p->bytes, text));
	if (p->refused || p->evicted)
		printf("; %llu flows refused for want of one, %llu unproved ones gave way",
		       (unsigned long long)p->refused, (unsigned long long)p->evicted);
	if (p->untold)
		printf("; %llu packets without room for the client's address",
		       (unsigned long long)p->untold);
	putchar('\n');
}

/* Which build's program runs, and whether it is this serin's. */
static void print_program(const struct snapshot *s)
{
	uint64_t own = dataplane_program_id();
	char text[DATAPLANE_PROGRAM_LEN];

	dataplane_format_program(text, s->made_by, s->program_id);
	printf("program: %s", text);
	if (!s->program_id)
		printf(": `serin apply FILE` goes on with an upgrade that was not finished");
	else if (s->program_id != own) {
		dataplane_format_program(text, SERIN_VERSION, own);
		printf(": `serin apply FILE` upgrades it to this one's, %s", text);
	}
	putchar('\n');
}

static void print_host(const struct snapshot *s)
{
	const char *separator = "";

	print_program(s);
	printf("interfaces:");
	for (size_t i = 0; i < s->interface_count; i++)
		printf("%s %s (%s)", i ? "," : "", s->interfaces[i].name,
		       s->interfaces[i].is_attached ? model_xdp_mode_name(s->interfaces[i].mode)
						    : "not attached");
	printf("; dropped:");
	for (int reason = SERIN_GO_ON + 1; reason < SERIN_REASON_MAX; reason++) {
		if (!s->packets[reason] || strcmp(dataplane_reason_action(reason), "drop"))
			continue;
		printf("%s %s %llu", separator, dataplane_reason_name(reason),
		       (unsigned long long)s->packets[reason]);
		separator = ",";
	}
	printf("%s\n", *separator ? "" : " none");
	print_flow_table(s);
}

static void print_service(const struct snapshot_service *s)
{
	print_last_change(s);
	print_ports(s);
}

static int print_table(const struct snapshot *s, const char *only, const struct recent *recent,
		       uint64_t now_ms)
{
	struct libscols_table *t = table_new(columns, COLUMN_MAX);
	int error;

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < s->service_count; i++)
		if (!only || !strcmp(only, s->services[i].name))
			add_service(t, &s->services[i]);
	table_print(t);
	table_free(t);
	error = status_print_signals(s, only, recent, now_ms);
	for (size_t i = 0; i < s->service_count; i++)
		if (!only || !strcmp(only, s->services[i].name)) {
			print_guards(&s->services[i]);
			print_service(&s->services[i]);
		}
	print_host(s);
	return error;
}

/* Leaves only the service asked for. */
static int select_service(struct snapshot *s, const char *only)
{
	const struct snapshot_service *found = snapshot_find_service(s, only);

	if (found)
		return 0;
	log_error("no service \"%s\" is loaded; `serin status` lists them", only);
	return -EINVAL;
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int show(const struct cli *cli, struct recent *recent)
{
	const char *only = cli->arg_count ? cli->args[0] : NULL;
	struct snapshot *s = NULL;
	struct dataplane *dp = NULL;
	uint64_t now_ms;
	int error;

	error = dataplane_open(cli->dir, DATAPLANE_READ, &dp);
	if (error)
		return CLI_FAILED;
	error = dataplane_snapshot(dp, &s);
	now_ms = clock_ms();
	if (!error && only)
		error = select_service(s, only);
	if (!error && cli->is_json) {
		json_t *json = status_json(s);

		error = cli_print_json(json && only ? status_json_select(json, only) : json);
	} else if (!error) {
		error = print_table(s, only, recent, now_ms);
	}
	recent_keep(recent, s, now_ms);
	dataplane_close(dp);
	return cli_exit_code(error);
}

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	is_interrupted = 1;
}

int cmd_status(const struct cli *cli)
{
	const struct sigaction action = {.sa_handler = on_interrupt};
	bool is_terminal = isatty(STDOUT_FILENO);
	struct recent recent = {0};
	int code;

	if (!cli->is_watching) {
		code = show(cli, &recent);
		recent_free(&recent);
		return code;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	do {
		if (is_terminal)
			fputs("\033[H\033[2J", stdout);
		code = show(cli, &recent);
		fflush(stdout);
		if (!is_interrupted && code == CLI_OK)
			sleep(1);
	} while (!is_interrupted && code == CLI_OK && !ferror(stdout));
	recent_free(&recent);
	return code;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* explain: which pool and backend a client gets, and every step that leads there. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"

#define UNIT 4294967296.0 /* 2^32 */

/* Of the rule that decided. */
static void format_target(const struct explanation *e, char text[NET_ADDR_LEN + 4])
{
	char addr[NET_ADDR_LEN];
	bool is_v4 = net_is_v4(&e->target_prefix) && e->target_len >= 96;

	if (e->rule == EXPLAIN_RULE_DSCP)
		net_format_dscp(e->dscp, text);
	else
		snprintf(text, NET_ADDR_LEN + 4, "%s/%d", net_format_addr(&e->target_prefix, addr),
			 is_v4 ? e->target_len - 96 : e->target_len);
}

/* As text: numbers of JSON readers may have 53 bits. */
static void set_seed(json_t *json, const struct explanation *e)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)e->seed);
	json_object_set_new(json, "seed", json_string(text));
	json_object_set_new(json, "other_release", json_boolean(e->is_other_release));
}

static json_t *explain_json(const struct cli *cli, const struct explanation *e)
{
	char backend[NET_ENDPOINT_LEN], target[NET_ADDR_LEN + 4];
	json_t *json = json_pack("{s:s, s:s, s:s}", "service", cli->args[0], "client", cli->args[1],
				 "reason", explain_reason_name(e->reason));

	if (e->has_backend) {
		net_format_endpoint(&e->backend, e->backend_port, backend);
		json_object_set_new(json, "pool", json_string(e->pool));
		json_object_set_new(json, "backend", json_string(backend));
	} else {
		json_object_set_new(json, "pool", json_null());
		json_object_set_new(json, "backend", json_null());
	}
	if (e->rule) {
		format_target(e, target);
		json_object_set_new(json, "target", json_string(target));
		json_object_set_new(json, "rule", json_string(explain_rule_name(e->rule)));
	}
	set_seed(json, e);
	json_object_set_new(json, "chosen_pool", json_string(e->chosen_pool));
	json_object_set_new(json, "point", json_real(e->point / UNIT));
	json_object_set_new(json, "interval",
			    json_pack("[f, f]", (double)e->low / UNIT, (double)e->high / UNIT));
	json_object_set_new(json, "settled", json_boolean(e->is_settled));
	json_object_set_new(json, "slot", json_integer(e->slot));
	json_object_set_new(json, "table_size", json_integer(e->table_size));
	if (e->cap_flows)
		json_object_set_new(json, "exposure_flows", json_integer(e->cap_flows));
	if (e->cap_flows_per_second)
		json_object_set_new(json, "exposure_flows_per_second",
				    json_integer(e->cap_flows_per_second));
	if (e->refusal)
		json_object_set_new(json, "refused",
				    json_string(dataplane_reason_name(e->refusal)));
	if (e->has_flow)
		json_object_set_new(
			json, "flow",
			json_pack("{s:s, s:i, s:I}", "state", flow_state_name(e->flow_state),
				  "epoch", e->flow_epoch, "idle_ms", (json_int_t)e->flow_idle_ms));
	return json;
}

static void print_flow(const struct explanation *e)
{
	if (e->is_other_release)
		printf("  seed     %llu, of another release: what is remembered of this one was "
		       "not "
		       "asked\n",
		       (unsigned long long)e->seed);
	else if (e->has_flow)
		printf("  flow     the table remembers it: %s, born in epoch %u, idle for %.1f s\n",
		       flow_state_name(e->flow_state), e->flow_epoch,
		       (double)e->flow_idle_ms / 1000);
	else if (e->is_settled)
		printf("  flow     settled: no choice has changed here, nothing needs "
		       "remembering\n");
	else
		printf("  flow     none remembered: its next connection takes this choice, one "
		       "that is\n"
		       "           older keeps the choice of before the change\n");
}

static void print_steps(const struct explanation *e)
{
	char target[NET_ADDR_LEN + 4];

	printf("  hash     %016llx: point %.6f of the unit interval, slot %u of %u\n",
	       (unsigned long long)e->hash, e->point / UNIT, e->slot, e->table_size);
	if (e->rule) {
		format_target(e, target);
		printf("  target   the rule for %s %s says pool %s, whatever the split\n",
		       explain_rule_name(e->rule), target, e->chosen_pool);
	} else {
		printf("  split    pool %s owns [%.6f, %.6f)\n", e->chosen_pool,
		       (double)e->low / UNIT, (double)e->high / UNIT);
	}
	print_flow(e);
	if (e->refusal == SERIN_DROP_HAIRPIN)
		printf("  refused  the client is a backend of this service: by nat none of its "
		       "connections\n"
		       "           may begin\n");
	if (e->refusal == SERIN_DROP_SHARED_BUSY)
		printf("  refused  a flow of another service holds this client and port at the "
		       "backend\n"
		       "           chosen: until it is over none of this service may begin\n");
	if (e->cap_flows)
		printf("  exposure of pool %s: %u connections at once; beyond them the primary has "
		       "new ones\n",
		       e->chosen_pool, e->cap_flows);
	if (e->cap_flows_per_second)
		printf("  exposure of pool %s: %u new connections a second; beyond them the "
		       "primary has them\n",
		       e->chosen_pool, e->cap_flows_per_second);
	if (e->reason == EXPLAIN_BREAKER)
		printf("  breaker  that of pool %s is open: the primary has its new connections\n",
		       e->chosen_pool);
	if (e->reason == EXPLAIN_FALLBACK)
		printf("  fallback pool %s has no backend that takes new connections: the primary "
		       "%s\n",
		       e->chosen_pool, e->has_backend ? "has it" : "has none either");
}

int cmd_explain(const struct cli *cli)
{
	char backend[NET_ENDPOINT_LEN];
	struct dataplane *dp = NULL;
	struct explain_query query = {.service = cli->args[0],
				      .dscp = cli->dscp,
				      .has_seed = cli->has_seed,
				      .seed = cli->seed};
	struct explanation e;
	int error;

	if (net_parse_endpoint(cli->args[1], &query.client, &query.port)) {
		log_error("\"%s\" is not ADDRESS or ADDRESS:PORT ([ADDRESS]:PORT for IPv6)",
			  cli->args[1]);
		return CLI_USAGE;
	}
	if (dataplane_open(cli->dir, DATAPLANE_READ, &dp))
		return CLI_FAILED;
	error = dataplane_explain(dp, &query, &e);
	dataplane_close(dp);
	if (error)
		return error == -ENOENT ? CLI_USAGE : cli_exit_code(error);
	if (cli->is_json)
		return cli_print_json(explain_json(cli, &e));
	if (e.has_backend)
		printf("%s: %s %s to pool %s, backend %s (%s)%s\n", cli->args[0], cli->args[1],
		       e.is_other_release ? "would go" : "goes", e.pool,
		       net_format_endpoint(&e.backend, e.backend_port, backend),
		       explain_reason_name(e.reason),
		       e.refusal ? "; its new connections are refused" : "");
	else
		printf("%s: %s would be dropped: there is no backend\n", cli->args[0],
		       cli->args[1]);
	print_steps(&e);
	return CLI_OK;
}

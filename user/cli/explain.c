// SPDX-License-Identifier: GPL-2.0-or-later
/* explain: which pool and backend a client gets, and every step that leads there. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"
#include "observe/explain_json.h"

#define UNIT 4294967296.0 /* 2^32 */

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
	char target[EXPLAIN_TARGET_LEN];

	printf("  hash     %016llx: point %.6f of the unit interval, slot %u of %u\n",
	       (unsigned long long)e->hash, e->point / UNIT, e->slot, e->table_size);
	if (e->rule) {
		explain_target_text(e, target);
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
		return cli_print_json(explain_json(cli->args[0], cli->args[1], &e));
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

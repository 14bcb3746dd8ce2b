// SPDX-License-Identifier: GPL-2.0-or-later
/* weight, drain, undrain: what an operator changes while it runs. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/act.h"
#include "config/config.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"
#include "observe/shift_json.h"

/* "canary=5": splits the word in place. */
static int parse_weight(char *word, struct dataplane_weight *out)
{
	char *equals = strchr(word, '=');
	const char *why = NULL;

	if (!equals || equals == word) {
		log_error("\"%s\" is not POOL=PERCENT", word);
		return CLI_USAGE;
	}
	*equals = '\0';
	out->pool = word;
	if (!config_parse_percent(equals + 1, &out->ppm, &why))
		return 0;
	log_error("%s=%s: %s", word, equals + 1, why);
	return CLI_USAGE;
}

static int parse_weights(const struct cli *cli, struct dataplane_weight *weights, size_t *count)
{
	int bad = 0;

	*count = (size_t)cli->arg_count - 1;
	if (*count > SERIN_MAX_POOLS) {
		log_error("a service has at most %d pools", SERIN_MAX_POOLS);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < *count; i++)
		bad |= parse_weight(cli->args[i + 1], &weights[i]);
	return bad ? CLI_USAGE : 0;
}

static void print_shift(const struct cli *cli, const struct dataplane_shift *shift)
{
	char before[16], after[16];

	printf("%s:", cli->args[0]);
	for (size_t i = 0; i < shift->pool_count; i++) {
		cli_percent(shift->pool[i].before_ppm, before);
		cli_percent(shift->pool[i].after_ppm, after);
		if (shift->pool[i].before_ppm == shift->pool[i].after_ppm)
			printf("%s %s %s %%", i ? "," : "", shift->pool[i].name, after);
		else
			printf("%s %s %s -> %s %%", i ? "," : "", shift->pool[i].name, before,
			       after);
	}
	if (cli->is_dry_run)
		printf(" (dry run: epoch %u stays)\n", shift->epoch);
	else if (!shift->took_effect_ns)
		printf(" (no change: epoch %u stays)\n", shift->epoch);
	else
		printf(" (epoch %u, in effect after %.1f us)\n", shift->epoch,
		       (double)shift->store_ns / 1000);
}

static int show_shift(const struct cli *cli, const struct dataplane_shift *shift)
{
	if (cli->is_json)
		return cli_print_json(shift_json(cli->args[0], shift));
	print_shift(cli, shift);
	return CLI_OK;
}

/* No such service, pool or backend: a word of the command is wrong. */
static int exit_code(int error)
{
	return error == -ENOENT ? CLI_USAGE : cli_exit_code(error);
}

int cmd_weight(const struct cli *cli)
{
	struct dataplane_weight weights[SERIN_MAX_POOLS];
	struct dataplane_shift_request request = {
		.service = cli->args[0],
		.weights = weights,
		.expect_epoch = cli->expect_epoch,
		.dry_run = cli->is_dry_run,
	};
	struct dataplane_shift shift = {};
	struct dataplane *dp = NULL;
	struct cli_act act;
	int error, result;

	if (parse_weights(cli, weights, &request.weight_count))
		return CLI_USAGE;
	if (dataplane_open(cli->dir, DATAPLANE_WRITE, &dp))
		return CLI_FAILED;
	cli_act_begin(cli, "weight", &act);
	request.author = act.author;
	error = dataplane_shift(dp, &request, &shift);
	dataplane_close(dp);
	result = error ? exit_code(error) : show_shift(cli, &shift);
	cli_act_end(cli, &act, cli->args[0], error);
	return result;
}

static int set_draining(const struct cli *cli, bool drain)
{
	struct dataplane_drain_request request = {
		.service = cli->args[0],
		.drain = drain,
		.force = cli->is_forced,
		.dry_run = cli->is_dry_run,
	};
	struct dataplane *dp = NULL;
	struct cli_act act;
	struct in6_addr address;
	uint16_t port;
	int result;

	if (net_parse_endpoint(cli->args[1], &address, &port)) {
		log_error("\"%s\" is not ADDRESS or ADDRESS:PORT ([ADDRESS]:PORT for IPv6)",
			  cli->args[1]);
		return CLI_USAGE;
	}
	if (dataplane_open(cli->dir, DATAPLANE_WRITE, &dp))
		return CLI_FAILED;
	cli_act_begin(cli, drain ? "drain" : "undrain", &act);
	request.author = act.author;
	result = dataplane_drain(dp, &request, &address, port);
	dataplane_close(dp);
	if (result >= 0)
		printf("%s: %s %s%s%s\n", cli->args[0], cli->args[1],
		       drain ? "takes no new connections; those it has go on"
			     : "takes new connections again",
		       result ? " (it was so already)" : "", cli->is_dry_run ? " (dry run)" : "");
	cli_act_end(cli, &act, cli->args[0], result < 0 ? result : 0);
	return result < 0 ? exit_code(result) : CLI_OK;
}

int cmd_drain(const struct cli *cli)
{
	return set_draining(cli, true);
}

int cmd_undrain(const struct cli *cli)
{
	return set_draining(cli, false);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* help, version. */
#include "cli/cli.h"

#include <stdio.h>

#include <serin/abi.h>

#include "lib/log.h"

int cmd_version(const struct cli *cli)
{
	(void)cli;
	printf("serin %s (ABI %d)\n", SERIN_VERSION, SERIN_ABI_VERSION);
	return CLI_OK;
}

int cmd_help(const struct cli *cli)
{
	const struct cli_verb *verb;

	if (!cli->arg_count)
		return cli_help_all();
	verb = cli_find_verb(cli->args[0]);
	if (!verb) {
		log_error("there is no verb \"%s\"; `serin help` lists them", cli->args[0]);
		return CLI_USAGE;
	}
	cli_print_usage(verb);
	return CLI_OK;
}

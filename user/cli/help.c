// SPDX-License-Identifier: GPL-2.0-or-later
/* help, version. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include <serin/abi.h>

#include "lib/log.h"

int cmd_version(const struct cli *cli)
{
	(void)cli;
	printf("serin %s (ABI %d)\n", SERIN_VERSION, SERIN_ABI_VERSION);
	return CLI_OK;
}

int cli_help_all(void)
{
	printf("serin: splits L4 traffic over pools of backends, in the kernel\n\n"
	       "usage: serin [--bpffs DIR] VERB ...      `serin help VERB` tells more\n\n");
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		char left[96];

		snprintf(left, sizeof(left), "%s %s", v->name, v->args);
		if (strlen(left) <= 34)
			printf("  %-34s %s\n", left, v->summary);
		else
			printf("  %s\n  %-34s %s\n", left, "", v->summary);
	}
	printf("\nexit: 0 done, 1 failed, 2 usage or bad configuration, 3 unhealthy, "
	       "4 agent unreachable,\n      5 conflict (someone else changed it)\n");
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

// SPDX-License-Identifier: GPL-2.0-or-later
/* help, version; and which verb is meant. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include <serin/abi.h>

#include "lib/log.h"

/* Is `word` the first of a verb's two? */
static bool begins_with(const struct cli_verb *v, const char *word)
{
	size_t len = strlen(word);

	return len && !strncmp(v->name, word, len) && v->name[len] == ' ';
}

bool cli_is_group(const char *name)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		if (begins_with(v, name))
			return true;
	return false;
}

const struct cli_verb *cli_find_verb(int count, char **names, int *words)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		bool is_two = count > 1 && begins_with(v, names[0]);

		*words = is_two ? 2 : 1;
		if (!strcmp(is_two ? strchr(v->name, ' ') + 1 : v->name, names[*words - 1]))
			return v;
	}
	return NULL;
}

int cli_refuse_verb(int count, char **names)
{
	if (!cli_is_group(names[0])) {
		log_error("there is no verb \"%s\"; `serin help` lists them", names[0]);
		return CLI_USAGE;
	}
	if (count > 1 && (!strcmp(names[1], "--help") || !strcmp(names[1], "-h")))
		return cli_help_group(names[0]);
	if (count > 1)
		log_error("there is no verb \"%s %s\"; `serin help %s` lists them", names[0],
			  names[1], names[0]);
	else
		log_error("%s what? `serin help %s` lists what there is", names[0], names[0]);
	return CLI_USAGE;
}

int cli_help_all(void)
{
	printf("serin: splits L4 traffic over pools of backends, in the kernel\n\n"
	       "usage: serin [--bpffs DIR] [--socket PATH] VERB ...      `serin help VERB` tells "
	       "more\n\n");
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

int cli_help_group(const char *name)
{
	const char *gap = "";

	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (!begins_with(v, name))
			continue;
		fputs(gap, stdout);
		cli_print_usage(v);
		gap = "\n";
	}
	return CLI_OK;
}

int cmd_version(const struct cli *cli)
{
	(void)cli;
	printf("serin %s (ABI %d)\n", SERIN_VERSION, SERIN_ABI_VERSION);
	return CLI_OK;
}

int cmd_help(const struct cli *cli)
{
	const struct cli_verb *verb;
	int words;

	if (!cli->arg_count)
		return cli_help_all();
	verb = cli_find_verb(cli->arg_count, cli->args, &words);
	if (!verb && cli->arg_count == 1 && cli_is_group(cli->args[0]))
		return cli_help_group(cli->args[0]);
	if (!verb)
		return cli_refuse_verb(cli->arg_count, cli->args);
	cli_print_usage(verb);
	return CLI_OK;
}

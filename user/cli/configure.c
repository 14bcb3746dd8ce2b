// SPDX-License-Identifier: GPL-2.0-or-later
/* check, apply, detach: from a file to what runs, and away again. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/act.h"
#include "cli/check_files.h"
#include "config/config.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "model/model.h"
#include "store/store.h"

int cmd_check(const struct cli *cli)
{
	struct model *m = NULL;
	size_t pools = 0, backends = 0;

	if (config_load(cli->args[0], &m, stderr))
		return CLI_USAGE;
	for (size_t i = 0; i < m->service_count; i++) {
		pools += m->services[i].pool_count;
		for (size_t j = 0; j < m->services[i].pool_count; j++)
			backends += m->services[i].pools[j].backend_count;
	}
	if (dataplane_check(m)) {
		model_free(m);
		return CLI_USAGE;
	}
	check_files(m, cli->args[0], stderr);
	printf("%s: right: %zu service%s, %zu pool%s, %zu backend%s\n", cli->args[0],
	       m->service_count, m->service_count == 1 ? "" : "s", pools, pools == 1 ? "" : "s",
	       backends, backends == 1 ? "" : "s");
	model_free(m);
	return CLI_OK;
}

int cmd_apply(const struct cli *cli)
{
	struct store *s;
	struct cli_act act;
	struct model *m = NULL;
	int error;

	if (config_load(cli->args[0], &m, stderr))
		return CLI_USAGE;
	s = store_new(cli->state);
	store_remember(s, cli->dir, m);
	store_free(s);
	cli_act_begin(cli, "apply", &act);
	error = dataplane_apply(cli->dir, m, &act.author, cli->is_dry_run, stdout);
	cli_act_end(cli, &act, NULL, error);
	model_free(m);
	return cli_exit_code(error);
}

/* A person at a terminal is asked; a script says --yes. */
static bool is_confirmed(const struct cli *cli)
{
	char answer[8] = "";

	if (cli->is_yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		log_error("detach ends every connection that goes through Serin: say --yes");
		return false;
	}
	fprintf(stderr, "This ends every connection that goes through Serin. Go on? [y/N] ");
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

int cmd_detach(const struct cli *cli)
{
	struct cli_act act;
	int error;

	if (!cli->is_dry_run && !is_confirmed(cli))
		return CLI_USAGE;
	cli_act_begin(cli, "detach", &act);
	error = dataplane_detach(cli->dir, &act.author, cli->is_dry_run, stdout);
	cli_act_end(cli, &act, NULL, error);
	return cli_exit_code(error);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/act.h"

#include <signal.h>

#include "store/store.h"

void cli_act_begin(const struct cli *cli, const char *actor, struct cli_act *act)
{
	*act = (struct cli_act){.author = {.actor = actor, .reason = cli->reason}};
	if (cli->is_dry_run)
		return;
	act->author.change = &act->change;
	signal(SIGPIPE,
	       SIG_IGN); /* whoever reads what is printed may go; the record must be kept */
}

void cli_act_end(const struct cli *cli, struct cli_act *act, const char *service, int error)
{
	const struct store_act record = {&act->author, service, error};
	struct store *s;

	if (act->author.change) {
		s = store_new(cli->state);
		store_record(s, &record);
		store_free(s);
	}
	live_change_fini(&act->change);
}

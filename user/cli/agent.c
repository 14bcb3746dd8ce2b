// SPDX-License-Identifier: GPL-2.0-or-later
/* agent: the daemon's way in. */
#include "agent/agent.h"

#include "cli/cli.h"

int cmd_agent(const struct cli *cli)
{
	const struct agent_options options = {
		.dir = cli->dir,
		.config_path = cli->config,
		.listen = cli->listen,
		.state = cli->state,
		.socket = cli->socket,
		.web_config = cli->web_config,
	};

	return agent_run(&options);
}

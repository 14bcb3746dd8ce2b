// SPDX-License-Identifier: GPL-2.0-or-later
/* reload: asks the agent to apply its file anew, and tells what came of it. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

#include "cli/agent_client.h"
#include "lib/log.h"

static void print_changes(const struct agent_answer *a)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(a->json, "changes"), i, line)
		puts(json_string_value(line));
}

int cmd_reload(const struct cli *cli)
{
	struct agent_request request = {
		.socket = agent_socket(cli), .method = "POST", .path = "/api/v1/reload"};
	struct agent_answer answer = {0};
	int error, result;

	request.body = *cli->reason ? json_pack("{s:s}", "reason", cli->reason) : json_object();
	if (!request.body) {
		log_error("--reason takes UTF-8");
		return CLI_USAGE;
	}
	error = agent_ask(&request, &answer);
	json_decref(request.body);
	if (error)
		return agent_tell_absent(request.socket, error);
	print_changes(&answer);
	result = agent_tell_refusal(&answer);
	agent_answer_fini(&answer);
	return result;
}

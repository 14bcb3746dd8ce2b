// SPDX-License-Identifier: GPL-2.0-or-later
/* rollout: releases, which the agent carries out; here it is asked and told. */
#include "cli/rollout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "lib/log.h"
#include "observe/plain.h"
#include "observe/rollout_report.h"
#include "observe/rollout_view.h"

#define TIMEOUT_S 10
#define PATH_LEN  1024
#define WHY_LEN	  1024

int rollout_get(const struct cli *cli, const char *what, int64_t id, struct agent_answer *out)
{
	char service[PATH_LEN / 2], path[PATH_LEN], number[32] = "";
	const struct agent_request request = {
		.socket = agent_socket(cli), .method = "GET", .path = path, .timeout_s = TIMEOUT_S};

	if (id >= 0)
		snprintf(number, sizeof(number), "?id=%lld", (long long)id);
	snprintf(path, sizeof(path), "/api/v1/services/%s/rollout%s%s",
		 agent_escape(cli->args[0], service, sizeof(service)), what, number);
	return agent_ask(&request, out);
}

/* ---- commands ---- */

static int post(const struct cli *cli, json_t *body, struct agent_answer *out)
{
	char service[PATH_LEN / 2], path[PATH_LEN];
	const struct agent_request request = {.socket = agent_socket(cli),
					      .method = "POST",
					      .path = path,
					      .body = body,
					      .timeout_s = TIMEOUT_S};
	int error;

	if (!body) {
		log_error("what the agent is told has to be UTF-8");
		return CLI_USAGE;
	}
	if (cli->is_dry_run)
		json_object_set_new(body, "dry_run", json_true());
	snprintf(path, sizeof(path), "/api/v1/services/%s/rollout",
		 agent_escape(cli->args[0], service, sizeof(service)));
	error = agent_ask(&request, out);
	json_decref(body);
	return error ? agent_tell_absent(request.socket, error) : agent_tell_refusal(out);
}

static int print_outcome(const struct cli *cli, const struct agent_answer *a)
{
	const json_t *view = json_object_get(a->json, "rollout");
	const char *message = view_text(a->json, "message");
	char text[WHY_LEN];

	if (cli->is_json)
		return cli_print_json(json_deep_copy(cli->is_dry_run ? a->json : view));
	if (!*message)
		message = view_text(view, "phase");
	puts(plain_text(message, text, sizeof(text)));
	return CLI_OK;
}

static int obey(const struct cli *cli, const char *command)
{
	json_t *body = json_pack("{s:s, s:s}", "command", command, "reason", cli->reason);
	struct agent_answer answer = {0};
	int result;

	if (body && cli->id >= 0)
		json_object_set_new(body, "id", json_integer(cli->id));
	result = post(cli, body, &answer);
	if (!result)
		result = print_outcome(cli, &answer);
	agent_answer_fini(&answer);
	return result;
}

int cmd_rollout_pause(const struct cli *cli)
{
	return obey(cli, "pause");
}

int cmd_rollout_resume(const struct cli *cli)
{
	return obey(cli, "resume");
}

int cmd_rollout_promote(const struct cli *cli)
{
	return obey(cli, cli->is_full ? "promote full" : "promote");
}

int cmd_rollout_abort(const struct cli *cli)
{
	return obey(cli, "abort");
}

int cmd_rollout_retry(const struct cli *cli)
{
	return obey(cli, "retry");
}

int cmd_rollout_undo(const struct cli *cli)
{
	return obey(cli, "undo");
}

int cmd_rollout_start(const struct cli *cli)
{
	struct agent_answer answer = {0};
	json_t *body;
	int64_t id;
	int result;

	if (!cli->release) {
		log_error("--release is needed: what is released; see `serin help rollout start`");
		return CLI_USAGE;
	}
	if (rollout_check_timeout(cli))
		return CLI_USAGE;
	body = json_pack("{s:s, s:s, s:s}", "command", "start", "release", cli->release, "reason",
			 cli->reason);
	if (body && cli->strategy &&
	    json_object_set_new(body, "strategy", json_string(cli->strategy))) {
		json_decref(body);
		body = NULL;
	}
	result = post(cli, body, &answer);
	id = view_int(json_object_get(answer.json, "rollout"), "id", -1);
	if (!result && (cli->is_dry_run || !(cli->is_waiting && cli->is_json)))
		result = print_outcome(cli, &answer);
	agent_answer_fini(&answer);
	return result || cli->is_dry_run || !cli->is_waiting ? result : rollout_follow(cli, id);
}

/* ---- list ---- */

static const struct table_column columns[] = {
	{.name = "ID", .is_number = true},
	{.name = "SERVICE"},
	{.name = "RELEASE"},
	{.name = "STRATEGY"},
	{.name = "PHASE"},
	{.name = "STEP"},
	{.name = "WEIGHT %", .is_number = true},
	{.name = "BEGUN"},
	{.name = "WHY"},
};

static void add_rollout(struct libscols_table *t, const json_t *r)
{
	static const char *const texts[] = {"service", "release", "strategy", "phase"};
	struct libscols_line *row = table_row(t, NULL);
	double weight = view_real(r, "weight");
	char text[WHY_LEN], time[VIEW_TEXT_LEN];

	table_set(row, 0, "%lld", (long long)view_int(r, "id", 0));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		table_set(row, i + 1, "%s", plain_text(view_text(r, texts[i]), text, sizeof(text)));
	view_step_text(r, view_int(r, "step", 0), text);
	table_set(row, 5, "%s", text + strcspn(text, "0123456789"));
	if (isnan(weight)) /* of a rolling one */
		table_set(row, 6, "-");
	else
		table_set(row, 6, "%.6g", weight);
	table_set(row, 7, "%s", view_time(view_int(r, "started_ms", 0), time));
	table_set(row, 8, "%s", plain_text(view_text(r, "why"), text, sizeof(text)));
	if (view_went_wrong(r) || view_is_in(r, "paused"))
		table_warn(row);
}

static int print_list(const json_t *rollouts)
{
	struct libscols_table *t = table_new(columns, sizeof(columns) / sizeof(*columns));
	const json_t *r;
	size_t i;

	if (!t)
		return CLI_FAILED;
	json_array_foreach(rollouts, i, r) add_rollout(t, r);
	table_print(t);
	table_free(t);
	return CLI_OK;
}

int cmd_rollout_list(const struct cli *cli)
{
	char service[PATH_LEN / 2] = "", limit[32] = "", path[PATH_LEN];
	const struct agent_request request = {
		.socket = agent_socket(cli), .method = "GET", .path = path, .timeout_s = TIMEOUT_S};
	struct agent_answer answer = {0};
	int error, result;

	if (cli->arg_count)
		agent_escape(cli->args[0], service, sizeof(service));
	if (cli->limit >= 0)
		snprintf(limit, sizeof(limit), "limit=%lld", (long long)cli->limit);
	snprintf(path, sizeof(path), "/api/v1/rollouts%s%s%s%s%s", *service || *limit ? "?" : "",
		 *service ? "service=" : "", service, *service && *limit ? "&" : "", limit);
	error = agent_ask(&request, &answer);
	if (error)
		return agent_tell_absent(request.socket, error);
	result = agent_tell_refusal(&answer);
	if (!result && cli->is_json)
		result = cli_print_json(json_incref(answer.json));
	else if (!result)
		result = print_list(json_object_get(answer.json, "rollouts"));
	agent_answer_fini(&answer);
	return result;
}

/* ---- report ---- */

static int print_report(const struct cli *cli, json_t *record)
{
	int error;

	switch (cli->report) {
	case CLI_REPORT_JSON:
		return cli_print_json(json_incref(record));
	case CLI_REPORT_HTML:
		error = rollout_write_html(record, stdout);
		break;
	default:
		error = rollout_write_md(record, stdout);
	}
	if (error)
		log_error("the report could not be written: %s", strerror(-error));
	return error ? CLI_FAILED : CLI_OK;
}

int cmd_rollout_report(const struct cli *cli)
{
	struct agent_answer answer = {0};
	int error = rollout_get(cli, "/record", cli->id, &answer);
	int result;

	if (error)
		return agent_tell_absent(agent_socket(cli), error);
	result = agent_tell_refusal(&answer);
	if (!result)
		result = print_report(cli, answer.json);
	agent_answer_fini(&answer);
	return result;
}

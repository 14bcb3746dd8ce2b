// SPDX-License-Identifier: GPL-2.0-or-later
/* Hooks as jobs: programs, which have the payload on stdin, and webhooks, which this program asks. */
#include "agent/rollout_asks_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job.h"
#include "agent/rollout_verdict.h"

#define VARIABLES      9 /* with NULL */
#define NUMBER_LEN     24
#define WEBHOOK_MARGIN 5000 /* ms after libcurl's own limit; it says more of what is wrong */

/* ---- what came of it ---- */

/* What is behind a head like "exit status 1", or without one. */
static void set_why(struct rollout_answer *a, const char *head, const char *output, size_t len)
{
	char line[ROLLOUT_WHY_LEN];

	verdict_first_line(output, len, line);
	snprintf(a->why, sizeof(a->why), "%s%s%.200s", head, *head && *line ? ": " : "", line);
	verdict_first_line(a->why, strlen(a->why), line);
	memcpy(a->why, line, sizeof(line));
}

/* True where it has not come to an end of its own. */
static bool is_broken(const struct job_result *r, uint64_t limit_ms, struct rollout_answer *a)
{
	char head[64];

	if (r->is_late)
		snprintf(head, sizeof(head), "no answer within %g s", (double)limit_ms / 1000.0);
	else
		snprintf(head, sizeof(head), "killed by signal %d", r->signal);
	if (r->is_late || r->signal)
		set_why(a, head, r->output, r->len);
	return r->is_late || r->signal;
}

static void read_program(const struct job_result *r, uint64_t limit_ms, struct ask_reply *out)
{
	struct rollout_answer *a = &out->answer;
	char head[64];

	out->is_answer = !is_broken(r, limit_ms, a);
	if (out->is_answer) {
		a->is_yes = !r->status;
		snprintf(head, sizeof(head), "exit status %d", r->status);
		set_why(a, a->is_yes && r->len ? "" : head, r->output, r->len);
	}
	a->details = json_pack("{s:i, s:o*, s:b}", "status", out->is_answer ? r->status : -1,
			       "output", verdict_text(r->output, r->len), "is_cut", r->is_cut);
}

static void read_webhook(const struct job_result *r, uint64_t limit_ms, struct ask_reply *out)
{
	struct rollout_answer *a = &out->answer;
	json_t *json = NULL;
	const char *why;
	int kind = VERDICT_NONE;

	if (is_broken(r, limit_ms - WEBHOOK_MARGIN, a))
		return;
	json = json_loads(r->output, 0, NULL);
	json_unpack(json, "{s:i}", "kind", &kind);
	why = json_string_value(json_object_get(json, "why"));
	why = why ? why : r->len ? r->output : "serin cannot ask: out of memory";
	set_why(a, "", why, strlen(why));
	out->is_answer = kind != VERDICT_NONE;
	a->is_yes = kind == VERDICT_YES;
	json_object_del(json, "kind");
	json_object_del(json, "why");
	a->details = json;
}

/* ---- what is sent ---- */

/* A member as text, number or not; NULL: there is none. */
static const char *member_text(const json_t *payload, const char *name, char buf[NUMBER_LEN])
{
	json_t *value = json_object_get(payload, name);

	if (!json_is_integer(value))
		return json_string_value(value);
	snprintf(buf, NUMBER_LEN, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return buf;
}

/* "10.0.0.11:8080 10.0.0.12:8080" */
static int set_backends(const json_t *payload, struct ask_plan *p)
{
	json_t *backends = json_object_get(payload, "backends"), *name;
	size_t i, size = 1;
	char *text;
	int err;

	json_array_foreach(backends, i, name) size += json_string_length(name) + 1;
	text = calloc(1, size);
	if (!text)
		return -ENOMEM;
	json_array_foreach(backends, i, name)
		snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? " " : "",
			 json_string_value(name));
	err = ask_set_variable(p->environment, VARIABLES, "SERIN_BACKENDS", text);
	free(text);
	return err;
}

static int make_environment(const json_t *payload, struct ask_plan *p)
{
	static const char *const known[][2] = {
		{"SERIN_SERVICE", "service"}, {"SERIN_RELEASE", "release"},
		{"SERIN_MOMENT", "moment"},   {"SERIN_STEP", "step"},
		{"SERIN_ROLLOUT", "rollout"}, {"SERIN_KEY", "key"},
	};
	char number[NUMBER_LEN];
	int err;

	p->environment = calloc(VARIABLES, sizeof(*p->environment));
	if (!p->environment)
		return -ENOMEM;
	err = ask_set_variable(p->environment, VARIABLES, "PATH", getenv("PATH"));
	for (size_t i = 0; !err && payload && i < sizeof(known) / sizeof(*known); i++)
		err = ask_set_variable(p->environment, VARIABLES, known[i][0],
				       member_text(payload, known[i][1], number));
	if (!err && json_is_array(json_object_get(payload, "backends")))
		err = set_backends(payload, p);
	return err;
}

static int copy_list(char *const *from, char ***out)
{
	size_t count = 0;

	while (from[count])
		count++;
	*out = calloc(count + 1, sizeof(**out));
	for (size_t i = 0; *out && i < count; i++) {
		(*out)[i] = strdup(from[i]);
		if (!(*out)[i])
			return -ENOMEM;
	}
	return *out ? 0 : -ENOMEM;
}

/* Slack's own marks are of no use to names and reasons. */
static void put_slack(FILE *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else
			fputc(*text, out);
	}
}

/* "web: release 2.1 is stepping: candidate at 20 %" */
static char *slack_text(const json_t *payload)
{
	static const char *const parts[][2] = {
		{"", "service"}, {": release ", "release"}, {" is ", "phase"}, {": ", "why"}};
	char number[NUMBER_LEN], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *value = member_text(payload, parts[i][1], number);

		if (!value || !*value)
			continue;
		fputs(parts[i][0], out);
		put_slack(out, value);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static char *make_body(const struct strategy_hook *hook, const json_t *payload)
{
	char *text, *body;
	json_t *slack;

	if (hook->payload != STRATEGY_SLACK)
		return payload ? json_dumps(payload, JSON_COMPACT) : strdup("{}");
	text = slack_text(payload);
	slack = text ? json_pack("{s:s}", "text", text) : NULL;
	body = slack ? json_dumps(slack, JSON_COMPACT) : NULL;
	json_decref(slack);
	free(text);
	return body;
}

static char *wrap_webhook(const struct strategy_hook *hook, const json_t *payload, const char *body)
{
	json_t *ask = json_pack("{s:s, s:s, s:s, s:s*, s:I}", "ask", "webhook", "url", hook->url,
				"body", body, "key",
				json_string_value(json_object_get(payload, "key")), "timeout_ms",
				(json_int_t)hook->timeout_ms);
	char *text = ask ? json_dumps(ask, JSON_COMPACT) : NULL;

	json_decref(ask);
	return text;
}

int ask_plan_hook(const struct strategy_hook *hook, const json_t *payload, struct ask_plan *out)
{
	char *body = make_body(hook, payload);
	int err = body ? make_environment(payload, out) : -ENOMEM;

	out->limit_ms = hook->timeout_ms;
	out->retries = hook->retries;
	if (!err && hook->argv) {
		out->output_max = ASK_OUTPUT_MAX;
		out->read = read_program;
		out->input = body;
		return copy_list(hook->argv, &out->argv);
	}
	if (!err) {
		out->limit_ms += WEBHOOK_MARGIN;
		out->output_max = ASK_LINES_MAX;
		out->read = read_webhook;
		out->input = wrap_webhook(hook, payload, body);
		err = out->input ? 0 : -ENOMEM;
	}
	free(body);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* A look at metrics as a job: what the child is told, and what becomes of what it says. */
#include "agent/rollout_asks_internal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job.h"
#include "agent/rollout_verdict.h"

#define QUERY_MIN_MS 1000u
#define QUERY_MAX_MS 10000u
#define LOOK_QUERIES 6u /* times a query's limit that a look may take */
#define ENVIRONMENT  2

/* What it said before it was ended counts, but is not all. */
static void read_look(const struct job_result *r, uint64_t limit_ms, struct ask_reply *out)
{
	char trouble[ROLLOUT_WHY_LEN] = "", line[ROLLOUT_WHY_LEN];
	struct verdict_look look;

	verdict_first_line(r->output, r->len, line);
	if (r->is_late)
		snprintf(trouble, sizeof(trouble), "not all was looked at within %g s",
			 (double)limit_ms / 1000.0);
	else if (r->signal)
		snprintf(trouble, sizeof(trouble), "the look was killed by signal %d", r->signal);
	else if (r->status || r->is_cut)
		snprintf(trouble, sizeof(trouble), "the look failed%s%.200s", *line ? ": " : "",
			 *line == '{' ? "" : line);
	verdict_of_look(r->output, r->len, *trouble ? trouble : NULL, &look);
	out->is_answer = true;
	out->answer.finding = look.finding;
	memcpy(out->answer.why, look.why, sizeof(look.why));
	out->answer.details = look.entries;
}

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *metric_list(const struct strategy_analysis *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->metric_count; i++) {
		const struct strategy_metric *m = &a->metrics[i];

		if (json_array_append_new(list,
					  json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", m->name,
						    "query", m->query, "min", number(m->min), "max",
						    number(m->max), "dry_run", m->is_dry_run))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static uint64_t query_ms(const struct strategy_analysis *a)
{
	uint64_t ms = a->interval_ms / 2;

	return ms < QUERY_MIN_MS ? QUERY_MIN_MS : ms > QUERY_MAX_MS ? QUERY_MAX_MS : ms;
}

static char *make_request(const struct rollout_look_ask *l)
{
	const struct strategy_analysis *a = l->analysis;
	json_t *ask = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s*, s:s*, s:o, s:s*, s:o, s:o}", "ask",
		"look", "service", l->service, "candidate", l->candidate, "control", l->control,
		"start_s", (json_int_t)l->start_s, "end_s", (json_int_t)l->end_s, "query_ms",
		(json_int_t)query_ms(a), "prometheus", a->prometheus_url, "auth",
		a->prometheus_auth, "metrics", metric_list(a), "kayenta", a->kayenta_config, "pass",
		number(a->kayenta_pass), "marginal", number(a->kayenta_marginal));
	char *text = ask ? json_dumps(ask, JSON_COMPACT) : NULL;

	json_decref(ask);
	return text;
}

int ask_plan_look(const struct rollout_look_ask *look, struct ask_plan *out)
{
	out->environment = calloc(ENVIRONMENT, sizeof(*out->environment));
	out->input = make_request(look);
	out->output_max = ASK_LINES_MAX;
	out->limit_ms = LOOK_QUERIES * query_ms(look->analysis);
	out->read = read_look;
	if (!out->environment || !out->input)
		return -ENOMEM;
	return ask_set_variable(out->environment, ENVIRONMENT, "PATH", getenv("PATH"));
}

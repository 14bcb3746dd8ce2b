// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A look: each metric's query of Prometheus, its newest number within bounds or not, then Kayenta's
 * judge. A number that cannot be had is inconclusive, whatever the reason: it is never good or bad.
 */
#include "agent/rollout_asked.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_verdict.h"
#include "config/http.h"
#include "metrics_source/prometheus.h"
#include "metrics_source/range.h"
#include "model/query.h"
#include "rollout/rollout.h"

/* Points at the end of which the last number counts: one that is older says nothing of now. */
#define POINTS		5
#define GRID_POINTS	60
#define GRID_STEP_MAX_S 60

struct metric_look {
	const char *name;
	enum rollout_finding finding;
	char why[ROLLOUT_WHY_LEN];
	double value; /* NaN: none */
};

static const char *text_of(const json_t *json, const char *name)
{
	return json_string_value(json_object_get(json, name));
}

static double number_of(const json_t *json, const char *name)
{
	json_t *value = json_object_get(json, name);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- words ---- */

void rollout_asked_plain(const char *complaint, char out[ROLLOUT_WHY_LEN])
{
	const char *text = strstr(complaint, ": error: "), *advice;
	char line[ROLLOUT_WHY_LEN];

	text = text ? text + strlen(": error: ") : complaint;
	verdict_first_line(text, strlen(text), line);
	advice = strstr(line, "; ");
	snprintf(out, ROLLOUT_WHY_LEN, "%.*s", advice ? (int)(advice - line) : (int)strlen(line),
		 line);
}

/* "errors: 0.02 is above 0.01" */
static void judge_value(struct metric_look *l, const json_t *metric)
{
	double min = number_of(metric, "min"), max = number_of(metric, "max");
	const char *name = l->name;

	l->finding = ROLLOUT_BAD;
	if (l->value < min) {
		snprintf(l->why, sizeof(l->why), "%.100s: %g is below %g", name, l->value, min);
	} else if (l->value > max) {
		snprintf(l->why, sizeof(l->why), "%.100s: %g is above %g", name, l->value, max);
	} else {
		l->finding = ROLLOUT_GOOD;
		snprintf(l->why, sizeof(l->why), "%.100s: %g is within bounds", name, l->value);
	}
}

static void set_unknown(struct metric_look *l, const char *why)
{
	l->finding = ROLLOUT_INCONCLUSIVE;
	snprintf(l->why, sizeof(l->why), "%.100s: %.150s", l->name, why);
}

static int tell(const struct metric_look *l, const json_t *metric)
{
	return rollout_asked_tell(json_pack(
		"{s:s, s:s, s:o, s:o, s:O, s:O, s:O}", "name", l->name, "finding",
		verdict_finding_name(l->finding), "why", verdict_text(l->why, strlen(l->why)),
		"value", isfinite(l->value) ? json_real(l->value) : json_null(), "min",
		json_object_get(metric, "min"), "max", json_object_get(metric, "max"), "dry_run",
		json_object_get(metric, "dry_run")));
}

/* ---- numbers ---- */

static double last_number(const struct range *r)
{
	for (size_t i = r->count; i--;)
		if (isfinite(r->values[i]))
			return r->values[i];
	return NAN;
}

/* The values of templates are of the whole stretch; what is asked for is its end. */
static int ask(struct prometheus *p, const struct source *s, const char *query,
	       const struct range_grid *g, struct range *out)
{
	int64_t first = g->end_ms - (POINTS - 1) * g->step_ms;
	struct range_grid end = {first > g->start_ms ? first : g->start_ms, g->end_ms, g->step_ms};
	char *text = NULL;
	size_t len = 0;
	int err;

	/* So that the last point is the end. */
	end.start_ms = end.end_ms - (end.end_ms - end.start_ms) / end.step_ms * end.step_ms;
	err = prometheus_query_range(p, s, query, &end, &text, &len);
	if (!err)
		err = range_parse(s, text, len, &end, false, out);
	free(text);
	return err;
}

static int look_with(struct prometheus *p, const struct source *s, const json_t *request,
		     const json_t *metric, struct range *out)
{
	struct range_grid grid = rollout_asked_grid(request);
	const struct query_values values = {
		.service = text_of(request, "service"),
		.pool = text_of(request, "candidate"),
		.control = text_of(request, "control"),
		.start_ms = grid.start_ms,
		.end_ms = grid.end_ms,
		.step_ms = grid.step_ms,
	};
	struct query_error error = {0};
	char *query = NULL;
	int err = query_expand(text_of(metric, "query"), &values, &query, &error);

	if (err == -EINVAL)
		complain(s, "character %zu of its query: %s", error.column, error.text);
	if (!err)
		err = ask(p, s, query, &grid, out);
	free(query);
	return err;
}

static int look_at(struct prometheus *p, const json_t *request, const json_t *metric)
{
	struct metric_look l = {.name = text_of(metric, "name"), .value = NAN};
	struct range range = {0};
	char *said = NULL, why[ROLLOUT_WHY_LEN];
	size_t len = 0;
	struct source s = {"metric", open_memstream(&said, &len)};
	int err = s.messages ? look_with(p, &s, request, metric, &range) : -ENOMEM;

	if (s.messages)
		fclose(s.messages);
	l.value = last_number(&range);
	if (err) {
		rollout_asked_plain(said && *said ? said : strerror(-err), why);
		set_unknown(&l, why);
	} else if (!range.count) {
		set_unknown(&l, "its query finds nothing");
	} else if (isnan(l.value)) {
		set_unknown(&l, "its query finds no number (NaN, Inf or gaps)");
	} else {
		judge_value(&l, metric);
	}
	free(said);
	range_fini(&range);
	return tell(&l, metric);
}

/* ---- all of it ---- */

struct range_grid rollout_asked_grid(const json_t *request)
{
	struct range_grid g = {
		.start_ms = json_integer_value(json_object_get(request, "start_s")) * 1000,
		.end_ms = json_integer_value(json_object_get(request, "end_s")) * 1000,
	};
	int64_t step_s = (g.end_ms - g.start_ms) / 1000 / GRID_POINTS;

	g.step_ms = (step_s < 1 ? 1 : step_s > GRID_STEP_MAX_S ? GRID_STEP_MAX_S : step_s) * 1000;
	return g;
}

static int look_at_all(struct prometheus *p, const json_t *request)
{
	json_t *metric;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(request, "metrics"), i, metric)
		err = err ? err : look_at(p, request, metric);
	if (!err && text_of(request, "kayenta"))
		err = rollout_asked_kayenta(request, p);
	return err;
}

/* What is wrong with it is said of no metric, and so of all. */
int rollout_asked_look(const json_t *request)
{
	const char *url = text_of(request, "prometheus"), *auth = text_of(request, "auth");
	json_t *limit = json_object_get(request, "query_ms");
	struct http_config http = {0};
	struct prometheus_settings settings = {
		.url = url ? url : "",
		.timeout_ms = (uint32_t)json_integer_value(limit),
		.http = &http,
	};
	struct prometheus *p = NULL;
	int err = auth ? http_config_load(auth, &http, stderr) : 0;

	if (!err)
		err = prometheus_new(&settings, stderr, &p);
	if (!err)
		err = look_at_all(p, request);
	prometheus_free(p);
	http_config_fini(&http);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics_source/range.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_LEN 100

struct reader {
	const struct source *source;
	const struct range_grid *grid;
	struct range range;
	size_t *series; /* which was the last to have a value at a step, from 1; 0: none */
};

size_t range_steps(const struct range_grid *g)
{
	int64_t steps;

	if (g->step_ms <= 0 || g->start_ms > g->end_ms)
		return 0;
	steps = (g->end_ms - g->start_ms) / g->step_ms + 1;
	return steps > RANGE_STEPS_MAX ? 0 : (size_t)steps;
}

/* ---- values ---- */

/* As Go writes a float: "1.5", "1e-07", "NaN", "+Inf", "-Inf". */
static bool read_value(json_t *json, double *out)
{
	const char *text = json_string_value(json);
	char *end;

	if (!text || !*text)
		return false;
	if (!strcmp(text, "NaN") || !strcmp(text, "+Inf") || !strcmp(text, "-Inf")) {
		*out = *text == 'N' ? NAN : *text == '-' ? -INFINITY : INFINITY;
		return true;
	}
	if (strspn(text, "+-.0123456789eE") != strlen(text))
		return false;
	*out = strtod(text, &end);
	return !*end && isfinite(*out);
}

/* The step nearest to a time in seconds; false beyond the grid. */
static bool find_step(const struct reader *r, double time_s, size_t *out)
{
	double step = (time_s * 1000.0 - (double)r->grid->start_ms) / (double)r->grid->step_ms;

	step = round(step);
	if (!(step >= 0.0 && step < (double)r->range.count))
		return false;
	*out = (size_t)step;
	return true;
}

static int read_point(struct reader *r, size_t series, size_t i, json_t *point)
{
	json_t *time = json_array_get(point, 0);
	double value;
	size_t step;

	if (json_array_size(point) != 2 || !json_is_number(time) ||
	    !read_value(json_array_get(point, 1), &value))
		return complain(r->source,
				"$.data.result[%zu].values[%zu]: must be a time and a number as "
				"text",
				series, i);
	if (!find_step(r, json_number_value(time), &step))
		return complain(r->source,
				"$.data.result[%zu].values[%zu]: the time %.3f is not among those "
				"asked for",
				series, i, json_number_value(time));
	if (r->series[step] == series + 1)
		return complain(r->source,
				"$.data.result[%zu].values[%zu]: a second value of its step",
				series, i);
	r->range.values[step] = r->series[step] ? r->range.values[step] + value : value;
	r->series[step] = series + 1;
	return 0;
}

static int read_series(struct reader *r, size_t series, json_t *json)
{
	json_t *values = json_object_get(json, "values"), *point;
	size_t i;

	if (json_object_get(json, "histograms"))
		return complain(r->source,
				"$.data.result[%zu]: is a histogram, no number; take "
				"histogram_quantile() or histogram_avg() of it",
				series);
	if (!json_is_array(values))
		return complain(r->source, "$.data.result[%zu].values: must be a list", series);
	json_array_foreach(values, i, point)
	{
		int error = read_point(r, series, i, point);

		if (error)
			return error;
	}
	return 0;
}

/* ---- answers ---- */

static void labels_of(json_t *result, size_t i, char buf[LABELS_LEN])
{
	json_t *metric = json_object_get(json_array_get(result, i), "metric");
	char *text = metric ? json_dumps(metric, JSON_COMPACT) : NULL;

	snprintf(buf, LABELS_LEN, "%s", text ? text : "{}");
	free(text);
}

static int refuse_several(const struct source *s, json_t *result)
{
	char first[LABELS_LEN], second[LABELS_LEN];

	labels_of(result, 0, first);
	labels_of(result, 1, second);
	return complain(
		s,
		"the query finds %zu series (%s, %s%s) where one is needed: put sum(), avg() "
		"or max() round it, name more labels, or add them up with --sum",
		json_array_size(result), first, second, json_array_size(result) > 2 ? ", ..." : "");
}

static int make_room(struct reader *r)
{
	size_t steps = range_steps(r->grid);

	r->range.values = calloc(steps, sizeof(*r->range.values));
	r->series = calloc(steps, sizeof(*r->series));
	if (!r->range.values || !r->series)
		return -ENOMEM;
	r->range.count = steps;
	for (size_t i = 0; i < steps; i++)
		r->range.values[i] = NAN;
	return 0;
}

static int read_result(struct reader *r, json_t *result, bool is_summed)
{
	json_t *json;
	size_t i;
	int error;

	if (!json_array_size(result))
		return 0;
	if (json_array_size(result) > 1 && !is_summed)
		return refuse_several(r->source, result);
	error = make_room(r);
	json_array_foreach(result, i, json)
	{
		if (error)
			break;
		error = read_series(r, i, json);
	}
	return error;
}

static void warn(const struct source *s, json_t *warnings)
{
	json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
	{
		if (json_is_string(warning))
			complain_warn(s, "%.300s", json_string_value(warning));
	}
}

static char *refusal_of(json_t *answer)
{
	const char *type = json_string_value(json_object_get(answer, "errorType"));
	const char *text = json_string_value(json_object_get(answer, "error"));
	const char *status = json_string_value(json_object_get(answer, "status"));
	char *out;

	if (!status || strcmp(status, "error") || (!type && !text))
		return NULL;
	if (asprintf(&out, "%s: %s", type ? type : "error", text ? text : "") < 0)
		return NULL;
	return out;
}

char *range_refusal(const char *text, size_t len)
{
	json_t *answer = json_loadb(text, len, 0, NULL);
	char *out = refusal_of(answer);

	json_decref(answer);
	return out;
}

static int read_answer(struct reader *r, json_t *answer, bool is_summed)
{
	json_t *data = json_object_get(answer, "data"), *result = json_object_get(data, "result");
	const char *status = json_string_value(json_object_get(answer, "status"));
	const char *type = json_string_value(json_object_get(data, "resultType"));
	char *refusal = refusal_of(answer);

	if (refusal) {
		complain(r->source, "%.300s", refusal);
		free(refusal);
		return -EINVAL;
	}
	if (!status || strcmp(status, "success"))
		return complain(r->source, "$.status: must be \"success\" or \"error\"; is this "
					   "Prometheus's own URL?");
	if (!type || strcmp(type, "matrix") || !json_is_array(result))
		return complain(r->source,
				"$.data: must hold a \"matrix\" and its list \"result\"");
	warn(r->source, json_object_get(answer, "warnings"));
	return read_result(r, result, is_summed);
}

int range_parse(const struct source *s, const char *text, size_t len, const struct range_grid *g,
		bool is_summed, struct range *out)
{
	struct reader r = {.source = s, .grid = g};
	json_t *answer = source_parse_json(s, text, len);
	int error;

	if (!answer)
		return -EINVAL;
	error = read_answer(&r, answer, is_summed);
	json_decref(answer);
	free(r.series);
	if (error)
		range_fini(&r.range);
	else
		*out = r.range;
	return error;
}

void range_fini(struct range *r)
{
	free(r->values);
	*r = (struct range){0};
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics_source/retrieve.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"
#include "judge_io/canary.h"
#include "judge_io/samples.h"
#include "metrics_source/prometheus.h"
#include "model/query.h"

#define SIDES	  2 /* canary, baseline */
#define PREFIX	  "PromQL:"
#define PLACE_LEN 512

static const char *pool_of(const struct retrieval *r, size_t side)
{
	return side ? r->control : r->experiment;
}

/* ---- queries ---- */

static int make_query(const struct source *s, size_t metric, const char *template,
		      const struct query_values *v, char **out)
{
	size_t prefix = strncmp(template, PREFIX, strlen(PREFIX)) ? 0 : strlen(PREFIX);
	struct query_error why;
	int error = query_expand(template + prefix, v, out, &why);

	if (error == -EINVAL)
		complain(s, "$.metrics[%zu].query.customInlineTemplate: character %zu: %s", metric,
			 why.column + prefix, why.text);
	return error;
}

/* Both sides' queries of one metric. */
static int make_queries(const struct source *s, const struct canary *c, const struct retrieval *r,
			size_t metric, char **queries)
{
	json_t *json = json_array_get(json_object_get(c->document, "metrics"), metric);
	json_t *template = json_object_get(json_object_get(json, "query"), "customInlineTemplate");
	int error = 0;

	if (!json_is_string(template) || !json_string_length(template))
		return complain(s,
				"$.metrics[%zu].query.customInlineTemplate: must be PromQL, like "
				"\"PromQL:sum(rate(requests_total{pool=\\\"${scope}\\\"}[1m]))\"",
				metric);
	for (size_t side = 0; !error && side < SIDES; side++) {
		struct query_values v = {
			.service = r->service,
			.pool = pool_of(r, side),
			.start_ms = r->grid.start_ms,
			.end_ms = r->grid.end_ms,
			.step_ms = r->grid.step_ms,
			.control = r->control,
		};

		error = make_query(s, metric, json_string_value(template), &v, &queries[side]);
	}
	return error;
}

/* All that are wrong are told. */
static int make_all_queries(const struct source *s, const struct canary *c,
			    const struct retrieval *r, char **queries)
{
	int error = 0;

	for (size_t i = 0; i < c->config.metric_count; i++) {
		int one = make_queries(s, c, r, i, &queries[SIDES * i]);

		error = one == -ENOMEM || !error ? one : error;
	}
	return error;
}

/* ---- answers ---- */

/* What is said of an answer begins with where it comes from, and what was asked. */
static void name_place(const struct prometheus *p, const char *metric, const char *pool,
		       char buf[PLACE_LEN])
{
	bool is_printable;
	size_t len, bytes;

	snprintf(buf, PLACE_LEN, "%.300s (%.80s of %.80s)", prometheus_url(p), metric, pool);
	len = strlen(buf);
	for (size_t i = 0; i < len; i += bytes) {
		bytes = text_char(buf + i, len - i, &is_printable);
		if (!is_printable)
			memset(buf + i, '?', bytes);
	}
}

static int get_side(struct prometheus *p, const struct source *s, const struct retrieval *r,
		    const char *query, struct range *out)
{
	char *text = NULL;
	size_t len = 0;
	int error = prometheus_query_range(p, s, query, &r->grid, &text, &len);

	if (error)
		return error;
	error = range_parse(s, text, len, &r->grid, r->is_summed, out);
	free(text);
	return error == -EINVAL ? -EIO : error;
}

static int get_pair(struct prometheus *p, FILE *messages, const struct retrieval *r,
		    char *const *queries, struct samples *out)
{
	struct judge_pair *pair = &out->pairs[out->count];
	double **values = &out->values[SIDES * out->count];
	int error = 0;

	out->count++;
	for (size_t side = 0; !error && side < SIDES; side++) {
		struct range range = {0};
		char place[PLACE_LEN];
		struct source s = {place, messages};

		name_place(p, pair->name, pool_of(r, side), place);
		error = get_side(p, &s, r, queries[side], &range);
		values[side] = range.values;
		*(side ? &pair->control : &pair->experiment) =
			(struct judge_series){range.values, range.count};
	}
	return error;
}

static int get_pairs(struct prometheus *p, FILE *messages, const struct canary *c,
		     const struct retrieval *r, char *const *queries, struct samples *out)
{
	size_t room = c->config.metric_count + 1;
	int error = 0;

	out->pairs = calloc(room, sizeof(*out->pairs));
	out->tags = calloc(room, sizeof(*out->tags));
	out->values = calloc(room, SIDES * sizeof(*out->values));
	if (!out->pairs || !out->tags || !out->values)
		return -ENOMEM;
	for (size_t i = 0; !error && i < c->config.metric_count; i++) {
		out->pairs[i].name = c->metrics[i].name;
		error = get_pair(p, messages, r, &queries[SIDES * i], out);
	}
	return error;
}

int retrieve_samples(struct prometheus *p, const struct source *s, const struct canary *c,
		     const struct retrieval *r, struct samples *out)
{
	size_t count = SIDES * c->config.metric_count;
	char **queries = calloc(count + 1, sizeof(*queries));
	struct samples made = {0};
	int error = queries ? make_all_queries(s, c, r, queries) : -ENOMEM;

	if (!error)
		error = get_pairs(p, s->messages, c, r, queries, &made);
	for (size_t i = 0; queries && i < count; i++)
		free(queries[i]);
	free(queries);
	if (error)
		samples_fini(&made);
	else
		*out = made;
	return error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_io/samples.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Text that stands for a number JSON has no word for; 0 or -EINVAL. */
static int read_word(const char *text, double *out)
{
	static const struct {
		const char *text;
		double value;
	} words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(text, words[i].text)) {
			*out = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static int read_value(json_t *json, double *out)
{
	*out = NAN;
	if (json_is_null(json))
		return 0;
	if (json_is_string(json))
		return read_word(json_string_value(json), out);
	*out = json_number_value(json);
	return json_is_number(json) ? 0 : -EINVAL;
}

static int read_series(const struct source *s, size_t pair, json_t *values, const char *side,
		       struct judge_series *out, double **room)
{
	json_t *list = json_object_get(values, side), *json;
	size_t i;

	if (!json_is_array(list))
		return complain(s, "$[%zu].values.%s: must be a list of numbers", pair, side);
	*room = calloc(json_array_size(list) + 1, sizeof(**room));
	if (!*room)
		return -ENOMEM;
	json_array_foreach(list, i, json)
	{
		if (read_value(json, &(*room)[i]))
			return complain(s,
					"$[%zu].values.%s[%zu]: must be a number, null or \"NaN\"",
					pair, side, i);
	}
	*out = (struct judge_series){*room, json_array_size(list)};
	return 0;
}

static int read_pair(const struct source *s, size_t i, json_t *json, struct samples *out)
{
	json_t *name = json_object_get(json, "name"), *values = json_object_get(json, "values");
	json_t *tags = json_object_get(json, "tags");
	struct judge_pair *pair = &out->pairs[i];
	int error;

	if (!json_is_object(json))
		return complain(s, "$[%zu]: must be an object", i);
	if (!json_is_string(name) || !json_string_length(name))
		return complain(s, "$[%zu].name: must be text", i);
	if (!json_is_object(values))
		return complain(s, "$[%zu].values: must be an object", i);
	if (tags && !json_is_null(tags) && !json_is_object(tags))
		return complain(s, "$[%zu].tags: must be an object", i);
	pair->name = json_string_value(name);
	out->tags[i] = json_is_object(tags) ? tags : NULL;
	error = read_series(s, i, values, "experiment", &pair->experiment, &out->values[2 * i]);
	if (error)
		return error;
	return read_series(s, i, values, "control", &pair->control, &out->values[2 * i + 1]);
}

static int read_pairs(const struct source *s, struct samples *out)
{
	json_t *json;
	int error = 0;
	size_t i;

	if (!json_is_array(out->document))
		return complain(s, "$: must be a list of metrics");
	out->pairs = calloc(json_array_size(out->document) + 1, sizeof(*out->pairs));
	out->tags = calloc(json_array_size(out->document) + 1, sizeof(*out->tags));
	out->values = calloc(json_array_size(out->document) + 1, 2 * sizeof(*out->values));
	if (!out->pairs || !out->tags || !out->values)
		return -ENOMEM;
	json_array_foreach(out->document, i, json)
	{
		out->count = i + 1;
		error = read_pair(s, i, json, out);
		if (error)
			break;
	}
	return error;
}

int samples_parse_json(const struct source *s, const char *text, size_t len, struct samples *out)
{
	struct samples made = {.document = source_parse_json(s, text, len)};
	int error;

	if (!made.document)
		return -EINVAL;
	error = read_pairs(s, &made);
	if (error)
		samples_fini(&made);
	else
		*out = made;
	return error;
}

static bool has_pair(const struct samples *samples, const char *name)
{
	for (size_t i = 0; i < samples->count; i++)
		if (!strcmp(samples->pairs[i].name, name))
			return true;
	return false;
}

/* Room for one more of everything, all of it empty. */
static int grow(struct samples *s)
{
	struct judge_pair *pairs = realloc(s->pairs, (s->count + 1) * sizeof(*pairs));
	json_t **tags = realloc(s->tags, (s->count + 1) * sizeof(*tags));
	double **values = realloc(s->values, 2 * (s->count + 1) * sizeof(*values));
	char **names = s->names ? realloc(s->names, (s->count + 1) * sizeof(*names)) : NULL;

	s->pairs = pairs ? pairs : s->pairs;
	s->tags = tags ? tags : s->tags;
	s->values = values ? values : s->values;
	s->names = names ? names : s->names;
	if (!pairs || !tags || !values || (s->names && !names))
		return -ENOMEM;
	pairs[s->count] = (struct judge_pair){};
	tags[s->count] = NULL;
	values[2 * s->count] = values[2 * s->count + 1] = NULL;
	if (names)
		names[s->count] = NULL;
	return 0;
}

int samples_add_missing(const struct source *s, const struct judge_config *c,
			struct samples *samples)
{
	for (size_t i = 0; i < c->metric_count; i++) {
		if (has_pair(samples, c->metrics[i].name))
			continue;
		if (grow(samples))
			return -ENOMEM;
		complain_warn(s, "no values of metric \"%.80s\": it is judged as one without data",
			      c->metrics[i].name);
		samples->pairs[samples->count++].name = c->metrics[i].name;
	}
	return 0;
}

void samples_fini(struct samples *samples)
{
	for (size_t i = 0; samples->values && i < 2 * samples->count; i++)
		free(samples->values[i]);
	for (size_t i = 0; samples->names && i < samples->count; i++)
		free(samples->names[i]);
	free(samples->values);
	free(samples->names);
	free(samples->tags);
	free(samples->pairs);
	json_decref(samples->document);
	*samples = (struct samples){0};
}

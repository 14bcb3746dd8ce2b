// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_io/canary.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PATH_LEN 128

/* One JSON object, and what its values' paths begin with. */
struct place {
	const struct source *source;
	json_t *object; /* or NULL: nothing is said */
	char path[PATH_LEN];
};

static bool is_absent(json_t *value)
{
	return !value || json_is_null(value);
}

static int enter(const struct place *outer, const char *key, struct place *out)
{
	json_t *value = json_object_get(outer->object, key);

	out->source = outer->source;
	out->object = is_absent(value) ? NULL : value;
	snprintf(out->path, sizeof(out->path), "%.90s.%s", outer->path, key);
	if (out->object && !json_is_object(value))
		return complain(out->source, "%s: must be an object", out->path);
	return 0;
}

static int read_bool(const struct place *p, const char *key, bool *out)
{
	json_t *value = json_object_get(p->object, key);

	if (is_absent(value))
		return 0;
	if (!json_is_boolean(value))
		return complain(p->source, "%s.%s: must be true or false", p->path, key);
	*out = json_is_true(value);
	return 0;
}

static int read_number(const struct place *p, const char *key, double *out)
{
	json_t *value = json_object_get(p->object, key);

	if (is_absent(value))
		return 0;
	if (!json_is_number(value))
		return complain(p->source, "%s.%s: must be a number", p->path, key);
	*out = json_number_value(value);
	return 0;
}

/* The index of a word among @words (the first is the default), which ends with NULL. */
static int read_word(const struct place *p, const char *key, const char *const *words, int *out)
{
	json_t *value = json_object_get(p->object, key);

	*out = 0;
	if (is_absent(value))
		return 0;
	if (!json_is_string(value))
		return complain(p->source, "%s.%s: must be text", p->path, key);
	for (int i = 0; words[i]; i++) {
		if (!strcmp(json_string_value(value), words[i])) {
			*out = i;
			return 0;
		}
	}
	complain_warn(p->source, "%s.%s: \"%.40s\" is not known and taken as \"%s\"", p->path, key,
		      json_string_value(value), words[0]);
	return 0;
}

static int read_outliers(const struct place *p, struct judge_metric *m)
{
	static const char *const strategies[] = {"keep", "remove", NULL};
	struct place at;
	int error = enter(p, "outliers", &at), word = 0;

	error = error ? error : read_word(&at, "strategy", strategies, &word);
	error = error ? error : read_number(&at, "outlierFactor", &m->outlier_factor);
	m->removes_outliers = word == 1;
	if (!error && m->removes_outliers && !(m->outlier_factor > 0.0))
		return complain(p->source, "%s.outlierFactor: must be above 0", at.path);
	return error;
}

/* First: what is not said of thresholds depends on the measure. */
static int read_effect(const struct place *p, struct judge_metric *m)
{
	static const char *const measures[] = {"meanRatio", "cles", NULL};
	struct place at;
	int error = enter(p, "effectSize", &at), word = 0;

	error = error ? error : read_word(&at, "measure", measures, &word);
	if (error)
		return error;
	judge_metric_init(m, m->name, word ? JUDGE_CLES : JUDGE_MEAN_RATIO);
	error = read_number(&at, "allowedIncrease", &m->allowed_increase);
	error = error ? error : read_number(&at, "allowedDecrease", &m->allowed_decrease);
	error = error ? error : read_number(&at, "criticalIncrease", &m->critical_increase);
	return error ? error : read_number(&at, "criticalDecrease", &m->critical_decrease);
}

static int read_analysis(const struct place *p, struct judge_metric *m)
{
	static const char *const directions[] = {
		[JUDGE_EITHER] = "either",
		[JUDGE_INCREASE] = "increase",
		[JUDGE_DECREASE] = "decrease",
		NULL,
	};
	static const char *const strategies[] = {
		[JUDGE_NAN_REMOVE] = "remove", [JUDGE_NAN_REPLACE] = "replace", NULL};
	int error = read_effect(p, m), word = 0;

	error = error ? error : read_word(p, "direction", directions, &word);
	m->direction = (enum judge_direction)word;
	error = error ? error : read_word(p, "nanStrategy", strategies, &word);
	m->nan = (enum judge_nan)word;
	error = error ? error : read_outliers(p, m);
	error = error ? error : read_bool(p, "critical", &m->is_critical);
	error = error ? error : read_bool(p, "mustHaveData", &m->must_have_data);
	return error ? error : read_bool(p, "muted", &m->is_muted);
}

static int read_groups(const struct place *p, struct judge_metric *m, const char **names)
{
	json_t *list = json_object_get(p->object, "groups"), *name;
	size_t i;

	m->groups = names;
	m->group_count = 0;
	if (is_absent(list))
		return 0;
	if (!json_is_array(list))
		return complain(p->source, "%s.groups: must be a list of names", p->path);
	json_array_foreach(list, i, name)
	{
		if (!json_is_string(name))
			return complain(p->source, "%s.groups[%zu]: must be text", p->path, i);
		names[m->group_count++] = json_string_value(name);
	}
	return 0;
}

static int read_metric(struct place *p, struct canary *c, size_t *group_count)
{
	struct judge_metric *m = &c->metrics[c->config.metric_count];
	json_t *name = json_object_get(p->object, "name");
	struct place analyses, analysis;
	int error;

	if (!json_is_object(p->object))
		return complain(p->source, "%s: must be an object", p->path);
	if (!json_is_string(name) || !json_string_length(name))
		return complain(p->source, "%s.name: must be text", p->path);
	m->name = json_string_value(name);
	error = enter(p, "analysisConfigurations", &analyses);
	error = error ? error : enter(&analyses, "canary", &analysis);
	error = error ? error : read_analysis(&analysis, m);
	error = error ? error : read_groups(p, m, c->groups + *group_count);
	if (error)
		return error;
	for (size_t i = 0; i < c->config.metric_count; i++) {
		if (strcmp(c->metrics[i].name, m->name))
			continue;
		complain_warn(p->source, "%s.name: \"%.80s\" is there before; that one counts",
			      p->path, m->name);
		break;
	}
	*group_count += m->group_count;
	c->config.metric_count++;
	return 0;
}

static size_t count_groups(json_t *metrics)
{
	json_t *metric;
	size_t count = 1, i;

	json_array_foreach(metrics, i, metric)
	{
		count += json_array_size(json_object_get(metric, "groups"));
	}
	return count;
}

static int read_metrics(const struct source *s, struct canary *c)
{
	json_t *metrics = json_object_get(c->document, "metrics"), *metric;
	size_t i, group_count = 0;
	int error = 0;

	if (!json_is_array(metrics))
		return complain(s, "$.metrics: must be a list of metrics");
	c->metrics = calloc(json_array_size(metrics) + 1, sizeof(*c->metrics));
	c->groups = calloc(count_groups(metrics), sizeof(*c->groups));
	if (!c->metrics || !c->groups)
		return -ENOMEM;
	json_array_foreach(metrics, i, metric)
	{
		struct place p = {.source = s, .object = metric};

		snprintf(p.path, sizeof(p.path), "$.metrics[%zu]", i);
		error = read_metric(&p, c, &group_count);
		if (error)
			break;
	}
	c->config.metrics = c->metrics;
	return error;
}

static int read_weights(const struct source *s, struct canary *c)
{
	struct place top = {.source = s, .object = c->document, .path = "$"}, classifier, at;
	int error = enter(&top, "classifier", &classifier);
	const char *group;
	json_t *weight;

	error = error ? error : enter(&classifier, "groupWeights", &at);
	if (error)
		return error;
	c->weights = calloc(json_object_size(at.object) + 1, sizeof(*c->weights));
	if (!c->weights)
		return -ENOMEM;
	json_object_foreach(at.object, group, weight)
	{
		if (!json_is_number(weight))
			return complain(s, "%s[\"%.80s\"]: must be a number", at.path, group);
		c->weights[c->config.weight_count++] =
			(struct judge_weight){group, json_number_value(weight)};
	}
	c->config.weights = c->weights;
	return 0;
}

int canary_parse(const struct source *s, const char *text, size_t len, struct canary *out)
{
	struct canary made = {.document = source_parse_json(s, text, len)};
	int error;

	if (!made.document)
		return -EINVAL;
	judge_config_init(&made.config);
	if (!json_is_object(made.document))
		error = complain(s, "$: must be an object with \"metrics\"");
	else
		error = read_metrics(s, &made);
	error = error ? error : read_weights(s, &made);
	if (error)
		canary_fini(&made);
	else
		*out = made;
	return error;
}

void canary_fini(struct canary *c)
{
	free(c->metrics);
	free(c->weights);
	free(c->groups);
	json_decref(c->document);
	*c = (struct canary){0};
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "rollout/plan_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "rollout/fields.h"

#define ARGUMENTS_MAX 256u

static const struct field strategy_fields[] = {
	FIELD_OF_NAME(model_strategy, name),
	FIELD_OF_ENUM(model_strategy, type, STRATEGY_TYPE_MAX),
	FIELD_OF_NAME(model_strategy, candidate),
	FIELD_OF_NAME(model_strategy, baseline),
	FIELD_OF_ENUM(model_strategy, finish, STRATEGY_FINISH_MAX),
	FIELD_OF_ENUM(model_strategy, flows, STRATEGY_FLOWS_MAX),
	FIELD(model_strategy, drain_ms, FIELD_U64),
	FIELD(model_strategy, standby_ms, FIELD_U64),
	FIELD(model_strategy, batch, FIELD_U32),
	FIELD(model_strategy, batch_percent, FIELD_U32),
	FIELD(model_strategy, min_healthy, FIELD_U32),
	FIELD(model_strategy, health_ms, FIELD_U64),
};

static const struct field step_fields[] = {
	FIELD(strategy_step, has_weight, FIELD_BOOL), FIELD(strategy_step, weight_ppm, FIELD_U32),
	FIELD(strategy_step, ramp_ms, FIELD_U64),     FIELD(strategy_step, hold_ms, FIELD_U64),
	FIELD(strategy_step, analysis_ms, FIELD_U64), FIELD(strategy_step, pauses, FIELD_BOOL),
};

static const struct field analysis_fields[] = {
	FIELD(strategy_analysis, has_kernel, FIELD_BOOL),
	FIELD(strategy_analysis, alpha, FIELD_REAL),
	FIELD(strategy_analysis, beta, FIELD_REAL),
	FIELD(strategy_analysis, harm_ratio, FIELD_REAL),
	FIELD(strategy_analysis, fine_ratio, FIELD_REAL),
	FIELD(strategy_analysis, prometheus_url, FIELD_TEXT),
	FIELD(strategy_analysis, prometheus_auth, FIELD_TEXT),
	FIELD(strategy_analysis, kayenta_config, FIELD_TEXT),
	FIELD(strategy_analysis, kayenta_pass, FIELD_REAL),
	FIELD(strategy_analysis, kayenta_marginal, FIELD_REAL),
	FIELD(strategy_analysis, initial_delay_ms, FIELD_U64),
	FIELD(strategy_analysis, interval_ms, FIELD_U64),
	FIELD(strategy_analysis, lookback_ms, FIELD_U64),
	FIELD(strategy_analysis, failure_limit, FIELD_U32),
	FIELD(strategy_analysis, inconclusive_limit, FIELD_U32),
	FIELD(strategy_analysis, is_dry_run, FIELD_BOOL),
	FIELD_OF_ENUM(strategy_analysis, on_failure, STRATEGY_ON_FAILURE_MAX),
	FIELD(strategy_analysis, deadline_ms, FIELD_U64),
};

static const struct field metric_fields[] = {
	FIELD(strategy_metric, name, FIELD_TEXT),	FIELD(strategy_metric, query, FIELD_TEXT),
	FIELD(strategy_metric, min, FIELD_REAL),	FIELD(strategy_metric, max, FIELD_REAL),
	FIELD(strategy_metric, is_dry_run, FIELD_BOOL),
};

static const struct field hook_fields[] = {
	FIELD_OF_ENUM(strategy_hook, at, STRATEGY_MOMENT_MAX),
	FIELD(strategy_hook, name, FIELD_TEXT),
	FIELD(strategy_hook, url, FIELD_TEXT),
	FIELD_OF_ENUM(strategy_hook, payload, STRATEGY_PAYLOAD_MAX),
	FIELD(strategy_hook, timeout_ms, FIELD_U64),
	FIELD(strategy_hook, retries, FIELD_U32),
};

static json_t *argv_to_json(char *const *argv)
{
	json_t *array = argv ? json_array() : json_null();

	for (; argv && *argv; argv++)
		if (json_array_append_new(array, json_string_nocheck(*argv))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *hooks_to_json(const struct model_strategy *s)
{
	json_t *array =
		fields_put_all(FIELDS(hook_fields), s->hooks, sizeof(*s->hooks), s->hook_count);

	for (size_t i = 0; i < s->hook_count; i++)
		if (json_object_set_new(json_array_get(array, i), "argv",
					argv_to_json(s->hooks[i].argv))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

struct json_t *plan_to_json(const struct model_strategy *s)
{
	const struct strategy_analysis *a = &s->analysis;
	json_t *plan = fields_put(FIELDS(strategy_fields), s);
	json_t *analysis = fields_put(FIELDS(analysis_fields), a);
	int error = json_object_set_new(analysis, "metrics",
					fields_put_all(FIELDS(metric_fields), a->metrics,
						       sizeof(*a->metrics), a->metric_count));

	error |= json_object_set_new(plan, "analysis", analysis);
	error |= json_object_set_new(
		plan, "steps",
		fields_put_all(FIELDS(step_fields), s->steps, sizeof(*s->steps), s->step_count));
	error |= json_object_set_new(plan, "after_batch",
				     fields_put(FIELDS(step_fields), &s->after_batch));
	error |= json_object_set_new(plan, "hooks", hooks_to_json(s));
	if (!error)
		return plan;
	json_decref(plan);
	return NULL;
}

/* Room for a list; count is set when it is there, for strategy_fini(). */
static int make_room(const json_t *array, size_t max, size_t size, void **out, size_t *count)
{
	if (!json_is_array(array) || json_array_size(array) > max)
		return -EINVAL;
	*out = calloc(json_array_size(array) + 1, size);
	if (!*out)
		return -ENOMEM;
	*count = json_array_size(array);
	return 0;
}

static int read_steps(const json_t *array, struct model_strategy *out)
{
	void *steps = NULL;
	int error =
		make_room(array, STRATEGY_STEPS_MAX, sizeof(*out->steps), &steps, &out->step_count);

	if (error)
		return error;
	out->steps = steps;
	error = fields_get_all(FIELDS(step_fields), array, out->steps, sizeof(*out->steps));
	for (size_t i = 0; !error && i < out->step_count; i++)
		if (out->steps[i].weight_ppm > MODEL_PPM_ALL)
			error = -EINVAL;
	return error;
}

static int read_metrics(const json_t *array, struct strategy_analysis *out)
{
	void *metrics = NULL;
	int error = make_room(array, STRATEGY_METRICS_MAX, sizeof(*out->metrics), &metrics,
			      &out->metric_count);

	if (error)
		return error;
	out->metrics = metrics;
	error = fields_get_all(FIELDS(metric_fields), array, out->metrics, sizeof(*out->metrics));
	for (size_t i = 0; !error && i < out->metric_count; i++)
		if (!out->metrics[i].name || !out->metrics[i].query)
			error = -EINVAL;
	return error;
}

static int read_argv(const json_t *array, char ***out)
{
	if (json_is_null(array))
		return 0;
	if (!json_is_array(array) || !json_array_size(array) ||
	    json_array_size(array) > ARGUMENTS_MAX)
		return -EINVAL;
	*out = calloc(json_array_size(array) + 1, sizeof(**out));
	for (size_t i = 0; *out && i < json_array_size(array); i++) {
		const json_t *argument = json_array_get(array, i);
		const char *text = json_string_value(argument);

		if (!text || strlen(text) != json_string_length(argument))
			return -EINVAL;
		(*out)[i] = strdup(text);
		if (!(*out)[i])
			return -ENOMEM;
	}
	return *out ? 0 : -ENOMEM;
}

static int read_hooks(const json_t *array, struct model_strategy *out)
{
	void *hooks = NULL;
	int error =
		make_room(array, STRATEGY_HOOKS_MAX, sizeof(*out->hooks), &hooks, &out->hook_count);

	if (error)
		return error;
	out->hooks = hooks;
	error = fields_get_all(FIELDS(hook_fields), array, out->hooks, sizeof(*out->hooks));
	for (size_t i = 0; !error && i < out->hook_count; i++) {
		struct strategy_hook *h = &out->hooks[i];

		error = read_argv(json_object_get(json_array_get(array, i), "argv"), &h->argv);
		if (!error && (!h->name || !h->argv == !h->url))
			error = -EINVAL;
	}
	return error;
}

int plan_from_json(const struct json_t *json, struct model_strategy *out)
{
	const json_t *analysis = json_object_get(json, "analysis");
	int error;

	*out = (struct model_strategy){0};
	error = fields_get(FIELDS(strategy_fields), json, out);
	if (!error)
		error = fields_get(FIELDS(analysis_fields), analysis, &out->analysis);
	if (!error)
		error = read_metrics(json_object_get(analysis, "metrics"), &out->analysis);
	if (!error)
		error = read_steps(json_object_get(json, "steps"), out);
	if (!error && json_object_get(json, "after_batch")) /* those of before have none */
		error = fields_get(FIELDS(step_fields), json_object_get(json, "after_batch"),
				   &out->after_batch);
	if (!error)
		error = read_hooks(json_object_get(json, "hooks"), out);
	return error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/strategy.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_OF(names, value) \
	((size_t)(value) < sizeof(names) / sizeof(*(names)) ? (names)[value] : "?")

static const char *const type_names[] = {"canary", "blue-green", "rolling"};
static const char *const finish_names[] = {"swap", "return"};
static const char *const flows_names[] = {"leave", "drain", "reset"};
static const char *const on_failure_names[] = {"rollback", "pause"};
static const char *const moment_names[] = {
	"start", "step", "batch", "promotion", "upgrade", "rollback", "end", "event",
};

static_assert(sizeof(type_names) / sizeof(*type_names) == STRATEGY_TYPE_MAX, "a name each");
static_assert(sizeof(finish_names) / sizeof(*finish_names) == STRATEGY_FINISH_MAX, "a name each");
static_assert(sizeof(flows_names) / sizeof(*flows_names) == STRATEGY_FLOWS_MAX, "a name each");
static_assert(sizeof(on_failure_names) / sizeof(*on_failure_names) == STRATEGY_ON_FAILURE_MAX,
	      "a name each");
static_assert(sizeof(moment_names) / sizeof(*moment_names) == STRATEGY_MOMENT_MAX, "a name each");

const char *strategy_type_name(enum strategy_type t)
{
	return NAME_OF(type_names, t);
}

const char *strategy_finish_name(enum strategy_finish f)
{
	return NAME_OF(finish_names, f);
}

const char *strategy_flows_name(enum strategy_flows f)
{
	return NAME_OF(flows_names, f);
}

const char *strategy_on_failure_name(enum strategy_on_failure f)
{
	return NAME_OF(on_failure_names, f);
}

const char *strategy_moment_name(enum strategy_moment m)
{
	return NAME_OF(moment_names, m);
}

void strategy_init(struct model_strategy *s)
{
	*s = (struct model_strategy){
		.analysis = {.has_kernel = true,
			     .alpha = 0.01,
			     .beta = 0.05,
			     .harm_ratio = 1.25,
			     .fine_ratio = 2,
			     .kayenta_pass = NAN,
			     .kayenta_marginal = NAN,
			     .interval_ms = 60000},
		.drain_ms = 60000,
		.batch = 1,
		.min_healthy = 1,
		.health_ms = 60000,
	};
}

static void free_hook(struct strategy_hook *h)
{
	for (char **arg = h->argv; arg && *arg; arg++)
		free(*arg);
	free(h->argv);
	free(h->name);
	free(h->url);
}

void strategy_fini(struct model_strategy *s)
{
	struct strategy_analysis *a = &s->analysis;

	for (size_t i = 0; a->metrics && i < a->metric_count; i++) {
		free(a->metrics[i].name);
		free(a->metrics[i].query);
	}
	for (size_t i = 0; s->hooks && i < s->hook_count; i++)
		free_hook(&s->hooks[i]);
	free(a->metrics);
	free(a->prometheus_url);
	free(a->prometheus_auth);
	free(a->kayenta_config);
	free(s->hooks);
	free(s->steps);
	*s = (struct model_strategy){0};
}

static int copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_argv(char *const *from, char ***to)
{
	size_t count = 0;

	*to = NULL;
	if (!from)
		return 0;
	while (from[count])
		count++;
	*to = calloc(count + 1, sizeof(**to));
	if (!*to)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (copy_text(from[i], &(*to)[i]))
			return -ENOMEM;
	return 0;
}

static int copy_steps(const struct model_strategy *from, struct model_strategy *to)
{
	to->steps = calloc(from->step_count + 1, sizeof(*to->steps));
	if (!to->steps)
		return -ENOMEM;
	if (from->step_count)
		memcpy(to->steps, from->steps, from->step_count * sizeof(*to->steps));
	to->step_count = from->step_count;
	return 0;
}

static int copy_metrics(const struct strategy_analysis *from, struct strategy_analysis *to)
{
	to->metrics = calloc(from->metric_count + 1, sizeof(*to->metrics));
	if (!to->metrics)
		return -ENOMEM;
	for (; to->metric_count < from->metric_count; to->metric_count++) {
		const struct strategy_metric *of = &from->metrics[to->metric_count];
		struct strategy_metric *copy = &to->metrics[to->metric_count];

		*copy = *of;
		copy->query = NULL;
		if (copy_text(of->name, &copy->name) || copy_text(of->query, &copy->query)) {
			to->metric_count++;
			return -ENOMEM;
		}
	}
	return 0;
}

static int copy_hook(const struct strategy_hook *from, struct strategy_hook *to)
{
	*to = *from;
	to->url = to->name = NULL;
	return copy_argv(from->argv, &to->argv) || copy_text(from->name, &to->name) ||
			       copy_text(from->url, &to->url)
		       ? -ENOMEM
		       : 0;
}

static int copy_hooks(const struct model_strategy *from, struct model_strategy *to)
{
	to->hooks = calloc(from->hook_count + 1, sizeof(*to->hooks));
	if (!to->hooks)
		return -ENOMEM;
	while (to->hook_count < from->hook_count) {
		size_t i = to->hook_count++;

		if (copy_hook(&from->hooks[i], &to->hooks[i]))
			return -ENOMEM;
	}
	return 0;
}

static int copy_analysis(const struct strategy_analysis *from, struct strategy_analysis *to)
{
	return copy_text(from->prometheus_url, &to->prometheus_url) ||
			       copy_text(from->prometheus_auth, &to->prometheus_auth) ||
			       copy_text(from->kayenta_config, &to->kayenta_config) ||
			       copy_metrics(from, to)
		       ? -ENOMEM
		       : 0;
}

int strategy_copy(const struct model_strategy *from, struct model_strategy *to)
{
	struct model_strategy copy = *from;

	copy.steps = NULL;
	copy.hooks = NULL;
	copy.step_count = copy.hook_count = copy.analysis.metric_count = 0;
	copy.analysis.metrics = NULL;
	copy.analysis.prometheus_url = copy.analysis.prometheus_auth = NULL;
	copy.analysis.kayenta_config = NULL;
	if (copy_steps(from, &copy) || copy_hooks(from, &copy) ||
	    copy_analysis(&from->analysis, &copy.analysis)) {
		strategy_fini(&copy);
		return -ENOMEM;
	}
	*to = copy;
	return 0;
}

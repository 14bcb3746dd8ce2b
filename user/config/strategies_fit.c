// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/service.h"
#include "config/strategies.h"
#include "config/suggest.h"
#include "model/model.h"
#include "model/query.h"

/* A service and its strategy; what does not fit is shown where the one names the other. */
struct fit {
	struct reader *r;
	const struct model_service *svc;
	const struct model_strategy *strategy;
	struct place at;
};

static void check_role(const struct fit *fit, const char *role, const char *name)
{
	const struct model_service *svc = fit->svc;
	int pool = model_find_pool(svc, name);
	struct suggest near = {.text = name};
	char hint[SUGGEST_HINT_LEN];

	if (pool >= 0 && (size_t)pool == svc->primary)
		errors_add(&fit->r->errors, fit->at,
			   "'%s' is this service's primary, and the %s of the strategy '%s'; "
			   "that has to be another pool",
			   name, role, fit->strategy->name);
	if (!*name || pool >= 0)
		return;
	for (size_t i = 0; i < svc->pool_count; i++)
		suggest_offer(&near, svc->pools[i].name);
	errors_add(&fit->r->errors, fit->at,
		   "the %s of the strategy '%s' is '%s', and this service has no such pool%s", role,
		   fit->strategy->name, name, suggest_hint(&near, hint));
}

/* Of the pools that the strategy leaves alone. */
static uint32_t others_ppm(const struct fit *fit)
{
	const struct model_strategy *s = fit->strategy;
	uint32_t sum = 0;

	for (size_t i = 0; i < fit->svc->pool_count; i++) {
		const struct model_pool *pool = &fit->svc->pools[i];

		if (strcmp(pool->name, s->candidate) && strcmp(pool->name, s->baseline))
			sum += pool->weight_ppm;
	}
	return sum;
}

static void check_room(const struct fit *fit)
{
	const struct model_strategy *s = fit->strategy;
	uint64_t others = others_ppm(fit), copies = *s->baseline ? 2 : 1;

	for (size_t i = 0; i < s->step_count; i++) {
		uint64_t need = copies * s->steps[i].weight_ppm;

		if (need + others <= MODEL_PPM_ALL)
			continue;
		errors_add(&fit->r->errors, fit->at,
			   "step %zu of the strategy '%s' has no room: %g %% for the candidate%s, "
			   "and other pools of this service have %g %%",
			   i + 1, s->name, need / 1e4, *s->baseline ? " and the baseline" : "",
			   others / 1e4);
		return;
	}
}

static void check_batch(const struct fit *fit)
{
	const struct model_pool *primary = &fit->svc->pools[fit->svc->primary];

	if (primary->backend_count && primary->backend_count <= fit->strategy->min_healthy)
		errors_add(&fit->r->errors, fit->at,
			   "the pool '%s' has %zu backends, of which the strategy '%s' keeps %u "
			   "('min_healthy'): none could ever be taken out",
			   primary->name, primary->backend_count, fit->strategy->name,
			   fit->strategy->min_healthy);
}

/* A name that cannot stand where a query puts it. */
static bool check_query(const struct fit *fit, const struct strategy_metric *metric,
			const char *pool, const char *control)
{
	const struct query_values values = {
		.service = fit->svc->name, .pool = pool, .control = control, .step_ms = 1000};
	struct query_error error;
	char *query = NULL;
	int err = query_expand(metric->query, &values, &query, &error);

	if (err == -ENOMEM)
		fit->r->errors.is_no_memory = true;
	if (err == -EINVAL)
		errors_add(&fit->r->errors, fit->at,
			   "the query of '%s' in the strategy '%s', character %zu: %s",
			   metric->name, fit->strategy->name, error.column, error.text);
	free(query);
	return !err;
}

/* Candidate and primary change places with each release. */
static void check_queries(const struct fit *fit)
{
	const struct model_strategy *s = fit->strategy;
	const char *primary = fit->svc->pools[fit->svc->primary].name;
	const char *candidate = *s->candidate ? s->candidate : primary;

	for (size_t i = 0; i < s->analysis.metric_count; i++) {
		const struct strategy_metric *metric = &s->analysis.metrics[i];
		struct query_error error;

		if (!metric->name || !metric->query || query_check(metric->query, &error))
			continue; /* said already */
		if (check_query(fit, metric, candidate, *s->baseline ? s->baseline : primary))
			check_query(fit, metric, primary, *s->baseline ? s->baseline : candidate);
	}
}

/* Where a pool lacks its name, an unknown one may well be that one's. */
static bool is_readable(const struct model_service *svc)
{
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!*svc->pools[i].name)
			return false;
	return svc->pool_count && svc->primary < svc->pool_count;
}

void strategies_validate(struct reader *r, const struct node *root)
{
	const struct model *m = r->model;
	const struct node *node = node_items(root, "services");

	for (size_t i = 0; i < m->service_count; i++, node = node->next) {
		const struct model_service *svc = &m->services[i];
		struct fit fit = {.r = r, .svc = svc, .at = node_place(node, "strategy")};
		size_t errors = r->errors.all.count;

		if (!svc->strategy || !is_readable(svc))
			continue;
		fit.strategy = &m->strategies[svc->strategy - 1];
		check_role(&fit, "candidate", fit.strategy->candidate);
		check_role(&fit, "baseline", fit.strategy->baseline);
		if (r->errors.all.count == errors && *fit.strategy->candidate)
			check_room(&fit);
		if (fit.strategy->type == STRATEGY_ROLLING)
			check_batch(&fit);
		if (r->errors.all.count == errors && *svc->name)
			check_queries(&fit);
	}
}

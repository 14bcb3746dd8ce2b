// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about what guards pools: all of a service's but the primary. */
#include "dataplane/plan.h"

#include <string.h>

#include "lib/log.h"

static struct dp_guard_settings wanted(const struct service_plan *s, size_t pool)
{
	const struct model_service *m = s->model;
	uint64_t ticks = (uint64_t)dp_ticks_per_second();

	if (pool == s->primary)
		return (struct dp_guard_settings){0};
	return (struct dp_guard_settings){
		.failover = m->syn_failover,
		.flows = m->exposure.flows,
		.flows_per_second = m->exposure.flows_per_second,
		.budget = m->breaker.failures,
		.window_jiffies = m->breaker.window_ms * ticks / 1000,
		.recover_jiffies = m->breaker.recover_ms * ticks / 1000,
	};
}

/* ---- telling ---- */

static void tell_breaker(struct plan *p, const char *service, const char *pool,
			 const struct dp_guard_settings *s)
{
	double ticks = (double)dp_ticks_per_second();

	if (s->budget)
		plan_tell(p,
			  "~ service %s: pool %s: breaker of %u failures in %g s, recovers "
			  "after %g s",
			  service, pool, s->budget, (double)s->window_jiffies / ticks,
			  (double)s->recover_jiffies / ticks);
	else
		plan_tell(p, "~ service %s: pool %s: no breaker", service, pool);
}

static void tell_failover(struct plan *p, const char *service, const char *pool,
			  const struct dp_guard_settings *s)
{
	if (s->failover)
		plan_tell(p, "~ service %s: pool %s: syn_failover %u", service, pool, s->failover);
	else
		plan_tell(p, "~ service %s: pool %s: no syn_failover", service, pool);
}

/* "12", or "any number of" where there is no cap. */
static const char *cap_text(uint32_t cap, char text[16])
{
	if (!cap)
		return "any number of";
	snprintf(text, 16, "%u", cap);
	return text;
}

static void tell_exposure(struct plan *p, const char *service, const char *pool,
			  const struct dp_guard_settings *s)
{
	char flows[16], rate[16];

	plan_tell(p, "~ service %s: pool %s: exposure of %s flows, %s new ones a second", service,
		  pool, cap_text(s->flows, flows), cap_text(s->flows_per_second, rate));
}

void plan_guards(const struct dataplane *dp, struct plan *p, const struct service_plan *s)
{
	const struct model_service *m = s->model;

	for (size_t i = 0; i < m->pool_count; i++) {
		const struct serin_guard *g = &dp->guards[dp_pool_index(s->id, s->slot[i])];
		struct dp_guard_settings settings = wanted(s, i);

		if (s->is_new || s->is_new_slot[i])
			continue;
		if (!dp_guard_has_breaker(g, &settings))
			tell_breaker(p, m->name, m->pools[i].name, &settings);
		if (g->failover != settings.failover)
			tell_failover(p, m->name, m->pools[i].name, &settings);
		if (!dp_guard_has_exposure(g, &settings))
			tell_exposure(p, m->name, m->pools[i].name, &settings);
	}
}

/* ---- carrying out ---- */

int plan_commit_guards(struct dataplane *dp, const struct service_plan *s)
{
	const struct model_service *m = s->model;
	int error = 0;

	for (size_t i = 0; !error && i < m->pool_count; i++) {
		uint32_t index = dp_pool_index(s->id, s->slot[i]);
		struct dp_guard_settings settings = wanted(s, i);

		if (s->is_new_slot[i])
			memset(&dp->guards[index], 0, sizeof(dp->guards[index]));
		error = dp_guard_set(dp, s->id, s->slot[i], &settings);
		if (error)
			log_error("service %s: pool %s: cannot make room for %u flows: %s", m->name,
				  m->pools[i].name, settings.flows, strerror(-error));
	}
	return error;
}

void plan_forget_guard(struct dataplane *dp, uint32_t pool_index)
{
	struct serin_guard *g = &dp->guards[pool_index];

	if (g->flows)
		dp_seats_set(dp, pool_index, 0);
	g->budget = g->failover = g->flows_per_second = 0;
}

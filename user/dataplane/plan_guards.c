// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about what guards pools: all of a service's but the primary. */
#include "dataplane/plan.h"

#include <string.h>

/* What of a guard user space sets. */
struct settings {
	uint32_t failover;
	uint32_t flows_per_second;
	uint32_t budget;
	uint64_t window_jiffies;
	uint64_t recover_jiffies;
};

static struct settings wanted(const struct model_service *m, size_t pool)
{
	uint64_t ticks = (uint64_t)dp_ticks_per_second();

	if (pool == m->primary)
		return (struct settings){0};
	return (struct settings){
		.failover = m->syn_failover,
		.flows_per_second = m->exposure.flows_per_second,
		.budget = m->breaker.failures,
		.window_jiffies = m->breaker.window_s * ticks,
		.recover_jiffies = m->breaker.recover_s * ticks,
	};
}

static bool is_set(const struct serin_guard *g, const struct settings *s)
{
	return g->failover == s->failover && g->flows_per_second == s->flows_per_second &&
	       g->budget == s->budget &&
	       (!s->budget || (g->window_jiffies == s->window_jiffies &&
			       g->recover_jiffies == s->recover_jiffies));
}

void plan_guards(const struct dataplane *dp, struct plan *p, const struct service_plan *s)
{
	const struct model_service *m = s->model;

	for (size_t i = 0; i < m->pool_count; i++) {
		struct settings settings = wanted(m, i);

		if (s->is_new || s->is_new_slot[i] ||
		    is_set(&dp->guards[dp_pool_index(s->id, s->slot[i])], &settings))
			continue;
		if (dp->guards[dp_pool_index(s->id, s->slot[i])].failover != settings.failover)
			plan_tell(p, "~ service %s: pool %s: syn_failover %u", m->name,
				  m->pools[i].name, settings.failover);
		else if (dp->guards[dp_pool_index(s->id, s->slot[i])].flows_per_second !=
			 settings.flows_per_second)
			plan_tell(p, "~ service %s: pool %s: exposure of %u flows per second",
				  m->name, m->pools[i].name, settings.flows_per_second);
		else if (settings.budget)
			plan_tell(p,
				  "~ service %s: pool %s: breaker of %u failures in %u s, recovers "
				  "after %u s",
				  m->name, m->pools[i].name, m->breaker.failures,
				  m->breaker.window_s, m->breaker.recover_s);
		else
			plan_tell(p, "~ service %s: pool %s: no breaker", m->name,
				  m->pools[i].name);
	}
}

/* Set last, the budget makes it be asked: what it was before, if it is new, must not count. */
void plan_commit_guards(struct dataplane *dp, const struct service_plan *s)
{
	const struct model_service *m = s->model;

	for (size_t i = 0; i < m->pool_count; i++) {
		struct serin_guard *g = &dp->guards[dp_pool_index(s->id, s->slot[i])];
		struct settings settings = wanted(m, i);

		if (s->is_new_slot[i])
			memset(g, 0, sizeof(*g));
		if (is_set(g, &settings))
			continue;
		if (!g->budget)
			g->phase = g->window = g->probe = 0;
		g->window_jiffies = settings.window_jiffies;
		g->recover_jiffies = settings.recover_jiffies;
		__atomic_store_n(&g->budget, settings.budget, __ATOMIC_RELEASE);
		__atomic_store_n(&g->failover, settings.failover, __ATOMIC_RELAXED);
		if (g->flows_per_second != settings.flows_per_second) {
			g->cap_full = 0; /* it was in units of the other */
			__atomic_store_n(&g->flows_per_second, settings.flows_per_second,
					 __ATOMIC_RELAXED);
		}
		if (settings.budget || settings.failover) /* it hears of sampled flows alone */
			__atomic_store_n(&dp->services[s->id].sample_mask[s->slot[i]], 0,
					 __ATOMIC_RELAXED);
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What pools got in a rollout's time: counters are the pool's since it was made, so what they were at the
 * start is kept; and what pools were at the end is, for there may be others by then, or none.
 */
#include <string.h>

#include "agent/rollout_internal.h"

/* ---- counters at the start ---- */

static uint64_t start_of(const struct rollout_run *run, const char *pool, const char *key)
{
	const json_t *start = json_object_get(run->counted, pool);

	return (uint64_t)json_integer_value(json_object_get(start, key));
}

static void count_from(struct rollout_run *run, const char *pool, uint64_t flows, uint64_t failures)
{
	json_object_set_new(run->counted, pool,
			    json_pack("{s:I, s:I}", "flows", (json_int_t)flows, "failures",
				      (json_int_t)failures));
	run->is_dirty = true;
}

struct rollout_counts rollout_counts_of(const struct rollout_run *run,
					const struct snapshot_pool *pool)
{
	struct rollout_counts start = {start_of(run, pool->name, "flows"),
				       start_of(run, pool->name, "failures")};
	uint64_t flows = pool->counters.flows, failures = pool->counters.signals.failures;

	return (struct rollout_counts){
		.flows = flows > start.flows ? flows - start.flows : 0,
		.failures = failures > start.failures ? failures - start.failures : 0,
	};
}

/* A pool that is made anew counts from nothing. */
void rollout_counts_look(struct rollout_run *run, const struct snapshot_service *svc)
{
	bool is_first = !run->counted;

	if (is_first)
		run->counted = json_object();
	for (size_t i = 0; i < svc->pool_count; i++) {
		const struct snapshot_pool *pool = &svc->pools[i];
		uint64_t flows = pool->counters.flows, failures = pool->counters.signals.failures;

		if (is_first)
			count_from(run, pool->name, flows, failures);
		else if (flows < start_of(run, pool->name, "flows") ||
			 failures < start_of(run, pool->name, "failures"))
			count_from(run, pool->name, 0, 0);
	}
}

/* ---- pools at the end ---- */

void rollout_pools_freeze(struct rollout_run *run)
{
	struct snapshot *s = rollouts_snapshot(run->all);
	json_t *pools = rollout_pools_now_json(run, s);

	snapshot_free(s);
	json_decref(run->ended_pools);
	run->ended_pools = pools;
}

/* Of one that is kept without: its split is all that is known. */
static json_t *split_json(const struct rollout_run *run)
{
	const struct rollout_split *split = &run->state.found;
	json_t *pools = json_array();

	for (size_t i = 0; i < split->count; i++)
		json_array_append_new(pools, rollout_share_json(run, &split->of[i]));
	return pools;
}

json_t *rollout_pools_json(const struct rollout_run *run, const struct snapshot *s)
{
	if (!rollout_run_has_ended(run))
		return rollout_pools_now_json(run, s);
	return json_array_size(run->ended_pools) ? json_incref(run->ended_pools) : split_json(run);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards as the maps hold them, and the end of what they make of a service. */
#include "dataplane/internal.h"

#include <errno.h>
#include <stdlib.h>

enum serin_breaker_state dp_breaker_state(const struct serin_guard *g)
{
	uint64_t phase = __atomic_load_n(&g->phase, __ATOMIC_ACQUIRE);

	if (!g->budget)
		return SERIN_BREAKER_CLOSED;
	return (enum serin_breaker_state)(phase & SERIN_PHASE_STATE_MASK);
}

const char *breaker_state_name(enum serin_breaker_state state)
{
	static const char *const names[] = {"closed", "open", "probing"};

	_Static_assert(sizeof(names) / sizeof(*names) == SERIN_BREAKER_STATE_MAX, "a name each");
	return (unsigned int)state < SERIN_BREAKER_STATE_MAX ? names[state] : "unknown";
}

bool dp_guard_diverts(const struct dataplane *dp, uint32_t pool_index)
{
	return dp_breaker_state(&dp->guards[pool_index]) != SERIN_BREAKER_CLOSED;
}

static bool is_any_open(const struct dataplane *dp, uint32_t service)
{
	for (uint32_t pool = 0; pool < SERIN_MAX_POOLS; pool++)
		if (dp_guard_diverts(dp, dp_pool_index(service, pool)))
			return true;
	return false;
}

/* What was read of `diverts` before anything was looked at; a guard that trips since adds to it. */
static size_t find_diverting(const struct dataplane *dp, uint32_t *seen, uint8_t *flags)
{
	size_t count = 0;

	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		seen[id] = __atomic_load_n(&dp->services[id].diverts, __ATOMIC_ACQUIRE);
		flags[id] = dp->info[id].name[0] && seen[id] && !is_any_open(dp, id);
		count += flags[id];
	}
	return count;
}

/*
 * The end of asking the flow table, for services no guard of which keeps flows from its pool, once no
 * flow lives that one has sent elsewhere. What is left of those that are over must not be met again.
 */
static int end_diverting(struct dataplane *dp, const uint32_t *seen, uint8_t *flags)
{
	uint64_t now_jiffies;
	int error;

	dp_wait_for_packets(); /* those that found a guard open have remembered their flows */
	error = dp_flows_agree(dp, flags);
	if (!error)
		error = dp_jiffies(dp, &now_jiffies);
	if (error)
		return error;
	dp_flows_forget_dead(dp, flags, now_jiffies);
	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		uint32_t expected = seen[id];

		if (flags[id])
			__atomic_compare_exchange_n(&dp->services[id].diverts, &expected, 0, false,
						    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
	return 0;
}

int dp_guards_settle(struct dataplane *dp)
{
	uint32_t *seen = calloc(dp->meta.max_services + 1, sizeof(*seen));
	uint8_t *flags = calloc(dp->meta.max_services + 1, 1);
	int error = seen && flags ? 0 : -ENOMEM;

	if (!error && find_diverting(dp, seen, flags))
		error = end_diverting(dp, seen, flags);
	free(seen);
	free(flags);
	return error;
}

/* ---- what user space sets ---- */

bool dp_guard_has_breaker(const struct serin_guard *g, const struct dp_guard_settings *s)
{
	return g->budget == s->budget && (!s->budget || (g->window_jiffies == s->window_jiffies &&
							 g->recover_jiffies == s->recover_jiffies));
}

bool dp_guard_has_exposure(const struct serin_guard *g, const struct dp_guard_settings *s)
{
	return g->flows == s->flows && g->flows_per_second == s->flows_per_second;
}

void dp_guard_settings(const struct serin_guard *g, struct dp_guard_settings *out)
{
	*out = (struct dp_guard_settings){
		.failover = g->failover,
		.flows = g->flows,
		.flows_per_second = g->flows_per_second,
		.budget = g->budget,
		.window_jiffies = g->window_jiffies,
		.recover_jiffies = g->recover_jiffies,
	};
}

/* Set last, the budget makes it be asked: what it was before, if it is new, must not count. */
static void commit_breaker(struct serin_guard *g, const struct dp_guard_settings *s)
{
	if (dp_guard_has_breaker(g, s))
		return;
	if (!g->budget)
		g->phase = g->window = g->probe = 0;
	g->window_jiffies = s->window_jiffies;
	g->recover_jiffies = s->recover_jiffies;
	__atomic_store_n(&g->budget, s->budget, __ATOMIC_RELEASE);
}

static int commit_exposure(struct dataplane *dp, uint32_t pool_index,
			   const struct dp_guard_settings *s)
{
	struct serin_guard *g = &dp->guards[pool_index];

	if (g->flows_per_second != s->flows_per_second) {
		g->cap_full = 0; /* it was in units of the other */
		__atomic_store_n(&g->flows_per_second, s->flows_per_second, __ATOMIC_RELAXED);
	}
	return g->flows == s->flows ? 0 : dp_seats_set(dp, pool_index, s->flows);
}

int dp_guard_set(struct dataplane *dp, uint32_t service, uint8_t slot,
		 const struct dp_guard_settings *s)
{
	uint32_t index = dp_pool_index(service, slot);
	struct serin_guard *g = &dp->guards[index];

	commit_breaker(g, s);
	__atomic_store_n(&g->failover, s->failover, __ATOMIC_RELAXED);
	if (s->budget || s->failover) /* it hears of sampled flows alone */
		__atomic_store_n(&dp->services[service].sample_mask[slot], 0, __ATOMIC_RELAXED);
	return commit_exposure(dp, index, s);
}

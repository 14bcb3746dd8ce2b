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

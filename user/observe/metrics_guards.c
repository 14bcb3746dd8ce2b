// SPDX-License-Identifier: GPL-2.0-or-later
/* Families of what guards pools: of those that are guarded. */
#include "dataplane/dataplane.h"
#include "observe/metrics_text.h"

typedef void guard_writer(FILE *out, const char *family, const struct snapshot_service *svc,
			  const struct snapshot_pool *pool);

static void write_guards(FILE *out, const struct snapshot *s, const char *family,
			 guard_writer *write)
{
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t k = 0; k < s->services[i].pool_count; k++)
			write(out, family, &s->services[i], &s->services[i].pools[k]);
}

static void breaker_state(FILE *out, const char *family, const struct snapshot_service *svc,
			  const struct snapshot_pool *pool)
{
	for (int state = 0; pool->guard.budget && state < SERIN_BREAKER_STATE_MAX; state++) {
		metrics_put_pool(out, family, svc, pool);
		metrics_put_label(out, ",", "state", breaker_state_name(state));
		metrics_put_value(out, pool->guard.state == (enum serin_breaker_state)state);
	}
}

static void breaker_trips(FILE *out, const char *family, const struct snapshot_service *svc,
			  const struct snapshot_pool *pool)
{
	if (!pool->guard.budget)
		return;
	metrics_put_pool(out, family, svc, pool);
	metrics_put_value(out, pool->guard.trips);
}

static void moved_flows(FILE *out, const char *family, const struct snapshot_service *svc,
			const struct snapshot_pool *pool)
{
	const struct snapshot_guard *g = &pool->guard;
	const struct {
		bool is_set;
		enum serin_event_cause cause;
		uint64_t flows;
	} reasons[] = {
		{g->budget, SERIN_EVENT_CAUSE_BREAKER, g->moved},
		{g->failover, SERIN_EVENT_CAUSE_SYN_FAILOVER, g->failed_over},
		{g->flows || g->flows_per_second, SERIN_EVENT_CAUSE_EXPOSURE, g->capped},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (!reasons[i].is_set)
			continue;
		metrics_put_pool(out, family, svc, pool);
		metrics_put_label(out, ",", "reason", event_cause_name(reasons[i].cause));
		metrics_put_value(out, reasons[i].flows);
	}
}

void metrics_write_guards(const struct snapshot *s, FILE *out)
{
	metrics_put_head(out, "serin_pool_breaker_state", METRICS_GAUGE,
			 "1 for the state the pool's breaker is in: open, new flows go to the "
			 "primary.");
	write_guards(out, s, "serin_pool_breaker_state", breaker_state);
	metrics_put_head(out, "serin_pool_breaker_trips_total", METRICS_COUNTER,
			 "How often the pool's breaker opened.");
	write_guards(out, s, "serin_pool_breaker_trips_total", breaker_trips);
	metrics_put_head(out, "serin_pool_moved_flows_total", METRICS_COUNTER,
			 "Flows of the pool that a guard sent to the primary.");
	write_guards(out, s, "serin_pool_moved_flows_total", moved_flows);
}

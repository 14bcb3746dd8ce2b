// SPDX-License-Identifier: GPL-2.0-or-later
/* Living flows: of backends that drain, and of a candidate that is taken back. */
#include <errno.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "lib/log.h"
#include "lib/net.h"

/* Half of what an epoch in a flow counts to. */
#define EPOCHS (SERIN_FLOW_EPOCH_MASK / 2)
/* A flow is found with the first packet after its place began to move. So long they are waited for. */
#define SEEN_MS	   3000
#define REMEMBER_S 600u

static void count_backend(struct rollout_run *run, const struct flow_view *flow)
{
	char name[NET_ENDPOINT_LEN];

	net_format_endpoint(&flow->backend, flow->backend_port, name);
	for (size_t i = 0; i < run->look.backend_count; i++)
		if (!strcmp(run->backends[i].name, name))
			run->backends[i].flows++;
}

static int see(const struct flow_view *flow, void *arg)
{
	struct rollout_run *run = arg;
	uint32_t age = (flow->epoch - run->first_epoch) & SERIN_FLOW_EPOCH_MASK;

	if (strcmp(flow->service, run->state.service))
		return 0;
	if (run->state.plan.type == STRATEGY_ROLLING)
		count_backend(run, flow);
	else if (!strcmp(flow->pool, run->state.candidate) && age <= EPOCHS)
		run->look.has_flows = true;
	return 0;
}

static bool is_asked(const struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;

	if (s->plan.type == STRATEGY_ROLLING)
		return s->drain_count > 0;
	return s->phase == ROLLOUT_ROLLING_BACK && s->plan.flows != STRATEGY_FLOWS_LEAVE &&
	       !run->is_reset_refused;
}

/* Backends that have begun to drain just now may have flows that nobody has seen. */
static void doubt(struct rollout_run *run)
{
	if (run->state.stage_ms >= SEEN_MS)
		return;
	run->look.has_flows = true;
	for (size_t i = 0; i < run->look.backend_count; i++)
		if (run->backends[i].is_drained)
			run->backends[i].flows++;
}

/* A walk over the flow table, which takes long: only while somebody has to know. */
void rollout_flows_look(struct rollout_run *run)
{
	struct dataplane *dp;

	if (!is_asked(run))
		return;
	doubt(run);
	if (dataplane_open(run->all->dir, DATAPLANE_READ, &dp))
		return;
	dataplane_each_flow(dp, see, run);
	dataplane_close(dp);
}

/*
 * Had the service settled amid a rollout, flows of the candidate born since would not be in the flow table,
 * and none that is idle would be found. So for as long as somebody looks it does not.
 */
int rollout_flows_remember(struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;
	uint64_t now_ms = rollout_now_ms();
	struct dataplane *dp;
	int result;

	if (s->plan.type == STRATEGY_ROLLING || s->plan.flows == STRATEGY_FLOWS_LEAVE ||
	    (run->remembered_ms && now_ms < run->remembered_ms + REMEMBER_S * 1000 / 4))
		return 0;
	result = dataplane_open(run->all->dir, DATAPLANE_TRY_WRITE, &dp);
	if (result)
		return result == -EAGAIN ? result : 0;
	if (!dataplane_remember_flows(dp, s->service, REMEMBER_S))
		run->remembered_ms = now_ms;
	dataplane_close(dp);
	return 0;
}

/* 0, or -EAGAIN: somebody else writes. */
int rollout_flows_reset(struct rollout_run *run)
{
	struct dataplane *dp;
	int result;

	if (!run->state.wants_reset)
		return 0;
	result = dataplane_open(run->all->dir, DATAPLANE_TRY_WRITE, &dp);
	if (result)
		return result == -EAGAIN ? result : 0;
	result = dataplane_reset_flows(dp, run->state.service, run->state.candidate,
				       run->first_epoch);
	dataplane_close(dp);
	run->is_reset_refused = result < 0;
	if (result < 0)
		rollout_run_trouble(run, "flows of %s cannot be reset: %s", run->state.candidate,
				    strerror(-result));
	else if (result)
		log_info("service %s: %d flows of %s are reset", run->state.service, result,
			 run->state.candidate);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Settling: once every flow that may have been born before a service's last change has sent a packet
 * since, or been idle for so long that it is over, and no living entry disagrees with the current
 * choice, that choice becomes the base and the flow table is not asked any more.
 */
#include "dataplane/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/routes.h"
#include "lib/log.h"

struct settling {
	struct dataplane *dp;
	uint64_t now_jiffies;
	uint8_t *is_candidate; /* by service */
	struct dp_choice choice;
	bool has_choice;
};

/* Any flow not seen for this long is over. */
static uint64_t idle_seconds(const struct dataplane *dp)
{
	uint32_t longest = 0;

	for (int i = 0; i < SERIN_FLOW_STATE_MAX; i++)
		if (dp->meta.idle_s[i] > longest)
			longest = dp->meta.idle_s[i];
	return longest;
}

static bool is_due(const struct dataplane *dp, uint32_t service, uint64_t now_jiffies)
{
	const struct serin_service *svc = &dp->services[service];
	uint64_t idle_s = idle_seconds(dp), now_ns;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (!dp->info[service].name[0] || !svc->changed_ns ||
	    now_ns < svc->changed_ns + idle_s * 1000000000)
		return false;
	return !svc->forgot_jiffies ||
	       now_jiffies > svc->forgot_jiffies + idle_s * (uint64_t)dp_ticks_per_second();
}

static int disagrees(struct settling *s, const struct dp_flow *flow, bool *out)
{
	struct dp_chosen chosen;
	int error;

	if (!s->has_choice || s->choice.service != flow->service) {
		if (s->has_choice)
			dp_choice_close(&s->choice);
		dp_choice_open(s->dp, flow->service, &s->choice);
		s->has_choice = true;
	}
	error = dp_choice_make(&s->choice, &flow->client, flow->client_port_be, &chosen);
	if (!error)
		*out = !chosen.has_backend ||
		       chosen.backend != (flow->value & SERIN_FLOW_BACKEND_MASK);
	return error;
}

static int check_flow(const struct dp_flow *flow, void *arg)
{
	struct settling *s = arg;
	bool is_other = false;
	int error;

	if (flow->service >= s->dp->meta.max_services || !s->is_candidate[flow->service] ||
	    !dp_flow_is_alive(s->dp, flow->value, s->now_jiffies))
		return 0;
	error = disagrees(s, flow, &is_other);
	if (is_other)
		s->is_candidate[flow->service] = 0;
	return error;
}

static int settle_one(struct dataplane *dp, uint32_t service, uint64_t now_jiffies)
{
	int error;

	dp_flows_forget_dead(dp, service, now_jiffies);
	error = dp_tables_settle(dp, service);
	if (error)
		return error;
	dp_wait_for_packets(); /* none that saw the old base is still on its way */
	dp_split_settle(dp, service);
	return 0;
}

int dp_settle(struct dataplane *dp)
{
	struct settling s = {.dp = dp};
	size_t candidates = 0;
	int error, settled = 0;

	s.is_candidate = calloc(dp->meta.max_services + 1, 1);
	if (!s.is_candidate)
		return -ENOMEM;
	error = dp_jiffies(dp, &s.now_jiffies);
	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++) {
		s.is_candidate[id] = is_due(dp, id, s.now_jiffies);
		candidates += s.is_candidate[id];
	}
	if (!error && candidates)
		error = dp_each_flow(dp, check_flow, &s);
	if (s.has_choice)
		dp_choice_close(&s.choice);
	for (uint32_t id = 0; !error && candidates && id < dp->meta.max_services; id++) {
		if (!s.is_candidate[id])
			continue;
		error = settle_one(dp, id, s.now_jiffies);
		settled++;
	}
	if (error)
		log_error("cannot settle: %s", strerror(-error));
	free(s.is_candidate);
	return error ? error : settled;
}

int dataplane_maintain(struct dataplane *dp, struct rtnl *rtnl)
{
	uint8_t *keeps_none = calloc(dp->meta.max_backends + 1, 1);
	int result = keeps_none ? dp_settle(dp) : -ENOMEM;

	dp_routes_sync(dp, rtnl, true);
	if (result >= 0)
		result = dp_backend_reap(dp, keeps_none, NULL);
	free(keeps_none);
	return result < 0 ? result : 0;
}

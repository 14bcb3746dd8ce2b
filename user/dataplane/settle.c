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

/* Services are checked so many at a time: all of their tables are mapped meanwhile, and a process has
 * 65,530 mappings. */
#define GROUP 4096

struct settling {
	struct dataplane *dp;
	uint64_t now_jiffies;
	uint8_t *is_due; /* by service */
	uint32_t first;	 /* service of the group */
	struct dp_choice *choices[GROUP];
	struct dp_outer outer;
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

static bool may_settle(const struct dataplane *dp, uint32_t service, uint64_t now_jiffies)
{
	const struct serin_service *svc = &dp->services[service];
	uint64_t idle_s = idle_seconds(dp), now_ns;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (!dp->info[service].name[0] || !svc->changed_ns || now_ns < svc->unsettled_ns ||
	    now_ns < svc->changed_ns + idle_s * 1000000000)
		return false;
	return !svc->forgot_jiffies ||
	       now_jiffies > svc->forgot_jiffies + idle_s * (uint64_t)dp_ticks_per_second();
}

static int open_tables(struct settling *s)
{
	int error = dp_outer_look_up(s->dp, DP_MAP_TABLES, &s->outer);

	for (size_t i = 0; !error && i < s->outer.count; i++) {
		uint32_t index = s->outer.keys[i], id = (uint32_t)s->outer.values[i];

		if (id)
			error = dp_choice_set_table(s->choices[index / SERIN_MAX_POOLS - s->first],
						    index % SERIN_MAX_POOLS, id);
	}
	s->outer.count = 0;
	return error;
}

/* A choice for each service that is due, with all its tables at hand. */
static int open_choices(struct settling *s)
{
	uint32_t end = s->first + GROUP;
	int error = 0;

	if (end > s->dp->meta.max_services)
		end = s->dp->meta.max_services;
	for (uint32_t id = s->first; !error && id < end; id++) {
		struct dp_choice *c = s->is_due[id] ? malloc(sizeof(*c)) : NULL;

		if (!s->is_due[id])
			continue;
		s->choices[id - s->first] = c;
		if (!c)
			return -ENOMEM;
		dp_choice_open(s->dp, id, c);
		if (s->outer.count + SERIN_MAX_POOLS > DP_OUTER_MAX)
			error = open_tables(s);
		for (uint32_t pool = 0; pool < SERIN_MAX_POOLS; pool++)
			if (dp_table_is_there(s->dp, dp_pool_index(id, pool)))
				dp_outer_add(&s->outer, dp_pool_index(id, pool), -1);
	}
	return error ? error : open_tables(s);
}

static void close_choices(struct settling *s)
{
	for (size_t i = 0; i < GROUP; i++) {
		if (s->choices[i])
			dp_choice_close(s->choices[i]);
		free(s->choices[i]);
		s->choices[i] = NULL;
	}
}

/* Whoever disagrees keeps its service from settling. */
static int check_flow(const struct dp_flow *flow, void *arg)
{
	struct settling *s = arg;
	uint32_t backend = flow->value & SERIN_FLOW_BACKEND_MASK;
	struct dp_choice *c;
	struct dp_chosen chosen;
	int error;

	if (flow->service < s->first || flow->service - s->first >= GROUP ||
	    flow->service >= s->dp->meta.max_services || !s->is_due[flow->service] ||
	    !dp_flow_is_alive(s->dp, flow->value, s->now_jiffies))
		return 0;
	c = s->choices[flow->service - s->first];
	error = dp_choice_make(c, &flow->client, flow->client_port_be, &chosen);
	if (!error && (!chosen.has_backend || chosen.backend != backend) &&
	    !dp_choice_may_be_marked(c, &chosen, backend))
		s->is_due[flow->service] = 0;
	return error;
}

static bool is_any(const struct settling *s)
{
	const struct dataplane *dp = s->dp;
	uint32_t left = dp->meta.max_services - s->first;

	return memchr(s->is_due + s->first, 1, left < GROUP ? left : GROUP);
}

static int check_group(struct settling *s)
{
	int error;

	if (!is_any(s))
		return 0;
	error = open_choices(s);
	if (!error)
		error = dp_each_flow(s->dp, check_flow, s);
	close_choices(s);
	return error;
}

static int count_due(const struct dataplane *dp, const uint8_t *is_due)
{
	int count = 0;

	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		count += is_due[id];
	return count;
}

int dp_flows_agree(struct dataplane *dp, uint8_t *flags)
{
	struct settling *s = calloc(1, sizeof(*s));
	int error = s ? dp_jiffies(dp, &s->now_jiffies) : -ENOMEM;

	if (!error) {
		s->dp = dp;
		s->is_due = flags;
	}
	for (; !error && s->first < dp->meta.max_services; s->first += GROUP)
		error = check_group(s);
	free(s);
	return error;
}

int dp_settle_find(struct dataplane *dp, uint8_t *is_due)
{
	uint64_t now_jiffies;
	int error = dp_jiffies(dp, &now_jiffies);

	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++)
		is_due[id] = may_settle(dp, id, now_jiffies);
	if (!error)
		error = dp_flows_agree(dp, is_due);
	if (error == -EPERM) /* one whose table only CAP_SYS_ADMIN opens: it waits */
		memset(is_due, 0, dp->meta.max_services);
	else if (error)
		log_error("cannot tell what has settled: %s", strerror(-error));
	return error && error != -EPERM ? error : count_due(dp, is_due);
}

int dp_settle(struct dataplane *dp, const uint8_t *is_due)
{
	uint64_t now_jiffies;
	int error = 0;

	if (!count_due(dp, is_due))
		return 0;
	error = dp_jiffies(dp, &now_jiffies);
	if (!error) {
		dp_flows_forget_dead(dp, is_due, now_jiffies);
		error = dp_tables_settle(dp, is_due);
	}
	if (error) {
		log_error("cannot settle: %s", strerror(-error));
		return error;
	}
	dp_wait_for_packets(); /* none that saw the old base is still on its way */
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (is_due[id])
			dp_split_settle(dp, id);
	dp_past_end(dp, is_due);
	return 0;
}

int dataplane_maintain(struct dataplane *dp, struct rtnl *rtnl)
{
	uint8_t *settles = calloc(dp->meta.max_services + 1, 1);
	uint8_t *keeps_none = calloc(dp->meta.max_backends + 1, 1);
	int result = settles && keeps_none ? dp_settle_find(dp, settles) : -ENOMEM;

	if (result > 0)
		result = dp_settle(dp, settles);
	if (result >= 0)
		result = dp_guards_settle(dp);
	dp_routes_sync(dp, rtnl, true);
	if (result >= 0)
		result = dp_backend_reap(dp, keeps_none);
	if (result >= 0)
		result = dp_sharing_end(dp);
	free(settles);
	free(keeps_none);
	return result < 0 ? result : 0;
}

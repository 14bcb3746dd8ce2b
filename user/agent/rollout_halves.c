// SPDX-License-Identifier: GPL-2.0-or-later
/* Rolling: what the judge compares, the backends that are upgraded with those that are not yet. */
#include <errno.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "judge_live/live_halves.h"
#include "lib/net.h"

static bool is_in(const char (*list)[64], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static enum live_half half_of(const struct snapshot_backend *b, void *arg)
{
	const struct rollout_state *s = arg;
	char name[NET_ENDPOINT_LEN];

	net_format_endpoint(&b->address, b->port, name);
	if (is_in(s->done, s->done_count, name))
		return LIVE_UPGRADED;
	if (!is_in(s->batch, s->batch_count, name) || s->stage < ROLLOUT_RAMP)
		return LIVE_REST;
	return s->stage == ROLLOUT_RAMP ? LIVE_NEITHER : LIVE_UPGRADED;
}

const struct snapshot *rollout_halves_see(struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = snapshot_find_service(s, run->state.service);

	if (!run->halves)
		run->halves = live_halves_new();
	for (size_t i = 0; run->halves && svc && i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, run->state.production) &&
		    !live_halves_follow(run->halves, svc, &svc->pools[i], half_of, &run->state))
			return live_halves_snapshot(run->halves);
	return s;
}

int rollout_halves_adopt(struct rollout_run *run, const struct live_judge *j)
{
	run->halves = live_halves_new();
	if (!run->halves)
		return -ENOMEM;
	live_halves_adopt(run->halves, j);
	return 0;
}

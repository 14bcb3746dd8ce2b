// SPDX-License-Identifier: GPL-2.0-or-later
/* Which release a pool has, as far as releases before this one tell. */
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"

/* The pool that has a release when it ended well. */
static const char *changed_pool(const struct rollout_state *s)
{
	bool is_upgraded = s->plan.type == STRATEGY_ROLLING || s->plan.finish == STRATEGY_RETURN;

	return is_upgraded ? s->production : s->candidate;
}

static bool tells(const struct rollout_state *s, const char *service, const char *pool)
{
	return s->phase == ROLLOUT_PROMOTED && !strcmp(s->service, service) &&
	       !strcmp(changed_pool(s), pool);
}

struct search {
	struct rollouts *all;
	const char *service, *pool;
	char *out;
};

static int look_at(const struct store_rollout *kept, void *arg)
{
	struct search *search = arg;
	struct rollout_run *run = rollout_run_new(search->all);
	const json_t *state = json_object_get(kept->state, "rollout");
	bool is_found = run && !rollout_from_json(state, &run->state) &&
			tells(&run->state, search->service, search->pool);

	if (is_found)
		snprintf(search->out, ROLLOUT_RELEASE_LEN, "%s", run->state.release);
	rollout_run_free(run);
	return is_found;
}

void rollouts_release_of(struct rollouts *r, const char *service, const char *pool,
			 char out[ROLLOUT_RELEASE_LEN])
{
	const struct store_rollouts_query query = {.service = service, .limit = -1};
	struct search search = {r, service, pool, out};

	*out = '\0';
	for (const struct rollout_run *run = r->runs; run && !*out; run = run->next)
		if (tells(&run->state, service, pool))
			snprintf(out, ROLLOUT_RELEASE_LEN, "%s", run->state.release);
	if (!*out && keeper_keeps(r->keeper))
		store_rollouts_read(keeper_store(r->keeper), &query, look_at, &search);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The packet path's choice for a new flow, by its steps and its header, for one client or many. */
#include "dataplane/internal.h"

#include <errno.h>
#include <string.h>

#include <serin/hash.h>

void dp_choice_open(struct dataplane *dp, uint32_t service, struct dp_choice *out)
{
	memset(out, 0, sizeof(*out));
	out->dp = dp;
	out->service = service;
	out->split_key = dp->services[service].now.split_key;
	out->dscp = SERIN_DSCP_NONE;
	dp_split_read(dp, service, &out->split);
	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		out->table_error[i] = 1;
}

int dp_choice_set_table(struct dp_choice *c, uint32_t pool, uint32_t id)
{
	c->table_error[pool] =
		dp_table_open_id(c->dp, dp_pool_index(c->service, pool), id, &c->tables[pool]);
	return c->table_error[pool];
}

void dp_choice_close(struct dp_choice *c)
{
	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		dp_table_close(&c->tables[i]);
}

static int word_of(struct dp_choice *c, uint8_t pool, uint32_t slot, uint32_t *word)
{
	if (c->table_error[pool] == 1)
		c->table_error[pool] =
			dp_table_open(c->dp, dp_pool_index(c->service, pool), &c->tables[pool]);
	if (c->table_error[pool])
		return c->table_error[pool];
	*word = dp_table_word(&c->tables[pool], slot);
	return 0;
}

/* The packet path's choose_by_target(). */
static bool choose_by_target(struct dp_choice *c, const struct serin_addr *client,
			     struct dp_chosen *out)
{
	const struct serin_service *svc = &c->dp->services[c->service];

	if (svc->flags & SERIN_SERVICE_TARGETS &&
	    dp_target_match(c->dp, c->service, client, &out->pool, &out->target_len)) {
		out->rule = EXPLAIN_RULE_SOURCE;
	} else if (svc->flags & SERIN_SERVICE_DSCP && c->dscp < SERIN_DSCP_VALUES &&
		   svc->dscp_pool[c->dscp]) {
		out->rule = EXPLAIN_RULE_DSCP;
		out->pool = (svc->dscp_pool[c->dscp] - 1) % SERIN_MAX_POOLS;
	}
	return out->rule != EXPLAIN_RULE_NONE;
}

static void choose_pool(struct dp_choice *c, const struct serin_addr *client, struct dp_chosen *out)
{
	const struct serin_service *svc = &c->dp->services[c->service];
	const struct serin_generation *g = &svc->ring[svc->epoch % SERIN_SPLIT_RING];
	int pool;

	if (choose_by_target(c, client, out))
		return;
	pool = serin_split_pick(&g->now, svc->epoch, out->point);
	out->pool = pool < 0 ? c->split.primary : (uint8_t)pool;
	out->is_settled = !(svc->flags & SERIN_SERVICE_REMEMBERS) && !svc->diverts &&
			  serin_settled_pick(&g->settled, svc->epoch, out->point) >= 0;
}

int dp_choice_make(struct dp_choice *c, const struct serin_addr *client, uint16_t port_be,
		   struct dp_chosen *out)
{
	struct serin_hashing h = c->dp->services[c->service].now;
	struct dp_chosen chosen = {};
	uint32_t word = 0;
	int error;

	h.split_key = c->split_key;
	chosen.hash = serin_flow_hash(&h, client, port_be);
	chosen.point = serin_hash_point(&h, chosen.hash);
	chosen.slot = serin_hash_slot(chosen.hash, h.table_size);
	choose_pool(c, client, &chosen);
	error = word_of(c, chosen.pool, chosen.slot, &word);
	if (error == -ENOENT) {
		chosen.is_fallback = true;
		chosen.is_settled = false;
		error = word_of(c, c->split.primary, chosen.slot, &word);
	}
	if (error && error != -ENOENT)
		return error;
	chosen.has_backend = !error;
	chosen.backend = word & SERIN_SLOT_BACKEND;
	chosen.is_settled &= !error && !(word & SERIN_SLOT_CHANGED);
	*out = chosen;
	return 0;
}

int dp_choice_guard(struct dp_choice *c, struct dp_chosen *chosen)
{
	uint32_t word = 0;
	int error;

	if (!chosen->has_backend ||
	    !dp_guard_diverts(c->dp,
			      dp_pool_index(c->service, c->dp->backends[chosen->backend].pool)))
		return 0;
	error = word_of(c, c->split.primary, chosen->slot, &word);
	if (error == -ENOENT)
		return 0;
	if (!error) {
		chosen->is_guarded = true;
		chosen->backend = word & SERIN_SLOT_BACKEND;
	}
	return error;
}

bool dp_choice_may_be_marked(struct dp_choice *c, const struct dp_chosen *chosen, uint32_t backend)
{
	const struct serin_service *svc = &c->dp->services[c->service];

	for (int dscp = 0; svc->flags & SERIN_SERVICE_DSCP && dscp < SERIN_DSCP_VALUES; dscp++) {
		uint8_t pool = svc->dscp_pool[dscp];
		uint32_t word;

		if (pool && !word_of(c, (pool - 1) % SERIN_MAX_POOLS, chosen->slot, &word) &&
		    (word & SERIN_SLOT_BACKEND) == backend)
			return true;
	}
	return false;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Carrying a plan out in the maps. The order is what keeps packets safe: what is new is complete
 * before it can be reached, what goes is out of reach before it is freed. Each step may be the last
 * one done.
 */
#include "dataplane/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <serin/hash.h>

#include "lib/log.h"

/* ---- services and pools ---- */

static struct serin_hashing hashing_of(const struct service_plan *s)
{
	return (struct serin_hashing){
		.flow_key = serin_flow_key(&s->vip),
		.split_key = serin_split_key(s->seed),
		.table_size = s->model->table_size,
		.affinity = s->model->affinity,
		.client_prefix6 = s->model->client_prefix6,
		.client_prefix4 = s->model->client_prefix4,
	};
}

/* The table's size apart, which follows when the tables have. */
static bool is_rehashed(const struct dataplane *dp, const struct service_plan *s)
{
	const struct serin_hashing *now = &dp->services[s->id].now;
	struct serin_hashing wanted = hashing_of(s);

	return !s->is_new && memcmp(&wanted, now, sizeof(wanted));
}

/*
 * Living services whose clients are to be hashed anew: first every place of them is moving, so that
 * the base, which keeps the old way, and the flow table have the word for the flows there are.
 */
static void commit_hashing(struct dataplane *dp, const struct plan *p)
{
	bool is_any = false;

	for (size_t i = 0; i < p->model->service_count; i++) {
		if (!is_rehashed(dp, &p->services[i]))
			continue;
		dp_split_unsettle(dp, p->services[i].id);
		is_any = true;
	}
	if (is_any)
		dp_wait_for_packets();
	for (size_t i = 0; is_any && i < p->model->service_count; i++) {
		const struct service_plan *s = &p->services[i];
		struct serin_service *svc = &dp->services[s->id];
		struct serin_hashing wanted = hashing_of(s);

		if (!is_rehashed(dp, s))
			continue;
		/* Slots of the smaller size are valid in tables of either. */
		if (wanted.table_size > svc->now.table_size)
			wanted.table_size = svc->now.table_size;
		svc->now = wanted;
	}
}

static int write_pools(struct dataplane *dp, const struct service_plan *s)
{
	struct serin_pool_info *pools = dp->info[s->id].pool;
	struct serin_service *svc = &dp->services[s->id];
	const struct model_service *m = s->model;

	for (int slot = 0; slot < SERIN_MAX_POOLS; slot++)
		if (pools[slot].name[0] && model_find_pool(m, pools[slot].name) < 0)
			pools[slot].order = SERIN_POOL_GONE;
	for (size_t i = 0; i < m->pool_count; i++) {
		struct serin_pool_info *pool = &pools[s->slot[i]];
		uint32_t index = dp_pool_index(s->id, s->slot[i]);
		int error;

		if (s->is_new_slot[i]) {
			error = dp_pool_counters_clear(dp, index);
			if (error)
				return error;
			memcpy(pool->name, m->pools[i].name, sizeof(pool->name));
			pool->first_event = dp_event_next(dp);
			svc->sample_mask[s->slot[i]] =
				serin_sample_mask(i == s->primary ? DP_PRIMARY_SAMPLE_SHIFT : 0);
		}
		pool->configured_ppm = m->pools[i].weight_ppm;
		pool->order = (uint32_t)i;
	}
	return 0;
}

static int commit_pools(struct dataplane *dp, const struct service_plan *s)
{
	int error = write_pools(dp, s);

	return error ? error : plan_commit_guards(dp, s);
}

/* What it says, and the live state need not be. */
static void note_file(struct dataplane *dp, const struct service_plan *s)
{
	dp->info[s->id].file_primary = 1u + s->slot[s->model->primary];
	dp_note_file_seed(dp, s->id, s->file_seed);
}

/* A service of its own slot: nothing points to it until its index entry does. */
static int write_new_service(struct dataplane *dp, const struct service_plan *s)
{
	struct serin_service *svc = &dp->services[s->id];
	struct serin_service_info *info = &dp->info[s->id];

	memset(svc, 0, sizeof(*svc));
	memset(info, 0, sizeof(*info));
	svc->vip = s->vip;
	svc->flags = plan_service_flags(s->model);
	svc->now = svc->base = hashing_of(s);
	info->first_event = dp_event_next(dp);
	note_file(dp, s);
	memcpy(info->name, s->model->name, sizeof(info->name));
	return dp_event_rates_clear(dp, s->id);
}

/* Before the service has a name, or whoever goes on after a kill would not look for them. */
static int commit_source_table(struct dataplane *dp, const struct service_plan *s)
{
	bool is_fullnat = s->model->forwarding == SERIN_FORWARDING_FULLNAT;

	if (s->is_new)
		dp_sources_free(dp, s->id); /* an apply that was killed may have left some */
	return is_fullnat && !dp_has_sources(dp, s->id) ? dp_sources_make(dp, s->id, s->model) : 0;
}

static int commit_services(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	for (size_t i = 0; i < p->model->service_count; i++) {
		const struct service_plan *s = &p->services[i];

		error = commit_source_table(dp, s);
		if (!error && s->is_new)
			error = write_new_service(dp, s);
		if (error)
			break;
		plan_commit_forwarding(dp, s);
		dp->info[s->id].seed = s->seed;
		dp->info[s->id].table_size = s->model->table_size;
	}
	if (error)
		return error;
	commit_hashing(dp, p);
	for (size_t i = 0; !error && i < p->model->service_count; i++)
		error = commit_pools(dp, &p->services[i]);
	return error;
}

static void commit_table_sizes(struct dataplane *dp, const struct plan *p)
{
	for (size_t i = 0; i < p->model->service_count; i++)
		__atomic_store_n(&dp->services[p->services[i].id].now.table_size,
				 p->services[i].model->table_size, __ATOMIC_RELEASE);
}

/* ---- backends ---- */

/* Before a backend gets another service: those that will share remember from now on, and those that
 * are about to go let go of it. And whom a killed apply left out of its ring is put in. */
static int prepare_rings(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (p->shares[id])
			dp_sharing_begin(dp, id);
	for (size_t i = 0; i < p->backend_count; i++)
		dp_ring_release(dp, &p->backends[i].at, p->keeps_service);
	for (uint32_t id = 0; !error && id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->state != SERIN_BACKEND_FREE && p->keeps_service[b->service] &&
		    model_forwarding_returns(dp->services[b->service].forwarding))
			error = dp_backend_link(dp, id);
	}
	return error;
}

static void update_backend(struct dataplane *dp, const struct backend_plan *b, uint64_t hop)
{
	struct serin_backend *now = &dp->backends[b->id];

	now->weight = b->weight;
	now->pool = b->pool;
	if (hop)
		__atomic_store_n(&now->hop, hop, __ATOMIC_RELEASE);
	if (dp_backend_state(now) == SERIN_BACKEND_LEAVING)
		__atomic_store_n(&now->state, SERIN_BACKEND_UP, __ATOMIC_RELEASE);
	if (now->state & SERIN_BACKEND_FACTS & ~b->facts)
		__atomic_and_fetch(&now->state, SERIN_BACKEND_STATE_MASK | b->facts,
				   __ATOMIC_RELEASE);
}

static int commit_backends(struct dataplane *dp, const struct plan *p)
{
	int error = prepare_rings(dp, p);

	for (size_t i = 0; !error && i < p->backend_count; i++) {
		const struct backend_plan *b = &p->backends[i];
		struct dp_backend_spec spec = {
			.at = b->at,
			.service = b->service,
			.pool = b->pool,
			.state = b->state,
			.weight = b->weight,
			.hop = dp_hop_word(dp, &p->hops[i]),
		};

		if (b->is_new)
			error = dp_backend_add(dp, b->id, &spec);
		else
			update_backend(dp, b, spec.hop);
	}
	return error;
}

/* Backends the model no longer has take no new flow; their entries stay for the old ones. */
static void commit_leaving(struct dataplane *dp, const struct plan *p)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		struct serin_backend *b = &dp->backends[id];

		if (b->state == SERIN_BACKEND_FREE || p->keeps_backend[id])
			continue;
		__atomic_store_n(&b->state, SERIN_BACKEND_LEAVING, __ATOMIC_RELEASE);
	}
}

/* ---- splits, targets, and becoming reachable ---- */

static void commit_splits(struct dataplane *dp, const struct plan *p,
			  const struct dataplane_author *author)
{
	for (size_t i = 0; i < p->model->service_count; i++) {
		const struct service_plan *s = &p->services[i];

		if (!s->is_split_new)
			continue;
		if (s->is_new)
			dp_split_found(dp, s->id, &s->layout);
		else
			dp_split_store(dp, s->id, &s->layout);
		dp_note_change(dp, s->id, author);
	}
}

/* Only now: had it been noted before, and a kill come between, what is new in the file would look
 * like what it said before. */
static void commit_files(struct dataplane *dp, const struct plan *p)
{
	for (size_t i = 0; i < p->model->service_count; i++)
		note_file(dp, &p->services[i]);
}

static void commit_flags(struct dataplane *dp, const struct service_plan *s)
{
	uint8_t sharing = dp->services[s->id].flags & SERIN_SERVICE_SHARING;

	dp_service_set_flags(dp, s->id, plan_service_flags(s->model) | sharing);
}

static void commit_dscp(struct dataplane *dp, const struct service_plan *s)
{
	uint8_t *pools = dp->services[s->id].dscp_pool;

	for (int dscp = 0; dscp < SERIN_DSCP_VALUES; dscp++)
		__atomic_store_n(&pools[dscp], s->dscp_pool[dscp], __ATOMIC_RELEASE);
}

static int commit_targets(struct dataplane *dp, const struct plan *p)
{
	int error = dp_targets_write(dp, &p->targets, &p->targets_gone);

	for (size_t i = 0; i < p->model->service_count; i++) {
		dp->info[p->services[i].id].target_count =
			(uint32_t)p->model->services[i].target_count;
		commit_dscp(dp, &p->services[i]);
		commit_flags(dp, &p->services[i]);
	}
	return error;
}

static int commit_reachable(struct dataplane *dp, const struct plan *p)
{
	for (size_t i = 0; i < p->model->service_count; i++) {
		const struct service_plan *s = &p->services[i];

		if (dp_service_index_set(dp, &s->vip, s->id)) {
			log_error("service %s: the service index is full at one place: raise "
				  "limits.services",
				  s->model->name);
			return -ENOSPC;
		}
	}
	return 0;
}

/* ---- what goes ---- */

/* Services the model no longer has, by id, into is_gone. */
static bool find_removed(const struct dataplane *dp, const struct plan *p, uint8_t *is_gone)
{
	bool is_any = false;

	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		is_gone[id] = dp->info[id].name[0] && !p->keeps_service[id];
		is_any |= is_gone[id];
	}
	return is_any;
}

/* Nobody reaches them any more. */
static int free_services(struct dataplane *dp, const uint8_t *is_gone)
{
	int error = dp_tables_remove(dp, is_gone);

	for (uint32_t id = 0; !error && id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->state != SERIN_BACKEND_FREE && is_gone[b->service])
			dp_backend_free(dp, id);
	}
	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++) {
		if (!is_gone[id])
			continue;
		dp_sources_free(dp, id);
		for (uint32_t slot = 0; slot < SERIN_MAX_POOLS; slot++) {
			if (!dp->info[id].pool[slot].name[0])
				continue;
			dp_pool_counters_free(dp, dp_pool_index(id, slot));
			plan_forget_guard(dp, dp_pool_index(id, slot));
		}
		memset(&dp->info[id], 0, sizeof(dp->info[id]));
		dp->services[id].flags = 0;
	}
	return error;
}

/* All of them out of reach first, then one wait for the packets under way, then freed. */
static int commit_removed_services(struct dataplane *dp, const struct plan *p)
{
	uint8_t *is_gone = calloc(dp->meta.max_services + 1, 1);
	int error = is_gone ? 0 : -ENOMEM;

	if (!error && find_removed(dp, p, is_gone)) {
		for (uint32_t id = 0; id < dp->meta.max_services; id++)
			if (is_gone[id])
				dp_service_index_clear(dp, &dp->services[id].vip, id);
		dp_wait_for_packets();
		error = free_services(dp, is_gone);
	}
	free(is_gone);
	return error;
}

/* A pool that left, once its last backend has, gives up its name and slot. */
static int forget_pools(struct dataplane *dp)
{
	struct roster roster;
	int error = roster_build(dp, &roster);

	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++) {
		for (uint32_t slot = 0; slot < SERIN_MAX_POOLS; slot++) {
			struct serin_pool_info *pool = &dp->info[id].pool[slot];
			const uint32_t *ids;

			if (!pool->name[0] || pool->order != SERIN_POOL_GONE ||
			    roster_pool(dp, &roster, id, slot, &ids))
				continue;
			dp_pool_counters_free(dp, dp_pool_index(id, slot));
			plan_forget_guard(dp, dp_pool_index(id, slot));
			memset(pool, 0, sizeof(*pool));
		}
	}
	roster_fini(&roster);
	return error;
}

/* ---- all of it ---- */

int plan_commit(struct dataplane *dp, struct plan *p, const struct dataplane_author *author)
{
	int error;

	for (size_t i = 0; i < p->model->service_count; i++)
		p->keeps_service[p->services[i].id] = 1;
	error = commit_services(dp, p);
	if (!error)
		error = commit_backends(dp, p);
	if (!error)
		error = dp_tables_refresh_all(dp);
	if (error)
		return error;
	commit_table_sizes(dp, p);
	commit_splits(dp, p, author);
	commit_files(dp, p);
	error = commit_targets(dp, p);
	if (!error)
		error = plan_commit_sources(dp, p);
	if (!error)
		error = commit_reachable(dp, p);
	if (error)
		return error;
	commit_leaving(dp, p);
	error = commit_removed_services(dp, p);
	dp_backends_forget(dp);
	if (!error)
		error = dp_tables_refresh_all(dp);
	if (!error)
		error = dp_tunnel_ends_sync(dp);
	if (!error)
		error = dp_sharing_end(dp);
	if (!error)
		error = dp_hosts_prune(dp);
	return error ? error : forget_pools(dp);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Carrying a plan out. The order is what keeps packets safe: what is new is complete before it can
 * be reached, what goes is out of reach before it is freed. Each step may be the last one done.
 */
#include "dataplane/plan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <serin/hash.h>

#include "lib/log.h"

#define NEIGHBOUR_WAIT_MS 2000

/* ---- services and pools ---- */

static void write_hashing(struct dataplane *dp, const struct service_plan *s)
{
	struct serin_service *svc = &dp->services[s->id];

	svc->affinity = s->model->affinity;
	svc->client_prefix6 = s->model->client_prefix6;
	svc->forwarding = s->model->forwarding;
	__atomic_store_n(&svc->hash_key, serin_service_key(s->model->seed, &s->vip),
			 __ATOMIC_RELEASE);
	dp->info[s->id].seed = s->model->seed;
}

static int write_pools(struct dataplane *dp, const struct service_plan *s)
{
	struct serin_pool_info *pools = dp->info[s->id].pool;
	const struct model_service *m = s->model;

	for (int slot = 0; slot < SERIN_MAX_POOLS; slot++)
		if (pools[slot].name[0] && model_find_pool(m, pools[slot].name) < 0)
			pools[slot].order = SERIN_POOL_GONE;
	for (size_t i = 0; i < m->pool_count; i++) {
		struct serin_pool_info *pool = &pools[s->slot[i]];
		uint32_t index = dp_pool_index(s->id, s->slot[i]);
		int error;

		if (s->is_new_slot[i]) {
			error = dp_counters_clear(dp, DP_MAP_POOL_COUNTERS, index);
			if (error)
				return error;
			memcpy(pool->name, m->pools[i].name, sizeof(pool->name));
		}
		pool->configured_ppm = m->pools[i].weight_ppm;
		pool->order = (uint32_t)i;
	}
	return 0;
}

/* A service of its own slot: nothing points to it until its index entry does. */
static void write_new_service(struct dataplane *dp, const struct service_plan *s)
{
	struct serin_service *svc = &dp->services[s->id];
	struct serin_service_info *info = &dp->info[s->id];

	memset(svc, 0, sizeof(*svc));
	memset(info, 0, sizeof(*info));
	svc->vip = s->vip;
	svc->table_size = s->model->table_size;
	memcpy(info->name, s->model->name, sizeof(info->name));
}

static int commit_services(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	for (size_t i = 0; !error && i < p->model->service_count; i++) {
		const struct service_plan *s = &p->services[i];
		struct serin_service *svc = &dp->services[s->id];

		if (s->is_new)
			write_new_service(dp, s);
		write_hashing(dp, s);
		/* Slots of the smaller size are valid in tables of either. */
		dp->info[s->id].table_size = s->model->table_size;
		if (s->model->table_size < svc->table_size)
			__atomic_store_n(&svc->table_size, s->model->table_size, __ATOMIC_RELEASE);
		error = write_pools(dp, s);
	}
	return error;
}

static void commit_table_sizes(struct dataplane *dp, const struct plan *p)
{
	for (size_t i = 0; i < p->model->service_count; i++)
		__atomic_store_n(&dp->services[p->services[i].id].table_size,
				 p->services[i].model->table_size, __ATOMIC_RELEASE);
}

/* ---- backends ---- */

/* Another service's tables stop naming a backend before it changes hands. */
static int release_taken_over(struct dataplane *dp, const struct plan *p)
{
	bool is_any = false;

	for (size_t i = 0; i < p->backend_count; i++) {
		int64_t id = p->backends[i].is_taken_over ? dp_backend_at(dp, &p->backends[i].at)
							  : -1;

		if (id < 0)
			continue;
		dp->backends[id].state = SERIN_BACKEND_LEAVING;
		is_any = true;
	}
	return is_any ? dp_tables_refresh_all(dp) : 0;
}

static void update_backend(struct dataplane *dp, const struct backend_plan *b, uint64_t hop)
{
	struct serin_backend *now = &dp->backends[b->id];

	now->weight = b->weight;
	now->pool = b->pool;
	if (hop)
		__atomic_store_n(&now->hop, hop, __ATOMIC_RELEASE);
	if (now->state == SERIN_BACKEND_LEAVING)
		__atomic_store_n(&now->state, SERIN_BACKEND_UP, __ATOMIC_RELEASE);
}

static int commit_backends(struct dataplane *dp, const struct plan *p)
{
	int error = release_taken_over(dp, p);

	for (size_t i = 0; !error && i < p->backend_count; i++) {
		const struct backend_plan *b = &p->backends[i];
		struct dp_backend_spec spec = {
			.at = b->at,
			.service = b->service,
			.pool = b->pool,
			.state = b->is_draining ? SERIN_BACKEND_DRAINING : SERIN_BACKEND_UP,
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
		dp_split_store(dp, s->id, &s->layout);
		dp_note_change(dp, s->id, author);
	}
}

static int commit_targets(struct dataplane *dp, const struct plan *p)
{
	size_t differences = 0;
	int error = dp_targets_sync(dp, p->targets, p->target_count, false, &differences);

	for (size_t i = 0; i < p->model->service_count; i++) {
		struct serin_service *svc = &dp->services[p->services[i].id];

		svc->flags = p->services[i].model->target_count ? SERIN_SERVICE_TARGETS : 0;
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

static void free_service(struct dataplane *dp, uint32_t id)
{
	for (uint32_t b = 0; b < dp->meta.max_backends; b++)
		if (dp->backends[b].state != SERIN_BACKEND_FREE && dp->backends[b].service == id)
			dp_backend_free(dp, b);
	for (uint32_t pool = 0; pool < SERIN_MAX_POOLS; pool++) {
		uint32_t index = dp_pool_index(id, pool);

		bpf_map_delete_elem(dp->map_fd[DP_MAP_TABLES], &index);
	}
	memset(&dp->info[id], 0, sizeof(dp->info[id]));
	dp->services[id].flags = 0;
}

/* All of them out of reach first, then one wait for the packets under way, then freed. */
static void commit_removed_services(struct dataplane *dp, const struct plan *p)
{
	bool is_any = false;

	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		if (!dp->info[id].name[0] || p->keeps_service[id])
			continue;
		dp_service_index_clear(dp, &dp->services[id].vip, id);
		is_any = true;
	}
	if (!is_any)
		return;
	dp_wait_for_packets();
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp->info[id].name[0] && !p->keeps_service[id])
			free_service(dp, id);
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

			if (pool->name[0] && pool->order == SERIN_POOL_GONE &&
			    !roster_pool(dp, &roster, id, slot, &ids))
				memset(pool, 0, sizeof(*pool));
		}
	}
	roster_fini(&roster);
	return error;
}

/* ---- all of it ---- */

static int commit_maps(struct dataplane *dp, struct plan *p, const struct dataplane_author *author)
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
	error = commit_targets(dp, p);
	if (!error)
		error = commit_reachable(dp, p);
	if (error)
		return error;
	commit_leaving(dp, p);
	commit_removed_services(dp, p);
	error = dp_tables_refresh_all(dp);
	return error ? error : forget_pools(dp);
}

static int commit_ports(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	for (size_t i = 0; !error && i < p->model->interface_count; i++)
		error = dp_port_add(dp, &p->interfaces[i].link);
	return error;
}

static int commit_attach(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	for (size_t i = 0; !error && i < p->model->interface_count; i++) {
		struct dp_interface again = p->interfaces[i];

		if (again.is_attached)
			continue;
		error = dp_interface_attach(dp, &again);
		if (!error || !again.had_other_mode)
			continue;
		again.mode = again.mode == MODEL_XDP_NATIVE ? MODEL_XDP_GENERIC : MODEL_XDP_NATIVE;
		dp_interface_attach(dp, &again); /* as it was */
	}
	return error;
}

/* Nothing is there yet: everything is made aside, attached, and becomes visible by one rename. */
static int commit_fresh(struct dataplane *dp, struct plan *p, const struct dataplane_author *author)
{
	int error = dp_stage(dp);

	if (!error)
		error = commit_ports(dp, p);
	if (!error)
		error = commit_maps(dp, p, author);
	if (!error)
		error = commit_attach(dp, p);
	return error ? error : dp_publish(dp);
}

struct unwanted {
	struct plan *plan;
	struct dataplane *dp;
	char names[SERIN_MAX_PORTS][IF_NAMESIZE];
	size_t count;
};

/* Links whose NIC is no longer wanted, or not in that mode, or has been made anew since. */
static int note_unwanted(const char *name, uint32_t ifindex, void *arg)
{
	struct unwanted *u = arg;

	for (size_t i = 0; i < u->plan->model->interface_count; i++) {
		const struct dp_interface *wanted = &u->plan->interfaces[i];

		if (!strcmp(wanted->name, name) && wanted->is_attached &&
		    (uint32_t)wanted->link.ifindex == ifindex)
			return 0;
	}
	if (u->count < SERIN_MAX_PORTS)
		snprintf(u->names[u->count++], IF_NAMESIZE, "%s", name);
	return 0;
}

static bool is_wanted_name(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->model->interface_count; i++)
		if (!strcmp(p->model->interfaces[i].name, name))
			return true;
	return false;
}

static int detach_unwanted(struct dataplane *dp, const struct unwanted *u, bool is_wanted)
{
	int error = 0;

	for (size_t i = 0; !error && i < u->count; i++)
		if (is_wanted_name(u->plan, u->names[i]) == is_wanted)
			error = dp_interface_detach(dp, u->names[i]);
	return error;
}

static int commit_running(struct dataplane *dp, struct plan *p, const struct unwanted *u,
			  const struct dataplane_author *author)
{
	int error = dp_upgrade(dp, false, p->changes);

	if (!error)
		error = detach_unwanted(dp, u, true); /* to be attached anew, in another mode */
	if (!error)
		error = commit_ports(dp, p);
	if (!error)
		error = commit_attach(dp, p);
	if (error)
		return error;
	error = dp_backend_reap(dp, p->keeps_backend, NULL);
	if (error >= 0)
		error = commit_maps(dp, p, author);
	if (!error)
		error = detach_unwanted(dp, u, false);
	if (!error)
		dp_ports_keep(dp, p->interfaces, p->model->interface_count);
	else
		log_error("the file was applied in part; what runs forwards, and applying again "
			  "goes on");
	return error;
}

static int tell_program(struct dataplane *dp, struct plan *p, bool is_fresh, bool dry_run)
{
	const struct model_limits *limits = &p->model->limits;

	if (is_fresh)
		plan_tell(p, "+ program: serin %s, room for %u services, %u backends, %u flows",
			  SERIN_VERSION, dp->meta.max_services, dp->meta.max_backends,
			  dp->meta.max_flows);
	else if (limits->services != dp->meta.max_services ||
		 limits->backends != dp->meta.max_backends || limits->flows != dp->meta.max_flows)
		log_warning("limits differ from those of the running maps; they take effect after "
			    "`serin detach` and `serin apply`");
	return !is_fresh && dry_run ? dp_upgrade(dp, true, p->changes) : 0;
}

struct apply_options {
	const struct dataplane_author *author;
	bool dry_run;
	FILE *changes;
	char **told; /* what the plan has told, to be passed on to changes once it is so */
};

/* Everything that can be refused, and every difference told; nothing is written. */
static int make_plan(struct dataplane *dp, struct rtnl *rtnl, struct plan *p, struct unwanted *u)
{
	bool is_fresh = !dp->is_published;
	int error = plan_build(dp, rtnl, p), reaped;

	if (!error && !is_fresh) {
		reaped = dp_backend_reap(dp, p->keeps_backend, p->changes);
		error = reaped < 0 ? reaped : 0;
		p->change_count += reaped > 0 ? (size_t)reaped : 0;
	}
	if (!error && !is_fresh)
		error = dp_each_link(dp, note_unwanted, u);
	for (size_t i = 0; !error && i < u->count; i++)
		if (!is_wanted_name(p, u->names[i]))
			plan_tell(p, "- interface %s", u->names[i]);
	if (!error && !p->change_count)
		fputs("no changes\n", p->changes);
	return error;
}

static int run_plan(struct dataplane *dp, struct rtnl *rtnl, struct plan *p,
		    const struct apply_options *options)
{
	struct unwanted u = {.plan = p, .dp = dp};
	bool is_fresh = !dp->is_published;
	int error = tell_program(dp, p, is_fresh, options->dry_run);

	if (!error)
		error = make_plan(dp, rtnl, p, &u);
	if (error)
		return error;
	if (!options->dry_run)
		error = is_fresh ? commit_fresh(dp, p, options->author)
				 : commit_running(dp, p, &u, options->author);
	fflush(p->changes);
	if (!error)
		fputs(*options->told, options->changes);
	return error;
}

static int detach_staged(const char *name, uint32_t ifindex, void *arg)
{
	(void)ifindex;
	return dp_interface_detach(arg, name);
}

static void drop_staging(struct dataplane *dp)
{
	char path[PATH_MAX];

	dp_each_link(dp, detach_staged, dp);
	if (snprintf(path, sizeof(path), "%s/%s", dp->dir, DP_STAGING_DIR) < PATH_MAX)
		dp_remove_tree(path);
}

int dataplane_apply(const char *dir, const struct model *m, const struct dataplane_author *author,
		    bool dry_run, FILE *changes)
{
	char *told = NULL;
	size_t told_len = 0;
	const struct apply_options options = {author, dry_run, changes, &told};
	struct plan plan = {.model = m, .changes = open_memstream(&told, &told_len)};
	bool is_fresh = false;
	struct rtnl *rtnl = NULL;
	struct dataplane dp;
	int error;

	dp_init(&dp, dir, DATAPLANE_WRITE);
	error = plan.changes ? rtnl_open(&rtnl) : -ENOMEM;
	if (!error) /* before the lock: neighbours may take their time, operators must not wait */
		error = plan_resolve(rtnl, &plan, NEIGHBOUR_WAIT_MS);
	if (!error)
		error = dp_lock(&dp, !dry_run);
	if (!error || (dry_run && error == -ENOENT))
		error = dp_open_pins(&dp);
	is_fresh = error == -ENOENT && !dp.is_published;
	if (is_fresh)
		error = dp_load(&dp, &m->limits);
	if (!error)
		error = run_plan(&dp, rtnl, &plan, &options);
	if (error && is_fresh && !dry_run && dp.lock_fd >= 0) {
		drop_staging(&dp);
		rmdir(dp.dir);
	}
	if (plan.changes)
		fclose(plan.changes);
	free(told);
	plan_fini(&plan);
	rtnl_close(rtnl);
	dp_fini(&dp);
	return error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/net.h"
#include "model/live.h"

void plan_tell(struct plan *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(p->changes, format, args);
	va_end(args);
	fputc('\n', p->changes);
	p->change_count++;
}

/* ---- services ---- */

struct named {
	const char *name;
	uint32_t id;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* The services that run, by name, so that finding each is not a walk over all. */
static struct named *list_running(const struct dataplane *dp, size_t *count)
{
	struct named *list = calloc(dp->meta.max_services + 1, sizeof(*list));

	*count = 0;
	for (uint32_t id = 0; list && id < dp->meta.max_services; id++)
		if (dp->info[id].name[0])
			list[(*count)++] = (struct named){dp->info[id].name, id};
	if (list)
		qsort(list, *count, sizeof(*list), by_name);
	return list;
}

static int find_slot(struct dataplane *dp, struct plan *p, uint32_t *id)
{
	while (p->next_service < dp->meta.max_services) {
		uint32_t candidate = p->next_service++;

		if (!dp->info[candidate].name[0]) {
			*id = candidate;
			return 0;
		}
	}
	log_error("no room for more than %u services: the maps were made for so many. Raise "
		  "limits.services, then `serin detach` and `serin apply`",
		  dp->meta.max_services);
	return -ENOSPC;
}

static void tell_vip(struct plan *p, const struct service_plan *s, uint32_t old)
{
	char before[NET_ENDPOINT_LEN], after[NET_ENDPOINT_LEN];
	const struct model_service *m = s->model;

	if (old != UINT32_MAX)
		plan_tell(p, "~ service %s: moves to %s/%s; its connections to the old address end",
			  m->name, net_format_endpoint(&m->vip, m->port, after),
			  model_protocol_name(m->protocol));
	else
		plan_tell(p, "+ service %s %s/%s", m->name,
			  net_format_endpoint(&m->vip, m->port, before),
			  model_protocol_name(m->protocol));
}

static int plan_identity(struct dataplane *dp, struct plan *p, struct service_plan *s,
			 const struct named *running)
{
	uint32_t old = UINT32_MAX;

	s->old_id = UINT32_MAX;
	s->vip = dp_endpoint(&s->model->vip, s->model->port, s->model->protocol);
	if (running) {
		old = running->id;
		if (!memcmp(&dp->services[old].vip, &s->vip, sizeof(s->vip))) {
			s->id = old;
			p->keeps_service[old] = 1;
			return 0;
		}
	}
	s->is_new = true;
	s->old_id = old;
	tell_vip(p, s, old);
	return find_slot(dp, p, &s->id);
}

static bool has_weight_outside_primary(const struct dataplane *dp, uint32_t service)
{
	struct split_layout live;

	dp_split_read(dp, service, &live);
	return split_others_ppm(&live) > 0;
}

/* The setting that decides which clients fall to which pool and that the model has another of. */
static const char *new_cohort(const struct dataplane *dp, const struct service_plan *s)
{
	const struct serin_hashing *now = &dp->services[s->id].now;
	const struct model_service *m = s->model;

	if (dp_seed(dp, s->id) != s->seed)
		return "seed";
	if (now->affinity != m->affinity)
		return "affinity";
	if (m->affinity != SERIN_AFFINITY_CLIENT)
		return NULL;
	if (now->client_prefix6 != m->client_prefix6)
		return "client_prefix6";
	return now->client_prefix4 != m->client_prefix4 ? "client_prefix4" : NULL;
}

static int plan_cohort(struct dataplane *dp, struct plan *p, const struct service_plan *s)
{
	const struct serin_service_info *info = &dp->info[s->id];
	const struct model_service *m = s->model;
	const char *what = s->is_new ? NULL : new_cohort(dp, s);

	if (s->is_new)
		return 0;
	if (what && has_weight_outside_primary(dp, s->id)) {
		log_error(
			"service %s: a new %s would move clients between pools in the middle of a "
			"release. Shift every pool but the primary to 0 %% first; nothing was "
			"changed",
			m->name, what);
		return -EBUSY;
	}
	if (what)
		plan_tell(p, "~ service %s: new %s", m->name, what);
	if (info->table_size != m->table_size)
		plan_tell(p, "~ service %s: table_size %u -> %u", m->name, info->table_size,
			  m->table_size);
	return 0;
}

/* ---- pools and splits ---- */

static bool is_slot_used(const struct service_plan *s, size_t upto, uint8_t slot)
{
	for (size_t i = 0; i < upto; i++)
		if (s->slot[i] == slot)
			return true;
	return false;
}

static bool is_in_model(const struct model_service *m, const char *name)
{
	return model_find_pool(m, name) >= 0;
}

static bool has_backends(const struct dataplane *dp, const struct roster *r, uint32_t service,
			 uint8_t slot)
{
	const uint32_t *ids;

	return roster_pool(dp, r, service, slot, &ids) > 0;
}

/* A slot for a pool that has none: an empty one, or one whose pool has left for good. */
static int free_pool_slot(const struct dataplane *dp, const struct service_plan *s, size_t upto,
			  const struct roster *r)
{
	for (uint8_t slot = 0; slot < SERIN_MAX_POOLS; slot++) {
		const struct serin_pool_info *info = &dp->info[s->id].pool[slot];

		if (is_slot_used(s, upto, slot))
			continue;
		if (s->is_new || !info->name[0])
			return slot;
		if (!is_in_model(s->model, info->name) && !has_backends(dp, r, s->id, slot))
			return slot;
	}
	log_error("service %s: has no room for a new pool until the connections of those that left "
		  "it have ended",
		  s->model->name);
	return -ENOSPC;
}

static int plan_pools(struct dataplane *dp, struct plan *p, struct service_plan *s,
		      const struct roster *r)
{
	const struct model_service *m = s->model;

	for (size_t i = 0; i < m->pool_count; i++) {
		int slot = s->is_new ? -1 : dp_pool_find(dp, s->id, m->pools[i].name);

		s->is_new_slot[i] = slot < 0;
		if (slot < 0)
			slot = free_pool_slot(dp, s, i, r);
		if (slot < 0)
			return slot;
		s->slot[i] = (uint8_t)slot;
		if (s->is_new_slot[i])
			plan_tell(p, "+ service %s: pool %s", m->name, m->pools[i].name);
	}
	for (int slot = 0; !s->is_new && slot < SERIN_MAX_POOLS; slot++) {
		const struct serin_pool_info *info = &dp->info[s->id].pool[slot];

		if (info->name[0] && info->order != SERIN_POOL_GONE && !is_in_model(m, info->name))
			plan_tell(p, "- service %s: pool %s", m->name, info->name);
	}
	return 0;
}

/* What a pool had of a running service's split, be it the primary. */
static bool running_share(const struct dataplane *dp, uint32_t service,
			  const struct split_layout *live, const char *pool, uint32_t *ppm)
{
	int slot = dp_pool_find(dp, service, pool);
	bool has_part = slot >= 0 && slot == live->primary;

	for (size_t i = 0; slot >= 0 && i < live->other_count; i++)
		has_part |= live->others[i].pool == slot;
	if (has_part)
		*ppm = split_pool_ppm(live, (uint8_t)slot);
	return has_part;
}

static void tell_weight(struct plan *p, const struct model_service *m, size_t pool, uint32_t ppm,
			bool is_kept)
{
	const struct model_pool *mp = &m->pools[pool];

	if (ppm == mp->weight_ppm)
		return;
	if (is_kept && pool == m->primary)
		fprintf(p->changes,
			"= service %s: pool %s keeps its live weight %g %% (file: primary)\n",
			m->name, mp->name, ppm / 1e4);
	else if (is_kept)
		fprintf(p->changes,
			"= service %s: pool %s keeps its live weight %g %% (file: %g %%)\n",
			m->name, mp->name, ppm / 1e4, mp->weight_ppm / 1e4);
	else
		fprintf(p->changes,
			"= service %s: pool %s begins at 0 %%: the live weights leave no room for "
			"its %g %%\n",
			m->name, mp->name, mp->weight_ppm / 1e4);
}

/* The split wanted: live weights where there are some, the file's for pools that are new. */
static void plan_split(struct dataplane *dp, struct plan *p, struct service_plan *s,
		       const struct named *running)
{
	const struct model_service *m = s->model;
	struct split_layout live = {};
	bool is_kept[SERIN_MAX_POOLS] = {};
	uint32_t ppm[SERIN_MAX_POOLS] = {}, sum = 0;

	plan_primary(dp, p, s, running ? (int64_t)running->id : -1);
	if (running) /* of that name, whatever its address: its weights live on */
		dp_split_read(dp, running->id, &live);
	for (size_t i = 0; i < m->pool_count; i++) {
		const char *pool = m->pools[i].name;

		ppm[i] = m->pools[i].weight_ppm;
		if (i == s->primary)
			continue;
		is_kept[i] = running ? running_share(dp, running->id, &live, pool, &ppm[i])
				     : s->remembered && live_share(s->remembered, pool, &ppm[i]);
		sum += is_kept[i] ? ppm[i] : 0;
	}
	s->layout.primary = s->slot[s->primary];
	for (size_t i = 0; i < m->pool_count; i++) {
		size_t n = s->layout.other_count;

		if (i == s->primary)
			continue;
		if (!is_kept[i] && sum + ppm[i] > SPLIT_PPM_ALL)
			ppm[i] = 0;
		if (!is_kept[i])
			sum += ppm[i];
		tell_weight(p, m, i, ppm[i], is_kept[i]);
		s->layout.others[n].pool = s->slot[i];
		s->layout.others[n].ppm = ppm[i];
		s->layout.other_count++;
	}
	s->is_split_new = s->is_new || !split_equal(&s->layout, &live);
	if (s->is_split_new && !s->is_new)
		plan_tell(p, "~ service %s: new split", m->name);
}

/* ---- all of it ---- */

static int plan_interfaces(struct dataplane *dp, struct rtnl *rtnl, struct plan *p)
{
	const struct model *m = p->model;
	int error = link_list_read(rtnl, &p->links);

	for (size_t i = 0; i < m->interface_count; i++) {
		struct dp_interface *out = &p->interfaces[i];
		int failed = dp_interface_check(dp, rtnl, &m->interfaces[i], out);

		if (!failed &&
		    dp_interface_is_refused(&p->links, m, &m->interfaces[i], out->link.ifindex))
			failed = -EINVAL;
		error = error ? error : failed;
		if (!failed && !out->is_attached)
			plan_tell(p, "+ interface %s (%s XDP)", out->name,
				  model_xdp_mode_name(out->mode));
	}
	return error ? error : plan_ports(p);
}

static int plan_alloc(const struct dataplane *dp, struct plan *p)
{
	size_t targets = 0;

	for (size_t i = 0; i < p->model->service_count; i++)
		targets += p->model->services[i].target_count;
	p->interfaces = calloc(p->model->interface_count + 1, sizeof(*p->interfaces));
	p->services = calloc(p->model->service_count + 1, sizeof(*p->services));
	p->backends = calloc(p->hop_count + 1, sizeof(*p->backends));
	p->targets.list = calloc(targets + 1, sizeof(*p->targets.list));
	p->keeps_service = calloc(dp->meta.max_services + 1, 1);
	p->keeps_backend = calloc(dp->meta.max_backends + 1, 1);
	p->shares = calloc(dp->meta.max_services + 1, 1);
	return p->interfaces && p->services && p->backends && p->targets.list && p->keeps_service &&
			       p->keeps_backend && p->shares
		       ? 0
		       : -ENOMEM;
}

static int plan_service(struct dataplane *dp, struct plan *p, struct service_plan *s,
			const struct roster *r, const struct named *running)
{
	int error;

	if (running && !dp->services[running->id].epoch)
		running = NULL; /* an apply was killed before it had a split */
	plan_seed(dp, p, s, running ? (int64_t)running->id : -1);
	error = plan_cohort(dp, p, s);
	if (!error)
		error = plan_pools(dp, p, s, r);
	if (error)
		return error;
	plan_split(dp, p, s, running);
	plan_targets(dp, p, s);
	plan_guards(dp, p, s);
	return 0;
}

static int plan_services(struct dataplane *dp, struct rtnl *rtnl, struct plan *p,
			 const struct roster *r)
{
	struct named *running;
	size_t running_count;
	int error = 0;

	running = list_running(dp, &running_count);
	if (!running)
		return -ENOMEM;
	for (size_t i = 0; !error && i < p->model->service_count; i++) {
		struct service_plan *s = &p->services[i];
		struct named wanted = {.name = p->model->services[i].name};
		struct named *found = NULL;

		if (running_count)
			found = bsearch(&wanted, running, running_count, sizeof(*running), by_name);
		s->model = &p->model->services[i];
		plan_remembered(dp, p, s);
		error = plan_identity(dp, p, s, found);
		if (!error)
			error = plan_forwarding(dp, rtnl, p, s, r, &p->hops[p->backend_count]);
		if (!error)
			error = plan_service(dp, p, s, r, found);
		if (!error)
			error = plan_service_backends(dp, p, s);
	}
	free(running);
	return error;
}

int plan_build(struct dataplane *dp, struct rtnl *rtnl, struct plan *p)
{
	struct roster roster = {};
	size_t rules;
	int error;

	error = plan_alloc(dp, p);
	if (!error)
		error = roster_build(dp, &roster);
	if (!error)
		error = plan_list_running(dp, p);
	if (!error)
		error = plan_interfaces(dp, rtnl, p);
	if (!error)
		error = plan_services(dp, rtnl, p, &roster);
	if (!error)
		error = plan_sharing(dp, p);
	if (!error)
		error = plan_sources(p);
	if (!error)
		error = plan_check_hops(p);
	if (!error)
		error = dp_targets_compare(dp, &p->targets, &p->targets_gone);
	rules = p->targets.count + p->targets_gone.count;
	if (!error && rules)
		plan_tell(p, "~ %zu target rule%s", rules, rules == 1 ? "" : "s");
	if (!error)
		plan_tell_leaving(dp, p);
	roster_fini(&roster);
	return error;
}

void plan_fini(struct plan *p)
{
	link_list_fini(&p->links);
	free(p->interfaces);
	free(p->services);
	free(p->backends);
	free(p->hops);
	free(p->targets.list);
	free(p->targets_gone.list);
	free(p->settles);
	free(p->sources);
	free(p->keeps_service);
	free(p->keeps_backend);
	free(p->running);
	free(p->shares);
}

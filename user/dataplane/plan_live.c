// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The part of a plan that is about a restart: where nothing is loaded, live weights, seed and drained
 * backends of before are part of what is made, so that no packet meets any others.
 */
#include "dataplane/plan.h"

#include "lib/net.h"
#include "model/live.h"

/* Over what runs a new seed is refused while it would move clients between pools. A restart has to
 * go on all the same: with the seed that those clients were drawn with. */
static uint64_t seed_of(const struct plan *p, const struct service_plan *s)
{
	const struct live_service *r = s->remembered;

	if (!r || r->seed == s->model->seed || !live_has_release(r))
		return s->model->seed;
	fprintf(p->changes,
		"= service %s: keeps its live seed %llu (file: %llu) while a pool beside the "
		"primary has a weight\n",
		s->model->name, (unsigned long long)r->seed, (unsigned long long)s->model->seed);
	return r->seed;
}

void plan_remembered(const struct dataplane *dp, const struct plan *p, struct service_plan *s)
{
	if (!dp->is_published)
		s->remembered = live_find(p->model->remembered, s->model->name);
	s->seed = seed_of(p, s);
}

bool plan_stays_drained(const struct plan *p, const struct service_plan *s,
			const struct model_backend *m)
{
	char text[NET_ENDPOINT_LEN];

	if (!s->remembered || !live_is_drained(s->remembered, &m->address, m->port))
		return false;
	fprintf(p->changes, "= service %s: backend %s stays drained\n", s->model->name,
		net_format_endpoint(&m->address, m->port, text));
	return true;
}

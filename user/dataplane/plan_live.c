// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The part of a plan that is about a restart: where nothing is loaded, live weights, seed and drained
 * backends of before are part of what is made, so that no packet meets any others.
 */
#include "dataplane/plan.h"

#include <string.h>

#include "lib/net.h"
#include "model/live.h"

void plan_remembered(const struct dataplane *dp, const struct plan *p, struct service_plan *s)
{
	if (!dp->is_published)
		s->remembered = live_find(p->model->remembered, s->model->name);
}

static void keep_seed(const struct plan *p, struct service_plan *s, uint64_t live, uint64_t said,
		      const char *why)
{
	s->seed = live;
	s->file_seed = said;
	fprintf(p->changes, "= service %s: keeps its live seed %llu (file: %llu)%s\n",
		s->model->name, (unsigned long long)live, (unsigned long long)s->model->seed, why);
}

/*
 * The live one, which a release may have given it, until the file says another one than it said. Over
 * what runs that one is refused while it would move clients between pools. A restart has to go on all
 * the same: with the seed that those clients were drawn with, until there are none.
 */
void plan_seed(const struct dataplane *dp, const struct plan *p, struct service_plan *s,
	       int64_t running)
{
	const struct live_service *r = s->remembered;
	uint64_t live, said;

	s->seed = s->file_seed = s->model->seed;
	if (running < 0 && !r)
		return;
	live = running >= 0 ? dp_seed(dp, (uint32_t)running) : r->seed;
	said = running >= 0	  ? dp_file_seed(dp, (uint32_t)running)
	       : r->has_file_seed ? r->file_seed
				  : live;
	if (live == s->model->seed)
		return;
	if (said == s->model->seed)
		keep_seed(p, s, live, said, "");
	else if (running < 0 && live_has_release(r))
		keep_seed(p, s, live, said, " while a pool beside the primary has a weight");
}

/*
 * The live one, until the file says another one than it said: a release that has ended makes its pool
 * the primary, and whoever wrote the file need not hear of it.
 */
void plan_primary(const struct dataplane *dp, const struct plan *p, struct service_plan *s,
		  int64_t running)
{
	const struct model_service *m = s->model;
	const char *file = m->pools[m->primary].name, *live = NULL, *said = NULL;
	struct split_layout split;
	int kept;

	s->primary = m->primary;
	if (running >= 0) {
		dp_split_read(dp, (uint32_t)running, &split);
		live = dp->info[running].pool[split.primary].name;
		said = dp->info[running].pool[dp_file_primary(dp, (uint32_t)running)].name;
	} else if (s->remembered) {
		live = s->remembered->primary;
		said = *s->remembered->file_primary ? s->remembered->file_primary : live;
	}
	if (!live || strcmp(said, file) || !strcmp(live, file))
		return;
	kept = model_find_pool(m, live);
	if (kept < 0)
		return;
	s->primary = (size_t)kept;
	fprintf(p->changes, "= service %s: keeps its live primary %s (file: %s)\n", m->name, live,
		file);
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

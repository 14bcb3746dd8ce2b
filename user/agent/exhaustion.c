// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/exhaustion.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/log.h"

struct watched {
	char name[SERIN_NAME_LEN]; /* "": nobody */
	struct exhaustion_episode episode;
};

struct exhaustion {
	struct watched *services; /* by id */
	size_t count;
	bool has_looked;
	uint64_t now_ms;
	int error;
};

enum exhaustion_news exhaustion_judge(struct exhaustion_episode *e, uint64_t refused,
				      uint64_t now_ms)
{
	uint64_t more = refused < e->refused ? refused : refused - e->refused;

	e->refused = refused;
	if (more) {
		e->grew_ms = now_ms;
		e->total = e->is_on ? e->total + more : more;
		if (e->is_on)
			return EXHAUSTION_NONE;
		e->is_on = true;
		return EXHAUSTION_BEGINS;
	}
	if (!e->is_on || now_ms - e->grew_ms < EXHAUSTION_QUIET_MS)
		return EXHAUSTION_NONE;
	e->is_on = false;
	return EXHAUSTION_ENDS;
}

static struct watched *watch(struct exhaustion *x, uint32_t id)
{
	struct watched *more;

	if (id < x->count)
		return &x->services[id];
	more = reallocarray(x->services, id + 1, sizeof(*more));
	if (!more)
		return NULL;
	memset(more + x->count, 0, (id + 1 - x->count) * sizeof(*more));
	x->services = more;
	x->count = id + 1;
	return &more[id];
}

static void tell(const struct watched *w, enum exhaustion_news news, uint64_t ports)
{
	if (news == EXHAUSTION_BEGINS)
		log_warning("service %s: new flows are refused, %llu so far: its %llu source ports "
			    "are in use",
			    w->name, (unsigned long long)w->episode.total,
			    (unsigned long long)ports);
	if (news == EXHAUSTION_ENDS)
		log_info("service %s: flows are no longer refused for want of a source port; %llu "
			 "were",
			 w->name, (unsigned long long)w->episode.total);
}

static void look_at(uint32_t id, const char *name, const struct snapshot_ports *ports, void *arg)
{
	struct exhaustion *x = arg;
	struct watched *w = watch(x, id);

	if (!w) {
		x->error = -ENOMEM;
		return;
	}
	if (strcmp(w->name, name)) {
		*w = (struct watched){.episode.refused = x->has_looked ? 0 : ports->refused};
		memcpy(w->name, name, sizeof(w->name));
	}
	tell(w, exhaustion_judge(&w->episode, ports->refused, x->now_ms), ports->capacity);
}

int exhaustion_look(struct exhaustion *x, struct dataplane *dp, uint64_t now_ms)
{
	int error;

	x->now_ms = now_ms;
	x->error = 0;
	error = dataplane_each_ports(dp, look_at, x);
	x->has_looked = true;
	return error ? error : x->error;
}

struct exhaustion *exhaustion_new(void)
{
	return calloc(1, sizeof(struct exhaustion));
}

void exhaustion_free(struct exhaustion *x)
{
	if (!x)
		return;
	free(x->services);
	free(x);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What operators change while it runs: weights, and whether a backend takes new flows. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/net.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int find_service(struct dataplane *dp, const char *name, uint32_t *id)
{
	int64_t found = dp_service_find(dp, name);

	if (found < 0) {
		log_error("no service \"%s\" is loaded; `serin status` lists them", name);
		return -ENOENT;
	}
	*id = (uint32_t)found;
	return 0;
}

static void list_pools(const struct dataplane *dp, uint32_t service, char *text, size_t size)
{
	const struct serin_pool_info *pools = dp->info[service].pool;
	size_t at = 0;

	*text = '\0';
	for (int i = 0; i < SERIN_MAX_POOLS && at < size; i++)
		if (pools[i].name[0] && pools[i].order != SERIN_POOL_GONE)
			at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "",
					       pools[i].name);
}

int dp_shift_pool(const struct dataplane *dp, uint32_t service, const char *pool)
{
	char pools[SERIN_MAX_POOLS * (SERIN_NAME_LEN + 2)];
	int slot = dp_pool_find(dp, service, pool);

	if (slot >= 0 && dp->info[service].pool[slot].order != SERIN_POOL_GONE)
		return slot;

	list_pools(dp, service, pools, sizeof(pools));
	log_error("service %s has no pool \"%s\"; it has %s", dp->info[service].name, pool, pools);
	return -ENOENT;
}

/* One pool's new weight into the layout. */
static int set_weight(const struct dataplane *dp, uint32_t service,
		      const struct dataplane_weight *w, struct split_layout *layout)
{
	int slot = dp_shift_pool(dp, service, w->pool);

	if (slot < 0)
		return slot;
	if (w->ppm > SPLIT_PPM_ALL) {
		log_error("%s: %g %% is more than 100 %%", w->pool, w->ppm / 1e4);
		return -EINVAL;
	}
	if (slot == layout->primary) {
		log_error(
			"%s is the primary of service %s: it takes what the other pools leave, so "
			"set theirs",
			w->pool, dp->info[service].name);
		return -EINVAL;
	}
	for (size_t i = 0; i < layout->other_count; i++)
		if (layout->others[i].pool == slot)
			layout->others[i].ppm = w->ppm;
	return 0;
}

static int set_weights(const struct dataplane *dp, uint32_t service,
		       const struct dataplane_shift_request *r, struct split_layout *layout)
{
	for (size_t i = 0; i < r->weight_count; i++) {
		int error = set_weight(dp, service, &r->weights[i], layout);

		if (error)
			return error;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(r->weights[i].pool, r->weights[j].pool))
				continue;
			log_error("pool %s is named twice", r->weights[i].pool);
			return -EINVAL;
		}
	}
	if (split_others_ppm(layout) <= SPLIT_PPM_ALL)
		return 0;
	log_error("service %s: weights would sum to %g %%, more than 100 %%; pools that were not "
		  "named keep theirs; nothing was changed",
		  dp->info[service].name, split_others_ppm(layout) / 1e4);
	return -EINVAL;
}

void dp_shift_describe(const struct dataplane *dp, uint32_t service,
		       const struct split_layout *before, const struct split_layout *after,
		       struct dataplane_shift *out)
{
	const struct serin_pool_info *pools = dp->info[service].pool;

	for (uint32_t order = 0; order < SERIN_MAX_POOLS; order++) {
		for (uint8_t slot = 0; slot < SERIN_MAX_POOLS; slot++) {
			if (!pools[slot].name[0] || pools[slot].order != order)
				continue;
			memcpy(out->pool[out->pool_count].name, pools[slot].name, SERIN_NAME_LEN);
			out->pool[out->pool_count].before_ppm = split_pool_ppm(before, slot);
			out->pool[out->pool_count].after_ppm = split_pool_ppm(after, slot);
			out->pool_count++;
		}
	}
}

int dp_shift_begin(struct dataplane *dp, const char *service, int64_t expect_epoch, uint32_t *id)
{
	int error = find_service(dp, service, id);
	uint32_t epoch;

	if (error)
		return error;
	epoch = dp->services[*id].epoch;
	if (expect_epoch < 0 || expect_epoch == epoch)
		return 0;
	log_error("service %s: its epoch is %u, not %lld: somebody shifted it meanwhile (%s); "
		  "nothing was changed",
		  service, epoch, (long long)expect_epoch, dp->info[*id].last.actor);
	return -ESTALE;
}

void dp_shift_store(struct dataplane *dp, uint32_t service, const struct split_layout *after,
		    const struct dataplane_author *author, struct dataplane_shift *out)
{
	uint64_t start = now_ns();

	out->epoch = dp_split_store(dp, service, after);
	out->took_effect_ns = now_ns();
	out->store_ns = out->took_effect_ns - start;
	dp_note_change(dp, service, author);
}

int dataplane_shift(struct dataplane *dp, const struct dataplane_shift_request *r,
		    struct dataplane_shift *out)
{
	struct dataplane_shift result = {};
	struct split_layout before, after;
	uint32_t service = 0;
	int error;

	error = dp_shift_begin(dp, r->service, r->expect_epoch, &service);
	if (error)
		return error;
	result.epoch = dp->services[service].epoch;
	dp_split_read(dp, service, &before);
	after = before;
	error = set_weights(dp, service, r, &after);
	if (error)
		return error;
	dp_shift_describe(dp, service, &before, &after, &result);
	if (!r->dry_run && !split_equal(&before, &after)) {
		dp_change_begin(dp, &r->author, service);
		dp_shift_store(dp, service, &after, &r->author, &result);
		dp_change_end(dp, &r->author, service);
	}
	*out = result;
	return 0;
}

/* ---- draining ---- */

static int find_backend(struct dataplane *dp, uint32_t service, const struct in6_addr *address,
			uint16_t port, uint32_t *out)
{
	size_t found = 0;

	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->state == SERIN_BACKEND_FREE || b->service != service ||
		    memcmp(&b->at.addr, address, sizeof(*address)) ||
		    (port && ntohs(b->at.port_be) != port))
			continue;
		*out = id;
		found++;
	}
	if (found == 1)
		return 0;
	if (!found)
		log_error("service %s has no such backend; `serin status %s` lists them",
			  dp->info[service].name, dp->info[service].name);
	else
		log_error("service %s has %zu backends of that address: say the port too",
			  dp->info[service].name, found);
	return found ? -EINVAL : -ENOENT;
}

static bool is_last_for_new_flows(const struct dataplane *dp, uint32_t id)
{
	const struct serin_backend *leaving = &dp->backends[id];
	struct split_layout split;

	dp_split_read(dp, leaving->service, &split);
	for (uint32_t other = 0; other < dp->meta.max_backends; other++) {
		const struct serin_backend *b = &dp->backends[other];

		if (other != id && b->service == leaving->service && dp_backend_takes_flows(b) &&
		    (b->pool == leaving->pool || b->pool == split.primary))
			return false;
	}
	return split_pool_ppm(&split, leaving->pool) > 0;
}

static int set_state(struct dataplane *dp, uint32_t id, enum serin_backend_state state)
{
	struct serin_backend *b = &dp->backends[id];
	struct roster roster;
	int error;

	dp_backend_set_state(b, state);
	error = roster_build(dp, &roster);
	if (error)
		return error;
	error = dp_table_refresh(dp, &roster, b->service, b->pool);
	roster_fini(&roster);
	return error;
}

int dataplane_drain(struct dataplane *dp, const struct dataplane_drain_request *r,
		    const struct in6_addr *address, uint16_t port)
{
	enum serin_backend_state wanted = r->drain ? SERIN_BACKEND_DRAINING : SERIN_BACKEND_UP;
	uint32_t service = 0, id = 0;
	int error;

	error = find_service(dp, r->service, &service);
	if (!error)
		error = find_backend(dp, service, address, port, &id);
	if (error)
		return error;
	if (dp_backend_state(&dp->backends[id]) == SERIN_BACKEND_LEAVING) {
		log_error("this backend is leaving: it is no longer in the configuration; put it "
			  "back "
			  "there and apply");
		return -EINVAL;
	}
	if (dp_backend_state(&dp->backends[id]) == wanted)
		return 1;
	if (r->drain && !r->force && is_last_for_new_flows(dp, id)) {
		log_error("service %s: no backend would be left for new connections of its pool, "
			  "nor in "
			  "the primary; nothing was changed (--force does it all the same)",
			  r->service);
		return -EBUSY;
	}
	if (r->dry_run)
		return 0;
	dp_change_begin(dp, &r->author, service);
	error = set_state(dp, id, wanted);
	if (!error)
		dp_note_change(dp, service, &r->author);
	dp_change_end(dp, &r->author, service);
	return error;
}

/* ---- the end ---- */

struct detaching {
	struct dataplane *dp;
	FILE *changes;
	char names[SERIN_MAX_PORTS][IF_NAMESIZE];
	size_t count;
};

static int note_link(const char *name, uint32_t ifindex, void *arg)
{
	struct detaching *d = arg;

	(void)ifindex;
	if (d->count < SERIN_MAX_PORTS)
		snprintf(d->names[d->count++], IF_NAMESIZE, "%s", name);
	return 0;
}

/* Nothing of it is left. */
static void note_end(const struct dataplane_author *author)
{
	if (!author->change)
		return;
	author->change->is_made = true;
	author->change->made_ns = now_ns();
	author->change->after = live_new();
}

int dataplane_detach(const char *dir, const struct dataplane_author *author, bool dry_run,
		     FILE *changes)
{
	struct detaching d = {.changes = changes};
	struct dataplane *dp = NULL;
	char path[PATH_MAX];
	int error;

	error = dataplane_open(dir, DATAPLANE_WRITE, &dp);
	if (error)
		return error;
	dp_change_begin(dp, author, -1);
	error = dp_each_link(dp, note_link, &d);
	for (size_t i = 0; !error && i < d.count; i++) {
		if (!dry_run)
			error = dp_interface_detach(dp, d.names[i]);
		if (!error)
			fprintf(changes, "- interface %s\n", d.names[i]);
	}
	if (!error)
		error = dp_pin_path(dp, "", path);
	if (!error && !dry_run)
		error = dp_remove_tree(path);
	if (!error && !dry_run) {
		rmdir(dir);
		note_end(author);
	}
	if (!error)
		fprintf(changes, "- pins under %s\n", dir);
	dataplane_close(dp);
	return error;
}

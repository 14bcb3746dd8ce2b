// SPDX-License-Identifier: GPL-2.0-or-later
/* What the maps say of backends, and that it is what the agent knows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/accuracy.h"
#include "agent/health_internal.h"
#include "lib/log.h"

#define MS	  1000ull
#define SOON_US	  (5 * MS)    /* several changes at once are one */
#define BUSY_US	  (20 * MS)   /* while somebody else writes */
#define PERIOD_US (1000 * MS) /* others may apply, detach, and load anew */

/* ---- reading ---- */

static int compare(const void *key, const void *item)
{
	const struct dataplane_backend *seen = key;
	const struct health_backend *b = *(struct health_backend *const *)item;
	int order = strcmp(seen->service, b->pool->service);

	if (!order)
		order = memcmp(&seen->address, &b->address, sizeof(b->address));
	return order ? order : (int)seen->port - (int)b->port;
}

/* The first time a backend is seen, what the maps say of it is what was known before. */
static void adopt(struct health_backend *b)
{
	if (b->pool->check.type != MODEL_CHECK_NONE)
		b->state = health_adopt(b->told & SERIN_BACKEND_UNHEALTHY);
	if (b->pool->outlier.failures)
		b->outlier = outlier_adopt(&b->pool->outlier, b->told & SERIN_BACKEND_EJECTED,
					   health_now_us() / MS);
}

static void see(const struct dataplane_backend *seen, void *arg)
{
	struct health *h = arg;
	struct health_backend **found, *b;

	if (seen->is_leaving)
		return;
	found = bsearch(seen, h->backends, h->count, sizeof(*h->backends), compare);
	if (!found)
		return;
	b = *found;
	b->told = seen->facts;
	b->id = seen->id;
	b->is_there = true;
	if (!b->is_adopted)
		adopt(b);
	b->is_adopted = true;
}

static int read_maps(struct health *h)
{
	struct dataplane *dp;
	int err = dataplane_open(h->dir, DATAPLANE_READ, &dp);

	if (err)
		return err;
	for (size_t i = 0; i < h->count; i++)
		h->backends[i]->is_there = false;
	dataplane_each_backend(dp, see, h);
	health_outliers_look(h, dp);
	dataplane_close(dp);
	return 0;
}

/* ---- writing ---- */

static void add_change(const struct health_backend *b, uint8_t fact, struct dataplane_health *out)
{
	*out = (struct dataplane_health){
		.id = b->id,
		.address = b->address,
		.port = b->port,
		.fact = fact,
		.is_so = health_facts(b) & fact,
	};
	memcpy(out->service, b->pool->service, sizeof(out->service));
}

/* All there is to say where the last try failed: facts may be there, and tables not. */
static size_t list_changes(const struct health *h, struct dataplane_health *out)
{
	uint8_t always = h->error ? SERIN_BACKEND_FACTS : 0;
	size_t count = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct health_backend *b = h->backends[i];
		uint8_t differs = b->is_there ? (health_facts(b) ^ b->told) | always : 0;

		if (differs & SERIN_BACKEND_UNHEALTHY)
			add_change(b, SERIN_BACKEND_UNHEALTHY, &out[count++]);
		if (differs & SERIN_BACKEND_EJECTED)
			add_change(b, SERIN_BACKEND_EJECTED, &out[count++]);
	}
	return count;
}

static int write_changes(struct health *h, struct dataplane_health *changes, size_t count)
{
	struct dataplane *dp;
	int result = dataplane_open(h->dir, DATAPLANE_TRY_WRITE, &dp);

	if (result)
		return result;
	result = dataplane_set_health(dp, changes, count);
	dataplane_close(dp);
	return result < 0 ? result : 0;
}

static int write_maps(struct health *h)
{
	struct dataplane_health *changes = calloc(2 * h->count + 1, sizeof(*changes));
	size_t count = changes ? list_changes(h, changes) : 0;
	int err = changes ? 0 : -ENOMEM;

	if (count)
		err = write_changes(h, changes, count);
	if (!err && count)
		for (size_t i = 0; i < h->count; i++)
			h->backends[i]->told = health_facts(h->backends[i]);
	free(changes);
	return err;
}

/* ---- now and then ---- */

static void schedule(struct health *h, uint64_t in_us)
{
	int err = sd_event_source_set_time_relative(h->follower, in_us);

	if (err >= 0)
		err = sd_event_source_set_enabled(h->follower, SD_EVENT_ONESHOT);
	if (err < 0)
		log_error("what health checks find is told to nobody: %s", strerror(-err));
}

static void tell(struct health *h, int err)
{
	h->errors += err != 0;
	if (err && err != h->error)
		log_warning("what health checks find is not in force: %s", strerror(-err));
	if (!err && h->error)
		log_info("what health checks find is in force again");
	h->error = err;
}

void health_maps_follow(struct health *h)
{
	int err = h->count ? dataplane_probe(h->dir) : -ENOENT;

	if (!err)
		err = read_maps(h);
	if (!err)
		err = write_maps(h);
	if (err != -EAGAIN)
		tell(h, err == -ENOENT ? 0 : err);
	schedule(h, err == -EAGAIN ? BUSY_US : PERIOD_US);
}

void health_kick(struct health *h)
{
	schedule(h, SOON_US);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	health_maps_follow(arg);
	return 0;
}

int health_maps_open(struct health *h)
{
	int err = sd_event_add_time_relative(h->event, &h->follower, CLOCK_MONOTONIC, PERIOD_US,
					     TIMER_ACCURACY_US, on_timer, h);

	return err < 0 ? err : 0;
}

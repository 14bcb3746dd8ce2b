// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/accuracy.h"
#include "lib/log.h"

#define MS	  ((uint64_t)1000)
#define PERIOD_US (1000 * MS)
#define RETRY_US \
	(5000 * MS) /* while the database cannot be written: each try may wait for a lock */
#define SYNC_TURNS 10
/* What can be tried again must not keep the agent from its other work; a record cannot. */
#define PATIENCE_MS	   200
#define RECORD_PATIENCE_MS 2000
#define QUEUE_MAX	   4096

struct keeper {
	const char *dir;
	struct store *store;
	sd_event_source *timer;
	struct event_view queue[QUEUE_MAX];
	size_t queued;
	unsigned int turns;
};

bool keeper_keeps(const struct keeper *k)
{
	return *store_path(k->store);
}

/* All that waits, or nothing. */
static int flush(struct keeper *k)
{
	int err = store_events(k->store, k->queue, k->queued);

	if (!err)
		k->queued = 0;
	return err;
}

/* Nothing loaded is no wish to forget: a restart may have been the end of it. */
static int sync_live(struct keeper *k)
{
	struct dataplane *dp = NULL;
	struct live *l = NULL;
	uint64_t read_ns;
	int err;

	if (dataplane_probe(k->dir) || dataplane_open(k->dir, DATAPLANE_READ, &dp))
		return 0;
	err = dataplane_live(dp, &l, &read_ns);
	dataplane_close(dp);
	if (err)
		return 0;
	err = store_sync_live(k->store, l, read_ns);
	live_free(l);
	return err < 0 ? err : 0;
}

static int take_turn(struct keeper *k)
{
	bool was_broken = !store_count(k->store).is_available;
	int err = 0;

	if (!keeper_keeps(k))
		return 0;
	if (was_broken)
		err = store_probe(k->store);
	if (!err)
		err = flush(k);
	if (!err && (was_broken || !(k->turns++ % SYNC_TURNS)))
		err = sync_live(k);
	return err;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	int err = take_turn(arg);

	err = sd_event_source_set_time(source, usec + (err ? RETRY_US : PERIOD_US));
	return err < 0 ? err : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int keeper_open(sd_event *event, const char *dir, const char *state, struct keeper **out)
{
	struct keeper *k = calloc(1, sizeof(*k));
	uint64_t now_us = 0;
	int err = -ENOMEM;

	if (k) {
		k->dir = dir;
		k->store = store_new(state);
	}
	if (k && k->store)
		err = sd_event_now(event, CLOCK_MONOTONIC, &now_us);
	if (err >= 0)
		err = sd_event_add_time(event, &k->timer, CLOCK_MONOTONIC, now_us + PERIOD_US,
					TIMER_ACCURACY_US, on_timer, k);
	if (err < 0) {
		log_error("cannot keep what happens: %s", strerror(-err));
		keeper_close(k);
		return err;
	}
	store_set_patience(k->store, PATIENCE_MS);
	store_probe(k->store);
	*out = k;
	return 0;
}

void keeper_remember(struct keeper *k, struct model *m)
{
	store_remember(k->store, k->dir, m);
}

void keeper_record(struct keeper *k, const struct dataplane_author *author, const char *service,
		   int error)
{
	const struct store_act act = {.author = author, .service = service, .error = error};

	store_set_patience(k->store, RECORD_PATIENCE_MS);
	store_record(k->store, &act);
	store_set_patience(k->store, PATIENCE_MS);
}

/* When there is no more room the newest wait in vain: what began it is worth more. */
void keeper_add_event(struct keeper *k, const struct event_view *v)
{
	if (!keeper_keeps(k))
		return;
	if (k->queued < QUEUE_MAX)
		k->queue[k->queued++] = *v;
	else
		store_lose(k->store, 1);
}

int keeper_keep_rollouts(struct keeper *k, const struct store_rollout *list, size_t count)
{
	return store_rollouts_keep(k->store, list, count);
}

struct store *keeper_store(struct keeper *k)
{
	return k->store;
}

struct store_counts keeper_count(const struct keeper *k)
{
	return store_count(k->store);
}

void keeper_close(struct keeper *k)
{
	if (!k)
		return;
	sd_event_source_disable_unref(k->timer);
	if (k->store && k->queued && flush(k))
		log_warning("%zu events were not kept", k->queued);
	store_free(k->store);
	free(k);
}

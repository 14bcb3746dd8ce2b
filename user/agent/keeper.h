/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the agent's part in the state database: the record of what it applies, the events it reads, and
 * that live weights which somebody's change could not keep are kept after all. While the database
 * cannot be written, events wait for it, so many of them.
 */
#pragma once

#include <systemd/sd-event.h>

#include "store/rollouts.h"
#include "store/store.h"

struct keeper;

/* @state: as store_new() takes it. A database that cannot be used is no error. 0 or -errno, said. */
int keeper_open(sd_event *event, const char *dir, const char *state, struct keeper **out);
/* False: nobody wants it to. */
bool keeper_keeps(const struct keeper *k);
/* Gives a model what is to be taken up where nothing is loaded. */
void keeper_remember(struct keeper *k, struct model *m);
/* What the data plane returned; author->change is its account. @service: that it was of; NULL: all */
void keeper_record(struct keeper *k, const struct dataplane_author *author, const char *service,
		   int error);
void keeper_add_event(struct keeper *k, const struct event_view *v);
/* Rollouts as they are now, as store_rollouts_keep() does. */
int keeper_keep_rollouts(struct keeper *k, const struct store_rollout *list, size_t count);
/* To read of. */
struct store *keeper_store(struct keeper *k);
struct store_counts keeper_count(const struct keeper *k);
void keeper_close(struct keeper *k);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the rollouts of all services: it looks each second at what runs, has each rollout's state say
 * what it wants, and makes the world so. Intent is kept before it is carried out, except where a
 * candidate is taken back: that comes first, and is written down after.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <systemd/sd-event.h>

#include "rollout/rollout.h"

struct keeper;
struct model;
struct rollouts;

/* @dir: of the pins. NULL when out of memory. */
struct rollouts *rollouts_new(const char *dir);
/* Takes up those that an agent before this one left. Once. 0 or -errno, said. */
int rollouts_open(struct rollouts *r, sd_event *event, struct keeper *keeper);
/* The file's strategies, for rollouts that begin from now on. */
void rollouts_reload(struct rollouts *r, const struct model *m);
void rollouts_write_metrics(struct rollouts *r, FILE *out);
void rollouts_close(struct rollouts *r);

/* ---- what is asked of them ---- */

struct rollouts_order {
	const char *service;
	bool is_start;
	enum rollout_command command; /* unless it is a start */
	int64_t id;	      /* the one that is meant; 0: the one under way, or the newest */
	const char *release;  /* of a start */
	const char *strategy; /* of a start; NULL: the service's */
	const char *reason;
	bool is_dry_run; /* nothing is done; the message says what would be */
	uint32_t uid;	 /* who asks */
};

/*
 * rollouts_order() - what has been done is in force, or on its way, when it returns
 * @out: {"rollout": VIEW, "message": TEXT}, VIEW null for a dry run; @why: of an error
 * Returns 0; -ENOENT: no such service, rollout or strategy; -EINVAL: the order makes no sense; -ESTALE: it
 * does not in this phase, or the id is another one's; -ENODEV: nothing is loaded; -EROFS: it would begin, and
 * cannot be kept; -ENOMEM.
 */
int rollouts_order(struct rollouts *r, const struct rollouts_order *order, json_t **out,
		   char why[ROLLOUT_WHY_LEN]);

/* New references; NULL when out of memory. */
json_t *rollouts_list(struct rollouts *r, const char *service, int64_t limit);
/* @id: 0: the one under way, else the newest. -ENOENT: there is none. */
int rollouts_view(struct rollouts *r, const char *service, int64_t id, json_t **out);
int rollouts_record(struct rollouts *r, const char *service, int64_t id, json_t **out);
/* A few words of the one under way, for the status; NULL: there is none. */
json_t *rollouts_brief(struct rollouts *r, const char *service);

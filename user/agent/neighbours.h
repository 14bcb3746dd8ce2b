/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns keeping next hops true: it hears of changed links, routes and neighbours and looks at all
 * backends anew, at once where something changed and now and then where nothing did. Then it also
 * settles what has settled, looks for services that run out of ports and maps that are nearly full,
 * and sets how many flows are sampled.
 */
#pragma once

#include <systemd/sd-event.h>

#include "observe/metrics.h"

struct neighbours;

/* @dir: of the pins; nothing need be loaded there. 0 or -errno, said through log_error(). */
int neighbours_open(sd_event *event, const char *dir, struct neighbours **out);
/* Looks soon: something may have been loaded or changed. */
void neighbours_kick(struct neighbours *n);
/* How many of its passes failed, for something of a map could not be read or written; and at what. */
uint64_t neighbours_errors(const struct neighbours *n, uint64_t by_work[METRICS_WORK_MAX]);
void neighbours_close(struct neighbours *n);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns which backends are checked, when, and what becomes of it: the maps are told, and are asked what
 * was known before this agent came. Backends of others than the agent's own file are not checked.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <systemd/sd-event.h>

struct health;
struct model;

/* 0 or -errno, which it tells. Nothing is checked before health_reload(). */
int health_open(sd_event *event, const char *dir, struct health **out);
/* After a model has been applied: checks that are as before go on where they were. */
void health_reload(struct health *h, const struct model *m);
/* Times what checks found could not be read from the maps or written to them. */
uint64_t health_errors(const struct health *h);
void health_write_metrics(const struct health *h, FILE *out);
void health_close(struct health *h);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what load.c, compat.c, upgrade.c and apply.c share to put another program upon the same maps. */
#pragma once

#include "dataplane/internal.h"

struct bpf_map;

/* ---- load.c ---- */

/* Loads it upon dp's maps, after they are compared, and with new ones of those that dp lacks. */
int dp_load_over(struct dataplane *dp);

/* ---- compat.c ---- */

/* Can a program that wants such a map have the pinned one? Says why if not: -EPROTO. */
int dp_map_check(const struct dataplane *dp, enum dp_map map, struct bpf_map *wanted_map);

/* ---- upgrade.c: this executable's program in place of another's ---- */

#define DP_UPGRADE_LEN 160

/* If the pinned program is not the one in this executable, loads this one and does nothing more.
 * @told: says so in a line, or is empty */
int dp_upgrade_prepare(struct dataplane *dp, char told[DP_UPGRADE_LEN]);
/* Puts what was prepared, if it was, in the place of what runs. */
int dp_upgrade(struct dataplane *dp);

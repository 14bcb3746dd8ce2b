/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what pools' signals gained since one of the last looks: since they were made, what begins to go
 * wrong is for long little beside what went well before.
 */
#pragma once

#include <stdint.h>

#include "dataplane/dataplane.h"

#define RECENT_LOOKS 2 /* of -w's a second: the median has moved two seconds after its pool has */

struct recent {
	struct snapshot *looks[RECENT_LOOKS]; /* the last one first; NULL: not yet */
	uint64_t at_ms[RECENT_LOOKS];
};

/* Takes the snapshot, and forgets the oldest. */
void recent_keep(struct recent *r, struct snapshot *s, uint64_t now_ms);
void recent_free(struct recent *r);
/* The oldest look there is, and when it was; NULL: there was none. */
const struct snapshot *recent_oldest(const struct recent *r, uint64_t *at_ms);

struct recent_signals {
	struct serin_signals signals;
	struct serin_histograms latencies;
};

/*
 * recent_gain() - what a pool has counted more than then. Pure.
 * Returns 0, or -ENOENT where there was no such pool, or it has begun anew.
 */
int recent_gain(const struct snapshot *then, const struct snapshot_service *svc,
		const struct snapshot_pool *pool, struct recent_signals *gain);

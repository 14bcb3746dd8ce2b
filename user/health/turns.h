/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns when checks are due. A backend has a turn in each interval, always at the same place of it, which
 * its hash says, so that thousands of them are spread evenly; and jitter, so that several hosts do not
 * keep step. Pure: time and randomness are arguments.
 */
#pragma once

#include <stdint.h>

struct turns {
	uint64_t phase_us; /* of the interval */
	uint64_t interval_us;
	uint64_t jitter_us;
	uint64_t next; /* the number of the turn to come */
};

/* The first turn is the first one after @now_us. @hash: of the backend */
struct turns turns_begin(uint64_t hash, uint64_t interval_us, uint64_t jitter_us, uint64_t now_us);
/* When the next check begins, not before now; turns that went by meanwhile are left out. */
uint64_t turns_take(struct turns *t, uint64_t random, uint64_t now_us);

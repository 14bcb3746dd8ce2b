/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns when a backend whose connections fail is taken out, and for how long: as Envoy's outlier
 * detection does, longer each time running. Pure: no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outlier_rules {
	uint64_t failures; /* in one interval */
	uint32_t ratio;	   /* percent of the flows that must have failed, too */
	uint64_t interval_ms;
	uint64_t eject_ms;
	uint64_t max_eject_ms;
	uint32_t max_percent; /* of the pool's backends */
};

struct outlier_state {
	bool is_ejected;
	uint64_t until_ms; /* if so */
	uint32_t times;	   /* running; an interval without being ejected takes one off */
	bool has_counts;
	uint64_t answered, failed; /* at the last look */
};

/* One that was left ejected by a process before this serves the shortest time again. */
struct outlier_state outlier_adopt(const struct outlier_rules *rules, bool is_ejected,
				   uint64_t now_ms);
/*
 * outlier_judge() - after each interval, with what has been counted so far
 * @may_eject: see outlier_has_room()
 * Returns whether is_ejected is another now.
 */
bool outlier_judge(struct outlier_state *s, const struct outlier_rules *rules, uint64_t answered,
		   uint64_t failed, bool may_eject, uint64_t now_ms);
/* Whether one more of a pool's backends may be taken out. */
bool outlier_has_room(const struct outlier_rules *rules, size_t backends, size_t ejected);

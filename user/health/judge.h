/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns whether a backend is up, from what its checks said one after another. Pure: no clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct health_rules {
	uint32_t rise; /* passes running that bring a backend back */
	uint32_t fall; /* failures running that take it out */
};

struct health_state {
	bool is_down;
	bool is_known;	 /* a check has said so, here or before a restart */
	uint32_t streak; /* results running that say otherwise */
};

/* What is not known is up. @is_down: as it was left */
struct health_state health_adopt(bool is_down);
/* Takes one result in. Returns whether is_down is another now. */
bool health_judge(struct health_state *s, const struct health_rules *rules, bool has_passed);

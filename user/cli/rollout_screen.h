/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the screen that tells an operator of a rollout: what happens, why it waits, and what can be done.
 * Pure: what the agent told in, text out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#define ROLLOUT_SCREEN_COLUMNS 80
#define ROLLOUT_TRANSITION_LEN 512

struct rollout_screen {
	size_t columns;
	size_t rows; /* what is less important gives way; 0: as many as it takes */
	bool is_ascii;
	bool has_colours; /* besides words and shapes, never instead */
};

/* Returns 0 or -ENOMEM. */
int rollout_screen_write(const struct rollout_screen *s, const json_t *view, FILE *out);

/* "2026-01-31 13:05:59Z stepping -> paused, step 3: waits for resume". Returns buf. */
const char *rollout_transition(const json_t *view, const json_t *transition,
			       char buf[ROLLOUT_TRANSITION_LEN]);

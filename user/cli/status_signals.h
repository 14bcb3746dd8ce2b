/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the table of how pools are doing, below the one of what they are. */
#pragma once

#include <stdint.h>

struct recent;
struct snapshot;

/*
 * @only: a service's name, or NULL for all
 * @recent: earlier looks, what came since which is told, too
 * Returns 0 or -ENOMEM.
 */
int status_print_signals(const struct snapshot *s, const char *only, const struct recent *recent,
			 uint64_t now_ms);

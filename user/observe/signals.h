/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the list of what is counted per pool and backend: metrics and JSON are made from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNAL_COUNT 6

struct snapshot_counters;

struct signal {
	const char *name; /* in JSON; serin_pool_NAME_total and serin_backend_NAME_total */
	const char *help;
	size_t offset; /* in struct snapshot_counters */
	bool pools_only;
};

extern const struct signal signals[SIGNAL_COUNT];

uint64_t signal_value(const struct signal *signal, const struct snapshot_counters *counters);

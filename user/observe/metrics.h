/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the Prometheus text format (version 0.0.4): names, labels, help. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <serin/event.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct snapshot;

/*
 * Writes what runs; with NULL (nothing is loaded), only what serin this is.
 * 0, or -EIO if the stream failed.
 */
int metrics_write(const struct snapshot *s, FILE *out);

/* What the agent reads and writes maps for. */
enum metrics_work {
	METRICS_NEXT_HOPS,
	METRICS_SETTLING,
	METRICS_PORTS,
	METRICS_SAMPLING,
	METRICS_FULLNESS,
	METRICS_SWEEP,
	METRICS_HEALTH,
	METRICS_WORK_MAX,
};

struct metrics_agent {
	uint64_t started_ms; /* CLOCK_REALTIME */
	uint64_t scrape_errors;
	uint64_t pass_errors;
	uint64_t map_errors[METRICS_WORK_MAX]; /* times each failed */
	bool is_loaded;			       /* a data plane was found */
	uint64_t events[SERIN_EVENT_MAX];
	uint64_t events_lost;
	bool has_store;
	bool store_available; /* the state database could be written */
	uint64_t store_errors;
	uint64_t store_lost;
};

int metrics_write_agent(const struct metrics_agent *agent, FILE *out);

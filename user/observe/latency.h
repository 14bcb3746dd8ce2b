/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the list of latencies per pool and backend, and what their histograms say. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/signals.h>

struct snapshot_service;

struct latency {
	const char *name; /* NAME_us in JSON; serin_pool_NAME_seconds */
	const char *help;
	unsigned int scope; /* enum signal_scope, all that hold */
};

/* By enum serin_latency. */
extern const struct latency latencies[SERIN_LATENCY_MAX];

/* Whether a service's packets can tell it. */
bool latency_is_seen(const struct latency *latency, const struct snapshot_service *svc);
uint64_t latency_count(const struct serin_histogram *h);
/* How many took less than what a bucket begins with. */
uint64_t latency_count_until(const struct serin_histogram *h, uint32_t bucket);
/*
 * latency_quantile_us() - the middle of the bucket that holds a quantile, so that it is off by a
 * sixteenth at most; of the last bucket, its least value.
 * @permille: 1 .. 1000; @h: not empty
 */
double latency_quantile_us(const struct serin_histogram *h, unsigned int permille);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the list of what is counted per pool and backend: metrics and JSON are made from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot_counters;
struct snapshot_service;

/* Where there is such a thing to be seen. */
enum signal_scope {
	SIGNAL_OF_POOLS = 1 << 0,   /* not of a backend by itself */
	SIGNAL_OF_TCP = 1 << 1,	    /* not of UDP */
	SIGNAL_OF_REPLIES = 1 << 2, /* not where backends answer past this host */
	SIGNAL_OF_UDP = 1 << 3,	    /* not of TCP */
	SIGNAL_OF_SAMPLES = 1 << 4, /* not where neither handshakes nor answers are seen */
	SIGNAL_APART = 1 << 5,	    /* in JSON told with the rate of sampling */
};

struct signal {
	const char *name; /* in JSON; serin_pool_NAME_total and serin_backend_NAME_total */
	const char *help;
	size_t offset;	    /* in struct snapshot_counters */
	unsigned int scope; /* enum signal_scope, all that hold */
};

extern const struct signal signals[];
extern const size_t signal_count;

bool signal_scope_is_seen(unsigned int scope, const struct snapshot_service *svc);
/* Whether a service's packets can tell it. */
bool signal_is_seen(const struct signal *signal, const struct snapshot_service *svc);
uint64_t signal_value(const struct signal *signal, const struct snapshot_counters *counters);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of the agent's health share. */
#pragma once

#include "agent/health.h"
#include "agent/health_probe.h"
#include "dataplane/dataplane.h"
#include "health/judge.h"
#include "health/outlier.h"
#include "health/turns.h"

/* A pool whose backends are looked after. */
struct health_pool {
	char service[SERIN_NAME_LEN];
	char pool[SERIN_NAME_LEN];
	struct model_health_check check;
	struct outlier_rules outlier; /* failures 0: none */
	uint64_t judged_ms;	      /* when outliers were looked for last */
	uint64_t passes, failures;
	uint64_t spent_us; /* by checks that ended */
};

struct health_backend {
	struct health *health;
	struct health_pool *pool;
	struct in6_addr address;
	uint16_t port;
	/* as the maps had it when they were read last */
	bool is_there;
	bool is_adopted; /* they have been read at least once */
	uint32_t id;
	uint8_t told; /* facts */
	/* checks */
	struct health_state state;
	struct turns turns;
	sd_event_source *timer; /* of the next check, or of the one under way */
	struct probe *probe;	/* under way */
	uint64_t begun_us;
	uint64_t deadline_us;
	struct outlier_state outlier;
};

struct health {
	sd_event *event;
	const char *dir;
	struct health_http *http;
	sd_event_source *follower; /* of the maps */
	struct health_pool *pools;
	size_t pool_count;
	struct health_backend **backends; /* by service, address and port */
	size_t count;
	int error;	 /* of the last try to write, which has been told */
	uint64_t errors; /* tries that failed */
};

uint64_t health_now_us(void);
/* What the maps are to say of a backend. */
uint8_t health_facts(const struct health_backend *b);
/* Has the maps written soon. */
void health_kick(struct health *h);

/* ---- health_check.c ---- */

void health_check_begin(struct health_backend *b);
void health_check_end(struct health_backend *b);

/* ---- health_maps.c ---- */

int health_maps_open(struct health *h);
/* Reads and, where they differ, writes. */
void health_maps_follow(struct health *h);

/* ---- health_outliers.c ---- */

/* Looks at those whose interval is over. */
void health_outliers_look(struct health *h, struct dataplane *dp);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the agent says of fullnat services that run out of source ports: once when flows begin
 * to be refused, and once when that is over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct exhaustion;

/* After so long without a refusal it is over: clients that were refused ask again ever more seldom. */
#define EXHAUSTION_QUIET_MS 30000

enum exhaustion_news {
	EXHAUSTION_NONE,
	EXHAUSTION_BEGINS,
	EXHAUSTION_ENDS,
};

/* Of one service. */
struct exhaustion_episode {
	uint64_t refused; /* its counter at the last look */
	uint64_t total;	  /* refusals of this episode, or of the last one */
	uint64_t grew_ms; /* when the counter was last seen to grow */
	bool is_on;
};

/*
 * One look at the counter, which begins at 0 when the service is made anew. It may be any other that
 * is to be told of by its begin and its end: events that were lost are.
 */
enum exhaustion_news exhaustion_judge(struct exhaustion_episode *e, uint64_t refused,
				      uint64_t now_ms);

struct exhaustion *exhaustion_new(void);
void exhaustion_free(struct exhaustion *x);

/* Looks at all services and logs the news. What was refused before the first look is none. Returns 0
 * or -errno. */
int exhaustion_look(struct exhaustion *x, struct dataplane *dp, uint64_t now_ms);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the readers of a strategy's parts, each of a key of its own. */
#pragma once

#include "config/duration.h"
#include "config/schema.h"

struct model_strategy;

/* Of holds, ramps, delays: 30 days are less than a uint32_t of milliseconds. */
#define STRATEGY_TIME_MIN_MS 100u
#define STRATEGY_TIME_MAX_MS 2592000000u
#define STRATEGY_TIME(least) \
	(&(const struct duration_limits){.min_ms = (least), .max_ms = STRATEGY_TIME_MAX_MS})

extern const struct schema_list strategy_step_list;
extern const struct schema strategy_after_batch;
/* That they lead from 0 % up, and that something is analysed where a step waits for it; of a strategy
 * that was read without an error. */
void strategy_check_steps(struct reader *r, const struct node *node,
			  const struct model_strategy *s);
/* Likewise of what comes after each batch, and that nothing else is asked for than to stop there. */
void strategy_check_rolling(struct reader *r, const struct node *node,
			    const struct model_strategy *s);
/* What is analysed takes a time to be seen. */
void strategy_set_hold(struct model_strategy *s);

/* A struct strategy_analysis. */
void strategy_read_analysis(struct reader *r, const struct node *value,
			    const struct schema_field *f, void *object);

extern const struct schema_list strategy_hook_list;
/* That this strategy comes to their moments. */
void strategy_check_hooks(struct reader *r, const struct node *node,
			  const struct model_strategy *s);

/* That something upgrades what is to be upgraded; of one that is right otherwise. */
void strategy_check_upgrade(struct reader *r, const struct node *node,
			    const struct model_strategy *s);

/* A string_rule's: http:// or https:// and a host. */
bool strategy_is_url(const char *text);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns this program's other life: a child of the agent that asks others over HTTP, and may hang, crash
 * or be killed. What it shall do is JSON on its stdin, what it finds JSON lines on its stdout.
 *
 *	{"ask": "webhook", "url", "body", "key", "timeout_ms"}
 *		-> {"kind", "why", "status", "output"}
 *	{"ask": "look", "service", "candidate", "control", "start_s", "end_s", "query_ms", "prometheus",
 *	 "auth", "metrics": [{"name", "query", "min", "max", "dry_run"}], "kayenta", "pass", "marginal"}
 *		-> {"name", "finding", "why", "value", "min", "max", "dry_run"} of each metric, as it is
 *		   known; of Kayenta's judge with "score", too
 */
#pragma once

#define ROLLOUT_ASKED "--asked" /* the argument that means it; no option of people's */

#include <stdbool.h>

#include "metrics_source/range.h"
#include "rollout/rollout.h"

struct json_t;
struct prometheus;

bool rollout_is_asked(int argc, char **argv);
/* Returns the exit status: 0 where it said all. */
int rollout_asked_run(void);

/* ---- its parts ---- */

int rollout_asked_webhook(const struct json_t *ask);
int rollout_asked_look(const struct json_t *ask);

/* The same of Kayenta's judge. @p: where metrics are asked of */
int rollout_asked_kayenta(const struct json_t *ask, struct prometheus *p);
/* The stretch that is looked at, in so many points as a judge wishes for, if it is long enough. */
struct range_grid rollout_asked_grid(const struct json_t *ask);
/* The first complaint without its place, and without the advice after ";", which is for those who asked
 * by hand. */
void rollout_asked_plain(const char *complaint, char out[ROLLOUT_WHY_LEN]);
/* Writes a line, and lets go of it. 0, or -ENOMEM where it is NULL. */
int rollout_asked_tell(struct json_t *line);

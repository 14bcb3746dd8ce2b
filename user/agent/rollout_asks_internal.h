/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the kinds of asks have in common: a program to run, and how its end is read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/rollout_asks.h"

#define ASK_OUTPUT_MAX ((size_t)64 << 10) /* of a hook */
#define ASK_LINES_MAX  ((size_t)1 << 20)  /* of a child of our own: as JSON it may be longer */

struct job_result;

struct ask_reply {
	bool is_answer;		      /* false: none came; it may be asked again */
	struct rollout_answer answer; /* `details` is the reply's */
};

typedef void ask_read(const struct job_result *r, uint64_t limit_ms, struct ask_reply *out);

struct ask_plan {
	char **argv;	    /* NULL: this program itself, as rollout_asked.h has it */
	char **environment; /* both end with NULL */
	char *input;
	size_t output_max;
	uint64_t limit_ms; /* of a try */
	uint32_t retries;
	ask_read *read;
};

/* 0 or -ENOMEM; ask_plan_fini() it all the same. */
int ask_plan_hook(const struct strategy_hook *hook, const struct json_t *payload,
		  struct ask_plan *out);
int ask_plan_look(const struct rollout_look_ask *look, struct ask_plan *out);
void ask_plan_fini(struct ask_plan *p);

/* "NAME=value" at the end; passed over without a value. @room: of the list. 0 or -ENOMEM. */
int ask_set_variable(char **environment, size_t room, const char *name, const char *value);

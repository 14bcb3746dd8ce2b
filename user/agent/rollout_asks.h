/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what a rollout asks of others and waits for without holding the loop: hooks (programs,
 * webhooks), and looks at metrics (Prometheus, Kayenta's judge). Each ask is a child process with a
 * time limit and a bounded answer; one that hangs, crashes or floods is ended and harms nobody.
 */
#pragma once

#include <stdint.h>

#include <systemd/sd-event.h>

#include "model/strategy.h"
#include "rollout/rollout.h"

struct json_t;
struct rollout_ask; /* one that is under way */

struct rollout_answer {
	bool is_yes;		      /* hooks: exit 0, or 2xx (and no {"allow": false} in it) */
	enum rollout_finding finding; /* looks */
	char why[ROLLOUT_WHY_LEN];    /* what it said, first line; or what went wrong */
	uint32_t tries;
	uint64_t took_ms;
	struct json_t *details; /* looks: [{"name","value","min","max","finding","dry_run"}], and Kayenta's
				   score; hooks: status and output. Borrowed; NULL: none */
};

/* Called once, never from within rollout_ask_*(). The ask is gone then. */
typedef void rollout_answered(const struct rollout_answer *a, void *arg);

/*
 * @payload: what a webhook gets as its body and a program on stdin; borrowed. Programs also get
 * SERIN_SERVICE, SERIN_RELEASE, SERIN_MOMENT, SERIN_STEP, SERIN_ROLLOUT (id), SERIN_KEY (the same for every
 * try of one question). Tries again hook->retries times where there was no answer, with growing pauses.
 * Returns 0 or -errno.
 */
int rollout_ask_hook(sd_event *event, const struct strategy_hook *hook, const struct json_t *payload,
		     rollout_answered *answered, void *arg, struct rollout_ask **out);

struct rollout_look_ask {
	const struct strategy_analysis *analysis;
	const char *service, *candidate, *control; /* control: the baseline, or production */
	int64_t start_s, end_s;			   /* Unix time: of the range queries */
};

/* One number out of each metric's query at its end (control: ${control} in templates), and the judge by
 * Kayenta's configuration over the range if there is one. The worst finding of those not dry. */
int rollout_ask_look(sd_event *event, const struct rollout_look_ask *look, rollout_answered *answered,
		     void *arg, struct rollout_ask **out);

/* Nobody wants the answer any more; NULL is fine. */
void rollout_ask_cancel(struct rollout_ask *a);

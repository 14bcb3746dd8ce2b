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
	struct json_t *
		details; /* looks: [{"name","value","min","max","finding","dry_run"}], and Kayenta's
				   score; hooks: status and output. Borrowed; NULL: none */
};

/* Called once, never from within rollout_ask_*(). The ask is gone then. */
typedef void rollout_answered(const struct rollout_answer *a, void *arg);

/*
 * @payload: what a webhook gets as its body and a program on stdin. Programs also have SERIN_SERVICE,
 * SERIN_RELEASE, SERIN_MOMENT, SERIN_STEP, SERIN_ROLLOUT (id) and SERIN_KEY (the same for every try of one
 * question), webhooks Idempotency-Key, from its members "service", "release", "moment", "step", "rollout",
 * "key" (text or whole numbers). For Slack it is a text of service, release, "phase" and "why".
 * What does not answer in time, is killed by a signal, cannot be run or reached, or answers 408, 429 or 5xx
 * gave no answer: it is asked hook->retries times more, after 0.5 s, 1 s, 2 s ... 30 s, and then that is a
 * no. What a program leaves running in its process group ends with it.
 * Nothing of the arguments is needed after this.
 * Returns 0 or -errno.
 */
int rollout_ask_hook(sd_event *event, const struct strategy_hook *hook,
		     const struct json_t *payload, rollout_answered *answered, void *arg,
		     struct rollout_ask **out);

struct rollout_look_ask {
	const struct strategy_analysis *analysis;
	const char *service, *candidate, *control; /* control: the baseline, or production */
	int64_t start_s, end_s;			   /* Unix time: of the range queries */
};

/*
 * The newest number of each metric's query within its bounds or not (control: ${control} in templates), and
 * the judge by Kayenta's configuration over the range if there is one (in `details` as "kayenta", with
 * "score" and "results"). The worst finding of those not dry counts: bad, inconclusive, unknown, good; what
 * cannot be had is inconclusive, what has too few points to be judged unknown. analysis->is_dry_run is the
 * caller's matter. Takes three intervals at most, within 6 s and a minute.
 */
int rollout_ask_look(sd_event *event, const struct rollout_look_ask *look,
		     rollout_answered *answered, void *arg, struct rollout_ask **out);

/* Nobody wants the answer any more; NULL is fine. */
void rollout_ask_cancel(struct rollout_ask *a);

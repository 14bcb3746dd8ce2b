/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what answers mean: a webhook's, and the lines that a child writes of its look at metrics. Pure;
 * nobody's bytes are trusted. Text that is kept is UTF-8 without control characters.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rollout/rollout.h"

#define VERDICT_ENTRIES_MAX (STRATEGY_METRICS_MAX + 1) /* metrics, and Kayenta's judge */

struct json_t;

enum verdict_kind {
	VERDICT_NONE, /* no answer; may be asked again */
	VERDICT_YES,
	VERDICT_NO,
};

struct verdict {
	enum verdict_kind kind;
	char why[ROLLOUT_WHY_LEN];
};

/*
 * verdict_of_http() - 2xx is a yes unless a JSON object says {"allow": false, "reason": "..."}, or says of
 * `allow` what is neither; 408, 429 and 5xx are none; all else is a no.
 * @is_cut: the body was longer
 */
void verdict_of_http(long status, const char *body, size_t len, bool is_cut, struct verdict *out);

/* "good", "bad", "inconclusive", "unknown". */
const char *verdict_finding_name(enum rollout_finding f);

struct verdict_look {
	enum rollout_finding finding;
	char why[ROLLOUT_WHY_LEN];
	struct json_t *entries; /* list; NULL without memory */
};

/*
 * verdict_of_look() - one JSON object a line, {"finding", "why", "dry_run", ...}; what is none is passed
 * over. The worst counts of those not dry: bad, inconclusive, unknown, good.
 * @trouble: why it may not be all; NULL: it is
 */
void verdict_of_look(const char *text, size_t len, const char *trouble, struct verdict_look *out);

/* The first line of a text that has one, fit to be shown; "" where there is none. */
void verdict_first_line(const char *text, size_t len, char out[ROLLOUT_WHY_LEN]);
/* A text as JSON; what is not printable is '?', but for line feeds and tabs. NULL without memory. */
struct json_t *verdict_text(const char *text, size_t len);

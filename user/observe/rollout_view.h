/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the reading of a rollout as the agent tells it (docs/openapi.yaml), for all who show one. What is
 * missing reads as nothing. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define VIEW_TEXT_LEN 160

/* "" where there is none. */
const char *view_text(const json_t *of, const char *key);
int64_t view_int(const json_t *of, const char *key, int64_t otherwise);
/* NAN where there is none. */
double view_real(const json_t *of, const char *key);

bool view_is_in(const json_t *view, const char *phase);
bool view_has_ended(const json_t *view);
bool view_ended_well(const json_t *view);
/* Back to 0 %, or on the way there. */
bool view_went_wrong(const json_t *view);
/* Of one counted from 0, from 1 on and never more than there are; 0: there are none. */
int64_t view_step_number(const json_t *view, int64_t step);
/* "step 3/8", "batch 3", "" */
const char *view_step_text(const json_t *view, int64_t step, char buf[VIEW_TEXT_LEN]);
/* Of steps: one that is done, is now, or is to come. */
enum view_step {
	VIEW_STEP_DONE,
	VIEW_STEP_NOW,
	VIEW_STEP_FAILED,
	VIEW_STEP_LATER,
	VIEW_STEP_SKIPPED, /* somebody promoted past it */
};
enum view_step view_step_state(const json_t *view, size_t step);

/* "10%", "pause", "hold", "analysis". Returns buf, as all of these. */
const char *view_step_label(const json_t *step, char buf[VIEW_TEXT_LEN]);
/* "to 10 % over 5m, hold 10m, analysis for 5m at most, then resume" */
const char *view_step_words(const json_t *step, char buf[VIEW_TEXT_LEN]);
/* "stepping -> promoting"; "stepping": of something that happened within a phase. */
const char *view_change(const json_t *transition, char buf[VIEW_TEXT_LEN]);
/* "42s", "18m04s", "2h03m", "5d02h" */
const char *view_duration(int64_t ms, char buf[VIEW_TEXT_LEN]);
/* "13:05:59Z", "2026-01-31 13:05:59Z" */
const char *view_clock(int64_t at_ms, char buf[VIEW_TEXT_LEN]);
const char *view_time(int64_t at_ms, char buf[VIEW_TEXT_LEN]);
/* "candidate: v2", "production: v1", with the release each has, as far as that is known; once they have changed places "new" and "old". */
const char *view_role(const json_t *view, const json_t *pool, char buf[VIEW_TEXT_LEN]);
/* "1234, of this release": what clients are drawn with; "" where nobody is, or an older agent does not tell. */
const char *view_seed(const json_t *view, char buf[VIEW_TEXT_LEN]);
/* "12034"; "-": it is not known. */
const char *view_count(const json_t *of, const char *key, char buf[VIEW_TEXT_LEN]);
/* "0.012 (at most 0.02)": a metric's value and its bounds. */
const char *view_metric(const json_t *detail, char buf[VIEW_TEXT_LEN]);

/* A test's evidence for a line of it ("" harm, "fine_" not worse): NAN: it has no part in it. */
struct view_evidence {
	double log_e, log_bound;
};
struct view_evidence view_evidence(const json_t *of, const char *line);
/* " until it was promoted", " since it was promoted": when what of the kernel's signals was found, where the
 * judge began anew with that; "" where it did not. */
const char *view_until_promoted(const json_t *view);
const char *view_since_promoted(const json_t *view);
/* 0 .. 1: how much of the way to its bound. */
double view_evidence_part(const struct view_evidence *e);

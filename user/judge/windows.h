/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns which stretches of time an analysis judges. All times in milliseconds, by any one clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct judge_plan {
	int64_t start_ms;
	int64_t lifetime_ms;
	int64_t interval_ms; /* between judgements; 0, or more than the lifetime: one at its end */
	int64_t warmup_ms;   /* not judged; none where the analysis is of the past */
	int64_t lookback_ms; /* a window's length; 0: from the start, growing */
	int64_t control_offset_ms; /* how much earlier the baseline's window is */
	bool is_retrospective;	   /* of a time that is over, with an end of its own */
};

struct judge_window {
	int64_t begin_ms, end_ms;
	int64_t control_begin_ms, control_end_ms;
};

/* How many judgements, in whole minutes of lifetime and interval; 0 where either is below a minute
 * or a time is negative or beyond 2^53. */
size_t judge_window_count(const struct judge_plan *plan);

/* The window of judgement @index, from 0. Returns 0, or -ERANGE where there is none such. */
int judge_window(const struct judge_plan *plan, size_t index, struct judge_window *out);

/* How many points a series of one point each @step_ms has; a shorter one lacks its last, which are
 * NaN. 0 where the window is empty or the step is not above 0. */
size_t judge_window_points(int64_t begin_ms, int64_t end_ms, int64_t step_ms);

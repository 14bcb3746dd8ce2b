// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/windows.h"

#include <errno.h>

#define MINUTE_MS 60000
#define TIME_MAX  (1ll << 53) /* sums of a few such times fit */

static int64_t interval_of(const struct judge_plan *plan)
{
	if (!plan->interval_ms || plan->interval_ms > plan->lifetime_ms)
		return plan->lifetime_ms;
	return plan->interval_ms;
}

static bool is_sound(const struct judge_plan *plan)
{
	const int64_t times[] = {plan->start_ms,  plan->lifetime_ms, plan->interval_ms,
				 plan->warmup_ms, plan->lookback_ms, plan->control_offset_ms};

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (times[i] < 0 || times[i] > TIME_MAX)
			return false;
	return plan->lifetime_ms >= MINUTE_MS && interval_of(plan) >= MINUTE_MS;
}

size_t judge_window_count(const struct judge_plan *plan)
{
	if (!is_sound(plan))
		return 0;
	return (size_t)(plan->lifetime_ms / MINUTE_MS / (interval_of(plan) / MINUTE_MS));
}

int judge_window(const struct judge_plan *plan, size_t index, struct judge_window *out)
{
	int64_t begin = plan->start_ms, end;

	if (index >= judge_window_count(plan))
		return -ERANGE;
	if (!plan->is_retrospective)
		begin += plan->warmup_ms;
	end = begin + (int64_t)(index + 1) * interval_of(plan);
	if (plan->lookback_ms)
		begin = end - plan->lookback_ms;
	*out = (struct judge_window){
		.begin_ms = begin,
		.end_ms = end,
		.control_begin_ms = begin - plan->control_offset_ms,
		.control_end_ms = end - plan->control_offset_ms,
	};
	return 0;
}

size_t judge_window_points(int64_t begin_ms, int64_t end_ms, int64_t step_ms)
{
	return step_ms > 0 && end_ms > begin_ms ? (size_t)((end_ms - begin_ms) / step_ms) : 0;
}

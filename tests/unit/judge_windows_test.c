// SPDX-License-Identifier: GPL-2.0-or-later
/* Which stretches of time an analysis judges. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge/windows.h"

static void windows_grow_or_slide(void **state)
{
	struct judge_plan plan = {.start_ms = 1000,
				  .lifetime_ms = 3600000,
				  .interval_ms = 1200000,
				  .warmup_ms = 300000,
				  .control_offset_ms = 500};
	struct judge_window w;

	(void)state;
	assert_int_equal(judge_window_count(&plan), 3);
	assert_int_equal(judge_window(&plan, 1, &w), 0);
	assert_true(w.begin_ms == 301000 && w.end_ms == 2701000);
	assert_true(w.control_begin_ms == 300500 && w.control_end_ms == 2700500);
	plan.lookback_ms = 600000;
	assert_int_equal(judge_window(&plan, 2, &w), 0);
	assert_true(w.begin_ms == 3301000 && w.end_ms == 3901000);
	plan.is_retrospective = true;
	assert_int_equal(judge_window(&plan, 2, &w), 0);
	assert_int_equal(w.end_ms, 3601000);
	assert_int_equal(judge_window(&plan, 3, &w), -ERANGE);
}

static void windows_of_odd_plans(void **state)
{
	struct judge_plan plan = {.lifetime_ms = 3600000};

	(void)state;
	assert_int_equal(judge_window_count(&plan), 1);
	plan.interval_ms = 7200000;
	assert_int_equal(judge_window_count(&plan), 1);
	plan.interval_ms = 59999;
	assert_int_equal(judge_window_count(&plan), 0);
	plan.interval_ms = 119000; /* a minute, in whole ones */
	assert_int_equal(judge_window_count(&plan), 60);
	plan.lifetime_ms = INT64_MAX;
	assert_int_equal(judge_window_count(&plan), 0);
	assert_int_equal(judge_window_points(0, 3600000, 60000), 60);
	assert_int_equal(judge_window_points(0, 3659999, 60000), 60);
	assert_int_equal(judge_window_points(5, 5, 60000), 0);
	assert_int_equal(judge_window_points(0, 5, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_grow_or_slide),
		cmocka_unit_test(windows_of_odd_plans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "model/strategy.h"

static void defaults_are_filled_in(void **state)
{
	struct model_strategy s;

	(void)state;
	memset(&s, 0xff, sizeof(s));
	strategy_init(&s);
	assert_int_equal(s.type, STRATEGY_CANARY);
	assert_true(s.analysis.has_kernel);
	assert_true(s.analysis.alpha == 0.01);
	assert_int_equal(s.analysis.interval_ms, 60000);
	assert_int_equal(s.analysis.deadline_ms, 0);
	assert_int_equal(s.finish, STRATEGY_SWAP);
	assert_int_equal(s.analysis.on_failure, STRATEGY_ROLLBACK);
	assert_int_equal(s.batch, 1);
	assert_int_equal(s.min_healthy, 1);
	assert_null(s.steps);
	strategy_fini(&s);
	assert_null(s.hooks);
}

static void a_copy_is_of_its_own(void **state)
{
	char query[] = "up", program[] = "/bin/true", flag[] = "-v", url[] = "http://p/";
	char *argv[] = {program, flag, NULL};
	struct strategy_step steps[] = {{.has_weight = true, .weight_ppm = 10000},
					{.pauses = true}};
	struct strategy_metric metric = {.name = query, .query = query, .min = 1, .max = 2};
	struct strategy_hook hooks[] = {{.at = STRATEGY_AT_STEP, .name = flag, .argv = argv},
					{.at = STRATEGY_AT_END, .name = flag, .url = url}};
	struct model_strategy from, to;

	(void)state;
	strategy_init(&from);
	from.steps = steps;
	from.step_count = 2;
	from.hooks = hooks;
	from.hook_count = 2;
	from.analysis.metrics = &metric;
	from.analysis.metric_count = 1;
	from.analysis.prometheus_url = url;
	assert_int_equal(strategy_copy(&from, &to), 0);
	query[0] = program[0] = flag[0] = url[0] = 'X';
	memset(steps, 0, sizeof(steps));
	assert_string_equal(to.hooks[0].argv[0], "/bin/true");
	assert_string_equal(to.hooks[0].argv[1], "-v");
	assert_null(to.hooks[0].argv[2]);
	assert_null(to.hooks[0].url);
	assert_null(to.hooks[1].argv);
	assert_string_equal(to.hooks[1].url, "http://p/");
	assert_int_equal(to.steps[0].weight_ppm, 10000);
	assert_true(to.steps[1].pauses);
	assert_string_equal(to.analysis.metrics[0].query, "up");
	assert_true(to.analysis.metrics[0].max == 2);
	assert_string_equal(to.analysis.prometheus_url, "http://p/");
	assert_null(to.analysis.kayenta_config);
	strategy_fini(&to);
}

static void names_are_those_of_files(void **state)
{
	(void)state;
	assert_string_equal(strategy_type_name(STRATEGY_BLUE_GREEN), "blue-green");
	assert_string_equal(strategy_finish_name(STRATEGY_RETURN), "return");
	assert_string_equal(strategy_flows_name(STRATEGY_FLOWS_RESET), "reset");
	assert_string_equal(strategy_moment_name(STRATEGY_AT_PROMOTION), "promotion");
	assert_string_equal(strategy_moment_name(STRATEGY_AT_EVENT), "event");
	assert_string_equal(strategy_on_failure_name(STRATEGY_PAUSE), "pause");
	assert_string_equal(strategy_type_name(STRATEGY_TYPE_MAX), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(a_copy_is_of_its_own),
		cmocka_unit_test(names_are_those_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

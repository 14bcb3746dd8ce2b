// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/fullness.h"

static void it_is_told_once(void **state)
{
	bool is_high = false;

	(void)state;
	assert_int_equal(fullness_judge(&is_high, 899, 1000), FULLNESS_NONE);
	assert_int_equal(fullness_judge(&is_high, 900, 1000), FULLNESS_RISES);
	assert_int_equal(fullness_judge(&is_high, 1000, 1000), FULLNESS_NONE);
	assert_int_equal(fullness_judge(&is_high, 800, 1000), FULLNESS_NONE);
	assert_int_equal(fullness_judge(&is_high, 900, 1000), FULLNESS_NONE);
	assert_int_equal(fullness_judge(&is_high, 799, 1000), FULLNESS_FALLS);
	assert_int_equal(fullness_judge(&is_high, 0, 1000), FULLNESS_NONE);
}

static void what_has_no_places_is_not_full(void **state)
{
	bool is_high = false;

	(void)state;
	assert_int_equal(fullness_judge(&is_high, 0, 0), FULLNESS_NONE);
	assert_false(is_high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_once),
		cmocka_unit_test(what_has_no_places_is_not_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

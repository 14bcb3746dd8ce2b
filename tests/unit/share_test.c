// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/share.h"

static void expect(uint64_t hits, uint64_t total, double low, double high)
{
	double l, h;

	share_interval(hits, total, &l, &h);
	assert_float_equal(l, low, 1e-6);
	assert_float_equal(h, high, 1e-6);
}

/*
 * Roots of Wilson's equation (p - x)² = z² x(1 - x)/n, solved with 40 digits: another way than the
 * closed form's.
 */
static void known_values(void **state)
{
	(void)state;
	expect(5, 10, 18.4225518247, 81.5774481753);
	expect(1, 10, 1.1851503411, 50.7231771233);
	expect(0, 10, 0, 39.8854093305);
	expect(10, 10, 60.1145906695, 100);
	expect(1, 1, 13.097754328, 100);
	expect(50, 1000, 3.50250757225, 7.09069726905);
	expect(5000, 100000, 4.82543950797, 5.1805315028);
}

static void nothing_known_is_everything(void **state)
{
	(void)state;
	expect(0, 0, 0, 100);
}

static void ends_are_exact(void **state)
{
	double low, high;

	(void)state;
	share_interval(0, 1000, &low, &high);
	assert_true(low == 0 && high > 0);
	share_interval(1000, 1000, &low, &high);
	assert_true(low < 100 && high == 100);
}

static void holds_the_share_and_narrows(void **state)
{
	double width = 101;

	(void)state;
	for (uint64_t total = 20; total < 1ull << 40; total *= 10) {
		double low, high;

		share_interval(total / 20, total, &low, &high);
		assert_true(low <= 5 && 5 <= high);
		assert_true(high - low < width);
		width = high - low;
	}
}

/* Counters are read one after the other: a pool's may be ahead of the sum. */
static void more_hits_than_total_is_all(void **state)
{
	double low, high;

	(void)state;
	share_interval(11, 10, &low, &high);
	assert_true(isfinite(low) && low > 0 && high == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(nothing_known_is_everything),
		cmocka_unit_test(ends_are_exact),
		cmocka_unit_test(holds_the_share_and_narrows),
		cmocka_unit_test(more_hits_than_total_is_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

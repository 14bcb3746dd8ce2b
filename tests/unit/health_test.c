// SPDX-License-Identifier: GPL-2.0-or-later
/* When backends are taken as up, when they are asked, and when their own failures take them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "health/judge.h"
#include "health/outlier.h"
#include "health/turns.h"

static const struct health_rules rules = {.rise = 2, .fall = 3};

/* Results, one a letter: p, f; what becomes of each: D (now down), U (now up), or '.'. */
static void assert_history(struct health_state s, const char *results, const char *wanted)
{
	for (size_t i = 0; results[i]; i++) {
		bool has_changed = health_judge(&s, &rules, results[i] == 'p');
		char got = !has_changed ? '.' : s.is_down ? 'D' : 'U';

		if (got != wanted[i])
			fail_msg("%s: result %zu: got %c, wanted %c", results, i, got, wanted[i]);
	}
}

static void test_rise_and_fall(void **state)
{
	(void)state;
	assert_history(health_adopt(false), "ffffff", "..D...");
	assert_history(health_adopt(false), "ffpffpfff", "........D");
	assert_history(health_adopt(false), "pppfffppfff", ".....D.U..D");
	assert_history(health_adopt(false), "fffpfpfpp", "..D.....U");
}

/* What was down before a restart is down until checks say otherwise, and what was up, up. */
static void test_adoption(void **state)
{
	struct health_state down = health_adopt(true), unknown = health_adopt(false);

	(void)state;
	assert_true(down.is_down && down.is_known);
	assert_false(unknown.is_down || unknown.is_known);
	assert_history(down, "fpfpp", "....U");
	health_judge(&unknown, &rules, true);
	assert_true(unknown.is_known);
}

/* ---- turns ---- */

#define SECOND 1000000ull

static void test_turns_keep_their_place(void **state)
{
	struct turns t = turns_begin(1234567, SECOND, 0, 10 * SECOND);
	uint64_t first = turns_take(&t, 0, 10 * SECOND);

	(void)state;
	assert_true(first > 10 * SECOND && first <= 11 * SECOND);
	assert_int_equal(first % SECOND, 234567);
	for (uint64_t i = 1; i < 100; i++)
		assert_true(turns_take(&t, 0, first + (i - 1) * SECOND + 1) == first + i * SECOND);
}

/* Two checks are never further apart than an interval and the jitter, and the mean stays. */
static void test_jitter(void **state)
{
	struct turns t = turns_begin(42, SECOND, SECOND / 2, 0);
	uint64_t at = turns_take(&t, 0, 0), before;

	(void)state;
	assert_int_equal(at, 42);
	for (uint64_t i = 1; i < 1000; i++) {
		before = at;
		at = turns_take(&t, i * 7919 * 104729, at);
		assert_true(at >= i * SECOND + 42 && at < i * SECOND + 42 + SECOND / 2);
		assert_true(at > before);
	}
}

/* A check that took its whole interval is followed by the next at once; what was slept through is not
 * made up for. */
static void test_turns_that_went_by(void **state)
{
	struct turns t = turns_begin(0, SECOND, 0, SECOND / 2);

	(void)state;
	assert_true(turns_take(&t, 0, SECOND / 2) == SECOND);
	assert_true(turns_take(&t, 0, 2 * SECOND + 5) == 2 * SECOND + 5);
	assert_true(turns_take(&t, 0, 100 * SECOND + 5) == 100 * SECOND + 5);
	assert_true(turns_take(&t, 0, 100 * SECOND + 6) == 101 * SECOND);
}

static void test_phases_spread(void **state)
{
	unsigned int tenths[10] = {0};

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		struct turns t = turns_begin(i * 0x9e3779b97f4a7c15ull, SECOND, 0, 0);

		tenths[turns_take(&t, 0, 0) % SECOND / (SECOND / 10)]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 800, 1200);
}

/* ---- outliers ---- */

static const struct outlier_rules limits = {
	.failures = 5,
	.ratio = 50,
	.interval_ms = 1000,
	.eject_ms = 3000,
	.max_eject_ms = 7000,
	.max_percent = 50,
};

struct life {
	struct outlier_state s;
	uint64_t answered, failed, now_ms;
};

static bool live(struct life *l, uint64_t answered, uint64_t failed, bool may_eject)
{
	l->answered += answered;
	l->failed += failed;
	l->now_ms += limits.interval_ms;
	return outlier_judge(&l->s, &limits, l->answered, l->failed, may_eject, l->now_ms);
}

static void test_ejection_takes_failures_and_a_ratio(void **state)
{
	struct life l = {.s = outlier_adopt(&limits, false, 0)};

	(void)state;
	assert_false(live(&l, 0, 1000, true)); /* of before */
	assert_false(live(&l, 0, 4, true));
	assert_false(live(&l, 6, 5, true));
	assert_false(live(&l, 0, 5, false));
	assert_true(live(&l, 5, 5, true));
	assert_true(l.s.is_ejected);
}

static void until_back(struct life *l, uint64_t wanted_ms)
{
	uint64_t begun_ms = l->now_ms;

	while (!live(l, 0, 0, true))
		assert_true(l->s.is_ejected);
	assert_false(l->s.is_ejected);
	assert_int_equal(l->now_ms - begun_ms, wanted_ms);
}

static void test_each_time_is_longer(void **state)
{
	struct life l = {.s = outlier_adopt(&limits, false, 0)};

	(void)state;
	live(&l, 0, 0, true);
	assert_true(live(&l, 0, 5, true));
	until_back(&l, 3000);
	assert_true(live(&l, 0, 5, true));
	until_back(&l, 6000);
	assert_true(live(&l, 0, 5, true));
	until_back(&l, 7000);
	for (int i = 0; i < 10; i++)
		assert_false(live(&l, 9, 0, true));
	assert_true(live(&l, 0, 5, true));
	until_back(&l, 3000);
}

static void test_adopted_ejection_ends(void **state)
{
	struct life l = {.s = outlier_adopt(&limits, true, 0)};

	(void)state;
	assert_true(l.s.is_ejected);
	until_back(&l, 3000);
}

static void test_counters_of_another_backend(void **state)
{
	struct life l = {.s = outlier_adopt(&limits, false, 0), .failed = 100};

	(void)state;
	live(&l, 0, 0, true);
	l.failed = 0;
	assert_false(live(&l, 0, 4, true));
	assert_true(live(&l, 0, 5, true));
}

static void test_part_of_the_pool(void **state)
{
	(void)state;
	assert_false(outlier_has_room(&limits, 1, 0));
	assert_true(outlier_has_room(&limits, 2, 0));
	assert_false(outlier_has_room(&limits, 2, 1));
	assert_true(outlier_has_room(&limits, 5, 1));
	assert_false(outlier_has_room(&limits, 5, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rise_and_fall),
		cmocka_unit_test(test_adoption),
		cmocka_unit_test(test_turns_keep_their_place),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_turns_that_went_by),
		cmocka_unit_test(test_phases_spread),
		cmocka_unit_test(test_ejection_takes_failures_and_a_ratio),
		cmocka_unit_test(test_each_time_is_longer),
		cmocka_unit_test(test_adopted_ejection_ends),
		cmocka_unit_test(test_counters_of_another_backend),
		cmocka_unit_test(test_part_of_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

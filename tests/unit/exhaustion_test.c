// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/exhaustion.h"

#define QUIET EXHAUSTION_QUIET_MS

static void expect(struct exhaustion_episode *e, uint64_t refused, uint64_t now_ms,
		   enum exhaustion_news news)
{
	assert_int_equal(exhaustion_judge(e, refused, now_ms), news);
}

static void nothing_is_said_of_what_was_before(void **state)
{
	struct exhaustion_episode e = {.refused = 7};

	(void)state;
	expect(&e, 7, 1000, EXHAUSTION_NONE);
	expect(&e, 7, 1000 + 2 * QUIET, EXHAUSTION_NONE);
}

static void it_is_told_once_however_much_is_refused(void **state)
{
	struct exhaustion_episode e = {.refused = 7};

	(void)state;
	expect(&e, 10, 1000, EXHAUSTION_BEGINS);
	assert_int_equal(e.total, 3);
	for (uint64_t i = 1; i < 1000; i++)
		expect(&e, 10 + i, 1000 + 4000 * i, EXHAUSTION_NONE);
	assert_int_equal(e.total, 3 + 999);
}

/* Refused clients come again after 1, 2, 4, … seconds: a pause is no end. */
static void it_is_over_after_a_while_without_a_refusal(void **state)
{
	struct exhaustion_episode e = {0};

	(void)state;
	expect(&e, 5, 1000, EXHAUSTION_BEGINS);
	expect(&e, 5, 1000 + QUIET - 1, EXHAUSTION_NONE);
	expect(&e, 6, 1000 + QUIET, EXHAUSTION_NONE);
	expect(&e, 6, 1000 + 2 * QUIET - 1, EXHAUSTION_NONE);
	expect(&e, 6, 1000 + 2 * QUIET, EXHAUSTION_ENDS);
	assert_int_equal(e.total, 6);
	expect(&e, 6, 1000 + 9 * QUIET, EXHAUSTION_NONE);
}

/* Looked at four times a second, as what was lost of a flood of events is. */
static void a_flood_that_stutters_is_told_by_its_begin_and_end(void **state)
{
	struct exhaustion_episode e = {0};
	uint64_t lost = 0, now_ms = 1000;
	unsigned int begins = 0, ends = 0;

	(void)state;
	for (unsigned int look = 0; look < 1000; look++, now_ms += 250) {
		enum exhaustion_news news;

		lost += look < 500 && look % 3 ? 7 : 0;
		news = exhaustion_judge(&e, lost, now_ms);
		begins += news == EXHAUSTION_BEGINS;
		ends += news == EXHAUSTION_ENDS;
	}
	assert_int_equal(begins, 1);
	assert_int_equal(ends, 1);
	assert_int_equal(e.total, lost);
}

static void each_episode_counts_its_own(void **state)
{
	struct exhaustion_episode e = {0};

	(void)state;
	expect(&e, 5, 1000, EXHAUSTION_BEGINS);
	expect(&e, 5, 1000 + QUIET, EXHAUSTION_ENDS);
	expect(&e, 9, 2000 + QUIET, EXHAUSTION_BEGINS);
	assert_int_equal(e.total, 4);
}

/* A service of the same name, whose counter begins anew. */
static void a_counter_that_fell_was_made_anew(void **state)
{
	struct exhaustion_episode e = {.refused = 100};

	(void)state;
	expect(&e, 2, 1000, EXHAUSTION_BEGINS);
	assert_int_equal(e.total, 2);
	e = (struct exhaustion_episode){.refused = 100};
	expect(&e, 0, 1000, EXHAUSTION_NONE);
	expect(&e, 1, 2000, EXHAUSTION_BEGINS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_of_what_was_before),
		cmocka_unit_test(it_is_told_once_however_much_is_refused),
		cmocka_unit_test(it_is_over_after_a_while_without_a_refusal),
		cmocka_unit_test(a_flood_that_stutters_is_told_by_its_begin_and_end),
		cmocka_unit_test(each_episode_counts_its_own),
		cmocka_unit_test(a_counter_that_fell_was_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

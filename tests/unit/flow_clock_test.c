// SPDX-License-Identifier: GPL-2.0-or-later
/* How long a flow has been silent, by a clock of 25 bits that several CPUs look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <serin/hash.h>

#define UNIT  (1ull << SERIN_FLOW_JIFFIES_SHIFT)
#define RANGE (UNIT << SERIN_FLOW_SEEN_BITS)

/* Beginnings: one where the clock of the flows goes round soon, and one of the kernel's, which is low
 * on 32 bits. */
static const uint64_t times[] = {0, RANGE - 5 * UNIT, 3 * RANGE + 17 * UNIT, 0xfffffffffffedb08ull};

#define TIMES (sizeof(times) / sizeof(*times))

static uint64_t idle(uint64_t seen, uint64_t now)
{
	uint64_t value = serin_flow_value(7, SERIN_FLOW_ESTABLISHED, 3, seen);

	return serin_flow_idle_jiffies(value, now);
}

static void silence_is_measured(void **state)
{
	static const uint64_t silences[] = {0, 1, 2, 1000, 1u << 20, (1u << 25) - 5000};

	(void)state;
	for (size_t i = 0; i < TIMES; i++)
		for (size_t n = 0; n < sizeof(silences) / sizeof(*silences); n++)
			assert_int_equal(idle(times[i], times[i] + silences[n] * UNIT),
					 silences[n] * UNIT);
}

static void seen_after_one_looked_at_the_clock_is_now(void **state)
{
	(void)state;
	for (size_t i = 0; i < TIMES; i++) {
		assert_int_equal(idle(times[i] + UNIT, times[i]), 0);
		assert_int_equal(idle(times[i] + 1000 * UNIT, times[i]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_is_measured),
		cmocka_unit_test(seen_after_one_looked_at_the_clock_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

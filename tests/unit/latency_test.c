// SPDX-License-Identifier: GPL-2.0-or-later
/* The buckets of latencies, and what is read from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/latency.h"

static struct serin_histogram h;

static int setup(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

static void logarithms(void **state)
{
	(void)state;
	assert_int_equal(serin_log2(0), 0);
	for (unsigned int bit = 0; bit < 32; bit++) {
		assert_int_equal(serin_log2(1u << bit), bit);
		assert_int_equal(serin_log2((1u << bit) | ((1u << bit) - 1)), bit);
	}
}

/* All 2^26 of them, each in its bucket's bounds: so buckets neither overlap nor leave a gap. */
static void every_latency_is_in_its_bucket(void **state)
{
	uint32_t bucket = 0;
	uint64_t next = serin_bucket_low(1);

	(void)state;
	for (uint64_t us = 0; us < 1ull << SERIN_LATENCY_OCTAVE; us++) {
		if (us == next)
			next = serin_bucket_low(++bucket + 1);
		if (serin_latency_bucket(us) != bucket)
			fail_msg("%llu us is in bucket %u, to be %u", (unsigned long long)us,
				 serin_latency_bucket(us), bucket);
	}
	assert_int_equal(bucket, SERIN_LATENCY_TOP - 1);
	assert_int_equal(next, 1ull << SERIN_LATENCY_OCTAVE);
}

static void the_last_bucket_has_all_above(void **state)
{
	(void)state;
	assert_int_equal(serin_latency_bucket(1ull << SERIN_LATENCY_OCTAVE), SERIN_LATENCY_TOP);
	assert_int_equal(serin_latency_bucket(1ull << 32), SERIN_LATENCY_TOP);
	assert_int_equal(serin_latency_bucket(~0ull), SERIN_LATENCY_TOP);
}

static void a_bucket_is_an_eighth_wide_at_most(void **state)
{
	(void)state;
	for (uint32_t i = SERIN_STEPS; i < SERIN_LATENCY_TOP; i++)
		assert_true((serin_bucket_low(i + 1) - serin_bucket_low(i)) * 8 <=
			    serin_bucket_low(i));
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Beside what sorting says: in the same bucket, so a sixteenth off at most. */
static void quantiles_are_those_of_the_sorted(void **state)
{
	static const unsigned int permilles[] = {1, 100, 500, 900, 990, 1000};
	static uint64_t us[1000];

	(void)state;
	srandom(20240117);
	for (size_t i = 0; i < 1000; i++) {
		us[i] = (uint64_t)(random() % 1000) * (uint64_t)(random() % 1000) + 20;
		h.bucket[serin_latency_bucket(us[i])]++;
	}
	qsort(us, 1000, sizeof(*us), by_value);
	for (size_t i = 0; i < sizeof(permilles) / sizeof(*permilles); i++) {
		double exact = (double)us[permilles[i] - 1];
		double found = latency_quantile_us(&h, permilles[i]);

		if (found < exact * 15 / 16 - 1 || found > exact * 17 / 16 + 1)
			fail_msg("%u of 1000: %f, to be %f", permilles[i], found, exact);
	}
}

static void quantiles_of_few(void **state)
{
	(void)state;
	h.bucket[5] = 1;
	assert_true(latency_quantile_us(&h, 1) == 5);
	assert_true(latency_quantile_us(&h, 990) == 5);
	h.bucket[SERIN_LATENCY_TOP] = 1;
	assert_true(latency_quantile_us(&h, 500) == 5);
	assert_true(latency_quantile_us(&h, 990) == 1 << SERIN_LATENCY_OCTAVE);
}

static void buckets_are_summed(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 4096; us++)
		h.bucket[serin_latency_bucket(us)]++;
	h.bucket[SERIN_LATENCY_TOP]++;
	for (uint32_t i = 0; i <= SERIN_LATENCY_TOP; i++)
		assert_int_equal(latency_count_until(&h, i),
				 serin_bucket_low(i) < 4096 ? serin_bucket_low(i) : 4096);
	assert_int_equal(latency_count(&h), 4097);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(logarithms, setup),
		cmocka_unit_test_setup(every_latency_is_in_its_bucket, setup),
		cmocka_unit_test_setup(the_last_bucket_has_all_above, setup),
		cmocka_unit_test_setup(a_bucket_is_an_eighth_wide_at_most, setup),
		cmocka_unit_test_setup(quantiles_are_those_of_the_sorted, setup),
		cmocka_unit_test_setup(quantiles_of_few, setup),
		cmocka_unit_test_setup(buckets_are_summed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/sampling.h"

/* Where it stays after many looks. */
static uint8_t settle(uint8_t shift, uint64_t flows_per_s)
{
	for (int i = 0; i < 40; i++)
		shift = sampling_judge(shift, flows_per_s);
	assert_int_equal(sampling_judge(shift, flows_per_s), shift);
	return shift;
}

/* Of any client's ports, and of any port's clients, about as many as are meant; a client's kernel takes
 * even ports first. */
static void draws_are_even(void **state)
{
	(void)state;
	for (uint32_t shift = 1; shift <= SERIN_SAMPLE_SHIFT_MAX; shift++) {
		uint32_t of_ports = 0, of_clients = 0, mask = serin_sample_mask(shift);

		for (uint32_t i = 0; i < 65536; i++) {
			struct serin_addr one = {{0, 0, SERIN_V4_MAPPED_BE, htonl(0xc6336401)}};
			struct serin_addr each = one;

			each.word_be[3] = htonl(0x0a000000 + i);
			of_ports += serin_is_sampled(
					    serin_sample_draw(&one, htons((uint16_t)(i & ~1u))),
					    mask) != 0;
			of_clients +=
				serin_is_sampled(serin_sample_draw(&each, htons(40000)), mask) != 0;
		}
		assert_in_range(of_ports, (65536 >> shift) * 4 / 5, (65536 >> shift) * 5 / 4);
		assert_in_range(of_clients, (65536 >> shift) * 4 / 5, (65536 >> shift) * 5 / 4);
	}
}

static void few_flows_are_all_sampled(void **state)
{
	(void)state;
	for (uint8_t from = 0; from <= SAMPLING_SHIFT_MAX; from++) {
		assert_int_equal(settle(from, 0), 0);
		assert_int_equal(settle(from, SAMPLING_FEW), 0);
	}
	assert_int_equal(settle(0, SAMPLING_MOST), 0);
}

static void of_many_as_many_as_are_wanted(void **state)
{
	(void)state;
	for (uint64_t flows = SAMPLING_MOST; flows < (uint64_t)SAMPLING_MOST << SAMPLING_SHIFT_MAX;
	     flows += flows / 7)
		for (uint8_t from = 0; from <= SAMPLING_SHIFT_MAX; from++) {
			uint8_t shift = settle(from, flows);

			assert_true(flows >> shift <= SAMPLING_MOST);
			assert_true(flows >> shift > SAMPLING_FEW / 2);
		}
}

/* At the border of two shifts both hold: a rate that wavers moves none. */
static void a_wavering_rate_changes_nothing(void **state)
{
	uint8_t shift = settle(0, SAMPLING_MOST * 4);

	(void)state;
	for (uint64_t flows = SAMPLING_MOST * 5 / 2; flows < SAMPLING_MOST * 4; flows += 100)
		assert_int_equal(sampling_judge(shift, flows), shift);
}

static void it_rises_and_falls_at_once(void **state)
{
	(void)state;
	assert_int_equal(sampling_judge(0, SAMPLING_MOST << 7), 7);
	assert_int_equal(sampling_judge(7, SAMPLING_FEW << 2), 2);
	assert_int_equal(sampling_judge(7, 0), 0);
}

static void what_cannot_be_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(settle(0, ~0ull), SAMPLING_SHIFT_MAX);
	assert_int_equal(settle(255, ~0ull), SAMPLING_SHIFT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_are_even),
		cmocka_unit_test(few_flows_are_all_sampled),
		cmocka_unit_test(of_many_as_many_as_are_wanted),
		cmocka_unit_test(a_wavering_rate_changes_nothing),
		cmocka_unit_test(it_rises_and_falls_at_once),
		cmocka_unit_test(what_cannot_be_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The cap on new flows: those beyond it go to the primary, and all stay where they went. */
#include "guard_lab.h"

#define SEED	   0x1f7a90c3e85d264bull
#define FLOWS_SENT (10 * CAP)

#define EACH_CAPPED(w)                                              \
	for (const struct talk_way *w = ways; w < ways + WAYS; w++) \
		if (!strncmp(w->settings, EXPOSURE, strlen(EXPOSURE)))

/* As many as there is room for, and what the time it takes to send them adds. */
static void test_flows_beyond_the_cap_go_to_the_primary(void **state)
{
	(void)state;
	EACH_CAPPED(w)
	{
		struct talk t[FLOWS_SENT];
		unsigned int went[FLOWS_SENT], of_canary = 0;
		uint64_t began = lab_now_ms(), room;

		for (int i = 0; i < FLOWS_SENT; i++) {
			t[i] = new_talk(w);
			went[i] = begin(&t[i]);
			assert_true(went[i] == canary_of(w) || went[i] == primary_of(w));
			of_canary += went[i] == canary_of(w);
			answer(&t[i]);
		}
		room = CAP + (lab_now_ms() - began) * CAP / 1000 + 1;
		assert_true(of_canary >= CAP && of_canary <= room);
		assert_int_equal(guard_of(w, "canary")->capped, FLOWS_SENT - of_canary);
		for (int i = 0; i < FLOWS_SENT; i++)
			assert_int_equal(send_to(&t[i], FRAME_ACK, 8), went[i]);
	}
}

static void test_room_comes_back(void **state)
{
	(void)state;
	EACH_CAPPED(w)
	{
		unsigned int of_canary = 0;

		for (int i = 0; i < FLOWS_SENT; i++) {
			struct talk t = new_talk(w);

			begin(&t);
		}
		guard_of(w, "canary")->cap_full -= jiffies_of(1) * CAP;
		for (int i = 0; i < FLOWS_SENT; i++) {
			struct talk t = new_talk(w);

			of_canary += begin(&t) == canary_of(w);
		}
		assert_true(of_canary >= CAP);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flows_beyond_the_cap_go_to_the_primary),
		TEST(test_room_comes_back),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

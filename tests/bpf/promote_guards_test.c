// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards when another pool becomes the primary: it has none, and the old one has what it had. */
#include "guard_lab.h"

#define SEED 0x91d4e7ab35c0f268ull

#define FLOWS_SENT (3 * CAP)

static int ask_promotion(const struct talk_way *w, const char *pool)
{
	struct dataplane_promote_request request = {
		.service = w->name, .pool = pool, .expect_epoch = -1, .author = lab_author};
	struct dataplane_shift out;
	int real = lab_hush_begin();
	int error = dataplane_promote(dp, &request, &out);

	lab_hush_end(real);
	return error;
}

static void shift_all_to_stable(const struct talk_way *w)
{
	const struct dataplane_weight all = {"stable", SPLIT_PPM_ALL};
	struct dataplane_shift_request request = {.service = w->name,
						  .weights = &all,
						  .weight_count = 1,
						  .expect_epoch = -1,
						  .author = lab_author};
	struct dataplane_shift out;

	assert_int_equal(dataplane_shift(dp, &request, &out), 0);
}

/* And all that new flows have goes back to the old primary, whose guard is asked now. */
static void swap(const struct talk_way *w)
{
	if (ask_promotion(w, "canary"))
		fail_msg("%s: %s", w->name, lab_errors);
	expect_next(w, canary_of(w));
	shift_all_to_stable(w);
}

static struct dp_guard_settings settings_of(const struct talk_way *w, const char *pool)
{
	struct dp_guard_settings settings;

	dp_guard_settings(guard_of(w, pool), &settings);
	return settings;
}

static void test_settings_follow_the_role(void **state)
{
	static const struct dp_guard_settings none;

	(void)state;
	for (const struct talk_way *w = ways; w < ways + WAYS; w++) {
		struct dp_guard_settings before = settings_of(w, "canary"), after;

		assert_int_equal(!memcmp(&before, &none, sizeof(none)),
				 !*w->settings || w->settings[2] == 't');
		assert_int_equal(ask_promotion(w, "canary"), 0);
		after = settings_of(w, "stable");
		assert_memory_equal(&before, &after, sizeof(before));
		after = settings_of(w, "canary");
		assert_memory_equal(&none, &after, sizeof(none));
	}
}

static void test_a_breaker(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		swap(w);
		for (int i = 0; i < BUDGET; i++) {
			struct talk t = new_talk(w);

			assert_int_equal(begin(&t), primary_of(w));
			fail_flow(&t);
		}
		expect_next(w, canary_of(w));
		assert_int_equal(dp_breaker_state(guard_of(w, "stable")), SERIN_BREAKER_OPEN);
	}
}

/* Fails as often as it may: nobody is kept from it. */
static void test_the_new_primary_has_no_breaker(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		assert_int_equal(ask_promotion(w, "canary"), 0);
		for (int i = 0; i < 3 * BUDGET; i++)
			fail_one(w);
		expect_next(w, canary_of(w));
	}
}

static void test_an_open_breaker_keeps_it_from_being_one(void **state)
{
	(void)state;
	EACH_GUARDED(w)
	{
		trip(w);
		assert_int_equal(ask_promotion(w, "canary"), -EBUSY);
		assert_non_null(strstr(lab_errors, "breaker of pool canary is open"));
		expect_next(w, primary_of(w));
	}
}

static void test_syn_failover(void **state)
{
	(void)state;
	EACH_FAILING_OVER(w)
	{
		struct talk t = new_talk(w);

		swap(w);
		assert_int_equal(begin(&t), primary_of(w));
		assert_int_equal(begin(&t), primary_of(w));
		assert_int_equal(begin(&t), canary_of(w));
	}
}

/* The new primary has all there are; of the old one there are as many seats as its guard has. */
static void test_seats(void **state)
{
	(void)state;
	EACH_SEATED(w)
	{
		unsigned int went = 0;

		assert_int_equal(ask_promotion(w, "canary"), 0);
		for (int i = 0; i < FLOWS_SENT; i++)
			expect_next(w, canary_of(w));
		shift_all_to_stable(w);
		for (int i = 0; i < FLOWS_SENT; i++) {
			struct talk t = new_talk(w);

			went += begin(&t) == primary_of(w);
		}
		assert_int_equal(went, SEATS);
	}
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(test_settings_follow_the_role),
		TEST(test_a_breaker),
		TEST(test_the_new_primary_has_no_breaker),
		TEST(test_an_open_breaker_keeps_it_from_being_one),
		TEST(test_syn_failover),
		TEST(test_seats),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}

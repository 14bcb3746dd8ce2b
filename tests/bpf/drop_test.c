// SPDX-License-Identifier: GPL-2.0-or-later
/* What is ours and cannot go on is dropped as it came, and its reason is counted. */
#include "pass_lab.h"

#define SEED 0x3d71f09ac4e8b625ull

/* `back` has an MTU of 1400, `front` of 1500; one byte more does not fit. */
static void make_too_big(struct frame *f, size_t mtu)
{
	build(f);
	f->payload_len = (uint16_t)(f->payload_len + mtu - (len - FRAME_ETH) + 1);
	build(f);
	assert_int_equal(len, FRAME_ETH + mtu + 1);
}

static void test_frames_with_no_backend_anywhere(void **state)
{
	struct frame f = lab_request("198.51.100.1", 1, "192.0.2.9", 80, IPPROTO_TCP);

	(void)state;
	assert_int_equal(lab_drain("gone", "10.1.0.8", true, true), 0);
	assert_int_equal(lab_drain("gone", "10.1.0.9", true, true), 0);
	note_counters();
	for (f.src_port = 1; f.src_port <= 200; f.src_port++) {
		build(&f);
		run_untouched(lab_front, XDP_DROP);
	}
	expect_counted(SERIN_DROP_NO_BACKEND, 200);
}

/* What did not fit began nothing: the first packet that gets through is the flow's first. */
static void test_flows_that_begin_with_a_frame_too_big(void **state)
{
	static const char *const services[] = {"t4", "u4", "t6", "u6"};

	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		struct frame f = good_frame(n), big;
		struct snapshot *s = lab_snapshot();
		uint64_t flows = lab_pool(s, services[n], "p")->counters.flows;
		struct outcome out;

		snapshot_free(s);
		f.src_port = 9999;
		big = f;
		make_too_big(&big, n % 2 ? 1400 : 1500);
		note_counters();
		lab_run(lab_front, bytes, len, &out);
		assert_int_equal(out.action, XDP_TX); /* the answer */
		assert_true(lab_ask(&f) > 0);
		s = lab_snapshot();
		assert_int_equal(s->packets[SERIN_ANSWER_TOO_BIG] - before[SERIN_ANSWER_TOO_BIG],
				 1);
		assert_int_equal(lab_pool(s, services[n], "p")->counters.flows, flows + 1);
		snapshot_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_with_no_backend_anywhere),
		cmocka_unit_test(test_flows_that_begin_with_a_frame_too_big),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

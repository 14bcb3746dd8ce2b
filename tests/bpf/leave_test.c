// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends that left the configuration: they stay as long as a connection may need them, and go. */
#include "lib/rtnl.h"

#include "apply_lab.h"

#define SEED 0x93e5b1f80c4d67a2ull

#define BEFORE WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3))
#define AFTER  POOL("stable", HOST(2))

static const char before_1s[] = HASTY_WEB(1, BEFORE), after_1s[] = HASTY_WEB(1, AFTER);
static const char before_2s[] = HASTY_WEB(2, BEFORE), after_2s[] = HASTY_WEB(2, AFTER);
static const char refused[] = "version: 1\ninterfaces: [front, nowhere]\nservices:\n" SERVICE(
	"web", "192.0.2.1", "", POOL("stable", HOST(2)));

static uint64_t left_ms; /* when the configuration dropped two backends and a pool */

static struct frame connection(uint16_t port, uint8_t flags)
{
	struct frame f = lab_request("198.51.100.1", port, "192.0.2.1", 80, IPPROTO_TCP);

	f.tcp_flags = flags;
	return f;
}

/* Sixty connections, some to every backend, none of which needs an entry; then two of these leave. */
static void leave(const char *before, const char *after)
{
	uint64_t hosts = 0;

	lab_apply(before);
	for (uint16_t port = 1; port <= 60; port++) {
		struct frame f = connection(port, FRAME_SYN);

		hosts |= 1ull << lab_ask(&f);
	}
	assert_int_equal(hosts, BIT(1) | BIT(2) | BIT(3));
	left_ms = lab_now_ms();
	lab_apply(after);
}

static void expect_leaving(void)
{
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_LEAVING);
	assert_int_equal(apply_state("web", "canary", 1), SERIN_BACKEND_LEAVING);
}

static bool is_settled(void)
{
	struct snapshot *s = lab_snapshot();
	bool answer = snapshot_find_service(s, "web")->is_settled;

	snapshot_free(s);
	return answer;
}

/* Applies again and again until something changes; what has changed is in lab_changes. */
static void apply_until_change(const char *yaml)
{
	do {
		lab_wait(left_ms, "a change");
		lab_apply(yaml);
	} while (!strcmp(lab_changes, "no changes\n"));
}

static void test_leaving_backends_go_when_no_flow_can_live(void **state)
{
	struct snapshot *s;

	(void)state;
	leave(before_1s, after_1s);
	expect_leaving();
	assert_false(is_settled());
	apply_until_change(after_1s);
	assert_true(lab_now_ms() - left_ms >= 1000);
	assert_non_null(strstr(lab_changes,
			       "- service web: backend 10.1.0.3:80: its last flow has ended\n"));
	assert_non_null(strstr(lab_changes,
			       "- service web: backend 10.1.0.1:80: its last flow has ended\n"));
	assert_null(strstr(lab_changes, "no changes"));
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->pool_count, 1);
	assert_int_equal(lab_pool(s, "web", "stable")->backend_count, 1);
	snapshot_free(s);
	assert_true(is_settled());
	apply_expect_settled(after_1s);
	for (uint16_t port = 1; port <= 60; port++) {
		struct frame f = connection(port, FRAME_ACK);

		assert_int_equal(lab_ask(&f), 2);
	}
}

static uint16_t port_to(unsigned int host)
{
	for (uint16_t port = 1; port <= 60; port++) {
		struct frame f = connection(port, FRAME_RST); /* shows, and begins nothing */

		if (lab_ask(&f) == host)
			return port;
	}
	fail_msg("no connection to %u", host);
	return 0;
}

/* One that speaks now and then holds its backend, for longer than silent ones would. */
static void test_a_living_flow_holds_its_backend(void **state)
{
	struct frame living;

	(void)state;
	leave(before_2s, after_2s);
	living = connection(port_to(3), FRAME_ACK);
	while (lab_now_ms() - left_ms < 5000) {
		lab_wait(left_ms, "5 s to pass");
		assert_int_equal(lab_ask(&living), 3);
		lab_apply(after_2s);
		assert_string_equal(lab_changes, "no changes\n");
		expect_leaving();
	}
	assert_false(is_settled());
	apply_until_change(after_2s);
	assert_non_null(strstr(lab_changes, "backend 10.1.0.3:80: its last flow has ended\n"));
	assert_int_equal(lab_ask(&living), 2);
}

/* The agent's rounds do the same, without an apply. */
static void test_maintaining_settles_and_frees(void **state)
{
	struct rtnl *rtnl = NULL;

	(void)state;
	assert_int_equal(rtnl_open(&rtnl), 0);
	leave(before_1s, after_1s);
	expect_leaving();
	while (apply_state("web", "stable", 3) == SERIN_BACKEND_LEAVING) {
		struct dataplane *dp = lab_open(DATAPLANE_WRITE);

		assert_int_equal(dataplane_maintain(dp, rtnl), 0);
		dataplane_close(dp);
		lab_wait(left_ms, "the backend to go");
	}
	assert_true(lab_now_ms() - left_ms >= 1000);
	assert_true(is_settled());
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(2));
	rtnl_close(rtnl);
}

/* Whatever is wrong with the new configuration, the old backends' end is no part of it. */
static void test_a_refused_apply_reaps_nothing(void **state)
{
	(void)state;
	leave(before_1s, after_1s);
	while (lab_now_ms() - left_ms < 2000 || !is_settled()) {
		lab_wait(left_ms, "the service to settle");
		assert_int_equal(lab_apply_yaml(refused, false), -ENODEV);
		expect_leaving();
	}
	apply_expect_refusal(refused, -ENODEV);
	expect_leaving();
	lab_apply(after_1s);
	assert_non_null(strstr(lab_changes, "its last flow has ended"));
}

/* However long it has been: a dry run lets nobody go, and nothing settle. */
static void test_a_dry_run_reaps_nothing(void **state)
{
	(void)state;
	leave(before_1s, after_1s);
	while (lab_now_ms() - left_ms < 2000) {
		char *before = lab_status();

		lab_wait(left_ms, "2 s to pass");
		assert_int_equal(lab_apply_yaml(after_1s, true), 0);
		lab_expect_status(before);
	}
	expect_leaving();
}

/* But it tells what will, and whom that sets free. */
static void test_a_dry_run_tells_what_settles(void **state)
{
	(void)state;
	leave(before_1s, after_1s);
	do {
		lab_wait(left_ms, "the service to be able to settle");
		assert_int_equal(lab_apply_yaml(after_1s, true), 0);
	} while (!strcmp(lab_changes, "no changes\n"));
	assert_true(lab_now_ms() - left_ms >= 1000);
	assert_false(is_settled());
	apply_step(after_1s, "~ service web: settles: nobody depends on its earlier choices any "
			     "more\n"
			     "- service web: backend 10.1.0.1:80: its last flow has ended\n"
			     "- service web: backend 10.1.0.3:80: its last flow has ended\n");
	assert_true(is_settled());
	apply_expect_settled(after_1s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_leaving_backends_go_when_no_flow_can_live,
					  lab_teardown),
		cmocka_unit_test_teardown(test_a_living_flow_holds_its_backend, lab_teardown),
		cmocka_unit_test_teardown(test_maintaining_settles_and_frees, lab_teardown),
		cmocka_unit_test_teardown(test_a_refused_apply_reaps_nothing, lab_teardown),
		cmocka_unit_test_teardown(test_a_dry_run_reaps_nothing, lab_teardown),
		cmocka_unit_test_teardown(test_a_dry_run_tells_what_settles, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

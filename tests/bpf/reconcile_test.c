// SPDX-License-Identifier: GPL-2.0-or-later
/* From one configuration to the next: what is told, what changes, and what survives. */
#include "apply_lab.h"

#define SEED 0x6ad9f1037ce2b584ull

static const char first[] =
	WEB("", WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3)));

static int start(void **state)
{
	(void)state;
	lab_apply(first);
	return 0;
}

static void test_the_first_apply_tells_everything(void **state)
{
	(void)state;
	assert_string_equal(lab_changes, "+ program: serin " SERIN_VERSION
					 ", room for 32 services, 512 backends, 262144 flows\n"
					 "+ interface front (native XDP)\n"
					 "+ interface back (native XDP)\n"
					 "+ service web 192.0.2.1:80/tcp\n"
					 "+ service web: pool canary\n"
					 "+ service web: pool stable\n"
					 "+ service web: pool canary: backend 10.1.0.1:80\n"
					 "+ service web: pool stable: backend 10.1.0.2:80\n"
					 "+ service web: pool stable: backend 10.1.0.3:80\n");
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3));
}

static void test_a_second_apply_changes_nothing(void **state)
{
	(void)state;
	apply_expect_settled(first);
	apply_expect_settled(first);
}

static void test_live_weights_and_drains_survive(void **state)
{
	(void)state;
	assert_int_equal(lab_shift("web", "canary", 777777), 0);
	assert_int_equal(lab_drain("web", "10.1.0.3", true, false), 0);
	apply_step(first,
		   "= service web: pool canary keeps its live weight 77.7777 % (file: 10 %)\n"
		   "no changes\n");
	apply_step(
		WEB("", WEIGHED("canary", "20", HOST(1) HOST(4)) POOL("stable", HOST(2) HOST(3))),
		"= service web: pool canary keeps its live weight 77.7777 % (file: 20 %)\n"
		"+ service web: pool canary: backend 10.1.0.4:80\n");
	apply_expect_weight("canary", 777777);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_DRAINING);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(4) | BIT(2));
}

static void test_backends_come_change_and_go(void **state)
{
	static const char heavier[] =
		WEB("", WEIGHED("canary", "10", HOST(1))
				POOL("stable", "{address: 10.1.0.2, weight: 7}, " HOST(3)));
	static const char moved[] = WEB("", WEIGHED("canary", "10", HOST(1) HOST(3)) POOL(
						    "stable", "{address: 10.1.0.2, weight: 7}, "));
	static const char less[] = WEB("", WEIGHED("canary", "10", HOST(1)) POOL(
						   "stable", "{address: 10.1.0.2, weight: 7}, "));

	(void)state;
	apply_step(heavier, "~ service web: pool stable: backend 10.1.0.2:80: weight 1 -> 7\n");
	apply_expect_settled(heavier);
	apply_step(moved, "~ service web: backend 10.1.0.3:80 moves to pool canary\n");
	assert_int_equal(apply_state("web", "canary", 3), SERIN_BACKEND_UP);
	apply_expect_settled(moved);
	apply_step(less, "- service web: pool canary: backend 10.1.0.3:80; it keeps its "
			 "connections\n");
	assert_int_equal(apply_state("web", "canary", 3), SERIN_BACKEND_LEAVING);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2));
}

/* Two changes of one backend: both take effect, whatever of them is told. */
static void test_a_backend_may_move_and_change_its_weight(void **state)
{
	static const char both[] =
		WEB("", WEIGHED("canary", "10", HOST(1) "{address: 10.1.0.3, weight: 9}, ")
				POOL("stable", HOST(2)));
	struct snapshot *s;

	(void)state;
	lab_apply(both);
	assert_non_null(strstr(lab_changes, "10.1.0.3:80"));
	s = lab_snapshot();
	assert_int_equal(lab_pool(s, "web", "canary")->backend_count, 2);
	assert_int_equal(lab_pool(s, "web", "canary")->backends[1].weight, 9);
	snapshot_free(s);
	apply_expect_settled(both);
}

/* A flow keeps its backend leaving, not gone: it can come back. */
static void test_a_leaving_backend_comes_back(void **state)
{
	static const char fewer[] =
		WEB("", WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2)));
	uint16_t port = 1;
	struct frame f;

	(void)state;
	do
		f = lab_request("198.51.100.1", port++, "192.0.2.1", 80, IPPROTO_TCP);
	while (lab_ask(&f) != 3);
	lab_apply(fewer);
	apply_expect_settled(fewer);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_LEAVING);
	f.tcp_flags = FRAME_ACK;
	assert_int_equal(lab_ask(&f), 3);
	apply_step(first, "~ service web: pool stable: backend 10.1.0.3:80 comes back\n");
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_UP);
	assert_int_equal(lab_ask(&f), 3);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3));
}

/* ---- pools ---- */

static void test_pools_come_and_go(void **state)
{
	static const char three[] = WEB("", WEIGHED("canary", "10", HOST(1))
						    POOL("stable", HOST(2) HOST(3))
							    WEIGHED("base", "15", HOST(5)));
	static const char two[] =
		WEB("", WEIGHED("base", "15", HOST(5)) POOL("stable", HOST(2) HOST(3)));

	(void)state;
	assert_int_equal(lab_shift("web", "canary", 250000), 0);
	apply_step(three, "+ service web: pool base\n"
			  "= service web: pool canary keeps its live weight 25 % (file: 10 %)\n"
			  "~ service web: new split\n"
			  "+ service web: pool base: backend 10.1.0.5:80\n");
	apply_expect_weight("canary", 250000);
	apply_expect_weight("base", 150000);
	apply_expect_weight("stable", 600000);
	apply_step(two, "- service web: pool canary\n"
			"~ service web: new split\n"
			"- service web: pool canary: backend 10.1.0.1:80; it keeps its "
			"connections\n");
	apply_expect_weight("base", 150000);
	apply_expect_weight("canary", 0);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(2) | BIT(3) | BIT(5));
}

static void test_a_new_pool_gets_what_the_live_weights_leave(void **state)
{
	(void)state;
	assert_int_equal(lab_shift("web", "canary", 900000), 0);
	apply_step(WEB("", WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3))
				   WEIGHED("base", "15", HOST(5))),
		   "+ service web: pool base\n"
		   "= service web: pool canary keeps its live weight 90 % (file: 10 %)\n"
		   "= service web: pool base begins at 0 %: the live weights leave no room for "
		   "its 15 %\n"
		   "~ service web: new split\n"
		   "+ service web: pool base: backend 10.1.0.5:80\n");
	apply_expect_weight("canary", 900000);
	apply_expect_weight("base", 0);
}

static void test_pools_may_be_told_in_another_order(void **state)
{
	static const char before[] = WEB("", WEIGHED("a", "10", HOST(1)) WEIGHED("b", "20", HOST(4))
						     POOL("stable", HOST(2)));
	static const char after[] = WEB("", POOL("stable", HOST(2)) WEIGHED("b", "20", HOST(4))
						    WEIGHED("a", "10", HOST(1)));

	(void)state;
	lab_apply(before);
	lab_apply(before);
	apply_step(after, "~ service web: new split\n");
	apply_expect_settled(after);
	apply_expect_weight("a", 100000);
	apply_expect_weight("b", 200000);
	apply_expect_weight("stable", 700000);
}

/* The canary won and becomes the primary; the old one waits at 0 %. */
static void test_another_primary(void **state)
{
	static const char after[] = LAB_HEAD
		"  - {name: web, vip: 192.0.2.1, port: 80, protocol: tcp, primary: canary, pools: "
		"[" POOL("canary", HOST(1)) WEIGHED("stable", "0", HOST(2) HOST(3)) "]}\n";
	struct snapshot *s;

	(void)state;
	assert_int_equal(lab_shift("web", "canary", 1000000), 0);
	apply_step(after, "~ service web: new split\n");
	apply_expect_weight("canary", 1000000);
	apply_expect_weight("stable", 0);
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->primary, 0);
	snapshot_free(s);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1));
	apply_expect_settled(after);
}

/* ---- services ---- */

static void test_tables_of_other_sizes(void **state)
{
	static const char *const told[] = {"~ service web: table_size 16381 -> 65537\n",
					   "~ service web: table_size 65537 -> 1009\n",
					   "~ service web: table_size 1009 -> 16381\n"};
	static const char *const configs[] = {
		WEB(", table_size: 65537",
		    WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3))),
		WEB(", table_size: 1009",
		    WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3))),
		first,
	};
	static const uint32_t sizes[] = {65537, 1009, 16381};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct snapshot *s;

		apply_step(configs[i], told[i]);
		s = lab_snapshot();
		assert_int_equal(snapshot_find_service(s, "web")->table_size, sizes[i]);
		snapshot_free(s);
		assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3));
		apply_expect_settled(configs[i]);
	}
}

#define SHOP SERVICE("shop", "192.0.2.2", "", POOL("stable", HOST(9)))

static void test_services_come_and_go(void **state)
{
	static const char both[] =
		WEB("", WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3))) SHOP;

	(void)state;
	apply_step(both, "+ service shop 192.0.2.2:80/tcp\n"
			 "+ service shop: pool stable\n"
			 "+ service shop: pool stable: backend 10.1.0.9:80\n");
	assert_int_equal(apply_hosts("192.0.2.2"), BIT(9));
	apply_expect_settled(both);
	apply_step(first, "- service shop\n");
	assert_int_equal(apply_hosts("192.0.2.2"), BIT(0));
	apply_expect_settled(first);
	apply_step(LAB_HEAD SHOP, "+ service shop 192.0.2.2:80/tcp\n"
				  "+ service shop: pool stable\n"
				  "+ service shop: pool stable: backend 10.1.0.9:80\n"
				  "- service web\n");
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(0));
	assert_int_equal(apply_hosts("192.0.2.2"), BIT(9));
	apply_expect_settled(LAB_HEAD SHOP);
}

static const char elsewhere[] = LAB_HEAD SERVICE(
	"web", "192.0.2.77", "", WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3)));

static void test_a_service_moves_to_another_address(void **state)
{
	(void)state;
	assert_int_equal(lab_shift("web", "canary", 500000), 0);
	lab_apply(elsewhere);
	assert_non_null(strstr(lab_changes, "~ service web: moves to 192.0.2.77:80/tcp; its "
					    "connections to the old address end\n"));
	apply_expect_weight("canary", 500000);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(0));
	assert_int_equal(apply_hosts("192.0.2.77"), BIT(1) | BIT(2) | BIT(3));
	lab_apply(elsewhere);
	assert_non_null(strstr(lab_changes, "no changes\n"));
}

static void test_drains_survive_a_move(void **state)
{
	(void)state;
	assert_int_equal(lab_drain("web", "10.1.0.3", true, false), 0);
	lab_apply(elsewhere);
	assert_int_equal(apply_state("web", "stable", 3), SERIN_BACKEND_DRAINING);
	assert_int_equal(apply_hosts("192.0.2.77"), BIT(1) | BIT(2));
}

/* Two services change addresses in one step. */
static void test_services_swap_addresses(void **state)
{
	static const char before[] = LAB_HEAD SERVICE("a", "192.0.2.1", "", POOL("stable", HOST(1)))
		SERVICE("b", "192.0.2.2", "", POOL("stable", HOST(2)));
	static const char after[] = LAB_HEAD SERVICE("a", "192.0.2.2", "", POOL("stable", HOST(1)))
		SERVICE("b", "192.0.2.1", "", POOL("stable", HOST(2)));

	(void)state;
	lab_apply(before);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1));
	lab_apply(after);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(2));
	assert_int_equal(apply_hosts("192.0.2.2"), BIT(1));
	apply_expect_settled(after);
}

/* ---- a backend that goes from one service to another ---- */

static uint32_t answer(const struct frame *f, const char *host, struct in6_addr *from)
{
	struct frame reply = frame_reply(f);
	struct outcome out;

	reply.src = lab_addr(host);
	reply.tcp_flags = FRAME_SYN | FRAME_ACK;
	lab_run_frame(lab_front, &reply, &out);
	*from = lab_wire_addr(out.bytes, false);
	return out.action;
}

/* It serves both: new connections of the one, and those there are of the other. */
static void test_a_backend_goes_to_another_service(void **state)
{
	static const char after[] =
		WEB("", WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2)))
			SERVICE("shop", "192.0.2.2", "", POOL("stable", HOST(3)));
	struct in6_addr from, web = lab_addr("192.0.2.1"), shop = lab_addr("192.0.2.2");
	struct frame f, to_shop;
	uint16_t port = 1;

	(void)state;
	do
		f = lab_request("198.51.100.1", port++, "192.0.2.1", 80, IPPROTO_TCP);
	while (lab_ask(&f) != 3);
	apply_step(after, "+ service shop 192.0.2.2:80/tcp\n"
			  "+ service shop: pool stable\n"
			  "+ service shop: pool stable: backend 10.1.0.3:80\n"
			  "~ service web: shares backends with another: every flow is remembered\n"
			  "~ service shop: shares backends with another: every flow is remembered\n"
			  "- service web: pool stable: backend 10.1.0.3:80; it keeps its "
			  "connections\n");
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2));
	assert_int_equal(apply_hosts("192.0.2.2"), BIT(3));
	assert_int_equal(answer(&f, "10.1.0.3", &from), XDP_TX);
	assert_memory_equal(&from, &web, sizeof(from));
	f.tcp_flags = FRAME_ACK;
	assert_int_equal(lab_ask(&f), 3);
	to_shop = lab_request("198.51.100.1", port, "192.0.2.2", 80, IPPROTO_TCP);
	assert_int_equal(lab_ask(&to_shop), 3);
	assert_int_equal(answer(&to_shop, "10.1.0.3", &from), XDP_TX);
	assert_memory_equal(&from, &shop, sizeof(from));
	assert_int_equal(answer(&f, "10.1.0.3", &from), XDP_TX);
	assert_memory_equal(&from, &web, sizeof(from));
	apply_expect_settled(after);
}

int main(void)
{
#define APPLY_TEST(name) cmocka_unit_test_setup_teardown(name, start, lab_teardown)
	const struct CMUnitTest tests[] = {
		APPLY_TEST(test_the_first_apply_tells_everything),
		APPLY_TEST(test_a_second_apply_changes_nothing),
		APPLY_TEST(test_live_weights_and_drains_survive),
		APPLY_TEST(test_backends_come_change_and_go),
		APPLY_TEST(test_a_backend_may_move_and_change_its_weight),
		APPLY_TEST(test_a_leaving_backend_comes_back),
		APPLY_TEST(test_pools_come_and_go),
		APPLY_TEST(test_a_new_pool_gets_what_the_live_weights_leave),
		APPLY_TEST(test_pools_may_be_told_in_another_order),
		APPLY_TEST(test_another_primary),
		APPLY_TEST(test_tables_of_other_sizes),
		APPLY_TEST(test_services_come_and_go),
		APPLY_TEST(test_a_service_moves_to_another_address),
		APPLY_TEST(test_drains_survive_a_move),
		APPLY_TEST(test_services_swap_addresses),
		APPLY_TEST(test_a_backend_goes_to_another_service),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

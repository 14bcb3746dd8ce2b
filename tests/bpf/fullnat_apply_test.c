// SPDX-License-Identifier: GPL-2.0-or-later
/* From one configuration to the next where a service is forwarded by fullnat: its flows keep their
 * ports, and its table comes and goes with it. */
#include <bpf/bpf.h>
#include <errno.h>

#include "dataplane/internal.h"

#include "apply_lab.h"
#include "fullnat_lab.h"

#define SEED 0x8c41f7d2be05a963ull

static const struct way web = {"web",
			       "192.0.2.1",
			       "10.1.0.1",
			       {"10.1.255.200", "10.1.255.201"},
			       80,
			       80,
			       5001,
			       5100,
			       IPPROTO_TCP,
			       false,
			       {2, 0, 0, 1, 4, 1}};
static const struct way web6 = {
	"web", "2001:db8:ff::1", "2001:db8:1::1", {"2001:db8:1::200"}, 80, 80, 5001,
	5100,  IPPROTO_TCP,	 false,		  {2, 0, 0, 1, 6, 1}};

#define FULLNAT_AT(ports, settings, pools)                                               \
	"  - {name: web, vip: 192.0.2.1, port: 80, protocol: tcp, forwarding: fullnat, " \
	"source_addresses: [10.1.255.200, 10.1.255.201], source_ports: " ports settings  \
	", primary: stable, pools: [" pools "]}\n"
#define FULLNAT(settings, pools) FULLNAT_AT("5001-5100", settings, pools)
#define PLAIN			 SERVICE("plain", "192.0.2.2", "", POOL("stable", HOST(1)))

static const char one[] = LAB_HEAD FULLNAT("", POOL("stable", HOST(1)));

static struct frame syn(uint16_t port)
{
	struct frame f = way_request(&web, "198.51.100.7", port);

	f.tcp_flags = FRAME_SYN;
	return f;
}

/* A connection with its handshake done. */
static struct source establish(uint16_t port)
{
	struct frame f = syn(port);
	struct source s = way_ask(&web, &f);

	way_reply(&web, &f, &s, FRAME_SYN | FRAME_ACK);
	f.tcp_flags = FRAME_ACK;
	way_ask(&web, &f);
	return s;
}

static void expect_kept(uint16_t port, const struct source *s)
{
	struct frame f = syn(port);
	struct source now;

	f.tcp_flags = FRAME_ACK;
	now = way_ask(&web, &f);
	source_expect(&now, s);
	way_reply(&web, &f, s, FRAME_ACK);
}

/* How many services have tables, and how many addresses are somebody's source. */
static void expect_tables(int v4, int v6, int addresses)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	struct serin_source_key key, *before = NULL;
	uint32_t table;

	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		v4 -= !bpf_map_lookup_elem(dp->map_fd[DP_MAP_SOURCE_TABLES4], &id, &table);
		v6 -= !bpf_map_lookup_elem(dp->map_fd[DP_MAP_SOURCE_TABLES6], &id, &table);
	}
	for (; !bpf_map_get_next_key(dp->map_fd[DP_MAP_SOURCES], before, &key); before = &key)
		addresses--;
	dataplane_close(dp);
	assert_int_equal(v4, 0);
	assert_int_equal(v6, 0);
	assert_int_equal(addresses, 0);
}

static void test_the_same_again_changes_nothing(void **state)
{
	struct source s;

	(void)state;
	lab_apply(one);
	apply_expect_settled(one);
	s = establish(4000);
	apply_expect_settled(one);
	expect_kept(4000, &s);
	expect_tables(1, 0, 2);
}

static void test_flows_survive_what_may_change(void **state)
{
	static const char more[] = LAB_HEAD FULLNAT("", WEIGHED("canary", "100", HOST(2))
								POOL("stable", HOST(1))) PLAIN;
	static const char without[] = LAB_HEAD FULLNAT("", POOL("stable", HOST(2)));
	struct source s;

	(void)state;
	lab_apply(one);
	s = establish(4000);
	lab_apply(more);
	expect_kept(4000, &s);
	lab_apply(without);
	expect_kept(4000, &s);
	assert_int_equal(way_ports(&web).taken, 1);
}

static void test_telling_of_the_client_may_change(void **state)
{
	static const char telling[] =
		LAB_HEAD FULLNAT(", client_address: toa", POOL("stable", HOST(1)));
	struct frame f = syn(4001);
	struct outcome out;
	struct source s;

	(void)state;
	lab_apply(one);
	apply_step(telling, "~ service web: client_address none -> toa\n");
	s = way_ask(&web, &f);
	way_reply(&web, &f, &s, FRAME_SYN | FRAME_ACK);
	f.tcp_flags = FRAME_ACK;
	lab_run_frame(lab_front, &f, &out);
	assert_int_equal(out.bytes[frame_l4_offset(out.bytes) + 20], SERIN_TOA_KIND);
	apply_expect_settled(telling);
	apply_step(one, "~ service web: client_address toa -> none\n");
	expect_kept(4001, &s);
}

/* Every flow comes from them. */
static void test_sources_stay_while_it_runs(void **state)
{
	struct source s;

	(void)state;
	lab_apply(one);
	s = establish(4000);
	apply_expect_refusal(LAB_HEAD FULLNAT_AT("5001-5101", "", POOL("stable", HOST(1))), -EBUSY);
	apply_expect_refusal(WEB("", POOL("stable", HOST(1))), -EBUSY);
	expect_kept(4000, &s);
}

static void test_tables_go_with_their_services(void **state)
{
	struct way_search found;
	struct frame f = syn(4000);

	(void)state;
	lab_apply(one);
	establish(4000);
	lab_apply(LAB_HEAD PLAIN);
	expect_tables(0, 0, 0);
	lab_apply(one);
	expect_tables(1, 0, 2);
	assert_false(way_find(&web, &f, &found));
	assert_int_equal(way_ports(&web).taken, 0);
	way_apply(LAB_HEAD, &web6, 1, ""); /* the same name: it moves to another family */
	expect_tables(0, 1, 1);
}

/* As if an apply had been killed when it had made the table of a service and not yet named it. */
static void test_a_table_of_a_killed_apply_is_made_anew(void **state)
{
	struct dataplane *dp;

	(void)state;
	lab_apply(LAB_HEAD PLAIN);
	dp = lab_open(DATAPLANE_WRITE);
	dp->source_sets[1].buckets = 999;
	dp->source_sets[1].ports = 4000;
	dp->source_sets[1].count = 1;
	dataplane_close(dp);
	lab_apply(LAB_HEAD PLAIN FULLNAT("", POOL("stable", HOST(2))));
	expect_tables(1, 0, 2);
	assert_int_equal(way_ports(&web).capacity, 200);
}

/* As if an apply had been killed when it had freed the table of a service and not yet its name. */
static void test_a_service_half_removed_comes_back(void **state)
{
	struct dataplane *dp;
	struct source s;

	(void)state;
	lab_apply(one);
	establish(4000);
	dp = lab_open(DATAPLANE_WRITE);
	dp_sources_free(dp, (uint32_t)dp_service_find(dp, "web"));
	dataplane_close(dp);
	expect_tables(0, 0, 2);
	lab_apply(one);
	expect_tables(1, 0, 2);
	s = establish(4001);
	expect_kept(4001, &s);
	apply_expect_settled(one);
}

/* ---- one backend, by nat and by fullnat ---- */

static uint32_t answer(const struct frame *to, uint16_t to_port, const struct in6_addr *to_addr,
		       struct in6_addr *from)
{
	struct frame reply = frame_reply(to);
	struct outcome out;

	reply.src = lab_addr("10.1.0.1");
	reply.src_port = 80;
	reply.dst = *to_addr;
	reply.dst_port = to_port;
	reply.tcp_flags = FRAME_SYN | FRAME_ACK;
	lab_run_frame(lab_front, &reply, &out);
	*from = lab_wire_addr(out.bytes, false);
	return out.action;
}

static void test_a_backend_of_both_kinds_of_service(void **state)
{
	static const char both[] = LAB_HEAD FULLNAT("", POOL("stable", HOST(1))) PLAIN;
	struct in6_addr from, vip = lab_addr("192.0.2.1"), plain_vip = lab_addr("192.0.2.2");
	struct frame f = syn(4000), plain;
	struct source s;

	(void)state;
	lab_apply(both);
	apply_expect_settled(both);
	s = way_ask(&web, &f);
	plain = lab_request("198.51.100.8", 4000, "192.0.2.2", 80, IPPROTO_TCP);
	assert_int_equal(lab_ask(&plain), 1);
	assert_int_equal(answer(&f, s.port, &s.address, &from), XDP_TX);
	assert_memory_equal(&from, &vip, sizeof(from));
	assert_int_equal(answer(&plain, 4000, &plain.src, &from), XDP_TX);
	assert_memory_equal(&from, &plain_vip, sizeof(from));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_same_again_changes_nothing),
		TEST(test_flows_survive_what_may_change),
		TEST(test_telling_of_the_client_may_change),
		TEST(test_sources_stay_while_it_runs),
		TEST(test_tables_go_with_their_services),
		TEST(test_a_table_of_a_killed_apply_is_made_anew),
		TEST(test_a_service_half_removed_comes_back),
		TEST(test_a_backend_of_both_kinds_of_service),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

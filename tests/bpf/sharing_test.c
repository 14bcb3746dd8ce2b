// SPDX-License-Identifier: GPL-2.0-or-later
/* How backends come to be shared and cease to be, and what flows notice of it; kills among it. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "apply_lab.h"
#include "shared_lab.h"

#include "lib/rtnl.h"

#define SEED  0x2d7be0915ac6f348ull
#define FLOWS 200

#define ALONE (1u << TCP4_A | 1u << TCP6_A)
#define BOTH  (ALONE | 1u << TCP4_B | 1u << TCP6_B)
#define HASTY                                                           \
	S_LIMITS "idle: {syn: 1, established: 1, closing: 1, udp: 1}\n" \
		 "services:\n"

static struct s_flow flow_of(int service, unsigned int n)
{
	return (struct s_flow){service, 1 + n % 50, (uint16_t)(3000 + n)};
}

static uint64_t flow_entries(void)
{
	struct snapshot *s = lab_snapshot();
	uint64_t entries = s->flow_entries;

	snapshot_free(s);
	return entries;
}

/* ---- it begins ---- */

static unsigned int hosts[S_SERVICES][FLOWS];

static void open_all(int service, unsigned int from)
{
	for (unsigned int n = from; n < FLOWS; n++) {
		struct s_flow f = flow_of(service, n);

		hosts[service][n] = s_send(&f, FRAME_SYN);
		assert_true(hosts[service][n]);
		if (n % 2)
			assert_int_equal(s_answer(&f, hosts[service][n], FRAME_SYN | FRAME_ACK),
					 service);
	}
}

static void expect_all(int service)
{
	for (unsigned int n = 0; n < FLOWS; n++) {
		struct s_flow f = flow_of(service, n);

		assert_int_equal(s_answer(&f, hosts[service][n], FRAME_ACK), service);
		assert_int_equal(s_send(&f, FRAME_ACK), hosts[service][n]);
		assert_int_equal(s_answer(&f, hosts[service][n], FRAME_ACK), service);
	}
}

/* Nobody remembers them, and all of their backends get a second service: its answers are told from
 * theirs from the first packet on, whichever way it goes. */
static void test_flows_of_before_keep_their_places(void **state)
{
	(void)state;
	s_apply(S_HEAD, ALONE);
	for (int s = TCP4_A; s <= TCP6_A; s += TCP6_A - TCP4_A)
		open_all(s, 0);
	assert_int_equal(flow_entries(), 0);
	assert_false(s_is_tracked(TCP4_A));
	s_apply(S_HEAD, BOTH);
	assert_true(s_is_tracked(TCP4_A) && s_is_tracked(TCP4_B));
	for (int s = TCP4_A; s <= TCP6_A; s += TCP6_A - TCP4_A) {
		for (unsigned int n = 0; n < FLOWS; n += 2) {
			struct s_flow f = flow_of(s, n);

			assert_int_equal(s_answer(&f, hosts[s][n], FRAME_SYN | FRAME_ACK), s);
		}
		expect_all(s);
	}
}

static void test_new_flows_beside_those_of_before(void **state)
{
	(void)state;
	s_apply(S_HEAD, ALONE);
	open_all(TCP4_A, FLOWS / 2);
	s_apply(S_HEAD, BOTH);
	for (unsigned int n = 0; n < FLOWS / 2; n++) {
		struct s_flow f = flow_of(TCP4_B, n);

		hosts[TCP4_B][n] = s_send(&f, FRAME_SYN);
		assert_int_equal(s_answer(&f, hosts[TCP4_B][n], FRAME_SYN | FRAME_ACK), TCP4_B);
	}
	for (unsigned int n = 0; n < FLOWS; n++) {
		int s = n < FLOWS / 2 ? TCP4_B : TCP4_A;
		struct s_flow f = flow_of(s, n);

		assert_int_equal(s_answer(&f, hosts[s][n], FRAME_ACK), s);
	}
}

/* The past is over when the service has settled: what comes then is nobody's. */
static void test_the_past_ends(void **state)
{
	uint64_t begin = lab_now_ms();
	struct rtnl *rtnl = NULL;
	struct snapshot *s = NULL;
	struct s_flow f;
	bool is_settled = false;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(rtnl_open(&rtnl), 0);
	s_apply(HASTY, ALONE);
	open_all(TCP4_A, 0);
	s_apply(HASTY, BOTH);
	while (hosts[TCP4_A][n] > S_SHARED)
		n++;
	f = flow_of(TCP4_A, n);
	assert_int_equal(s_answer(&f, hosts[TCP4_A][n], FRAME_ACK), TCP4_A);
	while (!is_settled) {
		struct dataplane *dp = lab_open(DATAPLANE_WRITE);

		lab_wait(begin, "the service to settle");
		assert_int_equal(dataplane_maintain(dp, rtnl), 0);
		dataplane_close(dp);
		s = lab_snapshot();
		is_settled = snapshot_find_service(s, "tcp4a")->is_settled;
		snapshot_free(s);
	}
	assert_int_equal(s_answer(&f, hosts[TCP4_A][n], FRAME_ACK), -1);
	rtnl_close(rtnl);
}

/* ---- under packets ---- */

static atomic_bool is_over;
static atomic_uint packets_run;
static unsigned int astray, lost;

static void *run_packets(void *arg)
{
	for (unsigned int n = 0; !atomic_load(&is_over); n = (n + 1) % FLOWS) {
		struct s_flow f = flow_of(TCP4_A, n);

		astray += s_answer(&f, hosts[TCP4_A][n], FRAME_ACK) != TCP4_A;
		lost += n % 2 && s_send(&f, FRAME_ACK) != hosts[TCP4_A][n];
		atomic_fetch_add(&packets_run, 1);
	}
	return arg;
}

/* Half of the flows never say a word, so that nobody remembers them. */
static void test_sharing_comes_and_goes_under_packets(void **state)
{
	char *yaml[2] = {s_config(S_HEAD, BOTH), s_config(S_HEAD, ALONE)};
	pthread_t thread;

	(void)state;
	s_apply(S_HEAD, ALONE);
	open_all(TCP4_A, 0);
	assert_int_equal(pthread_create(&thread, NULL, run_packets, NULL), 0);
	for (int i = 0; i < 12; i++) {
		unsigned int before = atomic_load(&packets_run);

		assert_int_equal(lab_apply_yaml(yaml[i % 2], false), 0);
		while (atomic_load(&packets_run) < before + 2 * FLOWS)
			sched_yield();
	}
	atomic_store(&is_over, true);
	lab_join(&thread, 1);
	free(yaml[0]);
	free(yaml[1]);
	assert_int_equal(astray, 0);
	assert_int_equal(lost, 0);
}

/* ---- it ends ---- */

static void test_it_ends_with_the_other_service(void **state)
{
	(void)state;
	s_apply(S_HEAD, BOTH);
	open_all(TCP4_A, 0);
	assert_true(s_is_tracked(TCP4_A));
	s_apply(S_HEAD, ALONE);
	assert_false(s_is_tracked(TCP4_A));
	expect_all(TCP4_A);
	s_apply(S_HEAD, BOTH);
	expect_all(TCP4_A);
}

#define SHOP(backends)	   SERVICE("shop", "192.0.2.2", "", POOL("stable", backends))
#define LEFT_BY_SHOP(head) head SERVICE("web", "192.0.2.1", "", POOL("stable", HOST(1) HOST(2)))

static bool is_tracked(const char *service)
{
	struct snapshot *s = lab_snapshot();
	bool answer = snapshot_find_service(s, service)->is_tracked;

	snapshot_free(s);
	return answer;
}

/* A backend that leaves one of two stays shared until its last connection is over. */
static void test_it_ends_with_the_last_flow(void **state)
{
	static const char before[] = LEFT_BY_SHOP(HASTY) SHOP(HOST(2) HOST(3));
	static const char after[] = LEFT_BY_SHOP(HASTY) SHOP(HOST(3));
	uint64_t begin = lab_now_ms();

	(void)state;
	lab_apply(before);
	assert_true(is_tracked("web") && is_tracked("shop"));
	lab_apply(after);
	assert_true(is_tracked("web") && is_tracked("shop"));
	assert_int_equal(apply_state("shop", "stable", 2), SERIN_BACKEND_LEAVING);
	do {
		lab_wait(begin, "the last flow to end");
		lab_apply(after);
	} while (apply_state("shop", "stable", 2) == SERIN_BACKEND_LEAVING);
	assert_non_null(strstr(lab_changes, "backend 10.1.0.2:80: its last flow has ended\n"));
	assert_false(is_tracked("web") || is_tracked("shop"));
}

/* What is tracked for reasons of its own stays so. */
static void test_what_is_tracked_anyway_stays_so(void **state)
{
	static const char both[] = S_HEAD SERVICE("web", "192.0.2.1", ", track: always",
						  POOL("stable", HOST(1))) SHOP(HOST(1));
	static const char web[] =
		S_HEAD SERVICE("web", "192.0.2.1", ", track: always", POOL("stable", HOST(1)));

	(void)state;
	lab_apply(web);
	lab_apply(both);
	assert_non_null(strstr(lab_changes, "service shop: shares backends"));
	assert_null(strstr(lab_changes, "service web: shares backends"));
	lab_apply(web);
	assert_true(is_tracked("web"));
	lab_apply(LAB_HEAD SERVICE("web", "192.0.2.1", "", POOL("stable", HOST(1))));
	assert_false(is_tracked("web"));
}

/* ---- killed in the middle ---- */

static uint32_t backend_of(struct dataplane *dp, int service, unsigned int host)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state != SERIN_BACKEND_FREE &&
		    dp->backends[id].service == s_id(dp, service) &&
		    dp_addr(&dp->backends[id].at.addr).s6_addr[15] == host)
			return id;
	fail_msg("%s has no backend at host %u", s_services[service].name, host);
	return 0;
}

/* Both services of the pair serve, and their answers are told apart. */
static void expect_sharing(unsigned int from)
{
	for (unsigned int n = from; n < from + 60; n++) {
		struct s_flow f = flow_of(n % 2 ? TCP4_A : TCP4_B, n);
		unsigned int host = s_send(&f, FRAME_SYN);

		assert_true(host);
		assert_int_equal(s_answer(&f, host, FRAME_SYN | FRAME_ACK), f.service);
		assert_int_equal(s_send(&f, FRAME_ACK), host);
	}
}

static void expect_ring(struct dataplane *dp, unsigned int host, unsigned int count)
{
	uint32_t first = (uint32_t)dp_backend_at(dp,
						 &dp->backends[backend_of(dp, TCP4_A, host)].at),
		 id = first, size = 0;

	do {
		size++;
		id = dp->backends[id].next_shared ? dp->backends[id].next_shared - 1 : id;
	} while (id != first && size < 100);
	assert_int_equal(size, count);
}

/* Complete, and in no ring yet. */
static void cut_add(struct dataplane *dp)
{
	uint32_t id = backend_of(dp, TCP4_B, 2);

	dp->backends[id].state = SERIN_BACKEND_LEAVING;
	dp_backend_unlink(dp, id);
}

/* In its ring, and not up yet. */
static void cut_up(struct dataplane *dp)
{
	dp->backends[backend_of(dp, TCP4_B, 2)].state = SERIN_BACKEND_LEAVING;
}

/* Not indexed any more, and in its ring still. */
static void cut_unlink(struct dataplane *dp)
{
	uint32_t id = (uint32_t)dp_backend_at(dp, &dp->backends[backend_of(dp, TCP4_A, 2)].at);

	dp_backend_index_set(dp, &dp->backends[id].at, dp->backends[id].next_shared - 1);
}

static void test_an_apply_cut_short_is_finished(void **state)
{
	static void (*const cuts[])(struct dataplane *) = {cut_add, cut_up, cut_unlink};
	struct dataplane *dp;

	(void)state;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		s_apply(S_HEAD, BOTH);
		dp = lab_open(DATAPLANE_WRITE);
		cuts[i](dp);
		assert_int_equal(dp_tables_refresh_all(dp), 0);
		dataplane_close(dp);
		expect_sharing(0);
		s_apply(S_HEAD, BOTH);
		expect_sharing(1000);
		dp = lab_open(DATAPLANE_READ);
		for (unsigned int host = 1; host <= S_SHARED; host++)
			expect_ring(dp, host, 2);
		dataplane_close(dp);
		s_apply(S_HEAD, ALONE);
		dp = lab_open(DATAPLANE_READ);
		for (unsigned int host = 1; host <= S_SHARED + 1; host++)
			expect_ring(dp, host, 1);
		dataplane_close(dp);
		lab_detach();
	}
}

/* Remembering for the sake of one who never came: the next apply ends it. */
static void test_sharing_that_never_was_ends(void **state)
{
	struct dataplane *dp;

	(void)state;
	s_apply(S_HEAD, ALONE);
	dp = lab_open(DATAPLANE_WRITE);
	dp_sharing_begin(dp, s_id(dp, TCP4_A));
	dataplane_close(dp);
	assert_true(s_is_tracked(TCP4_A));
	s_apply(S_HEAD, ALONE);
	assert_false(s_is_tracked(TCP4_A));
}

/* ---- many ---- */

/* Services [0, 16) but for one, and one more, all of them with one backend. */
static char *crowd(int without, bool has_more, bool is_leaving)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(S_HEAD, yaml);
	for (int i = 0; i < SERIN_SHARED_MAX + has_more; i++)
		if (i != without || is_leaving)
			fprintf(yaml,
				"  - {name: s%d, vip: 192.0.2.%d, port: 80, protocol: tcp, pools: "
				"[{name: p, backends: [{address: 10.1.0.%d, port: 8080}]}]}\n",
				i, i + 1, i == without ? 9 : 1);
	fclose(yaml);
	return text;
}

static void expect_crowd(unsigned int services)
{
	for (uint16_t n = 0; n < 20 * services; n++) {
		struct frame f, reply;
		struct outcome out;
		struct in6_addr from;
		char vip[NET_ADDR_LEN];

		snprintf(vip, sizeof(vip), "192.0.2.%u", 1 + n % services);
		f = lab_request("198.51.100.1", (uint16_t)(2000 + n), vip, 80, IPPROTO_TCP);
		if (lab_ask(&f) != 1)
			continue;
		reply = frame_reply(&f);
		reply.src = lab_addr("10.1.0.1");
		reply.src_port = 8080;
		reply.tcp_flags = FRAME_SYN | FRAME_ACK;
		lab_run_frame(lab_front, &reply, &out);
		assert_int_equal(out.action, XDP_TX);
		from = lab_wire_addr(out.bytes, false);
		assert_memory_equal(&from, &f.dst, sizeof(from));
	}
}

/* Services that still leave the backend are of the number. */
static void test_more_services_than_can_share(void **state)
{
	char *full = crowd(-1, false, false), *leaving = crowd(3, false, true),
	     *more = crowd(3, true, true), *instead = crowd(3, true, false);

	(void)state;
	lab_apply(full);
	expect_crowd(SERIN_SHARED_MAX);
	lab_apply(leaving);
	apply_expect_refusal(more, -ENOSPC);
	assert_non_null(strstr(lab_errors, "backend 10.1.0.1:8080 (tcp) would be one of 17 "));
	expect_crowd(SERIN_SHARED_MAX);
	assert_int_equal(lab_apply_yaml(instead, false), 0); /* its service went, and it at once */
	expect_crowd(SERIN_SHARED_MAX + 1);
	free(full);
	free(leaving);
	free(more);
	free(instead);
}

/* ---- beside it ---- */

/* A client that talks to the backend itself, by way of this host, is none of the services'. */
static void test_talks_past_the_vips_stay_so(void **state)
{
	struct frame f, reply;
	struct outcome out;

	(void)state;
	s_apply(S_HEAD, BOTH);
	for (int i = 0; i < 2; i++) {
		f = lab_request("198.51.100.7", 7777, "10.1.0.2", 80, IPPROTO_TCP);
		f.tcp_flags = FRAME_ACK;
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_PASS);
		reply = frame_reply(&f);
		lab_run_frame(lab_front, &reply, &out);
		assert_int_equal(out.action, XDP_PASS);
		assert_int_equal(s_count(SERIN_PASS_NO_FLOW), 1 + i);
		s_apply(S_HEAD, BOTH & ~ALONE); /* whoever of the ring was asked */
	}
}

#define BY(name, vip, mode)                                                             \
	"  - {name: " name ", vip: " vip ", port: 80, protocol: tcp, forwarding: " mode \
	", pools: [{name: p, backends: [{address: 10.1.0.1}]}]}\n"

/* Backends that answer clients themselves are in no ring, however many services they have. */
static void test_direct_answers_need_no_ring(void **state)
{
	static const char yaml[] = S_HEAD BY("nat", "192.0.2.1", "nat")
		BY("dsr", "192.0.2.2", "dsr") BY("ipip", "192.0.2.3", "ipip")
			BY("gue", "192.0.2.4", "gue") BY("dsr2", "192.0.2.5", "dsr");
	struct dataplane *dp;

	(void)state;
	lab_apply(yaml);
	for (int i = 1; i <= 5; i++) {
		char vip[NET_ADDR_LEN];
		struct outcome out;
		struct frame f;

		snprintf(vip, sizeof(vip), "192.0.2.%d", i);
		f = lab_request("198.51.100.1", 4000, vip, 80, IPPROTO_TCP);
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_TX);
		if (i > 1)
			continue;
		f = frame_reply(&f);
		f.src = lab_addr("10.1.0.1");
		f.tcp_flags = FRAME_SYN | FRAME_ACK;
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_TX);
	}
	assert_int_equal(flow_entries(), 0);
	dp = lab_open(DATAPLANE_READ);
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		assert_int_equal(dp->backends[id].next_shared, 0);
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		assert_int_equal(dp->services[id].flags, 0);
	dataplane_close(dp);
}

int main(void)
{
#define SHARING_TEST(name) cmocka_unit_test_teardown(name, lab_teardown)
	const struct CMUnitTest tests[] = {
		SHARING_TEST(test_flows_of_before_keep_their_places),
		SHARING_TEST(test_new_flows_beside_those_of_before),
		SHARING_TEST(test_the_past_ends),
		SHARING_TEST(test_sharing_comes_and_goes_under_packets),
		SHARING_TEST(test_it_ends_with_the_other_service),
		SHARING_TEST(test_it_ends_with_the_last_flow),
		SHARING_TEST(test_what_is_tracked_anyway_stays_so),
		SHARING_TEST(test_an_apply_cut_short_is_finished),
		SHARING_TEST(test_sharing_that_never_was_ends),
		SHARING_TEST(test_more_services_than_can_share),
		SHARING_TEST(test_talks_past_the_vips_stay_so),
		SHARING_TEST(test_direct_answers_need_no_ring),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

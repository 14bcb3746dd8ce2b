// SPDX-License-Identifier: GPL-2.0-or-later
/* fullnat's ports: no two flows have the same, whoever begins them when; how many of them serve; who
 * goes without, and when one is used again. */
#include <arpa/inet.h>
#include <pthread.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#include "fullnat_lab.h"

#define SEED	0x3d70a9fe61b82c45ull
#define THREADS 4
#define CLIENTS 60000

static const struct way small = {"small", "192.0.2.1", "10.1.0.1", {"10.1.255.200"},  80, 80, 5001,
				 5050,	  IPPROTO_TCP, false,	   {2, 0, 0, 1, 4, 1}};
/* The same addresses for another service and other ports. */
static const struct way beside = {
	"beside", "192.0.2.2", "10.1.0.2", {"10.1.255.200"},  80, 80, 5051,
	5100,	  IPPROTO_TCP, false,	   {2, 0, 0, 1, 4, 2}};
static const struct way small_udp = {
	"small", "192.0.2.1", "10.1.0.1", {"10.1.255.200"},  80, 80, 5001,
	5050,	 IPPROTO_UDP, false,	  {2, 0, 0, 1, 4, 1}};
static const struct way large = {"large", "192.0.2.3", "10.1.0.3", {"10.1.255.200"},  80, 80, 1024,
				 65535,	  IPPROTO_TCP, false,	   {2, 0, 0, 1, 4, 3}};
static const struct way large6 = {
	"large6", "2001:db8:ff::1", "2001:db8:1::5", {"2001:db8:1::200"}, 80, 80, 1024,
	65535,	  IPPROTO_TCP,	    false,	     {2, 0, 0, 1, 6, 5}};

static void apply(const char *head, const struct way *first, const struct way *second)
{
	struct way both[2] = {*first};

	if (second)
		both[1] = *second;
	way_apply(head, both, second ? 2 : 1, "");
}

/* The n-th of very many clients. */
static struct frame nth_request(const struct way *w, uint32_t n, uint8_t flags)
{
	char client[NET_ADDR_LEN];
	struct frame f;

	if (way_is_v4(w))
		snprintf(client, sizeof(client), "172.%u.%u.%u", 16 + (n >> 16), n >> 8 & 255,
			 n & 255);
	else
		snprintf(client, sizeof(client), "2001:db8:c::%x:%x", n >> 16, n & 0xffff);
	f = way_request(w, client, (uint16_t)(1024 + n % 50000));
	f.payload_len = 0;
	f.tcp_flags = flags;
	return f;
}

static uint32_t run_request(const struct frame *f, struct outcome *out)
{
	lab_run_frame(lab_front, f, out);
	return out->action;
}

/* A whole handshake; false if there was no port for it. */
static bool establish(const struct way *w, uint32_t n, struct source *s)
{
	struct frame f = nth_request(w, n, FRAME_SYN);
	struct outcome out;

	if (run_request(&f, &out) == XDP_DROP)
		return false;
	*s = way_source(out.bytes);
	way_reply(w, &f, s, FRAME_SYN | FRAME_ACK);
	f.tcp_flags = FRAME_ACK;
	assert_int_equal(run_request(&f, &out), XDP_TX);
	return true;
}

static void expect_established(const struct way *w, uint32_t n, const struct source *s)
{
	struct frame f = nth_request(w, n, FRAME_ACK);
	struct source now = way_ask(w, &f);

	source_expect(&now, s);
	way_reply(w, &f, s, FRAME_ACK);
}

/* ---- every port, once ---- */

/* As many flows as there are ports, but for the few that the search for a place misses. */
static uint32_t fill(const struct way *w, uint32_t limit, uint8_t *is_taken,
		     uint32_t *first_refusal)
{
	uint32_t taken = 0;

	*first_refusal = UINT32_MAX;
	for (uint32_t n = 0; n < limit; n++) {
		struct source s;

		if (!establish(w, n, &s)) {
			if (*first_refusal == UINT32_MAX)
				*first_refusal = n;
			continue;
		}
		if (!way_has_source(w, &s) || is_taken[s.port])
			fail_msg("flow %u got port %u, which is another's", n, s.port);
		is_taken[s.port] = 1;
		taken++;
	}
	return taken;
}

static void occupy(const struct way *w, uint32_t ports)
{
	uint8_t *is_taken = calloc(65536, 1);
	uint32_t refusal, taken;
	struct snapshot_ports p;

	apply(LAB_HEAD, w, NULL);
	taken = fill(w, ports + ports / 8, is_taken, &refusal);
	p = way_ports(w);
	printf("%s: of %u ports %.2f %% in use at the first refusal, %.2f %% at the end\n",
	       w->service, ports, 100.0 * refusal / ports, 100.0 * taken / ports);
	assert_true(refusal > ports * 95ull / 100);
	assert_true(taken <= ports);
	assert_int_equal(p.capacity, ports);
	assert_int_equal(p.used, taken);
	assert_int_equal(p.taken, taken);
	assert_int_equal(p.refused, ports + ports / 8 - taken);
	assert_int_equal(p.evicted, 0);
	free(is_taken);
}

static void test_nearly_all_ports_serve(void **state)
{
	(void)state;
	occupy(&large, 64512);
}

static void test_nearly_all_ports_serve_ipv6(void **state)
{
	(void)state;
	occupy(&large6, 64512);
}

/* 50 ports fill twelve buckets and a half: the other half stands for no port. */
static void test_a_range_that_fills_no_whole_bucket(void **state)
{
	uint8_t is_taken[65536] = {0};
	uint32_t refusal;

	(void)state;
	apply(LAB_HEAD, &small, NULL);
	assert_int_equal(fill(&small, 400, is_taken, &refusal), 50);
}

/* ---- exhaustion ---- */

static void test_exhaustion_refuses_that_service_alone(void **state)
{
	struct source held[50], s;
	uint32_t n = 0, count = 0;

	(void)state;
	apply(LAB_HEAD, &small, &beside);
	for (; count < 50; n++)
		count += establish(&small, n, &held[count]);
	for (uint32_t i = 0; i < 10; i++) { /* not one flow more */
		struct frame f = nth_request(&small, 100000 + i, i % 2 ? FRAME_SYN : FRAME_ACK);
		struct outcome out;

		assert_int_equal(run_request(&f, &out), XDP_DROP);
	}
	assert_int_equal(way_packets(SERIN_DROP_NO_PORT), way_ports(&small).refused);
	assert_true(way_ports(&small).refused >= 10);
	assert_int_equal(way_ports(&small).used, 50);
	for (uint32_t i = 0; i < 20; i++) {
		assert_true(establish(&beside, i, &s));
		assert_true(way_has_source(&beside, &s));
	}
	assert_int_equal(way_ports(&beside).refused, 0);
	for (uint32_t i = 0, k = 0; i < n && k < 50; i++) { /* and old flows go on */
		struct way_search found;
		struct frame f = nth_request(&small, i, FRAME_ACK);

		if (!way_find(&small, &f, &found))
			continue;
		expect_established(&small, i, &held[k++]);
	}
}

/* ---- again ---- */

/* The n-th of those who have a port. */
static uint32_t fill_small(const struct way *w, struct source held[50])
{
	uint32_t n = 0, count = 0;

	for (; count < 50; n++)
		count += establish(w, n, &held[count]);
	return n;
}

static bool is_known(const struct way *w, uint32_t n)
{
	struct frame f = nth_request(w, n, FRAME_ACK);
	struct way_search found;

	return way_find(w, &f, &found);
}

static bool has_port(const struct way *w, uint32_t n)
{
	struct source s;

	return establish(w, n, &s);
}

/* As if every flow had been silent since long ago; returns how many there were. */
static size_t age(const char *service, uint64_t seconds)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	int64_t id = dp_service_find(dp, service);
	uint64_t back = seconds * (uint64_t)dp_ticks_per_second() >> SERIN_FLOW_JIFFIES_SHIFT;
	struct dp_flow_table t;
	size_t count = 0;

	assert_int_equal(dp_source_table_open(dp, (uint32_t)id, &t), 0);
	for (uint32_t i = 0; i < t.buckets * SERIN_FLOW4_WAYS; i++) {
		struct serin_flow4 *flow = &t.v4[i / SERIN_FLOW4_WAYS].flow[i % SERIN_FLOW4_WAYS];

		if (!flow->key || flow->key == SERIN_FLOW_BUSY)
			continue;
		flow->value -= back << SERIN_FLOW_SEEN_SHIFT;
		count++;
	}
	dp_source_table_close(&t);
	dataplane_close(dp);
	return count;
}

static void end_flow(const struct way *w, uint32_t n, const struct source *s, bool by_fin)
{
	struct frame f = nth_request(w, n, FRAME_FIN | FRAME_ACK);
	struct outcome out;

	if (!by_fin) {
		way_reply(w, &f, s, FRAME_RST);
		return;
	}
	run_request(&f, &out);
	way_reply(w, &f, s, FRAME_FIN | FRAME_ACK);
}

/* A reset by the backend ends a flow at once; a FIN begins its end, which takes its time. */
static void test_ports_are_used_again_when_flows_end(void **state)
{
	struct source held[50];
	uint32_t ended[50], n, count = 0, again = 0;

	(void)state;
	apply(LAB_HEAD, &small, NULL);
	n = fill_small(&small, held);
	for (uint32_t i = 0; i < n; i++)
		if (is_known(&small, i))
			ended[count++] = i;
	for (uint32_t i = 0; i < 25; i++)
		end_flow(&small, ended[i], &held[i], true);
	for (uint32_t i = 0; i < 200; i++)
		assert_false(has_port(&small, 1000 + i));
	for (uint32_t i = 25; i < 50; i++)
		end_flow(&small, ended[i], &held[i], false);
	for (uint32_t i = 0; i < 400; i++)
		again += has_port(&small, 2000 + i);
	assert_int_equal(again, 25);
	for (uint32_t i = 0; i < 25; i++) /* what is closing still is the old clients' */
		expect_established(&small, ended[i], &held[i]);
}

static void test_silent_flows_give_their_ports_up(void **state)
{
	uint32_t again = 0;
	struct source held[50];

	(void)state;
	apply(LAB_HEAD, &small, NULL);
	fill_small(&small, held);
	assert_int_equal(age("small", 7000), 50);
	for (uint32_t i = 0; i < 200; i++) /* they may be silent for 7440 s */
		assert_false(has_port(&small, 1000 + i));
	assert_int_equal(age("small", 1000), 50);
	for (uint32_t i = 0; i < 400; i++)
		again += has_port(&small, 2000 + i);
	assert_int_equal(again, 50);
	assert_int_equal(way_ports(&small).evicted, 0);
}

static void test_datagrams_keep_their_port_while_they_come(void **state)
{
	uint32_t count = 0, again = 0;
	struct outcome out;

	(void)state;
	apply(LAB_HEAD, &small_udp, NULL);
	for (uint32_t n = 0; n < 400; n++) {
		struct frame f = nth_request(&small_udp, n, 0);
		struct source s;

		if (run_request(&f, &out) == XDP_DROP)
			continue;
		count++;
		s = way_source(out.bytes);
		way_reply(&small_udp, &f, &s, 0);
	}
	assert_int_equal(count, 50);
	assert_int_equal(age("small", 100), 50);
	for (uint32_t n = 0; n < 400; n++) {
		struct frame f = nth_request(&small_udp, 1000 + n, 0);

		assert_int_equal(run_request(&f, &out), XDP_DROP);
	}
	assert_int_equal(age("small", 100), 50);
	for (uint32_t n = 0; n < 400; n++) {
		struct frame f = nth_request(&small_udp, 2000 + n, 0);

		again += run_request(&f, &out) != XDP_DROP;
	}
	assert_int_equal(again, 50);
}

/* Whoever only sends SYNs holds ports no longer than a moment against those who mean it. */
static void test_unfinished_handshakes_give_way(void **state)
{
	uint32_t served = 0;
	struct outcome out;

	(void)state;
	apply(LAB_HEAD, &small, NULL);
	for (uint32_t n = 0; n < 400; n++) {
		struct frame f = nth_request(&small, n, FRAME_SYN);

		run_request(&f, &out);
	}
	assert_int_equal(way_ports(&small).used, 50);
	assert_false(has_port(&small, 500)); /* they have a moment to finish */
	age("small", 5);
	for (uint32_t n = 0; n < 20; n++)
		served += has_port(&small, 1000 + n);
	assert_true(served > 0);
	assert_true(way_ports(&small).evicted > 0);
}

/* A SYN of the same client and port, when the flow is closing, begins another with the same port. */
static void test_a_syn_on_a_closing_flow(void **state)
{
	struct source s, again;
	struct frame f;

	(void)state;
	apply(LAB_HEAD, &small, NULL);
	assert_true(establish(&small, 1, &s));
	end_flow(&small, 1, &s, true);
	f = nth_request(&small, 1, FRAME_SYN);
	way_expect_state(&small, &f, SERIN_FLOW_CLOSING);
	again = way_ask(&small, &f);
	way_expect_state(&small, &f, SERIN_FLOW_SYN);
	source_expect(&again, &s);
	assert_int_equal(way_ports(&small).taken, 1);
}

/* ---- many CPUs ---- */

struct racer {
	const struct way *way;
	uint32_t first, step;
	uint16_t *ports; /* by client; 0: none */
	pthread_barrier_t *start;
	int cpu;
};

static void *race(void *arg)
{
	const struct racer *r = arg;
	struct outcome out;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)r->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	pthread_barrier_wait(r->start);
	for (uint32_t n = r->first; n < CLIENTS; n += r->step) {
		struct frame f = nth_request(r->way, n, FRAME_SYN);

		if (run_request(&f, &out) == XDP_TX)
			r->ports[n] = way_source(out.bytes).port;
	}
	return NULL;
}

static void run_race(struct racer racers[THREADS])
{
	pthread_barrier_t start;
	pthread_t threads[THREADS];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		racers[i].start = &start;
		racers[i].cpu = (int)(i % cpus);
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	lab_join(threads, THREADS);
	pthread_barrier_destroy(&start);
}

static void test_cpus_never_give_one_port_twice(void **state)
{
	uint16_t *ports = calloc(CLIENTS, sizeof(*ports));
	uint8_t *is_taken = calloc(65536, 1);
	struct racer racers[THREADS];
	uint32_t served = 0;

	(void)state;
	apply(LAB_HEAD, &large, NULL);
	for (uint32_t i = 0; i < THREADS; i++)
		racers[i] =
			(struct racer){.way = &large, .first = i, .step = THREADS, .ports = ports};
	run_race(racers);
	for (uint32_t n = 0; n < CLIENTS; n++) {
		if (!ports[n])
			continue;
		if (is_taken[ports[n]])
			fail_msg("client %u has port %u, which is another's", n, ports[n]);
		is_taken[ports[n]] = 1;
		served++;
	}
	assert_true(served > CLIENTS * 99ull / 100);
	assert_int_equal(way_ports(&large).used, served);
	free(ports);
	free(is_taken);
}

/* The same SYN on every CPU at once: one flow, one port. (One that waited too long is dropped.) */
static void test_cpus_agree_about_a_flow(void **state)
{
	uint16_t *ports[THREADS];
	struct racer racers[THREADS];
	uint32_t dropped = 0;

	(void)state;
	apply(LAB_HEAD, &large, NULL);
	for (int i = 0; i < THREADS; i++) {
		ports[i] = calloc(CLIENTS, sizeof(**ports));
		racers[i] = (struct racer){.way = &large, .first = 0, .step = 1, .ports = ports[i]};
	}
	run_race(racers);
	for (uint32_t n = 0; n < CLIENTS; n++)
		for (int i = 1; i < THREADS; i++) {
			uint16_t one = ports[0][n], other = ports[i][n];

			dropped += !one || !other;
			if (one && other && one != other)
				fail_msg("client %u has ports %u and %u", n, one, other);
		}
	assert_true(dropped < CLIENTS / 1000);
	for (int i = 0; i < THREADS; i++)
		free(ports[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nearly_all_ports_serve, lab_teardown),
		cmocka_unit_test_teardown(test_nearly_all_ports_serve_ipv6, lab_teardown),
		cmocka_unit_test_teardown(test_a_range_that_fills_no_whole_bucket, lab_teardown),
		cmocka_unit_test_teardown(test_exhaustion_refuses_that_service_alone, lab_teardown),
		cmocka_unit_test_teardown(test_ports_are_used_again_when_flows_end, lab_teardown),
		cmocka_unit_test_teardown(test_silent_flows_give_their_ports_up, lab_teardown),
		cmocka_unit_test_teardown(test_datagrams_keep_their_port_while_they_come,
					  lab_teardown),
		cmocka_unit_test_teardown(test_unfinished_handshakes_give_way, lab_teardown),
		cmocka_unit_test_teardown(test_a_syn_on_a_closing_flow, lab_teardown),
		cmocka_unit_test_teardown(test_cpus_never_give_one_port_twice, lab_teardown),
		cmocka_unit_test_teardown(test_cpus_agree_about_a_flow, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

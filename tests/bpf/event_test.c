// SPDX-License-Identifier: GPL-2.0-or-later
/* Events as packets send them and readers read them: what they say, how many there are, whom they
 * name when numbers have been used again, and that none is read half. */
#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/internal.h"

#include "fullnat_lab.h"

#define SEED 0x9e1f40c27ab35d68ull

static const struct way small = {"small", "192.0.2.1", "10.1.0.1", {"10.1.255.200"},  80, 80, 5001,
				 5020,	  IPPROTO_TCP, false,	   {2, 0, 0, 1, 4, 1}};
static const struct way beside = {
	"beside", "192.0.2.2", "10.1.0.2", {"10.1.255.200"},  80, 80, 5021,
	5040,	  IPPROTO_TCP, false,	   {2, 0, 0, 1, 4, 2}};
static const struct way small6 = {
	"small6", "2001:db8:ff::1", "2001:db8:1::5", {"2001:db8:1::200"}, 80, 80, 1024,
	1043,	  IPPROTO_TCP,	    false,	     {2, 0, 0, 1, 6, 5}};

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

static bool is_served(const struct way *w, uint32_t n, uint8_t flags)
{
	struct frame f = nth_request(w, n, flags);
	struct outcome out;

	lab_run_frame(lab_front, &f, &out);
	return out.action == XDP_TX;
}

/* Handshakes until one client is refused, who is it? Those before hold their ports. */
static uint32_t exhaust(const struct way *w)
{
	uint32_t n = 0;
	struct outcome out;

	for (;; n++) {
		struct frame f = nth_request(w, n, FRAME_SYN);
		struct source s;

		lab_run_frame(lab_front, &f, &out);
		if (out.action == XDP_DROP)
			return n;
		s = way_source(out.bytes);
		way_reply(w, &f, &s, FRAME_SYN | FRAME_ACK);
		assert_true(is_served(w, n, FRAME_ACK));
	}
}

static struct events *open_reader(enum events_from from)
{
	struct events *e = NULL;

	assert_int_equal(events_open(LAB_DIR, from, &e), 0);
	return e;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- what they say ---- */

static void expect_client(const struct event_view *v, const struct way *w, uint32_t n)
{
	struct frame f = nth_request(w, n, 0);

	assert_memory_equal(&v->client, &f.src, sizeof(f.src));
	assert_int_equal(v->client_port, f.src_port);
}

static void expect_event(const struct event_view *v, const struct way *w)
{
	struct in6_addr backend = lab_addr(w->backend);

	assert_int_equal(v->kind, SERIN_EVENT_PORTS_EXHAUSTED);
	assert_string_equal(event_kind_name(v->kind), "ports_exhausted");
	assert_string_equal(v->service, w->service);
	assert_string_equal(v->pool, "p");
	assert_true(v->has_backend);
	assert_memory_equal(&v->backend, &backend, sizeof(backend));
	assert_int_equal(v->backend_port, w->backend_port);
}

static void say_one(const struct way *w)
{
	uint64_t begin_us = now_us() - 1000, end_us;
	struct events *reader;
	struct event_view v;
	uint32_t refused;

	way_apply(LAB_HEAD, w, 1, "");
	reader = open_reader(EVENTS_NEW);
	assert_int_equal(events_next(reader, &v), 0);
	refused = exhaust(w);
	end_us = now_us() + 1000;
	assert_int_equal(events_next(reader, &v), 1);
	expect_event(&v, w);
	expect_client(&v, w, refused);
	assert_int_equal(v.cause, SERIN_EVENT_CAUSE_NEW_FLOW);
	assert_int_equal(v.sequence, 1);
	assert_int_equal(v.count, 1);
	assert_int_equal(v.total, 1);
	assert_in_range(v.when_us, begin_us, end_us);
	assert_int_equal(events_next(reader, &v), 0);
	assert_int_equal(events_lost(reader), 0);
	events_close(reader);
}

static void test_exhaustion_is_told(void **state)
{
	(void)state;
	say_one(&small);
}

static void test_exhaustion_is_told_ipv6(void **state)
{
	(void)state;
	say_one(&small6);
}

/* Connections from before a restart want ports, too. */
static void test_a_flow_not_known(void **state)
{
	struct events *reader = open_reader(EVENTS_OLDEST);
	struct event_view v;
	uint32_t n = 0;

	(void)state;
	way_apply(LAB_HEAD, &small, 1, "");
	while (is_served(&small, n, FRAME_ACK))
		n++;
	assert_int_equal(events_next(reader, &v), 1);
	expect_event(&v, &small);
	expect_client(&v, &small, n);
	assert_int_equal(v.cause, SERIN_EVENT_CAUSE_UNKNOWN_FLOW);
	events_close(reader);
}

/* ---- how many ---- */

static void test_a_flood_is_told_once_a_second(void **state)
{
	uint64_t told = 0, events = 0, since_ms, seconds;
	struct events *reader;
	struct event_view v;
	uint32_t n;

	(void)state;
	way_apply(LAB_HEAD, &small, 1, "");
	reader = open_reader(EVENTS_OLDEST);
	since_ms = lab_now_ms();
	n = exhaust(&small);
	for (int i = 1; i < 2000; i++)
		assert_false(is_served(&small, n + (uint32_t)i, FRAME_SYN));
	seconds = (lab_now_ms() - since_ms) / 1000;
	while (events_next(reader, &v) == 1) {
		events++;
		told += v.count;
		assert_int_equal(v.total, told);
	}
	assert_in_range(events, 1, 2 + seconds);
	assert_true(told < 2000);
	/* And the next one, when it may be, stands for all of them. */
	for (n += 2000, since_ms = lab_now_ms(); events_next(reader, &v) != 1; n++) {
		lab_wait(since_ms, "another event");
		is_served(&small, n, FRAME_SYN);
	}
	expect_event(&v, &small);
	assert_true(v.count > 1);
	assert_int_equal(v.total, told + v.count);
	assert_int_equal(v.total, way_ports(&small).refused);
	events_close(reader);
}

static void test_services_do_not_silence_each_other(void **state)
{
	const struct way both[2] = {small, beside};
	struct events *reader, *late;
	struct event_view v;

	(void)state;
	way_apply(LAB_HEAD, both, 2, "");
	reader = open_reader(EVENTS_OLDEST);
	exhaust(&beside);
	exhaust(&small);
	late = open_reader(EVENTS_OLDEST);
	for (int i = 0; i < 2; i++) { /* none takes anything from the other */
		struct events *r = i ? late : reader;

		assert_int_equal(events_next(r, &v), 1);
		expect_event(&v, &beside);
		assert_int_equal(v.sequence, 1);
		assert_int_equal(events_next(r, &v), 1);
		expect_event(&v, &small);
		assert_int_equal(v.sequence, 2);
		assert_int_equal(events_next(r, &v), 0);
	}
	events_close(reader);
	events_close(late);
}

/* ---- whom they name ---- */

static void test_who_has_left_lends_no_name(void **state)
{
	struct events *reader;
	struct event_view v;

	(void)state;
	way_apply(LAB_HEAD, &small, 1, "");
	exhaust(&small);
	way_apply(LAB_HEAD, &beside, 1, "");
	way_apply(LAB_HEAD, &small6, 1, ""); /* in the place of the first */
	exhaust(&small6);		     /* whose second is not over */
	reader = open_reader(EVENTS_OLDEST);
	assert_int_equal(events_next(reader, &v), 1);
	assert_int_equal(v.kind, SERIN_EVENT_PORTS_EXHAUSTED);
	assert_string_equal(v.service, "");
	assert_string_equal(v.pool, "");
	assert_false(v.has_backend);
	assert_int_equal(events_next(reader, &v), 1);
	expect_event(&v, &small6);
	assert_int_equal(v.total, 1);
	events_close(reader);
}

static void test_a_reader_outlives_what_it_reads(void **state)
{
	struct events *reader;
	struct event_view v;

	(void)state;
	way_apply(LAB_HEAD, &small, 1, "");
	reader = open_reader(EVENTS_NEW);
	exhaust(&small);
	lab_detach();
	assert_int_equal(events_next(reader, &v), 1); /* the log lives as long as its readers */
	expect_event(&v, &small);
	assert_int_equal(events_next(reader, &v), -ENOENT);
	way_apply(LAB_HEAD, &beside, 1, "");
	exhaust(&beside);
	assert_int_equal(events_next(reader, &v), 1);
	expect_event(&v, &beside);
	assert_int_equal(v.sequence, 1);
	assert_int_equal(events_next(reader, &v), 0);
	assert_int_equal(events_lost(reader), 0);
	events_close(reader);
}

/* ---- many CPUs ---- */

#define THREADS 2
#define EACH	4000 /* together more than the log holds */

static atomic_uint senders_left;

struct sender {
	struct dataplane *dp;
	uint32_t service, first;
};

/* Every refusal an event. */
static void *send_many(void *arg)
{
	const struct sender *s = arg;

	for (uint32_t n = 0; n < EACH; n++) {
		dp_event_rates_clear(s->dp, s->service);
		is_served(&small, s->first + n, FRAME_SYN);
	}
	atomic_fetch_sub(&senders_left, 1);
	return NULL;
}

struct follower {
	struct events *events;
	uint64_t read, wrong;
};

/* A client's port follows from its address. */
static bool is_right(const struct event_view *v)
{
	const uint8_t *a = v->client.s6_addr;
	uint32_t n = (uint32_t)(a[13] - 16) << 16 | (uint32_t)a[14] << 8 | a[15];

	return a[12] == 172 && v->client_port == 1024 + n % 50000 && v->has_backend &&
	       !strcmp(v->service, small.service) && !strcmp(v->pool, "p") &&
	       v->kind == SERIN_EVENT_PORTS_EXHAUSTED;
}

static void *follow(void *arg)
{
	struct follower *f = arg;
	struct event_view v;
	bool is_over = false;

	while (!is_over) {
		is_over = !atomic_load(&senders_left);
		while (events_next(f->events, &v) == 1) {
			f->read++;
			f->wrong += !is_right(&v);
		}
	}
	return NULL;
}

static void test_cpus_send_while_others_read(void **state)
{
	struct dataplane *dp;
	pthread_t threads[2 * THREADS];
	struct sender s[THREADS];
	struct follower f[THREADS] = {};
	uint64_t sent;

	(void)state;
	way_apply(LAB_HEAD, &small, 1, "");
	exhaust(&small);
	dp = lab_open(DATAPLANE_WRITE);
	atomic_store(&senders_left, THREADS);
	for (int i = 0; i < THREADS; i++) /* before there is anything to miss */
		f[i].events = open_reader(EVENTS_OLDEST);
	for (uint32_t i = 0; i < THREADS; i++) {
		s[i] = (struct sender){dp, (uint32_t)dp_service_find(dp, small.service),
				       100000 + i * EACH};
		assert_int_equal(pthread_create(&threads[2 * i], NULL, follow, &f[i]), 0);
		assert_int_equal(pthread_create(&threads[2 * i + 1], NULL, send_many, &s[i]), 0);
	}
	for (int i = 0; i < 2 * THREADS; i++)
		pthread_join(threads[i], NULL);
	sent = dp->event_log->last;
	dataplane_close(dp);
	lab_expect_threads();
	for (int i = 0; i < THREADS; i++) {
		printf("%llu events sent, %llu read, %llu lost\n", (unsigned long long)sent,
		       (unsigned long long)f[i].read, (unsigned long long)events_lost(f[i].events));
		assert_int_equal(f[i].wrong, 0);
		assert_int_equal(f[i].read + events_lost(f[i].events), sent);
		events_close(f[i].events);
	}
	assert_true(sent > SERIN_EVENT_LOG_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_exhaustion_is_told, lab_teardown),
		cmocka_unit_test_teardown(test_exhaustion_is_told_ipv6, lab_teardown),
		cmocka_unit_test_teardown(test_a_flow_not_known, lab_teardown),
		cmocka_unit_test_teardown(test_a_flood_is_told_once_a_second, lab_teardown),
		cmocka_unit_test_teardown(test_services_do_not_silence_each_other, lab_teardown),
		cmocka_unit_test_teardown(test_who_has_left_lends_no_name, lab_teardown),
		cmocka_unit_test_teardown(test_a_reader_outlives_what_it_reads, lab_teardown),
		cmocka_unit_test_teardown(test_cpus_send_while_others_read, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

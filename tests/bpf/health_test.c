// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends that are down: what becomes of their flows and of others', who hears of it, and what of it
 * outlives a drain and an apply. */
#include "apply_lab.h"

#define SEED 0x41c8e5f09b2d7a63ull

#define CHECKED ", health_check: {type: tcp}, outlier: {failures: 5}"
#define POOLS	WEIGHED("canary", "30", HOST(1) HOST(4)) POOL("stable", HOST(2) HOST(3) HOST(5))

static const char checked[] = WEB(CHECKED, POOLS);

static int start(void **state)
{
	(void)state;
	lab_apply(checked);
	return 0;
}

/* ---- making it so ---- */

struct search {
	unsigned int host;
	struct dataplane_health *found;
};

static void look(const struct dataplane_backend *b, void *arg)
{
	struct search *s = arg;

	if (b->is_leaving || b->address.s6_addr[15] != s->host)
		return;
	s->found->id = b->id;
	s->found->address = b->address;
	s->found->port = b->port;
	snprintf(s->found->service, sizeof(s->found->service), "%s", b->service);
}

/* Of each of these hosts (bits). Returns what dataplane_set_health() does. */
static int set_all(uint64_t hosts, uint8_t fact, bool is_so)
{
	struct dataplane_health changes[64] = {0};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	size_t count = 0;
	int result;

	for (unsigned int host = 1; host < 64; host++) {
		if (!(hosts & BIT(host)))
			continue;
		changes[count].fact = fact;
		changes[count].is_so = is_so;
		dataplane_each_backend(dp, look, &(struct search){host, &changes[count++]});
	}
	result = dataplane_set_health(dp, changes, count);
	for (size_t i = 0; i < count; i++)
		assert_false(changes[i].is_gone);
	dataplane_close(dp);
	return result;
}

static void down(uint64_t hosts)
{
	assert_int_equal(set_all(hosts, SERIN_BACKEND_UNHEALTHY, true),
			 __builtin_popcountll(hosts));
}

static void up(uint64_t hosts)
{
	assert_int_equal(set_all(hosts, SERIN_BACKEND_UNHEALTHY, false),
			 __builtin_popcountll(hosts));
}

static void expect_state(const char *pool, unsigned int host, const char *name)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_pool *p = lab_pool(s, "web", pool);
	const char *found = "none";

	for (size_t i = 0; i < p->backend_count; i++)
		if (p->backends[i].address.s6_addr[15] == host)
			found = snapshot_backend_state_name(&p->backends[i]);
	assert_string_equal(found, name);
	snapshot_free(s);
}

/* ---- flows ---- */

#define FLOWS 400

static struct frame request(uint16_t n, uint8_t flags)
{
	struct frame f =
		lab_request("198.51.100.1", (uint16_t)(1000 + n), "192.0.2.1", 80, IPPROTO_TCP);

	f.tcp_flags = flags;
	return f;
}

static unsigned int ask(uint16_t n, uint8_t flags)
{
	struct frame f = request(n, flags);

	return lab_ask(&f);
}

static void test_flows_stay_and_new_ones_go_elsewhere(void **state)
{
	unsigned int hosts[FLOWS];
	size_t of_it = 0;

	(void)state;
	for (uint16_t n = 0; n < FLOWS; n++) {
		hosts[n] = ask(n, FRAME_SYN);
		ask(n, FRAME_ACK);
		of_it += hosts[n] == 3;
	}
	assert_in_range(of_it, FLOWS / 10, FLOWS / 2);
	down(BIT(3));
	expect_state("stable", 3, "down");
	for (uint16_t n = 0; n < FLOWS; n++)
		assert_int_equal(ask(n, FRAME_ACK), hosts[n]);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(4) | BIT(5));
	for (uint16_t n = FLOWS; n < 2 * FLOWS; n++)
		assert_int_not_equal(ask(n, FRAME_SYN), 3);
	up(BIT(3));
	expect_state("stable", 3, "up");
	for (uint16_t n = 0; n < FLOWS; n++)
		assert_int_equal(ask(n, FRAME_ACK), hosts[n]);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5));
}

/* A SYN sent again, its backend having gone down before it answered, is free to go elsewhere. */
static void test_an_unanswered_syn_moves(void **state)
{
	uint16_t n = 0;

	(void)state;
	lab_apply(WEB(CHECKED ", track: always", POOLS));
	while (ask(n, FRAME_SYN) != 3)
		n++;
	assert_int_equal(ask(n, FRAME_SYN), 3);
	down(BIT(3));
	assert_int_not_equal(ask(n, FRAME_SYN), 3);
}

/* ---- pools that have none left ---- */

static uint64_t fallbacks(void)
{
	struct snapshot *s = lab_snapshot();
	uint64_t count = lab_pool(s, "web", "canary")->counters.fallbacks;

	snapshot_free(s);
	return count;
}

static void test_a_pool_without_any_leaves_its_clients_to_the_primary(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(lab_shift("web", "canary", 1000000), 0);
	down(BIT(1) | BIT(4));
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(2) | BIT(3) | BIT(5));
	before = fallbacks();
	for (uint16_t n = 0; n < 100; n++)
		ask(n, FRAME_SYN);
	assert_int_equal(fallbacks() - before, 100);
	up(BIT(4));
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(4));
}

static void test_a_primary_without_any_drops(void **state)
{
	struct frame f = request(1, FRAME_SYN);
	struct outcome out;
	uint64_t before;
	struct snapshot *s;

	(void)state;
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	down(BIT(2) | BIT(3) | BIT(5));
	s = lab_snapshot();
	before = s->packets[SERIN_DROP_NO_BACKEND];
	snapshot_free(s);
	lab_run_frame(lab_front, &f, &out);
	assert_int_equal(out.action, XDP_DROP);
	s = lab_snapshot();
	assert_int_equal(s->packets[SERIN_DROP_NO_BACKEND] - before, 1);
	snapshot_free(s);
	up(BIT(2));
	assert_int_equal(ask(1, FRAME_SYN), 2);
}

/* ---- beside its state ---- */

static void test_a_drain_is_another_fact(void **state)
{
	(void)state;
	down(BIT(3));
	assert_int_equal(lab_drain("web", "10.1.0.3", true, false), 0);
	expect_state("stable", 3, "draining");
	up(BIT(3));
	expect_state("stable", 3, "draining");
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(4) | BIT(5));
	down(BIT(3));
	assert_int_equal(lab_drain("web", "10.1.0.3", false, false), 0);
	expect_state("stable", 3, "down");
	up(BIT(3));
	expect_state("stable", 3, "up");
}

static void test_either_fact_is_enough(void **state)
{
	(void)state;
	down(BIT(3));
	assert_int_equal(set_all(BIT(3), SERIN_BACKEND_EJECTED, true), 1);
	assert_int_equal(set_all(BIT(3), SERIN_BACKEND_EJECTED, true), 0);
	up(BIT(3));
	expect_state("stable", 3, "down");
	assert_int_equal(set_all(BIT(3), SERIN_BACKEND_EJECTED, false), 1);
	expect_state("stable", 3, "up");
}

/* What somebody looks after stays as it was found; what nobody does is up. */
static void test_an_apply_keeps_what_is_looked_after(void **state)
{
	(void)state;
	down(BIT(3));
	assert_int_equal(set_all(BIT(5), SERIN_BACKEND_EJECTED, true), 1);
	apply_expect_settled(checked);
	expect_state("stable", 3, "down");
	expect_state("stable", 5, "down");
	lab_apply(WEB(", outlier: {failures: 5}", POOLS));
	expect_state("stable", 3, "up");
	expect_state("stable", 5, "down");
	lab_apply(WEB("", POOLS));
	expect_state("stable", 5, "up");
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5));
}

static void test_a_service_that_moves_takes_it_along(void **state)
{
	static const char elsewhere[] = LAB_HEAD SERVICE("web", "192.0.2.7", CHECKED, POOLS);

	(void)state;
	down(BIT(3));
	assert_int_equal(lab_drain("web", "10.1.0.2", true, false), 0);
	assert_int_equal(set_all(BIT(2), SERIN_BACKEND_UNHEALTHY, true), 1);
	lab_apply(elsewhere);
	expect_state("stable", 3, "down");
	expect_state("stable", 2, "draining");
	assert_int_equal(apply_hosts("192.0.2.7"), BIT(1) | BIT(4) | BIT(5));
}

static void test_who_left_is_gone(void **state)
{
	struct dataplane_health h = {.fact = SERIN_BACKEND_UNHEALTHY, .is_so = true};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);

	(void)state;
	dataplane_each_backend(dp, look, &(struct search){3, &h});
	dataplane_close(dp);
	lab_apply(WEB(CHECKED, POOL("stable", HOST(2))));
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(dataplane_set_health(dp, &h, 1), 0);
	assert_true(h.is_gone);
	h.id = UINT32_MAX;
	assert_int_equal(dataplane_set_health(dp, &h, 1), 0);
	dataplane_close(dp);
}

static void test_who_only_tries_does_not_wait(void **state)
{
	struct dataplane *writer = lab_open(DATAPLANE_WRITE), *other = NULL;

	(void)state;
	assert_int_equal(dataplane_open(LAB_DIR, DATAPLANE_TRY_WRITE, &other), -EAGAIN);
	dataplane_close(writer);
	assert_int_equal(dataplane_open(LAB_DIR, DATAPLANE_TRY_WRITE, &other), 0);
	dataplane_close(other);
}

/* ---- this host's own questions ---- */

/* Of all ports: some fall to that backend, at settled places and at moving ones. */
static void expect_answers_pass(const char *backend, const char *host)
{
	uint64_t entries;
	struct snapshot *s = lab_snapshot();

	entries = s->flow_entries;
	snapshot_free(s);
	for (uint16_t port = 40000; port < 40200; port++) {
		struct frame f = lab_request(backend, 80, host, port, IPPROTO_TCP);
		struct outcome out;

		f.tcp_flags = FRAME_SYN | FRAME_ACK;
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_PASS);
		f.tcp_flags = FRAME_ACK;
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_PASS);
	}
	s = lab_snapshot();
	assert_int_equal(s->flow_entries, entries);
	snapshot_free(s);
}

static void set_forwarding(const char *value)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "w");

	assert_non_null(file);
	fputs(value, file);
	assert_int_equal(fclose(file), 0);
}

static void test_answers_to_this_host_pass(void **state)
{
	(void)state;
	set_forwarding("0");
	expect_answers_pass("10.1.0.3", "10.1.255.254");
	set_forwarding("1");
	expect_answers_pass("10.1.0.3", "10.1.255.254");
	down(BIT(3));
	expect_answers_pass("10.1.0.3", "10.1.255.254");
	expect_answers_pass("10.1.0.2", "10.1.255.254");
}

/* ---- events ---- */

static void expect_event(struct events *e, unsigned int host, enum serin_event_kind kind,
			 enum serin_event_cause cause)
{
	struct event_view v;

	assert_int_equal(events_next(e, &v), 1);
	assert_int_equal(v.kind, kind);
	assert_int_equal(v.cause, cause);
	assert_int_equal(v.count, 1);
	assert_string_equal(v.service, "web");
	assert_string_equal(v.pool, host == 1 || host == 4 ? "canary" : "stable");
	assert_true(v.has_backend);
	assert_int_equal(v.backend.s6_addr[15], host);
	assert_int_equal(v.backend_port, 80);
}

/* However close they come; and what was so already is none. */
static void test_each_change_is_an_event(void **state)
{
	struct events *e = NULL;
	struct event_view v;

	(void)state;
	assert_int_equal(events_open(LAB_DIR, EVENTS_NEW, &e), 0);
	assert_int_equal(events_next(e, &v), 0);
	down(BIT(1) | BIT(3) | BIT(5));
	assert_int_equal(set_all(BIT(1), SERIN_BACKEND_UNHEALTHY, true), 0);
	assert_int_equal(set_all(BIT(3), SERIN_BACKEND_EJECTED, true), 1);
	up(BIT(5));
	expect_event(e, 1, SERIN_EVENT_BACKEND_DOWN, SERIN_EVENT_CAUSE_HEALTH_CHECK);
	expect_event(e, 3, SERIN_EVENT_BACKEND_DOWN, SERIN_EVENT_CAUSE_HEALTH_CHECK);
	expect_event(e, 5, SERIN_EVENT_BACKEND_DOWN, SERIN_EVENT_CAUSE_HEALTH_CHECK);
	expect_event(e, 3, SERIN_EVENT_BACKEND_DOWN, SERIN_EVENT_CAUSE_OUTLIER);
	expect_event(e, 5, SERIN_EVENT_BACKEND_UP, SERIN_EVENT_CAUSE_HEALTH_CHECK);
	assert_int_equal(events_next(e, &v), 0);
	assert_int_equal(events_lost(e), 0);
	events_close(e);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_flows_stay_and_new_ones_go_elsewhere),
		TEST(test_an_unanswered_syn_moves),
		TEST(test_a_pool_without_any_leaves_its_clients_to_the_primary),
		TEST(test_a_primary_without_any_drops),
		TEST(test_a_drain_is_another_fact),
		TEST(test_either_fact_is_enough),
		TEST(test_an_apply_keeps_what_is_looked_after),
		TEST(test_a_service_that_moves_takes_it_along),
		TEST(test_who_left_is_gone),
		TEST(test_who_only_tries_does_not_wait),
		TEST(test_answers_to_this_host_pass),
		TEST(test_each_change_is_an_event),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

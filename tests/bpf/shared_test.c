// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends of two services, under traffic: whose replies are whose, and which flows cannot be. */
#include "shared_lab.h"

#define SEED	0xc5e90d27f1a84b63ull
#define CLIENTS 4
#define PORTS	24 /* few, so that the two services' flows meet */
#define STEPS	60000

static const unsigned int all = (1u << S_SERVICES) - 1;

static int start(void **state)
{
	(void)state;
	s_apply(S_HEAD, all);
	return 0;
}

/* ---- an oracle that knows every flow ---- */

struct known {
	bool is_alive;
	unsigned int choice, host; /* where it would go, and where it went */
};

static struct known known[S_SERVICES][CLIENTS][PORTS];
static int8_t last_owner[S_SERVICES / 2][CLIENTS][PORTS][S_SHARED + 3]; /* by host; -1: none */
static struct {
	unsigned int born, refused, requests, replies, strays, ended;
} done;

static struct known *know(const struct s_flow *f)
{
	return &known[f->service][f->client - 1][f->port - 5000];
}

static int8_t *owner(const struct s_flow *f, unsigned int host)
{
	return &last_owner[f->service / 2][f->client - 1][f->port - 5000][host];
}

static struct s_flow draw(void)
{
	return (struct s_flow){(int)lab_below(S_SERVICES), 1 + lab_below(CLIENTS),
			       (uint16_t)(5000 + lab_below(PORTS))};
}

static void learn_choices(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	memset(known, 0, sizeof(known));
	memset(last_owner, -1, sizeof(last_owner));
	memset(&done, 0, sizeof(done));
	for (struct s_flow f = {0, 1, 5000}; f.service < S_SERVICES; f.service++)
		for (f.client = 1; f.client <= CLIENTS; f.client++)
			for (f.port = 5000; f.port < 5000 + PORTS; f.port++)
				know(&f)->choice = s_choice(dp, &f);
	dataplane_close(dp);
}

static void begin(const struct s_flow *f)
{
	struct s_flow twin = s_twin(f);
	struct known *k = know(f);
	bool is_busy = know(&twin)->is_alive && know(&twin)->host == k->choice;
	unsigned int to = s_send(f, FRAME_SYN);

	if (to != (is_busy ? 0 : k->choice))
		fail_msg("%s: a new flow went to %u, not %u%s", s_services[f->service].name, to,
			 k->choice, is_busy ? ": its twin lives there" : "");
	done.refused += is_busy;
	if (is_busy)
		return;
	*k = (struct known){true, k->choice, to};
	*owner(f, to) = (int8_t)f->service;
	done.born++;
}

/* A datagram either way keeps a conversation alive, or brings it back to life. */
static void revive(const struct s_flow *f, int service, unsigned int host)
{
	struct s_flow of = {service, f->client, f->port};

	know(&of)->is_alive = true;
	know(&of)->host = host;
}

/* Any host that they share says something to the client. */
static void hear(const struct s_flow *f, unsigned int host, uint8_t flags)
{
	struct s_flow twin = s_twin(f);
	int is_whose = s_answer(f, host, flags), expected = -1;

	if (know(f)->is_alive && know(f)->host == host)
		expected = f->service;
	if (know(&twin)->is_alive && know(&twin)->host == host)
		expected = twin.service;
	/* What is said after the end is the last one's, as long as its entry is there. */
	if (expected < 0 ? is_whose >= 0 && is_whose != *owner(f, host) : is_whose != expected)
		fail_msg("%s, host %u: an answer became service %d's, not %d's",
			 s_services[f->service].name, host, is_whose, expected);
	done.replies += expected >= 0;
	done.strays += expected < 0;
	if (is_whose >= 0 && s_services[f->service].protocol == IPPROTO_UDP)
		revive(f, is_whose, host);
}

static void end(const struct s_flow *f)
{
	if (s_services[f->service].protocol == IPPROTO_TCP)
		hear(f, know(f)->host, FRAME_RST);
	else
		s_age(f, 3600);
	know(f)->is_alive = false;
	done.ended++;
}

static void step(void)
{
	struct s_flow f = draw();
	struct known *k = know(&f);
	uint32_t what = lab_below(100);

	if (what < 20) {
		hear(&f, 1 + lab_below(S_SHARED), FRAME_ACK);
	} else if (!k->is_alive) {
		begin(&f);
	} else if (what < 60) {
		assert_int_equal(s_send(&f, FRAME_ACK), k->host);
		done.requests++;
	} else if (what < 94) {
		hear(&f, k->host, FRAME_ACK);
	} else if (s_services[f.service].protocol == IPPROTO_TCP || what > 98) {
		end(&f);
	}
}

static void test_replies_are_told_apart(void **state)
{
	uint64_t busy = s_count(SERIN_DROP_SHARED_BUSY);

	(void)state;
	learn_choices();
	for (int i = 0; i < STEPS; i++)
		step();
	printf("%u flows born, %u refused, %u ended; %u requests, %u replies, %u strays\n",
	       done.born, done.refused, done.ended, done.requests, done.replies, done.strays);
	assert_int_equal(s_count(SERIN_DROP_SHARED_BUSY) - busy, done.refused);
	assert_true(done.refused > 500 && done.born > 1000 && done.strays > 1000);
}

/* ---- two flows of one client and port ---- */

static void expect_explained(const struct s_flow *f, enum serin_reason refusal)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	struct in6_addr client = s_client(f);
	enum serin_reason said =
		lab_explain(dp, s_services[f->service].name, &client, f->port).refusal;

	dataplane_close(dp);
	assert_int_equal(said, refusal);
}

static void open_flow(const struct s_flow *f, unsigned int host)
{
	expect_explained(f, SERIN_GO_ON);
	assert_int_equal(s_send(f, FRAME_SYN), host);
	if (s_services[f->service].protocol == IPPROTO_UDP)
		return;
	assert_int_equal(s_answer(f, host, FRAME_SYN | FRAME_ACK), f->service);
	assert_int_equal(s_send(f, FRAME_ACK), host);
}

static void expect_busy(const struct s_flow *f, uint8_t flags)
{
	uint64_t before = s_count(SERIN_DROP_SHARED_BUSY);

	assert_int_equal(s_send(f, flags), 0);
	assert_int_equal(s_count(SERIN_DROP_SHARED_BUSY), before + 1);
}

static void expect_held(const struct s_flow *f, uint8_t flags)
{
	expect_explained(f, SERIN_DROP_SHARED_BUSY);
	expect_busy(f, flags);
}

static void draw_pair(int service, struct s_flow *f, struct s_flow *twin, unsigned int *host)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	s_draw_collision(dp, service, f);
	*twin = s_twin(f);
	*host = s_choice(dp, f);
	dataplane_close(dp);
}

/* However often it tries; and the flow that lives is not disturbed. From another port it may. */
static void test_a_flow_that_would_be_mixed_up_is_refused(void **state)
{
	(void)state;
	for (int s = 0; s < S_SERVICES; s++) {
		struct s_flow f, twin;
		unsigned int host;

		draw_pair(s, &f, &twin, &host);
		open_flow(&f, host);
		for (int i = 0; i < 3; i++) {
			expect_held(&twin, FRAME_SYN);
			assert_int_equal(s_answer(&twin, host, FRAME_ACK), s);
			assert_int_equal(s_send(&f, FRAME_ACK), host);
		}
		if (s_services[s].protocol == IPPROTO_TCP) { /* nor by what is not its first */
			expect_held(&twin, FRAME_ACK);
			expect_held(&twin, FRAME_FIN | FRAME_ACK);
			expect_held(&twin, FRAME_RST);
		}
		assert_int_equal(s_answer(&f, host, FRAME_ACK), s);
		do
			draw_pair(s, &f, &twin, &host);
		while (s_send(&twin, FRAME_SYN) != host);
		assert_int_equal(s_answer(&twin, host, FRAME_SYN | FRAME_ACK), s ^ 1);
	}
}

/* Idle for longer than it may be, or closing and silent: it is over, and what is left of it goes
 * nowhere. Before that, it is not. */
static void test_a_flow_that_is_over_gives_way(void **state)
{
	(void)state;
	for (int s = 0; s < S_SERVICES; s++) {
		bool is_tcp = s_services[s].protocol == IPPROTO_TCP;
		struct s_flow f, twin;
		unsigned int host;

		draw_pair(s, &f, &twin, &host);
		open_flow(&f, host);
		s_age(&f, 60);
		expect_held(&twin, FRAME_SYN);
		if (is_tcp) {
			assert_int_equal(s_send(&f, FRAME_FIN | FRAME_ACK), host);
			expect_held(&twin, FRAME_SYN);
			assert_int_equal(s_answer(&f, host, FRAME_FIN | FRAME_ACK), s);
			expect_held(&twin, FRAME_SYN);
			s_age(&f, SERIN_SHARED_QUIET_S + 1);
		} else {
			s_age(&f, 121);
		}
		open_flow(&twin, host);
		assert_int_equal(s_answer(&f, host, FRAME_ACK), s ^ 1);
		expect_held(&f, is_tcp ? FRAME_ACK : 0);
		assert_int_equal(s_answer(&f, host, FRAME_ACK), s ^ 1);
	}
}

/* A host of the other's own is no concern: both live. */
static void test_flows_to_different_hosts_do_not_meet(void **state)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	(void)state;
	for (int s = 0; s < S_SERVICES; s++) {
		struct s_flow f = {s, 77, 1024}, twin = s_twin(&f);

		for (; s_choice(dp, &f) == s_choice(dp, &twin); twin.port = f.port)
			f.port++;
		open_flow(&f, s_choice(dp, &f));
		open_flow(&twin, s_choice(dp, &twin));
		assert_int_equal(s_answer(&f, s_choice(dp, &f), FRAME_ACK), s);
		assert_int_equal(s_answer(&f, s_choice(dp, &twin), FRAME_ACK), s ^ 1);
	}
	dataplane_close(dp);
}

/* ---- no room ---- */

/* Every entry another's, who lives. */
static void fill_table(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	uint64_t now, value;

	assert_int_equal(dp_jiffies(dp, &now), 0);
	assert_int_equal(dp_mmap_flows(dp), 0);
	value = serin_flow_value(0, SERIN_FLOW_ESTABLISHED, 1, now);
	for (uint32_t n = 0; n < dp->meta.flow_buckets * SERIN_FLOW4_WAYS; n++) {
		struct serin_flow4 *e4 = &dp->flows4[n / SERIN_FLOW4_WAYS].flow[n % 4];
		struct serin_flow6 *e6 = &dp->flows6[n / SERIN_FLOW6_WAYS].flow[n % 4];

		*e4 = (struct serin_flow4){(uint64_t)n << 32 | 0xfff0, value};
		*e6 = (struct serin_flow6){1, 1, (uint64_t)n << 32 | 0xfff0, value};
	}
	dataplane_close(dp);
}

/* Without an entry nobody could tell whose the replies are. Where a backend is one service's alone
 * it goes there, unremembered, as ever. */
static void test_what_cannot_be_remembered_is_refused(void **state)
{
	struct dataplane *dp;
	unsigned int refused = 0, sent = 0;

	(void)state;
	fill_table();
	dp = lab_open(DATAPLANE_READ);
	for (unsigned int i = 0; i < 60u * S_SERVICES; i++) {
		struct s_flow f = {(int)(i % S_SERVICES), 9, (uint16_t)(2000 + i)};
		unsigned int host = s_choice(dp, &f);

		if (host <= S_SHARED) {
			expect_busy(&f, FRAME_SYN);
			refused++;
		} else {
			assert_int_equal(s_send(&f, FRAME_SYN), host);
			sent++;
		}
	}
	assert_true(refused > 100 && sent > 50);
	dataplane_close(dp);
}

int main(void)
{
#define SHARED_TEST(name) cmocka_unit_test_setup_teardown(name, start, lab_teardown)
	const struct CMUnitTest tests[] = {
		SHARED_TEST(test_replies_are_told_apart),
		SHARED_TEST(test_a_flow_that_would_be_mixed_up_is_refused),
		SHARED_TEST(test_a_flow_that_is_over_gives_way),
		SHARED_TEST(test_flows_to_different_hosts_do_not_meet),
		SHARED_TEST(test_what_cannot_be_remembered_is_refused),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

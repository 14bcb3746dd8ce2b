// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections whose backends answer past this host: what their clients' packets alone tell of them. */
#include <serin/hash.h>

#include "lab.h"

#include "dataplane/internal.h"

#define SEED	    0x1b94d6c0e73f58a2ull
#define CONNECTIONS 60	  /* of each service */
#define SYNS	    20000 /* a flood for a table of a tenth of it */

#define ONE_WAY_HEAD                                          \
	"version: 1\ninterfaces: [front, back]\n"             \
	"limits: {services: 16, backends: 64, flows: 2048}\n" \
	"services:\n"

static const struct one_way {
	const char *name, *mode, *vip;
	bool is_v4;
} services[] = {
	{"dsr4", "dsr", "192.0.2.1", true},	    {"ipip4", "ipip", "192.0.2.2", true},
	{"gue4", "gue", "192.0.2.3", true},	    {"dsr6", "dsr", "2001:db8:ff::1", false},
	{"ipip6", "ipip", "2001:db8:ff::2", false}, {"gue6", "gue", "2001:db8:ff::3", false},
};

#define SERVICES (sizeof(services) / sizeof(*services))

static void put_service(FILE *yaml, const struct one_way *s, const char *settings)
{
	const char *net = s->is_v4 ? "10.1.0." : "2001:db8:1::";

	fprintf(yaml,
		"  - {name: %s, vip: '%s', port: 80, protocol: tcp, forwarding: %s%s, primary: "
		"stable, pools: [{name: canary, weight: 0, backends: [{address: '%s1'}]}, {name: "
		"stable, backends: [{address: '%s2'}, {address: '%s3'}]}]}\n",
		s->name, s->vip, s->mode, settings, net, net, net);
}

static void apply(const char *settings)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(ONE_WAY_HEAD, yaml);
	for (size_t i = 0; i < SERVICES; i++)
		put_service(yaml, &services[i], settings);
	fclose(yaml);
	lab_apply(text);
	free(text);
}

static void shift_all(uint32_t ppm)
{
	for (size_t i = 0; i < SERVICES; i++)
		assert_int_equal(lab_shift(services[i].name, "canary", ppm), 0);
}

/* Every place has another pool than before, and is asked of the flow table. */
static int start_moving(void **state)
{
	(void)state;
	apply("");
	shift_all(1000000);
	return 0;
}

static int start_tracked(void **state)
{
	(void)state;
	apply(", track: always");
	return 0;
}

/* The number of the host whose MAC address the frame is given; 0: it went nowhere. */
static unsigned int send_as(const struct one_way *s, const char *client, uint16_t port,
			    uint8_t flags)
{
	struct frame f = lab_request(client, port, s->vip, 80, IPPROTO_TCP);
	struct outcome out;

	f.tcp_flags = flags;
	lab_run_frame(lab_front, &f, &out);
	return out.action == XDP_TX || out.action == XDP_REDIRECT ? out.bytes[5] : 0;
}

static const char *client_of(const struct one_way *s)
{
	return s->is_v4 ? "198.51.100.1" : "2001:db8:c::1";
}

static unsigned int send_of(const struct one_way *s, uint16_t port, uint8_t flags)
{
	return send_as(s, client_of(s), port, flags);
}

/* ---- what the flow table says ---- */

struct search {
	const struct one_way *service;
	struct in6_addr client;
	uint16_t port;
	enum serin_flow_state state; /* of the one found; SERIN_FLOW_STATE_MAX: none */
};

static int match(const struct flow_view *view, void *arg)
{
	struct search *s = arg;

	if (view->client_port == s->port && !strcmp(view->service, s->service->name) &&
	    !memcmp(&view->client, &s->client, sizeof(s->client)))
		s->state = view->state;
	return 0;
}

static enum serin_flow_state state_of(const struct one_way *s, uint16_t port)
{
	struct search search = {s, lab_addr(client_of(s)), port, SERIN_FLOW_STATE_MAX};
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	assert_int_equal(dataplane_each_flow(dp, match, &search), 0);
	dataplane_close(dp);
	return search.state;
}

/* As if nobody had said anything for so long. */
static void age_all(unsigned int seconds)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	uint64_t units = (uint64_t)seconds * (uint64_t)dp_ticks_per_second() >>
			 SERIN_FLOW_JIFFIES_SHIFT;

	assert_int_equal(dp_mmap_flows(dp), 0);
	for (uint32_t b = 0; b < dp->meta.flow_buckets; b++) {
		for (int i = 0; i < SERIN_FLOW4_WAYS; i++)
			dp->flows4[b].flow[i].value -= (units + 1) << SERIN_FLOW_SEEN_SHIFT;
		for (int i = 0; i < SERIN_FLOW6_WAYS; i++)
			dp->flows6[b].flow[i].value -= (units + 1) << SERIN_FLOW_SEEN_SHIFT;
	}
	dataplane_close(dp);
}

/* ---- tests ---- */

struct step {
	uint8_t flags;
	enum serin_flow_state state;
};

/* From one client's port, one after the other, to one host. */
static void expect_steps(uint16_t port, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < SERVICES; i++) {
		unsigned int host = send_of(&services[i], port, steps[0].flags);

		assert_true(host);
		assert_int_equal(state_of(&services[i], port), steps[0].state);
		for (size_t n = 1; n < count; n++) {
			assert_int_equal(send_of(&services[i], port, steps[n].flags), host);
			if (state_of(&services[i], port) != steps[n].state)
				fail_msg("%s: after step %zu it is in state %d", services[i].name,
					 n, state_of(&services[i], port));
		}
	}
}

#define EXPECT_STEPS(port, ...)                                            \
	do {                                                               \
		static const struct step steps[] = {__VA_ARGS__};          \
		expect_steps(port, steps, sizeof(steps) / sizeof(*steps)); \
	} while (0)

static void test_an_acknowledgement_proves_the_handshake(void **state)
{
	(void)state;
	EXPECT_STEPS(1, {FRAME_SYN, SERIN_FLOW_SYN}, {FRAME_SYN, SERIN_FLOW_SYN},
		     {FRAME_ACK, SERIN_FLOW_ESTABLISHED}, {FRAME_SYN, SERIN_FLOW_ESTABLISHED},
		     {FRAME_ACK, SERIN_FLOW_ESTABLISHED},
		     {FRAME_FIN | FRAME_ACK, SERIN_FLOW_CLOSING}, {FRAME_ACK, SERIN_FLOW_CLOSING},
		     {FRAME_SYN, SERIN_FLOW_SYN}, {FRAME_ACK, SERIN_FLOW_ESTABLISHED},
		     {FRAME_RST, SERIN_FLOW_CLOSING});
}

static void test_what_else_may_follow_a_syn(void **state)
{
	(void)state;
	EXPECT_STEPS(1, {FRAME_SYN, SERIN_FLOW_SYN}, {FRAME_FIN | FRAME_ACK, SERIN_FLOW_CLOSING});
	EXPECT_STEPS(2, {FRAME_SYN, SERIN_FLOW_SYN}, {FRAME_RST | FRAME_ACK, SERIN_FLOW_STATE_MAX});
	EXPECT_STEPS(3, {FRAME_SYN, SERIN_FLOW_SYN}, {FRAME_FIN, SERIN_FLOW_STATE_MAX});
	EXPECT_STEPS(4, {FRAME_SYN, SERIN_FLOW_SYN}, {FRAME_SYN | FRAME_ACK, SERIN_FLOW_SYN},
		     {0, SERIN_FLOW_SYN});
}

/* What was met after its SYN follows the base, as anybody's packet does: it proves nothing. */
static void test_without_a_syn_nothing_is_proved(void **state)
{
	(void)state;
	EXPECT_STEPS(1, {FRAME_ACK, SERIN_FLOW_ADOPTED}, {FRAME_ACK, SERIN_FLOW_ADOPTED},
		     {FRAME_SYN, SERIN_FLOW_ADOPTED}, {FRAME_ACK, SERIN_FLOW_ADOPTED},
		     {FRAME_FIN | FRAME_ACK, SERIN_FLOW_STATE_MAX});
}

/* A handshake that takes longer than that is over, and an ACK does not bring it back to life. */
static void test_idle_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVICES; i++) {
		assert_true(send_of(&services[i], 1, FRAME_SYN));
		assert_true(send_of(&services[i], 1, FRAME_ACK));
		assert_true(send_of(&services[i], 2, FRAME_SYN));
	}
	age_all(600);
	for (size_t i = 0; i < SERVICES; i++) {
		assert_int_equal(state_of(&services[i], 1), SERIN_FLOW_ESTABLISHED);
		assert_int_equal(state_of(&services[i], 2), SERIN_FLOW_STATE_MAX);
		assert_true(send_of(&services[i], 2, FRAME_ACK));
		assert_int_equal(state_of(&services[i], 2), SERIN_FLOW_STATE_MAX);
	}
}

static void flood(void)
{
	for (unsigned int n = 0; n < SYNS; n++) {
		const struct one_way *s = &services[n % SERVICES];
		char client[NET_ADDR_LEN];

		snprintf(client, sizeof(client), s->is_v4 ? "100.64.%u.%u" : "2001:db8:e::%x:%x",
			 n >> 8, n & 255);
		assert_true(send_as(s, client, (uint16_t)lab_random(), FRAME_SYN));
	}
}

static void test_established_flows_outlive_floods(void **state)
{
	unsigned int hosts[SERVICES][CONNECTIONS];
	struct snapshot *snapshot;

	(void)state;
	for (size_t i = 0; i < SERVICES; i++) {
		for (uint16_t n = 0; n < CONNECTIONS; n++) {
			hosts[i][n] = send_of(&services[i], n + 1, FRAME_SYN);
			assert_int_equal(send_of(&services[i], n + 1, FRAME_ACK), hosts[i][n]);
		}
	}
	age_all(30); /* the longest silent: what is not proved goes before the flood's own */
	shift_all(500000);
	flood();
	snapshot = lab_snapshot();
	assert_true(snapshot->flow_entries > snapshot->flow_capacity * 3 / 4);
	snapshot_free(snapshot);
	for (size_t i = 0; i < SERVICES; i++) {
		for (uint16_t n = 0; n < CONNECTIONS; n++) {
			assert_int_equal(state_of(&services[i], n + 1), SERIN_FLOW_ESTABLISHED);
			assert_int_equal(send_of(&services[i], n + 1, FRAME_ACK), hosts[i][n]);
		}
	}
}

int main(void)
{
#define ONE_WAY_TEST(name, begin)                                       \
	{                                                               \
#name " after " #begin, name, begin, lab_teardown, NULL \
	}
	const struct CMUnitTest tests[] = {
		ONE_WAY_TEST(test_an_acknowledgement_proves_the_handshake, start_moving),
		ONE_WAY_TEST(test_an_acknowledgement_proves_the_handshake, start_tracked),
		ONE_WAY_TEST(test_what_else_may_follow_a_syn, start_moving),
		ONE_WAY_TEST(test_what_else_may_follow_a_syn, start_tracked),
		ONE_WAY_TEST(test_without_a_syn_nothing_is_proved, start_moving),
		ONE_WAY_TEST(test_idle_times, start_moving),
		ONE_WAY_TEST(test_idle_times, start_tracked),
		ONE_WAY_TEST(test_established_flows_outlive_floods, start_moving),
		ONE_WAY_TEST(test_established_flows_outlive_floods, start_tracked),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

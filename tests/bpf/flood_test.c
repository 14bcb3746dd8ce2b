// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Floods: SYNs, ACKs and datagrams of clients that are none, against 100,000 connections that go on,
 * half of them where the flow table decides, and others that begin meanwhile.
 *
 * FLOOD_SYNS (1,000,000): how many SYNs; the table has room for a tenth as many flows.
 */
#include <arpa/inet.h>
#include <time.h>

#include "lab.h"

#define SEED	       0x6c0f9e37b15a84d2ull
#define CONNECTIONS    100000
#define CONVERSATIONS  10000
#define CONNECTION_NET 0x0bu /* /8 of their clients */
#define HONEST	       512   /* at one time */
#define HONEST_EVERY   100   /* packets of the flood to one of theirs */
#define HONEST_STEPS   8
#define CHECKS	       4

#define SERVICE(protocol)                                                                      \
	"  - {name: " protocol ", vip: 192.0.2.1, port: 80, protocol: " protocol               \
	", primary: stable, pools: [{name: canary, weight: 0, backends: [{address: 10.1.0.1, " \
	"port: 80}, {address: 10.2.0.2, port: 80}]}, {name: stable, backends: [{address: "     \
	"10.1.0.61, port: 80}, {address: 10.2.0.62, port: 80}, {address: 10.1.0.63, port: "    \
	"80}]}]}\n"

/* Whose packet it is: frames are all alike but for addresses and ports. No checksum is right; the
 * program only ever adds to them. */
struct peer {
	uint32_t address_be;
	uint16_t port_be;
};

struct shape {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

enum { SYN, ACK, DATA, DATAGRAM, SYN_REPLY, REPLY, DATAGRAM_REPLY, SHAPES };

static struct shape shapes[SHAPES];
static uint8_t homes[CONNECTIONS], conversation_homes[CONVERSATIONS];
static struct {
	struct peer peer;
	uint32_t step;
	unsigned int home;
} honest[HONEST];
static uint32_t honest_count, honest_done, honest_astray;

static void make_shape(int shape, uint8_t protocol, uint8_t flags, bool is_reply)
{
	struct frame f = lab_request("198.51.100.1", 1, "192.0.2.1", 80, protocol);

	f.tcp_flags = flags;
	if (is_reply)
		f = frame_reply(&f);
	shapes[shape].len = frame_build(&f, shapes[shape].bytes);
}

static void make_shapes(void)
{
	make_shape(SYN, IPPROTO_TCP, FRAME_SYN, false);
	make_shape(ACK, IPPROTO_TCP, FRAME_ACK, false);
	make_shape(DATA, IPPROTO_TCP, FRAME_ACK, false);
	make_shape(DATAGRAM, IPPROTO_UDP, 0, false);
	make_shape(SYN_REPLY, IPPROTO_TCP, FRAME_SYN | FRAME_ACK, true);
	make_shape(REPLY, IPPROTO_TCP, FRAME_ACK, true);
	make_shape(DATAGRAM_REPLY, IPPROTO_UDP, 0, true);
}

/* To the VIP; returns the host it went to, or 0. */
static unsigned int ask(int shape, struct peer peer)
{
	struct shape *s = &shapes[shape];
	struct outcome out;

	memcpy(s->bytes + FRAME_ETH + 12, &peer.address_be, 4);
	memcpy(s->bytes + FRAME_ETH + 20, &peer.port_be, 2);
	lab_run(lab_front, s->bytes, s->len, &out);
	return lab_host_of(&out);
}

/* From a backend; returns whether the client gets it from the VIP. */
static bool answer(int shape, struct peer peer, unsigned int host)
{
	const uint8_t from[4] = {10, host % 2 ? 1 : 2, 0, (uint8_t)host}, vip[4] = {192, 0, 2, 1};
	struct shape *s = &shapes[shape];
	struct outcome out;

	memcpy(s->bytes + FRAME_ETH + 12, from, 4);
	memcpy(s->bytes + FRAME_ETH + 16, &peer.address_be, 4);
	memcpy(s->bytes + FRAME_ETH + 22, &peer.port_be, 2);
	lab_run(host % 2 ? lab_front : lab_back, s->bytes, s->len, &out);
	return (out.action == XDP_TX || out.action == XDP_REDIRECT) &&
	       !memcmp(out.bytes + FRAME_ETH + 12, vip, 4);
}

/* Three kinds of peers that never are the same. */
static struct peer connection(uint32_t n)
{
	return (struct peer){htonl((CONNECTION_NET << 24) + n / 8),
			     htons((uint16_t)(1024 + n % 8 * 777))};
}

static struct peer newcomer(uint32_t n)
{
	return (struct peer){htonl(0x0c000000 + n), htons(4321)};
}

static struct peer nobody(void)
{
	uint64_t random = lab_random();

	return (struct peer){htonl(0x40000000 | (uint32_t)(random >> 34)), (uint16_t)random};
}

/* ---- connections that are there before ---- */

static void establish(uint32_t from, uint32_t to)
{
	for (uint32_t n = from; n < to; n++) {
		homes[n] = (uint8_t)ask(SYN, connection(n));
		assert_true(homes[n]);
		assert_true(answer(SYN_REPLY, connection(n), homes[n]));
		assert_int_equal(ask(ACK, connection(n)), homes[n]);
	}
}

static void expect_connections(uint32_t stride)
{
	for (uint32_t n = 0; n < CONNECTIONS; n += stride) {
		unsigned int to = ask(DATA, connection(n));

		if (to != homes[n])
			fail_msg("connection %u went to %u, not %u", n, to, homes[n]);
		if (!answer(REPLY, connection(n), homes[n]))
			fail_msg("connection %u: no reply from %u", n, homes[n]);
	}
}

static void expect_conversations(void)
{
	for (uint32_t n = 0; n < CONVERSATIONS; n++) {
		unsigned int to = ask(DATAGRAM, connection(n));

		if (conversation_homes[n] && to != conversation_homes[n])
			fail_msg("conversation %u went to %u, not %u", n, to,
				 conversation_homes[n]);
		conversation_homes[n] = (uint8_t)to;
		if (!answer(DATAGRAM_REPLY, connection(n), to))
			fail_msg("conversation %u: no reply from %u", n, to);
	}
}

static int count_proven(const struct flow_view *view, void *count)
{
	*(uint32_t *)count += view->state == SERIN_FLOW_ESTABLISHED &&
			      view->client.s6_addr[12] == CONNECTION_NET;
	return 0;
}

/* Those of the connections that the table remembers, as established. */
static uint32_t proven_connections(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	uint32_t count = 0;

	assert_int_equal(dataplane_each_flow(dp, count_proven, &count), 0);
	dataplane_close(dp);
	return count;
}

/* ---- and those that begin meanwhile ---- */

/* One step of one: SYN, its answer, ACK, then data and answers. */
static void step_honest(uint32_t n)
{
	unsigned int to = honest[n].home;
	bool is_answered = true;

	switch (honest[n].step) {
	case 0:
		honest[n].peer = newcomer(honest_count++);
		to = honest[n].home = ask(SYN, honest[n].peer);
		break;
	case 1:
		is_answered = answer(SYN_REPLY, honest[n].peer, honest[n].home);
		break;
	case 2:
		to = ask(ACK, honest[n].peer);
		break;
	default:
		to = ask(DATA, honest[n].peer);
		is_answered = answer(REPLY, honest[n].peer, honest[n].home);
	}
	if (to && to == honest[n].home && is_answered) {
		honest[n].step++;
	} else {
		honest_astray++;
		honest[n].step = 0;
	}
	if (honest[n].step == HONEST_STEPS) {
		honest_done++;
		honest[n].step = 0;
	}
}

/* ---- floods ---- */

static uint32_t flood_syns(void)
{
	const char *text = getenv("FLOOD_SYNS");

	return text ? (uint32_t)strtoul(text, NULL, 10) : 1000000;
}

static void begin(uint32_t room)
{
	char *yaml;

	assert_true(asprintf(&yaml,
			     "version: 1\ninterfaces: [front, back]\n"
			     "limits: {services: 8, backends: 64, flows: %u}\nservices:\n%s",
			     room, SERVICE("tcp") SERVICE("udp")) > 0);
	lab_apply(yaml);
	free(yaml);
	make_shapes();
	memset(honest, 0, sizeof(honest));
	honest_done = honest_astray = 0;
}

static void tell(const char *what, uint32_t packets, const struct timespec *start)
{
	struct snapshot *s = lab_snapshot();
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%s: %u packets in %.1f s; table: %llu of %llu, %llu inserted, %llu unremembered; "
	       "evicted:",
	       what, packets,
	       (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9,
	       (unsigned long long)s->flow_entries, (unsigned long long)s->flow_capacity,
	       (unsigned long long)s->flows_inserted, (unsigned long long)s->flows_unremembered);
	for (int i = 0; i < SERIN_FLOW_STATE_MAX; i++)
		printf(" %s %llu", flow_state_name(i), (unsigned long long)s->flows_evicted[i]);
	printf("; newcomers: %u done, %u astray\n", honest_done, honest_astray);
	for (int i = SERIN_FLOW_PROVEN; i < SERIN_FLOW_STATE_MAX; i++)
		assert_int_equal(s->flows_evicted[i], 0);
	assert_int_equal(honest_astray, 0);
	snapshot_free(s);
}

static void flood(const char *what, int shape, uint32_t packets)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint32_t i = 0; i < packets; i++) {
		ask(shape, nobody());
		if (i % HONEST_EVERY == 0)
			step_honest(i / HONEST_EVERY % HONEST);
		if (i % (packets / CHECKS) == packets / CHECKS / 2)
			expect_connections(20);
	}
	tell(what, packets, &start);
	expect_connections(1);
}

/* Half of the connections are where the split has changed, and half of those were born after it. */
static void test_connections_outlive_floods(void **state)
{
	uint32_t syns = flood_syns();
	struct snapshot *s;
	uint32_t proven;

	(void)state;
	begin(syns / 10);
	establish(0, CONNECTIONS / 2);
	s = lab_snapshot();
	assert_in_range(s->flow_entries, 0, 4); /* in 2^-19 of all places, that always move */
	snapshot_free(s);
	assert_int_equal(lab_shift("tcp", "canary", 500000), 0);
	establish(CONNECTIONS / 2, CONNECTIONS);
	expect_connections(1);
	s = lab_snapshot();
	assert_in_range(s->flow_entries, CONNECTIONS * 0.48, CONNECTIONS * 0.52);
	assert_int_equal(s->flows_unremembered, 0);
	proven = (uint32_t)s->flow_entries;
	snapshot_free(s);
	assert_int_equal(proven_connections(), proven);
	flood("SYNs", SYN, syns);
	assert_int_equal(proven_connections(), proven);
	flood("ACKs", ACK, syns / 4);
	assert_int_equal(proven_connections(), proven);
}

static void test_conversations_outlive_floods(void **state)
{
	uint32_t packets = flood_syns() / 2;
	struct timespec start;

	(void)state;
	begin(packets / 10);
	memset(conversation_homes, 0, sizeof(conversation_homes));
	assert_int_equal(lab_shift("udp", "canary", 300000), 0);
	expect_conversations();
	assert_int_equal(lab_shift("udp", "canary", 900000), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint32_t i = 0; i < packets; i++) {
		ask(DATAGRAM, nobody());
		if (i % (packets / CHECKS) == packets / CHECKS / 2)
			expect_conversations();
	}
	expect_conversations();
	tell("datagrams", packets, &start);
}

static int setup(void **state)
{
	lab_setup(state);
	return system("ip route add default via 10.1.0.100 dev front");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_connections_outlive_floods, lab_teardown),
		cmocka_unit_test_teardown(test_conversations_outlive_floods, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, NULL);
}

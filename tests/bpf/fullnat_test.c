// SPDX-License-Identifier: GPL-2.0-or-later
/* fullnat, byte by byte: requests come from an address of ours, replies to it go to the client. */
#include "fullnat_lab.h"

#define SEED	 0x91c5e7d20b3f684aull
#define VARIANTS 400

static const struct way ways[] = {
	{"t4f",
	 "192.0.2.1",
	 "10.1.0.1",
	 {"10.1.255.200", "10.1.255.201"},
	 80,
	 8080,
	 1024,
	 65535,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 4, 1}},
	{"t4b",
	 "192.0.2.2",
	 "10.2.0.2",
	 {"10.2.255.200"},
	 80,
	 80,
	 2000,
	 2999,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 4, 2}},
	{"u4f",
	 "192.0.2.3",
	 "10.1.0.3",
	 {"10.1.255.200"},
	 53,
	 5353,
	 1024,
	 2000,
	 IPPROTO_UDP,
	 false,
	 {2, 0, 0, 1, 4, 3}},
	{"u4b",
	 "192.0.2.4",
	 "10.2.0.4",
	 {"10.2.255.200", "10.2.255.201"},
	 53,
	 65535,
	 64000,
	 65535,
	 IPPROTO_UDP,
	 true,
	 {2, 0, 0, 2, 4, 4}},
	{"t6f",
	 "2001:db8:ff::1",
	 "2001:db8:1::5",
	 {"2001:db8:1::200", "2001:db8:1::201"},
	 443,
	 8443,
	 1024,
	 65535,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 6, 5}},
	{"t6b",
	 "2001:db8:ff::2",
	 "2001:db8:2::6",
	 {"2001:db8:2::200"},
	 443,
	 443,
	 1,
	 4000,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 6, 6}},
	{"u6f",
	 "2001:db8:ff::3",
	 "2001:db8:1::7",
	 {"2001:db8:1::200"},
	 443,
	 1,
	 5000,
	 6002,
	 IPPROTO_UDP,
	 false,
	 {2, 0, 0, 1, 6, 7}},
	{"u6b",
	 "2001:db8:ff::4",
	 "2001:db8:2::8",
	 {"2001:db8:2::200", "2001:db8:2::201"},
	 443,
	 4433,
	 1024,
	 65535,
	 IPPROTO_UDP,
	 true,
	 {2, 0, 0, 2, 6, 8}},
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static int setup(void **state)
{
	lab_setup(state);
	way_apply(LAB_HEAD, ways, WAYS, "");
	return 0;
}

/* A client's first packet with everything about it drawn; its port numbers the flows. */
static struct frame random_request(const struct way *w, uint16_t port)
{
	struct frame f = way_request(w, way_is_v4(w) ? "198.51.100.7" : "2001:db8:c::7", port);

	f.fill = (uint32_t)lab_random();
	f.ttl = (uint8_t)(lab_below(4) ? 2 + lab_below(254) : 2);
	f.ip_option_words = way_is_v4(w) && lab_below(2) ? (uint8_t)lab_below(11) : 0;
	f.tcp_option_words = (uint8_t)lab_below(11);
	f.payload_len = (uint16_t)lab_below(lab_below(3) ? 40 : 1200);
	f.padding = (uint16_t)(lab_below(3) ? 0 : lab_below(47));
	f.no_udp_csum = way_is_v4(w) && lab_below(4) == 0;
	f.src_mac[5] = (uint8_t)port;
	return f;
}

/* What the tables say is what is on the wire. */
static void expect_view(const struct way *w, const struct frame *request, const struct source *s)
{
	struct way_search found;
	struct in6_addr backend = lab_addr(w->backend);

	assert_true(way_find(w, request, &found));
	assert_memory_equal(&found.found.source, &s->address, sizeof(s->address));
	assert_int_equal(found.found.source_port, s->port);
	assert_memory_equal(&found.found.backend, &backend, sizeof(backend));
	assert_int_equal(found.found.backend_port, w->backend_port);
}

static void exchange(const struct way *w, uint16_t port)
{
	struct frame request = random_request(w, port);
	struct source s = way_ask(w, &request), again;

	way_reply(w, &request, &s, FRAME_SYN | FRAME_ACK);
	request.tcp_flags = FRAME_ACK;
	request.fill++;
	again = way_ask(w, &request);
	source_expect(&again, &s);
	way_reply(w, &request, &s, FRAME_ACK);
	if (port % 50 == 0)
		expect_view(w, &request, &s);
}

static void test_frames_both_ways_byte_by_byte(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		struct snapshot_ports ports;

		for (uint16_t i = 0; i < VARIANTS; i++)
			exchange(&ways[n], (uint16_t)(1000 + i));
		ports = way_ports(&ways[n]);
		assert_int_equal(ports.used, VARIANTS);
		assert_int_equal(ports.taken, VARIANTS);
		assert_int_equal(ports.refused, 0);
		assert_int_equal(ports.untold, 0);
	}
}

static void test_packets_are_counted(void **state)
{
	const struct way *w = &ways[0];
	struct frame request = random_request(w, 900);
	struct snapshot *before = lab_snapshot(), *after;
	const struct snapshot_counters *was, *is;
	struct source s = way_ask(w, &request);

	(void)state;
	way_reply(w, &request, &s, FRAME_SYN | FRAME_ACK);
	after = lab_snapshot();
	was = &lab_pool(before, w->service, "p")->counters;
	is = &lab_pool(after, w->service, "p")->counters;
	assert_int_equal(is->packets_in - was->packets_in, 1);
	assert_int_equal(is->packets_out - was->packets_out, 1);
	assert_int_equal(is->flows - was->flows, 1);
	assert_int_equal(after->packets[SERIN_FORWARD_TX] - before->packets[SERIN_FORWARD_TX], 2);
	snapshot_free(before);
	snapshot_free(after);
}

/* One word of the IP header and one of the payload, in what goes in and what comes out. */
static void set_words(uint8_t *in, uint8_t *out, size_t payload, uint16_t word)
{
	frame_put16(in + payload, word);
	frame_put16(out + payload, word);
	if (in[12] == 0x08) { /* IPv4 has an identification */
		frame_put16(in + FRAME_ETH + 4, word);
		frame_put16(out + FRAME_ETH + 4, word);
	}
	frame_refresh(in);
	frame_refresh(out);
}

static void run_every_word(const char *service, int ifindex, const struct frame *in_frame,
			   const struct frame *out_frame)
{
	uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
	size_t len = frame_build(in_frame, in);
	struct outcome out;

	frame_build(out_frame, wanted);
	for (uint32_t word = 0; word <= UINT16_MAX; word++) {
		set_words(in, wanted, len - 2, (uint16_t)word);
		lab_run(ifindex, in, len, &out);
		if (out.len != len || memcmp(out.bytes, wanted, len))
			fail_msg("%s: wrong with %04x", service, word);
	}
}

/* Every value that a checksum can have: the rare carries of its update among them. */
static void test_every_checksum_there_is(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		struct frame request = random_request(w, 950), sent, reply, back;
		struct source s;

		request.padding = 0;
		request.payload_len = 2;
		request.no_udp_csum = false;
		s = way_ask(w, &request);
		sent = way_forwarded(w, &request, &s);
		run_every_word(w->service, lab_front, &request, &sent);
		reply = way_answer(w, &sent, FRAME_ACK);
		back = way_returned(w, &reply, &request);
		run_every_word(w->service, w->is_back ? lab_back : lab_front, &reply, &back);
	}
}

/* ---- what is not a flow's ---- */

static void expect_pass(const struct frame *f, int ifindex)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(f, bytes);
	struct outcome out;

	lab_run(ifindex, bytes, len, &out);
	assert_int_equal(out.action, XDP_PASS);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.bytes, bytes, len);
}

struct used_ports {
	const char *service;
	bool is_used[65536];
};

static int note_port(const struct flow_view *view, void *arg)
{
	struct used_ports *u = arg;

	if (!strcmp(view->service, u->service))
		u->is_used[view->source_port] = true;
	return 0;
}

/* A port of a way's range that no flow has at any of its sources. */
static uint16_t unused_port(const struct way *w)
{
	struct used_ports *u = calloc(1, sizeof(*u));
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	uint16_t port = w->port_low;

	u->service = w->service;
	assert_int_equal(dataplane_each_flow(dp, note_port, u), 0);
	dataplane_close(dp);
	while (u->is_used[port])
		port++;
	free(u);
	assert_true(port <= w->port_high);
	return port;
}

/* A source may be an address of the host: what is not from the flow's backend is the host's. */
static void test_other_packets_for_sources_pass(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		int in = w->is_back ? lab_back : lab_front;
		struct frame request = random_request(w, 960), sent, reply, other;
		struct source s = way_ask(w, &request);

		sent = way_forwarded(w, &request, &s);
		reply = way_answer(w, &sent, FRAME_ACK);
		other = reply;
		other.src_port ^= 1;
		expect_pass(&other, in);
		other = reply;
		other.src.s6_addr[15] ^= 0x40;
		expect_pass(&other, in);
		other = reply; /* a port that no flow has */
		other.dst_port = unused_port(w);
		expect_pass(&other, in);
		other.dst_port = (uint16_t)(w->port_low - 1);
		expect_pass(&other, in);
		if (w->protocol == IPPROTO_TCP) {
			other = reply; /* what a backend begins itself */
			other.tcp_flags = FRAME_SYN;
			expect_pass(&other, in);
		}
		way_reply(w, &request, &s, FRAME_ACK);
	}
}

/* Ends of connections that nobody knows begin none. */
static void test_unknown_ends_are_dropped(void **state)
{
	static const uint8_t ends[] = {FRAME_RST, FRAME_RST | FRAME_ACK, FRAME_FIN | FRAME_ACK};
	uint64_t before = way_packets(SERIN_DROP_NO_FLOW);
	const struct way *w = &ways[0];
	struct outcome out;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct frame f = random_request(w, (uint16_t)(970 + i));
		struct way_search s;

		f.tcp_flags = ends[i];
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_DROP);
		assert_false(way_find(w, &f, &s));
	}
	assert_int_equal(way_packets(SERIN_DROP_NO_FLOW) - before, 3);
}

/* A backend's answer, a reset, reaches a client whose connection was forgotten. */
static void test_a_forgotten_connection_hears_from_its_backend(void **state)
{
	const struct way *w = &ways[0];
	struct frame f = random_request(w, 980);
	struct way_search found;
	struct source s;

	(void)state;
	f.tcp_flags = FRAME_ACK;
	s = way_ask(w, &f);
	way_expect_state(w, &f, SERIN_FLOW_ADOPTED);
	way_reply(w, &f, &s, FRAME_RST);
	assert_false(way_find(w, &f, &found)); /* and its port is free */
}

/* ---- hairpin ---- */

/* The backend is a client of its own VIP: it gets its request from the load balancer. */
static void test_a_backend_may_be_a_client(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		struct frame request = way_request(w, w->backend, 40000), sent, reply, back;
		int in = w->is_back ? lab_back : lab_front;
		struct outcome out;
		struct source s;

		memcpy(request.src_mac, w->mac, 6);
		memcpy(request.dst_mac, way_mac(w), 6);
		lab_run_frame(in, &request, &out);
		s = way_source(out.bytes);
		assert_true(way_has_source(w, &s));
		sent = way_forwarded(w, &request, &s);
		way_expect(&out, &sent, false);
		reply = way_answer(w, &sent, FRAME_SYN | FRAME_ACK);
		back = way_returned(w, &reply, &request);
		memcpy(back.src_mac, way_mac(w), 6);
		lab_run_frame(in, &reply, &out);
		way_expect(&out, &back, false);
	}
}

/* ---- pieces ---- */

/* Turns a built frame into one piece of a datagram: `at` and `more` as in the IPv4 header. */
static void make_piece(uint8_t *bytes, uint16_t at, bool more)
{
	frame_put16(bytes + FRAME_ETH + 6, (uint16_t)(at / 8 | (more ? 0x2000 : 0)));
	frame_put16(bytes + FRAME_ETH + 10, 0);
	frame_put16(bytes + FRAME_ETH + 10,
		    (uint16_t)~frame_fold(frame_sum(bytes + FRAME_ETH, 20, 0)));
}

/* A later piece: the addresses of a frame, its identification, and bytes that are no header. */
static size_t later_piece(const struct frame *of, uint8_t *bytes)
{
	struct frame f = *of;
	uint8_t first[FRAME_MAX];
	size_t len;

	frame_build(of, first);
	f.payload_len = 100;
	len = frame_build(&f, bytes);
	memcpy(bytes + FRAME_ETH + 4, first + FRAME_ETH + 4, 2);
	memset(bytes + FRAME_ETH + 20, 0xa5, len - FRAME_ETH - 20);
	make_piece(bytes, 1480, false);
	return len;
}

static void expect_piece(int ifindex, const struct frame *in, const struct frame *wanted,
			 bool is_first)
{
	uint8_t bytes[FRAME_MAX], expected[FRAME_MAX];
	size_t len = is_first ? frame_build(in, bytes) : later_piece(in, bytes);
	struct outcome out;

	if (is_first) {
		frame_build(wanted, expected);
		make_piece(bytes, 0, true);
		make_piece(expected, 0, true);
	} else {
		later_piece(wanted, expected);
	}
	lab_run(ifindex, bytes, len, &out);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.bytes, expected, len);
}

static void test_pieces_follow_the_first(void **state)
{
	const struct way *w = &ways[2];
	struct frame request = way_request(w, "198.51.100.8", 990), sent, reply, back;
	struct source s;

	(void)state;
	s = way_ask(w, &request);
	sent = way_forwarded(w, &request, &s);
	expect_piece(lab_front, &request, &sent, true);
	expect_piece(lab_front, &request, &sent, false);
	reply = way_answer(w, &sent, 0);
	back = way_returned(w, &reply, &request);
	expect_piece(lab_front, &reply, &back, true);
	expect_piece(lab_front, &reply, &back, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_both_ways_byte_by_byte),
		cmocka_unit_test(test_packets_are_counted),
		cmocka_unit_test(test_every_checksum_there_is),
		cmocka_unit_test(test_other_packets_for_sources_pass),
		cmocka_unit_test(test_unknown_ends_are_dropped),
		cmocka_unit_test(test_a_forgotten_connection_hears_from_its_backend),
		cmocka_unit_test(test_a_backend_may_be_a_client),
		cmocka_unit_test(test_pieces_follow_the_first),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

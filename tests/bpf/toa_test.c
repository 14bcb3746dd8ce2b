// SPDX-License-Identifier: GPL-2.0-or-later
/* The client's address in a TCP option: when it goes along, where it stands, and when it does not fit. */
#include "dataplane/internal.h"

#include "fullnat_lab.h"

#define SEED	 0xe86b04d1937c2fa5ull
#define VARIANTS 300

#define PACKET_MAX 1280 /* of packets that tell: what any path has room for */

static const struct way ways[] = {
	{"t4f",
	 "192.0.2.1",
	 "10.1.0.1",
	 {"10.1.255.200"},
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
	 1024,
	 65535,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 4, 2}},
	{"t6f",
	 "2001:db8:ff::1",
	 "2001:db8:1::5",
	 {"2001:db8:1::200"},
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
	 1024,
	 65535,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 6, 6}},
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static int setup(void **state)
{
	lab_setup(state);
	way_apply(LAB_HEAD, ways, WAYS, ", client_address: toa");
	return 0;
}

static size_t option_len(const struct way *w)
{
	return way_is_v4(w) ? 8 : 20;
}

static struct frame request_of(const struct way *w, uint16_t port, uint8_t flags)
{
	struct frame f = way_request(w, way_is_v4(w) ? "198.51.100.7" : "2001:db8:c::7", port);

	f.tcp_flags = flags;
	f.fill = port * 7919u + flags;
	return f;
}

/* The bytes of a frame, and the option of that client first among TCP's. Returns their number. */
static size_t build_told(const struct way *w, const struct frame *sent, const struct frame *client,
			 uint8_t *bytes)
{
	size_t len = frame_build(sent, bytes), extra = option_len(w);
	uint8_t *l4 = bytes + frame_l4_offset(bytes), *ip = bytes + FRAME_ETH, *option = l4 + 20;

	memmove(option + extra, option, len - (size_t)(option - bytes));
	option[0] = 28;
	option[1] = (uint8_t)extra;
	frame_put16(option + 2, client->src_port);
	memcpy(option + 4, (const uint8_t *)&client->src + (extra == 8 ? 12 : 0), extra - 4);
	l4[12] = (uint8_t)(l4[12] + (extra / 4 << 4));
	frame_put16(ip + (extra == 8 ? 2 : 4),
		    (uint16_t)(frame_get16(ip + (extra == 8 ? 2 : 4)) + extra));
	frame_refresh(bytes);
	return len + extra;
}

static void expect_bytes(const struct way *w, const struct outcome *out, const uint8_t *bytes,
			 size_t len)
{
	assert_int_equal(out->action, w->is_back ? XDP_REDIRECT : XDP_TX);
	assert_int_equal(out->len, len);
	assert_memory_equal(out->bytes, bytes, len);
}

static void ask_told(const struct way *w, const struct frame *request, const struct source *s)
{
	struct frame sent = way_forwarded(w, request, s);
	uint8_t wanted[FRAME_MAX];
	size_t len = build_told(w, &sent, request, wanted);
	struct outcome out;

	lab_run_frame(lab_front, request, &out);
	expect_bytes(w, &out, wanted, len);
}

static void ask_untold(const struct way *w, const struct frame *request, const struct source *s)
{
	struct source now = way_ask(w, request);

	source_expect(&now, s);
}

/* Up to the backend's SYN/ACK. */
static struct source begin(const struct way *w, uint16_t port)
{
	struct frame f = request_of(w, port, FRAME_SYN);
	struct source s = way_ask(w, &f);

	way_reply(w, &f, &s, FRAME_SYN | FRAME_ACK);
	return s;
}

static void test_told_until_the_backend_speaks(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		struct source s = begin(w, 1000);
		struct frame f = request_of(w, 1000, FRAME_SYN);

		ask_untold(w, &f, &s); /* a SYN sent again */
		f = request_of(w, 1000, FRAME_ACK);
		f.payload_len = 0;
		ask_told(w, &f, &s);
		way_expect_state(w, &f, SERIN_FLOW_ACKED);
		way_reply(w, &f, &s, FRAME_SYN | FRAME_ACK); /* it has not heard the ACK */
		f.payload_len = 300;
		ask_told(w, &f, &s);
		f.tcp_flags = FRAME_FIN | FRAME_ACK; /* all there was to say */
		ask_told(w, &f, &s);
		way_expect_state(w, &f, SERIN_FLOW_ACKED);
		f.tcp_flags = FRAME_ACK;
		way_reply(w, &f, &s, FRAME_ACK);
		way_expect_state(w, &f, SERIN_FLOW_ESTABLISHED);
		ask_untold(w, &f, &s);
		f.tcp_flags = FRAME_FIN | FRAME_ACK;
		ask_untold(w, &f, &s);
		way_expect_state(w, &f, SERIN_FLOW_CLOSING);
		assert_int_equal(way_ports(w).untold, 0);
	}
}

static void test_a_backend_that_closes_at_once(void **state)
{
	const struct way *w = &ways[0];
	struct source s = begin(w, 1001);
	struct frame f = request_of(w, 1001, FRAME_ACK);

	(void)state;
	ask_told(w, &f, &s);
	way_reply(w, &f, &s, FRAME_FIN | FRAME_ACK);
	way_expect_state(w, &f, SERIN_FLOW_CLOSING);
	ask_untold(w, &f, &s);
}

static void test_resets_tell_nothing(void **state)
{
	const struct way *w = &ways[0];
	struct source s = begin(w, 1002);
	struct frame f = request_of(w, 1002, FRAME_ACK);

	(void)state;
	ask_told(w, &f, &s);
	f.tcp_flags = FRAME_RST;
	ask_untold(w, &f, &s);
	way_expect_state(w, &f, SERIN_FLOW_CLOSING);
}

static size_t ip_len(const struct frame *f)
{
	uint8_t bytes[FRAME_MAX];

	return frame_build(f, bytes) - FRAME_ETH - f->padding;
}

/* Everything about the packet drawn: it fits or it does not. */
static void test_frames_byte_by_byte(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		size_t extra = option_len(w), untold = 0;
		uint64_t before = way_ports(w).untold;
		struct source s = begin(w, 1003);

		for (int i = 0; i < VARIANTS; i++) {
			struct frame f = request_of(w, 1003, FRAME_ACK);

			f.fill = (uint32_t)lab_random();
			f.ttl = (uint8_t)(2 + lab_below(254));
			f.ip_option_words = way_is_v4(w) ? (uint8_t)lab_below(11) : 0;
			f.tcp_option_words = (uint8_t)lab_below(11);
			f.payload_len = (uint16_t)lab_below(lab_below(3) ? 40 : 1250);
			f.padding = (uint16_t)(lab_below(3) ? 0 : lab_below(47));
			if (20 + 4 * f.tcp_option_words + extra > 60 ||
			    ip_len(&f) + extra > PACKET_MAX) {
				ask_untold(w, &f, &s);
				untold++;
			} else {
				ask_told(w, &f, &s);
			}
		}
		assert_true(untold > 0);
		assert_int_equal(way_ports(w).untold - before, untold);
	}
}

static void expect_most(const struct way *w, uint16_t port, size_t most)
{
	struct source s = begin(w, port);
	struct frame f = request_of(w, port, FRAME_ACK);
	uint64_t before = way_ports(w).untold;

	f.payload_len = (uint16_t)(most - option_len(w) - (way_is_v4(w) ? 40 : 60));
	ask_told(w, &f, &s);
	f.payload_len++;
	ask_untold(w, &f, &s);
	assert_int_equal(way_ports(w).untold - before, 1);
}

/* To the byte: a hop further on may have no more room, and nobody could tell the client of it. */
static void test_packets_stay_as_small_as_any_path(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++)
		expect_most(&ways[n], 1004, PACKET_MAX);
}

static void test_the_mtu_is_kept(void **state)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	uint16_t mtus[SERIN_MAX_PORTS];

	(void)state;
	for (uint32_t slot = 0; slot < SERIN_MAX_PORTS; slot++) {
		mtus[slot] = dp->ports[slot].mtu;
		dp->ports[slot].mtu = 1000;
	}
	for (size_t n = 0; n < WAYS; n++)
		expect_most(&ways[n], 1008, 1000);
	for (uint32_t slot = 0; slot < SERIN_MAX_PORTS; slot++)
		dp->ports[slot].mtu = mtus[slot];
	dataplane_close(dp);
}

/* Every value that a checksum can have. */
static void test_every_checksum_there_is(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		struct source s = begin(w, 1005);
		struct frame f = request_of(w, 1005, FRAME_ACK), sent;
		uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
		struct outcome out;
		size_t len, told;

		f.payload_len = 2;
		len = frame_build(&f, in);
		sent = way_forwarded(w, &f, &s);
		told = build_told(w, &sent, &f, wanted);
		for (uint32_t word = 0; word <= UINT16_MAX; word++) {
			frame_put16(in + len - 2, (uint16_t)word);
			frame_put16(wanted + told - 2, (uint16_t)word);
			if (way_is_v4(w)) {
				frame_put16(in + FRAME_ETH + 4, (uint16_t)word);
				frame_put16(wanted + FRAME_ETH + 4, (uint16_t)word);
			}
			frame_refresh(in);
			frame_refresh(wanted);
			lab_run(lab_front, in, len, &out);
			if (out.len != told || memcmp(out.bytes, wanted, told))
				fail_msg("%s: wrong with %04x", w->service, word);
		}
	}
}

static size_t add_tag(uint8_t *bytes, size_t len)
{
	memmove(bytes + 16, bytes + 12, len - 12);
	frame_put16(bytes + 12, 0x8100);
	frame_put16(bytes + 14, 0x2064);
	return len + 4;
}

/* A VLAN that the host has no interface for: its tag stays. */
static void test_tagged_frames(void **state)
{
	(void)state;
	for (size_t n = 0; n < WAYS; n++) {
		const struct way *w = &ways[n];
		struct source s = begin(w, 1006);
		struct frame f = request_of(w, 1006, FRAME_ACK), sent = way_forwarded(w, &f, &s);
		uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
		size_t len = add_tag(in, frame_build(&f, in));
		size_t told = add_tag(wanted, build_told(w, &sent, &f, wanted));
		struct outcome out;

		lab_run(lab_front, in, len, &out);
		expect_bytes(w, &out, wanted, told);
	}
}

/* A piece of a datagram has no room: the others say at which byte they go on. */
static void test_pieces_tell_nothing(void **state)
{
	const struct way *w = &ways[0];
	struct source s = begin(w, 1007);
	struct frame f = request_of(w, 1007, FRAME_ACK), sent = way_forwarded(w, &f, &s);
	uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
	size_t len = frame_build(&f, in);
	uint64_t before = way_ports(w).untold;
	struct outcome out;

	(void)state;
	frame_build(&sent, wanted);
	frame_put16(in + FRAME_ETH + 6, 0x2000);
	frame_put16(wanted + FRAME_ETH + 6, 0x2000);
	frame_refresh(in);
	frame_refresh(wanted);
	lab_run(lab_front, in, len, &out);
	expect_bytes(w, &out, wanted, len);
	assert_int_equal(way_ports(w).untold - before, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_until_the_backend_speaks),
		cmocka_unit_test(test_a_backend_that_closes_at_once),
		cmocka_unit_test(test_resets_tell_nothing),
		cmocka_unit_test(test_frames_byte_by_byte),
		cmocka_unit_test(test_packets_stay_as_small_as_any_path),
		cmocka_unit_test(test_the_mtu_is_kept),
		cmocka_unit_test(test_every_checksum_there_is),
		cmocka_unit_test(test_tagged_frames),
		cmocka_unit_test(test_pieces_tell_nothing),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

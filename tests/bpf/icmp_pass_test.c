// SPDX-License-Identifier: GPL-2.0-or-later
/* ICMP that is none of ours goes up as it came, byte for byte, and is remembered nowhere. */
#include "icmp_ways.h"

#define SEED 0xc40b6e1f92d7a583ull
#define PORT 4000

static uint8_t bytes[FRAME_MAX];
static size_t len;
static struct icmp_message message[2];
static struct quoted quote[2];
static uint64_t memory;

static int setup(void **state)
{
	lab_setup(state);
	icmp_apply_ways();
	for (size_t i = 0; i < ICMP_WAYS; i++)
		icmp_open(&icmp_ways[i], PORT);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memory = icmp_memory();
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(icmp_memory(), memory);
	return 0;
}

static void expect_frame_passes(enum serin_reason reason)
{
	struct outcome out;

	icmp_note_verdicts();
	lab_run(lab_front, bytes, len, &out);
	icmp_expect_bytes(&out, XDP_PASS, bytes, len);
	icmp_expect_counted(reason, 1);
}

static void expect_pass(enum serin_reason reason)
{
	len = icmp_build(&message[0], &quote[0], bytes);
	expect_frame_passes(reason);
}

static void draw(const struct icmp_way *w)
{
	icmp_draw(w, PORT, false, 0, message, quote);
	message[0].outer.ip_option_words = 0;
}

static void test_messages_of_other_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		bool is_v4 = icmp_is_v4(&icmp_ways[i]);

		draw(&icmp_ways[i]);
		for (int type = 0; type < 256; type++) {
			if (is_v4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4)
				continue;
			/* VIPs that the host does not own answer echo requests: not with a code. */
			message[0].type = (uint8_t)type;
			message[0].code = 1;
			expect_pass(SERIN_PASS_PROTOCOL);
		}
	}
}

/* ICMP within IPv6, and ICMPv6 within IPv4, are nothing. */
static void test_messages_of_the_other_family(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct quoted packet;

		draw(&icmp_ways[i]);
		len = icmp_build(&message[0], &quote[0], bytes);
		packet.len = len - FRAME_ETH;
		memcpy(packet.bytes, bytes + FRAME_ETH, packet.len);
		packet.bytes[icmp_is_v4(&icmp_ways[i]) ? 9 : 6] =
			icmp_is_v4(&icmp_ways[i]) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		len = quote_frame(&packet, &message[0].outer, bytes);
		expect_frame_passes(SERIN_PASS_PROTOCOL);
	}
}

static void test_errors_to_others_than_the_quoted_sender(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		draw(&icmp_ways[i]);
		message[0].outer.dst.s6_addr[15] ^= 1;
		expect_pass(SERIN_PASS_PROTOCOL);
	}
}

static void test_errors_about_what_is_no_service(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct frame before, after;

		draw(&icmp_ways[i]);
		icmp_draw_quoted(&icmp_ways[i], PORT, false, &before, &after);
		before.src_port++;
		quote[0] = quote_of(&before);
		expect_pass(SERIN_PASS_NO_SERVICE);
		before.src_port--;
		before.src.s6_addr[15] ^= 0x80;
		message[0].outer.dst = before.src;
		quote[0] = quote_of(&before);
		expect_pass(SERIN_PASS_NO_SERVICE);
	}
}

/* It quotes a backend's packet as if it had gone past the VIP: that would be a conversation of the
 * backend's own, and an error is no proof of one. */
static void test_errors_to_a_backend_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct frame before, after;

		draw(&icmp_ways[i]);
		icmp_draw_quoted(&icmp_ways[i], PORT, false, &before, &after);
		quote[0] = quote_of(&after);
		message[0].outer.dst = after.src;
		expect_pass(SERIN_PASS_NO_SERVICE);
	}
}

static void test_quotes_of_other_protocols(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_ICMP, IPPROTO_IPIP,	  IPPROTO_IPV6, IPPROTO_GRE,
					    IPPROTO_ESP,  IPPROTO_ICMPV6, IPPROTO_SCTP, 255};

	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (size_t n = 0; n < sizeof(protocols); n++) {
			draw(&icmp_ways[i]);
			quote[0].bytes[icmp_is_v4(&icmp_ways[i]) ? 9 : 6] = protocols[n];
			expect_pass(SERIN_PASS_PROTOCOL);
		}
	}
}

static void test_quotes_that_end_before_the_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		draw(&icmp_ways[i]);
		for (quote[0].len = quote_ip_len(&quote[0]) + 3; quote[0].len; quote[0].len--)
			expect_pass(SERIN_PASS_MALFORMED);
		expect_pass(SERIN_PASS_MALFORMED);
	}
}

static void test_quotes_that_make_no_sense(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		draw(&icmp_ways[i]);
		quote[0].bytes[0] ^= 0x20; /* of the other family */
		expect_pass(SERIN_PASS_MALFORMED);
		if (!icmp_is_v4(&icmp_ways[i]))
			continue;
		quote[0].bytes[0] = 0x44; /* a header shorter than the shortest */
		expect_pass(SERIN_PASS_MALFORMED);
	}
}

static void test_quotes_with_too_many_headers(void **state)
{
	static const uint8_t options[8] = {0, 0, 1, 4};

	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		if (icmp_is_v4(&icmp_ways[i]))
			continue;
		draw(&icmp_ways[i]);
		for (int n = 0; n < 9; n++)
			quote_insert_header(&quote[0], IPPROTO_DSTOPTS, options, sizeof(options));
		expect_pass(SERIN_PASS_MALFORMED);
	}
}

/* A message shorter than its header, or cut by the frame's end. */
static void test_messages_that_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		size_t whole;

		draw(&icmp_ways[i]);
		whole = icmp_build(&message[0], &quote[0], bytes);
		for (len = FRAME_ETH; len < whole; len++)
			expect_frame_passes(SERIN_PASS_MALFORMED);
		for (uint16_t n = 0; n < 8; n++) {
			struct frame f = message[0].outer;

			f.protocol = icmp_is_v4(&icmp_ways[i]) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
			f.payload_len = n;
			len = frame_build(&f, bytes);
			expect_frame_passes(SERIN_PASS_MALFORMED);
		}
	}
}

static void test_errors_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (int n = 0; n < 2; n++) {
			struct quoted packet;

			draw(&icmp_ways[i]);
			len = icmp_build(&message[0], &quote[0], bytes);
			packet.len = len - FRAME_ETH;
			memcpy(packet.bytes, bytes + FRAME_ETH, packet.len);
			quote_make_piece(&packet, n ? 800 : 0, true, 1234);
			len = quote_frame(&packet, &message[0].outer, bytes);
			expect_frame_passes(SERIN_PASS_FRAGMENT);
		}
	}
}

static void test_errors_that_a_router_would_not_forward(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		draw(&icmp_ways[i]);
		message[0].outer.ttl = 1;
		expect_pass(SERIN_PASS_EXPIRING);
		message[0].outer.ttl = 2;
		message[0].outer.dst_mac[0] |= 1;
		expect_pass(SERIN_PASS_GROUP);
	}
}

/* One that does not fit the way on is not answered: no error is about an error. */
static void test_errors_that_are_too_big(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct frame before, after;
		struct outcome out;

		if (!icmp_ways[i].is_back)
			continue;
		draw(&icmp_ways[i]);
		icmp_draw_quoted(&icmp_ways[i], PORT, false, &before, &after);
		before.payload_len = 1400;
		quote[0] = quote_of(&before);
		len = icmp_build(&message[0], &quote[0], bytes);
		icmp_note_verdicts();
		lab_run(lab_front, bytes, len, &out);
		icmp_expect_bytes(&out, XDP_DROP, bytes, len);
		icmp_expect_counted(SERIN_DROP_TOO_BIG, 1);
	}
}

#define PASS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PASS_TEST(test_messages_of_other_types),
		PASS_TEST(test_messages_of_the_other_family),
		PASS_TEST(test_errors_to_others_than_the_quoted_sender),
		PASS_TEST(test_errors_about_what_is_no_service),
		PASS_TEST(test_errors_to_a_backend_itself),
		PASS_TEST(test_quotes_of_other_protocols),
		PASS_TEST(test_quotes_that_end_before_the_ports),
		PASS_TEST(test_quotes_that_make_no_sense),
		PASS_TEST(test_quotes_with_too_many_headers),
		PASS_TEST(test_messages_that_are_cut),
		PASS_TEST(test_errors_in_pieces),
		PASS_TEST(test_errors_that_a_router_would_not_forward),
		PASS_TEST(test_errors_that_are_too_big),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

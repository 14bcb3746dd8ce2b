// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ICMP errors by nat, byte by byte: whoever gets one finds in it the packet as he sent it, with
 * every checksum right, whatever the error is about and however much of the packet it quotes.
 */
#include "icmp_ways.h"

#define SEED	 0x91d2c7f05a3be846ull
#define VARIANTS 200
#define PORT	 4000

static uint64_t memory;

static int setup(void **state)
{
	lab_setup(state);
	icmp_apply_ways();
	for (size_t i = 0; i < ICMP_WAYS; i++)
		icmp_open(&icmp_ways[i], PORT);
	memory = icmp_memory();
	return 0;
}

/* What errors do to others' packets they do to nothing that is remembered. */
static int teardown(void **state)
{
	assert_int_equal(icmp_memory(), memory);
	return lab_teardown(state);
}

static void try_one(const struct icmp_way *w, bool to_client, size_t kind)
{
	struct icmp_message message[2];
	struct quoted quote[2];

	icmp_draw(w, PORT, to_client, kind, message, quote);
	icmp_expect(icmp_nic(w, to_client), &message[0], &quote[0], icmp_action(w), &message[1],
		    &quote[1]);
}

static void test_errors_of_every_kind_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		icmp_note_verdicts();
		for (size_t n = 0; n < VARIANTS; n++) {
			try_one(&icmp_ways[i], false, n);
			try_one(&icmp_ways[i], true, n);
		}
		icmp_expect_counted(icmp_ways[i].is_back ? SERIN_FORWARD_REDIRECT
							 : SERIN_FORWARD_TX,
				    2 * VARIANTS);
	}
}

/* From the ports alone (RFC 792's eight bytes and less) to all of it. Where the transport checksum is
 * not quoted, nothing is written in its place; nor is half of one, which nothing follows from. */
static void test_quotes_of_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (int to_client = 0; to_client < 2; to_client++) {
			struct icmp_message message[2];
			struct quoted quote[2], cut[2];
			size_t headers, check;

			icmp_draw(&icmp_ways[i], PORT, to_client, 3, message, quote);
			headers = quote_ip_len(&quote[0]);
			check = headers + (icmp_ways[i].protocol == IPPROTO_TCP ? 16 : 6);
			for (size_t len = headers + 4; len <= quote[0].len; len++) {
				cut[0] = quote_cut(quote[0], len);
				cut[1] = quote_cut(quote[1], len);
				if (len == check + 1)
					cut[1].bytes[check] = cut[0].bytes[check];
				icmp_expect(icmp_nic(&icmp_ways[i], to_client), &message[0],
					    &cut[0], icmp_action(&icmp_ways[i]), &message[1],
					    &cut[1]);
			}
		}
	}
}

/* Bytes of Ethernet's own after a packet that ends with the ports are not the quote's. */
static void test_padding_is_no_quote(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (uint16_t padding = 1; padding < 30; padding++) {
			struct icmp_message message[2];
			struct quoted quote[2];

			icmp_draw(&icmp_ways[i], PORT, false, 1, message, quote);
			for (int k = 0; k < 2; k++) {
				message[k].outer.padding = padding;
				quote[k] = quote_cut(quote[k], quote_ip_len(&quote[k]) + 4);
			}
			icmp_expect(lab_front, &message[0], &quote[0], icmp_action(&icmp_ways[i]),
				    &message[1], &quote[1]);
		}
	}
}

/* The same header in front of an ICMPv6 message. */
static size_t insert_outer_header(uint8_t *bytes, size_t len)
{
	static const uint8_t options[8] = {0, 0, 1, 4, 0, 0, 0, 0};
	struct quoted packet = {.len = len - FRAME_ETH};

	memcpy(packet.bytes, bytes + FRAME_ETH, packet.len);
	quote_insert_header(&packet, IPPROTO_DSTOPTS, options, sizeof(options));
	memcpy(bytes + FRAME_ETH, packet.bytes, packet.len);
	return FRAME_ETH + packet.len;
}

static void test_ipv6_extension_headers_before_the_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (int n = 0; n < 8 && !icmp_is_v4(&icmp_ways[i]); n++) {
			uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
			struct icmp_message message[2];
			struct quoted quote[2];
			struct outcome out;
			size_t len;

			icmp_draw(&icmp_ways[i], PORT, n & 1, (size_t)n, message, quote);
			len = insert_outer_header(in, icmp_build(&message[0], &quote[0], in));
			insert_outer_header(wanted, icmp_build(&message[1], &quote[1], wanted));
			lab_run(icmp_nic(&icmp_ways[i], n & 1), in, len, &out);
			icmp_expect_bytes(&out, icmp_action(&icmp_ways[i]), wanted, len);
		}
	}
}

static void test_ipv6_extension_headers_in_the_quote(void **state)
{
	static const uint8_t types[] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING};
	static const uint8_t options[8] = {0, 0, 1, 4, 0, 0, 0, 0}, routed[8] = {0, 0, 4, 0};

	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (int n = 1; n <= 3 && !icmp_is_v4(&icmp_ways[i]); n++) {
			for (int to_client = 0; to_client < 2; to_client++) {
				struct icmp_message message[2];
				struct quoted quote[2];

				icmp_draw(&icmp_ways[i], PORT, to_client, 4, message, quote);
				for (int k = 0; k < 2 * n; k++)
					quote_insert_header(&quote[k % 2], types[k / 2],
							    k / 2 == 2 ? routed : options, 8);
				icmp_expect(icmp_nic(&icmp_ways[i], to_client), &message[0],
					    &quote[0], icmp_action(&icmp_ways[i]), &message[1],
					    &quote[1]);
			}
		}
	}
}

/* Draws until the UDP checksum that is quoted, or the one to be written, is 0xffff. */
static void zero_checksum(const struct icmp_way *w, bool to_client, int of)
{
	struct icmp_message message[2];
	struct quoted quote[2];
	size_t at;

	do {
		icmp_draw(w, PORT, to_client, 0, message, quote);
		at = quote_ip_len(&quote[of]) + 6;
	} while (frame_get16(quote[of].bytes + at) != 0xffff);
	icmp_expect(icmp_nic(w, to_client), &message[0], &quote[0], icmp_action(w), &message[1],
		    &quote[1]);
}

static void test_quoted_udp_checksums_of_zero_are_ffff(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++)
		for (int n = 0; n < 4 && icmp_ways[i].protocol == IPPROTO_UDP; n++)
			zero_checksum(&icmp_ways[i], n & 1, n >> 1);
}

/* Every ICMP checksum there is, so that the rare carries are among them. */
static void test_every_checksum_there_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct icmp_message message[2];
		struct quoted quote[2];

		icmp_draw(&icmp_ways[i], PORT, i & 1, 2, message, quote);
		for (uint32_t word = 0; word <= UINT16_MAX; word++) {
			message[0].rest = message[1].rest = word;
			icmp_expect(icmp_nic(&icmp_ways[i], i & 1), &message[0], &quote[0],
				    icmp_action(&icmp_ways[i]), &message[1], &quote[1]);
		}
	}
}

/* Tags that the host has no interface for stay on. */
static void test_tagged_frames_keep_their_tags(void **state)
{
	static const uint32_t tags[] = {0x88a8a123, 0x81006456};

	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (int n = 0; n < 4; n++) {
			const struct icmp_way *w = &icmp_ways[i];
			uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
			struct icmp_message message[2];
			struct quoted quote[2];
			struct outcome out;
			size_t len, wanted_len;

			icmp_draw(w, PORT, n & 1, (size_t)n, message, quote);
			len = icmp_build(&message[0], &quote[0], in);
			wanted_len = icmp_build(&message[1], &quote[1], wanted);
			len = icmp_insert_tags(in, len, tags, 1 + n / 2);
			wanted_len = icmp_insert_tags(wanted, wanted_len, tags, 1 + n / 2);
			lab_run(icmp_nic(w, n & 1), in, len, &out);
			icmp_expect_bytes(&out, icmp_action(w), wanted, wanted_len);
		}
	}
}

/* RFC 4884: what follows the quote is another matter, with a checksum of its own. Here the quote ends
 * where the transport checksum would be. */
static void test_objects_after_the_quote_are_let_be(void **state)
{
	static const uint8_t options[72] = {0, 8, 1, 68};

	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct icmp_message message[2];
		struct quoted quote[2];

		if (icmp_is_v4(&icmp_ways[i]) || icmp_ways[i].protocol != IPPROTO_TCP)
			continue;
		icmp_draw(&icmp_ways[i], PORT, false, 0, message, quote);
		for (int k = 0; k < 2; k++) {
			quote_insert_header(&quote[k], IPPROTO_DSTOPTS, options, sizeof(options));
			memset(quote[k].bytes + 128, 0x20, 12);
			quote[k].len = 140;
			message[k].rest = 128 / 8 << 24;
		}
		icmp_expect(lab_front, &message[0], &quote[0], icmp_action(&icmp_ways[i]),
			    &message[1], &quote[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_of_every_kind_both_ways),
		cmocka_unit_test(test_quotes_of_every_length),
		cmocka_unit_test(test_padding_is_no_quote),
		cmocka_unit_test(test_ipv6_extension_headers_before_the_message),
		cmocka_unit_test(test_ipv6_extension_headers_in_the_quote),
		cmocka_unit_test(test_quoted_udp_checksums_of_zero_are_ffff),
		cmocka_unit_test(test_every_checksum_there_is),
		cmocka_unit_test(test_tagged_frames_keep_their_tags),
		cmocka_unit_test(test_objects_after_the_quote_are_let_be),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, teardown);
}

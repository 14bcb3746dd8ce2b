// SPDX-License-Identifier: GPL-2.0-or-later
/* What is not ours, or not right, goes up untouched, and its reason is counted. */
#include "pass_lab.h"

#define SEED 0x82b5d07f3e19c64aull

static void test_other_ports_addresses_and_protocols(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		struct frame f = good_frame(n);

		f.dst_port++;
		expect_pass_frame(&f, SERIN_PASS_NO_SERVICE);
		f = good_frame(n);
		f.dst.s6_addr[15]++;
		expect_pass_frame(&f, SERIN_PASS_NO_SERVICE);
		f = good_frame(n);
		f.protocol = f.protocol == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
		expect_pass_frame(&f, SERIN_PASS_NO_SERVICE);
		f = good_frame(n);
		f.src_port = f.dst_port; /* to a VIP's port, but from it */
		f.dst_port = 4321;
		expect_pass_frame(&f, SERIN_PASS_NO_SERVICE);
	}
}

static void test_protocols_without_ports(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_ESP,
					    IPPROTO_SCTP, IPPROTO_IPIP,	  IPPROTO_GRE,
					    IPPROTO_RAW,  IPPROTO_NONE};

	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		for (size_t i = 0; i < sizeof(protocols); i++) {
			struct frame f = good_frame(n);

			f.protocol = protocols[i];
			f.payload_len = 64;
			expect_pass_frame(&f, SERIN_PASS_PROTOCOL);
		}
	}
}

static void test_neighbour_discovery(void **state)
{
	struct frame f = good_frame(2);

	(void)state;
	f.protocol = IPPROTO_ICMPV6;
	f.ttl = 255;
	f.dst = lab_addr("ff02::1:ff00:1");
	memcpy(f.dst_mac, (uint8_t[]){0x33, 0x33, 0xff, 0, 0, 1}, 6);
	f.payload_len = 32;
	build(&f);
	bytes[FRAME_ETH + 40] = 135;
	bytes[FRAME_ETH + 41] = 0;
	expect_pass(SERIN_PASS_PROTOCOL);
}

static void test_other_ethertypes(void **state)
{
	static const uint16_t types[] = {0x0806, 0x88cc, 0x88b5, 0x8847, 0x8863, 0x0000,
					 0x05dc, 0x88a8, 0x8100, 0x0801, 0x0008, 0xdd86};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		build_good(0);
		frame_put16(bytes + 12, types[i]);
		expect_pass(SERIN_PASS_NOT_IP);
	}
}

static void add_tag(uint16_t tpid)
{
	memmove(bytes + 16, bytes + 12, len - 12);
	frame_put16(bytes + 12, tpid);
	frame_put16(bytes + 14, 0x2064);
	len += 4;
}

/* A tag too many, or of no kind we know, in front of a packet that would be ours without it. */
static void test_frames_with_strange_tags(void **state)
{
	static const uint16_t tags[] = {0x8100, 0x88a8, 0x9100};

	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
			build_good(n);
			add_tag(0x8100);
			add_tag(tags[i]);
			add_tag(0x88a8);
			expect_pass(SERIN_PASS_NOT_IP);
		}
		build_good(n);
		add_tag(0x9100);
		expect_pass(SERIN_PASS_NOT_IP);
		add_tag(0x88a8);
		expect_pass(SERIN_PASS_NOT_IP);
	}
}

/* With an IPv4 checksum that is right, so that nothing but the field itself is at fault. */
static void set_ipv4(size_t offset, uint16_t value)
{
	uint8_t *ip = bytes + FRAME_ETH;
	size_t header = (ip[0] & 0x0fu) * 4;

	frame_put16(ip + offset, value);
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, header < 20 ? 20 : header, 0)));
}

/* Later pieces of datagrams whose first piece nobody has seen. */
static void test_ipv4_fragments(void **state)
{
	static const uint16_t fields[] = {0x2001, 0x0001, 0x1fff, 0x3fff, 0x4001, 0x00b9};

	(void)state;
	for (size_t n = 0; n < 2; n++) {
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
			build_good(n);
			set_ipv4(6, fields[i]);
			expect_pass(SERIN_PASS_FRAGMENT);
		}
	}
}

/* A good packet, after a Fragment header. */
static void build_piece6(size_t n, uint16_t field)
{
	uint8_t *ip = bytes + FRAME_ETH;

	build_good(n);
	memmove(ip + 48, ip + 40, len - FRAME_ETH - 40);
	memset(ip + 40, 0, 8);
	ip[40] = ip[6];
	frame_put16(ip + 42, field);
	ip[6] = IPPROTO_FRAGMENT;
	frame_put16(ip + 4, (uint16_t)(frame_get16(ip + 4) + 8));
	len += 8;
}

static void test_ipv6_fragments(void **state)
{
	static const uint16_t fields[] = {0x0008, 0x0009, 0x05a8, 0xffff};

	(void)state;
	for (size_t n = 2; n < GOOD; n++) {
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
			build_piece6(n, fields[i]);
			expect_pass(SERIN_PASS_FRAGMENT);
		}
	}
}

/* What looks like the rest of it is the frame's padding. */
static void test_first_pieces_without_a_whole_transport_header(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		uint16_t least = good[n].protocol == IPPROTO_TCP ? 20 : 8;

		for (uint16_t size = 0; size < least; size++) {
			if (n < 2) {
				build_good(n);
				set_ipv4(6, 0x2000);
				set_ipv4(2, 20 + size);
			} else {
				build_piece6(n, 1);
				frame_put16(bytes + FRAME_ETH + 4, 8 + size);
			}
			expect_pass(SERIN_PASS_MALFORMED);
		}
	}
}

/* BPF_PROG_RUN takes no frame shorter than an Ethernet header, and no NIC gives one. */
static void test_frames_cut_short_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		size_t whole;

		build_good(n);
		whole = len;
		note_counters();
		for (len = FRAME_ETH; len < whole; len++)
			run_untouched(lab_front, XDP_PASS);
		expect_counted(SERIN_PASS_MALFORMED, whole - FRAME_ETH);
	}
}

/* Cut, and the IP header saying so: now it is the transport header that does not fit. */
static void test_packets_cut_short_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		bool is_v4 = n < 2;
		size_t body = good[n].protocol == IPPROTO_TCP ? 20 : 8;

		note_counters();
		for (size_t left = 0; left < body; left++) {
			build_good(n);
			if (is_v4)
				set_ipv4(2, (uint16_t)(20 + left));
			else
				frame_put16(bytes + FRAME_ETH + 4, (uint16_t)left);
			run_untouched(lab_front, XDP_PASS);
			len = FRAME_ETH + (is_v4 ? 20 : 40) + left;
			run_untouched(lab_front, XDP_PASS);
		}
		expect_counted(SERIN_PASS_MALFORMED, 2 * body);
	}
}

static void test_wrong_ipv4_headers(void **state)
{
	(void)state;
	for (int version = 0; version < 16; version++) {
		build_good(0);
		set_ipv4(0, (uint16_t)(version << 12 | 0x500));
		if (version != 4)
			expect_pass(SERIN_PASS_MALFORMED);
	}
	for (int ihl = 0; ihl < 5; ihl++) {
		build_good(0);
		set_ipv4(0, (uint16_t)(0x4000 | ihl << 8));
		expect_pass(SERIN_PASS_MALFORMED);
	}
	build_good(1); /* 20 + 8 + 20 bytes: a header of 60 does not fit in */
	set_ipv4(0, 0x4f00);
	expect_pass(SERIN_PASS_MALFORMED);
	for (uint16_t total = 0; total < 20; total++) {
		build_good(0);
		set_ipv4(2, total);
		expect_pass(SERIN_PASS_MALFORMED);
	}
	build_good(0);
	set_ipv4(2, (uint16_t)(len - FRAME_ETH + 1));
	expect_pass(SERIN_PASS_MALFORMED);
	set_ipv4(2, 0xffff);
	expect_pass(SERIN_PASS_MALFORMED);
}

static void test_wrong_ipv6_headers(void **state)
{
	(void)state;
	for (int version = 0; version < 16; version++) {
		build_good(2);
		bytes[FRAME_ETH] = (uint8_t)(version << 4);
		if (version != 6)
			expect_pass(SERIN_PASS_MALFORMED);
	}
	build_good(2);
	frame_put16(bytes + FRAME_ETH + 4, (uint16_t)(len - FRAME_ETH - 40 + 1));
	expect_pass(SERIN_PASS_MALFORMED);
	frame_put16(bytes + FRAME_ETH + 4, 0xffff);
	expect_pass(SERIN_PASS_MALFORMED);
	frame_put16(bytes + FRAME_ETH + 4, 0);
	expect_pass(SERIN_PASS_MALFORMED);
}

static void test_wrong_tcp_headers(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n += 2) {
		uint8_t *doff;

		build_good(n);
		doff = bytes + frame_l4_offset(bytes) + 12;
		for (uint8_t words = 0; words < 16; words++) {
			*doff = (uint8_t)(words << 4);
			if (words < 5 || words > 10) /* 20 + 20 bytes are 10 words */
				expect_pass(SERIN_PASS_MALFORMED);
		}
	}
}

static void test_wrong_udp_lengths(void **state)
{
	static const uint16_t lengths[] = {0, 1, 7, 29, 30, 1000, 0xffff}; /* right would be 28 */

	(void)state;
	for (size_t n = 1; n < GOOD; n += 2) {
		build_good(n);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			frame_put16(bytes + frame_l4_offset(bytes) + 4, lengths[i]);
			expect_pass(SERIN_PASS_MALFORMED);
		}
	}
}

/* RFC 8200 8.1. */
static void test_udp_over_ipv6_without_a_checksum(void **state)
{
	struct frame f = good_frame(3);

	(void)state;
	f.no_udp_csum = true;
	expect_pass_frame(&f, SERIN_PASS_MALFORMED);
}

static void test_packets_at_their_last_hop(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		for (uint8_t ttl = 0; ttl < 2; ttl++) {
			struct frame f = good_frame(n);

			f.ttl = ttl;
			expect_pass_frame(&f, SERIN_PASS_EXPIRING);
		}
	}
}

static void test_frames_to_groups(void **state)
{
	static const uint8_t groups[][6] = {{0x01, 0x00, 0x5e, 0, 0, 1},
					    {0x33, 0x33, 0, 0, 0, 1},
					    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
			struct frame f = good_frame(n);

			memcpy(f.dst_mac, groups[i], 6);
			expect_pass_frame(&f, SERIN_PASS_GROUP);
		}
	}
}

/* What a backend says on its own account, or of a connection nobody knows. */
static void expect_no_way_back(const struct frame *f)
{
	build(f);
	note_counters();
	run_untouched(lab_front, XDP_DROP);
	expect_counted(SERIN_DROP_NO_NEXT_HOP, 1);
}

static void test_backends_packets_without_a_flow(void **state)
{
	static const char *const backends[] = {"10.1.0.1", "10.2.0.1", "2001:db8:1::1",
					       "2001:db8:2::1"};
	static const uint8_t flags[] = {FRAME_SYN | FRAME_ACK, FRAME_ACK, FRAME_RST, FRAME_SYN};

	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		struct frame f = lab_request(backends[n], n % 2 ? 53 : 8080, good[n].client, 4321,
					     good[n].protocol);

		for (size_t i = 0; i < sizeof(flags); i++) {
			f.tcp_flags = flags[i];
			/* Connections need not be remembered: it may be one's, of a client that we know
			 * no way to. Datagrams always are; and who answers sends no SYN. */
			if (good[n].protocol == IPPROTO_TCP && flags[i] != FRAME_SYN)
				expect_no_way_back(&f);
			else
				expect_pass_frame(&f, SERIN_PASS_NO_FLOW);
		}
		f.src_port++; /* and not by the port it is a backend on */
		expect_pass_frame(&f, SERIN_PASS_NO_SERVICE);
	}
}

/* None of the above went into the flow table. */
static void test_the_flow_table_is_empty_still(void **state)
{
	struct snapshot *s = lab_snapshot();

	(void)state;
	assert_int_equal(s->flow_entries, 0);
	snapshot_free(s);
}

/* The frames all this began with are ours after all; and the largest that fit are. */
static void test_the_good_frames_are_good(void **state)
{
	(void)state;
	for (size_t n = 0; n < GOOD; n++) {
		struct frame f = good_frame(n);
		struct outcome out;

		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, n % 2 ? XDP_REDIRECT : XDP_TX);
		f.payload_len = (uint16_t)((n % 2 ? 1400 : 1500) - (out.len - FRAME_ETH - 20));
		build(&f);
		assert_int_equal(len, FRAME_ETH + (n % 2 ? 1400 : 1500));
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, n % 2 ? XDP_REDIRECT : XDP_TX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_ports_addresses_and_protocols),
		cmocka_unit_test(test_protocols_without_ports),
		cmocka_unit_test(test_neighbour_discovery),
		cmocka_unit_test(test_other_ethertypes),
		cmocka_unit_test(test_frames_with_strange_tags),
		cmocka_unit_test(test_ipv4_fragments),
		cmocka_unit_test(test_ipv6_fragments),
		cmocka_unit_test(test_first_pieces_without_a_whole_transport_header),
		cmocka_unit_test(test_frames_cut_short_anywhere),
		cmocka_unit_test(test_packets_cut_short_anywhere),
		cmocka_unit_test(test_wrong_ipv4_headers),
		cmocka_unit_test(test_wrong_ipv6_headers),
		cmocka_unit_test(test_wrong_tcp_headers),
		cmocka_unit_test(test_wrong_udp_lengths),
		cmocka_unit_test(test_udp_over_ipv6_without_a_checksum),
		cmocka_unit_test(test_packets_at_their_last_hop),
		cmocka_unit_test(test_frames_to_groups),
		cmocka_unit_test(test_backends_packets_without_a_flow),
		cmocka_unit_test(test_the_flow_table_is_empty_still),
		cmocka_unit_test(test_the_good_frames_are_good),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

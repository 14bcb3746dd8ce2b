// SPDX-License-Identifier: GPL-2.0-or-later
/* Echo requests to a VIP: answered where no host owns it, byte for byte; otherwise the host's. */
#include "icmp_ways.h"

#define SEED	 0xb15e90d7384cf62aull
#define VARIANTS 400
#define JUMBO	 9000

static uint8_t in[LAB_FRAME_MAX], wanted[LAB_FRAME_MAX];

static int setup(void **state)
{
	lab_setup(state);
	icmp_apply_ways();
	return 0;
}

/* As if the host owned the address, or not. */
static void set_answers(const char *vip, uint32_t answers)
{
	struct in6_addr address = lab_addr(vip);
	struct serin_endpoint at = dp_endpoint(&address, 0, 0);
	struct serin_vip value = {.answers_echo = answers};
	int fd = icmp_open_map("vips");

	assert_int_equal(bpf_map_update_elem(fd, &at.addr, &value, 0), 0);
	close(fd);
}

/* A request or its answer. The rest of the header is the identifier and sequence number. */
static size_t build(const struct frame *f, bool is_answer, uint8_t *out)
{
	bool is_v4 = frame_is_v4(f);
	struct frame message = *f;
	uint8_t *icmp;
	size_t len;

	message.protocol = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	len = frame_build(&message, out);
	icmp = out + frame_l4_offset(out);
	icmp[0] = is_v4 ? (is_answer ? 0 : 8) : is_answer ? 129 : 128;
	icmp[1] = 0;
	frame_put16(icmp + 2, 0);
	frame_put16(icmp + 2, (uint16_t)~frame_fold(frame_sum(
				      icmp, f->payload_len,
				      is_v4 ? 0
					    : frame_pseudo_sum(out + FRAME_ETH, false,
							       IPPROTO_ICMPV6, f->payload_len))));
	return len;
}

static struct frame draw(const struct icmp_way *w)
{
	struct frame f = lab_request(w->client, 0, w->vip, 0, 0);

	f.ttl = (uint8_t)lab_random();
	f.fill = (uint32_t)lab_random();
	f.payload_len = (uint16_t)(8 + lab_below(lab_below(2) ? 60 : 1400));
	f.padding = (uint16_t)(lab_below(3) ? 0 : lab_below(20));
	return f;
}

static struct frame answer_to(const struct frame *f)
{
	struct frame a = *f;

	a.src = f->dst;
	a.dst = f->src;
	memcpy(a.src_mac, f->dst_mac, 6);
	memcpy(a.dst_mac, f->src_mac, 6);
	a.ttl = 64;
	return a;
}

static void expect_answer(int nic, const struct frame *f)
{
	struct frame answer = answer_to(f);
	size_t len = build(f, false, in);
	struct outcome out;

	build(&answer, true, wanted);
	lab_run(nic, in, len, &out);
	icmp_expect_bytes(&out, XDP_TX, wanted, len);
}

static void expect_pass(const struct frame *f, enum serin_reason reason)
{
	size_t len = build(f, false, in);
	struct outcome out;

	icmp_note_verdicts();
	lab_run(lab_front, in, len, &out);
	icmp_expect_bytes(&out, XDP_PASS, in, len);
	icmp_expect_counted(reason, 1);
}

static void test_requests_are_answered(void **state)
{
	uint64_t memory = icmp_memory();

	(void)state;
	icmp_note_verdicts();
	for (size_t i = 0; i < ICMP_WAYS; i++)
		for (int n = 0; n < VARIANTS; n++) {
			struct frame f = draw(&icmp_ways[i]);

			expect_answer(n & 1 ? lab_front : lab_back, &f);
		}
	icmp_expect_counted(SERIN_ANSWER_ECHO, ICMP_WAYS * VARIANTS);
	assert_int_equal(icmp_memory(), memory);
}

/* One word of a built message's payload, and its checksum anew. */
static void set_word(uint8_t *bytes, bool is_v4, uint16_t word)
{
	uint8_t *icmp = bytes + frame_l4_offset(bytes);

	frame_put16(icmp + 8, word);
	frame_put16(icmp + 2, 0);
	frame_put16(icmp + 2, (uint16_t)~frame_fold(
				      frame_sum(icmp, 16,
						is_v4 ? 0
						      : frame_pseudo_sum(bytes + FRAME_ETH, false,
									 IPPROTO_ICMPV6, 16))));
}

/* A word that runs through all values takes the checksum through all of its. */
static void test_every_checksum_there_is(void **state)
{
	(void)state;
	for (size_t i = 1; i < 3; i++) {
		struct frame f = draw(&icmp_ways[i]), answer;
		struct outcome out;
		size_t len;

		f.payload_len = 16;
		f.padding = 0;
		answer = answer_to(&f);
		len = build(&f, false, in);
		build(&answer, true, wanted);
		for (uint32_t word = 0; word <= UINT16_MAX; word++) {
			set_word(in, icmp_is_v4(&icmp_ways[i]), (uint16_t)word);
			set_word(wanted, icmp_is_v4(&icmp_ways[i]), (uint16_t)word);
			lab_run(lab_front, in, len, &out);
			icmp_expect_bytes(&out, XDP_TX, wanted, len);
		}
	}
}

static void test_jumbo_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct frame f = draw(&icmp_ways[i]);

		f.padding = 0;
		for (f.payload_len = 2500; f.payload_len < JUMBO; f.payload_len += 431)
			expect_answer(lab_front, &f);
	}
}

static void test_tagged_requests_are_answered_with_their_tags(void **state)
{
	static const uint32_t tags[] = {0x88a8a123, 0x81006456};

	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		for (int count = 1; count <= 2; count++) {
			struct frame f = draw(&icmp_ways[i]), answer = answer_to(&f);
			size_t len = icmp_insert_tags(in, build(&f, false, in), tags, count);
			struct outcome out;

			icmp_insert_tags(wanted, build(&answer, true, wanted), tags, count);
			lab_run(lab_back, in, len, &out);
			icmp_expect_bytes(&out, XDP_TX, wanted, len);
		}
	}
}

static void test_addresses_the_host_owns_are_the_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct frame f = draw(&icmp_ways[i]);

		set_answers(icmp_ways[i].vip, 0);
		expect_pass(&f, SERIN_PASS_PROTOCOL);
		set_answers(icmp_ways[i].vip, 1);
		expect_answer(lab_front, &f);
	}
}

static void test_requests_to_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < ICMP_WAYS; i++) {
		struct frame f = draw(&icmp_ways[i]);

		f.dst = lab_addr(icmp_ways[i].backend);
		expect_pass(&f, SERIN_PASS_PROTOCOL);
		f.dst = lab_addr(icmp_is_v4(&icmp_ways[i]) ? "192.0.2.200" : "2001:db8:ff::200");
		expect_pass(&f, SERIN_PASS_PROTOCOL);
	}
}

static void test_requests_from_nobody_and_everybody(void **state)
{
	static const char *const sources4[] = {"0.0.0.0",   "0.1.2.3",	 "127.0.0.1",
					       "224.0.0.1", "239.1.2.3", "255.255.255.255"};
	static const char *const sources6[] = {"::", "::1", "ff02::1", "ff0e::5"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		bool is_v4 = icmp_is_v4(&icmp_ways[i]);
		struct frame f = draw(&icmp_ways[i]);

		for (size_t n = 0; n < (is_v4 ? 6 : 4); n++) {
			f.src = lab_addr(is_v4 ? sources4[n] : sources6[n]);
			expect_pass(&f, SERIN_PASS_PROTOCOL);
		}
		f = draw(&icmp_ways[i]);
		f.dst_mac[0] |= 1;
		expect_pass(&f, SERIN_PASS_GROUP);
	}
}

/* What the answer would owe to them is not for us to know. */
static void test_requests_with_options(void **state)
{
	static const uint8_t options[8] = {0, 0, 1, 4};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct frame f = draw(&icmp_ways[i]);
		struct quoted packet;
		struct outcome out;
		size_t len;

		f.padding = 0;
		if (icmp_is_v4(&icmp_ways[i])) {
			f.ip_option_words = 1;
			expect_pass(&f, SERIN_PASS_PROTOCOL);
			continue;
		}
		packet.len = build(&f, false, in) - FRAME_ETH;
		memcpy(packet.bytes, in + FRAME_ETH, packet.len);
		quote_insert_header(&packet, IPPROTO_HOPOPTS, options, sizeof(options));
		len = quote_frame(&packet, &f, in);
		lab_run(lab_front, in, len, &out);
		icmp_expect_bytes(&out, XDP_PASS, in, len);
	}
}

static void test_requests_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (int n = 0; n < 2; n++) {
			struct frame f = draw(&icmp_ways[i]);
			struct quoted packet;
			struct outcome out;
			size_t len;

			f.padding = 0;
			packet.len = build(&f, false, in) - FRAME_ETH;
			memcpy(packet.bytes, in + FRAME_ETH, packet.len);
			quote_make_piece(&packet, n ? 1480 : 0, !n, 99);
			len = quote_frame(&packet, &f, in);
			icmp_note_verdicts();
			lab_run(lab_front, in, len, &out);
			icmp_expect_bytes(&out, XDP_PASS, in, len);
			icmp_expect_counted(SERIN_PASS_FRAGMENT, 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_answered),
		cmocka_unit_test(test_every_checksum_there_is),
		cmocka_unit_test(test_jumbo_requests),
		cmocka_unit_test(test_tagged_requests_are_answered_with_their_tags),
		cmocka_unit_test(test_addresses_the_host_owns_are_the_hosts),
		cmocka_unit_test(test_requests_to_others),
		cmocka_unit_test(test_requests_from_nobody_and_everybody),
		cmocka_unit_test(test_requests_with_options),
		cmocka_unit_test(test_requests_in_pieces),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

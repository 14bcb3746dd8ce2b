// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What does not fit the way on is answered with what would, by the VIP, to whoever sent it, in every
 * mode and either direction; but never so often, nor to such, as RFC 1812 and RFC 4443 forbid.
 */
#include "icmp_ways.h"

#define SEED  0xd8a0347ce61fb295ull
#define PORT  4000
#define FRONT 1500 /* MTUs */
#define BACK  1400

struct mode {
	const char *name, *settings, *vip, *backend;
	uint8_t protocol;
	bool is_back;
	uint16_t fits; /* by the MTU of the link, and what goes before a packet */
};

static const struct mode modes[] = {
	{"n4", "nat", "192.0.2.1", "10.2.0.1", IPPROTO_TCP, true, BACK},
	{"n6", "nat", "2001:db8:ff::1", "2001:db8:2::1", IPPROTO_UDP, true, BACK},
	{"f4", "nat, track: always", "192.0.2.2", "10.1.0.2", IPPROTO_TCP, false, FRONT},
	{"f6", "nat", "2001:db8:ff::2", "2001:db8:1::2", IPPROTO_TCP, false, FRONT},
	{"p4", "fullnat, source_addresses: [10.2.255.200]", "192.0.2.9", "10.2.0.9", IPPROTO_TCP,
	 true, BACK},
	{"p6", "fullnat, source_addresses: ['2001:db8:1::200']", "2001:db8:ff::9", "2001:db8:1::9",
	 IPPROTO_UDP, false, FRONT},
	{"d4", "dsr", "192.0.2.3", "10.2.0.3", IPPROTO_UDP, true, BACK},
	{"d6", "dsr", "2001:db8:ff::3", "2001:db8:1::3", IPPROTO_TCP, false, FRONT},
	{"i44", "ipip, source_addresses: [10.9.0.7]", "192.0.2.4", "10.2.0.4", IPPROTO_TCP, true,
	 BACK - 20},
	{"i46", "ipip, source_addresses: ['2001:db8:9::7']", "192.0.2.5", "2001:db8:1::5",
	 IPPROTO_UDP, false, FRONT - 40},
	{"i66", "ipip, source_addresses: ['2001:db8:9::7']", "2001:db8:ff::6", "2001:db8:2::6",
	 IPPROTO_TCP, true, BACK - 40},
	{"g44", "gue, source_addresses: [10.9.0.7]", "192.0.2.7", "10.1.0.7", IPPROTO_UDP, false,
	 FRONT - 28},
	{"g66", "gue, source_addresses: ['2001:db8:9::7']", "2001:db8:ff::8", "2001:db8:2::8",
	 IPPROTO_TCP, true, BACK - 48},
};

#define MODES (sizeof(modes) / sizeof(*modes))

static uint8_t in[LAB_FRAME_MAX], wanted[LAB_FRAME_MAX];
static size_t len, wanted_len;

static int setup(void **state)
{
	char *yaml = NULL;
	size_t room = 0;
	FILE *f = open_memstream(&yaml, &room);

	lab_setup(state);
	fputs(LAB_HEAD, f);
	for (size_t i = 0; i < MODES; i++)
		fprintf(f,
			"  - {name: %s, vip: '%s', port: 80, protocol: %s, forwarding: %s, pools: "
			"[{name: p, backends: [{address: '%s', port: 80}]}]}\n",
			modes[i].name, modes[i].vip,
			modes[i].protocol == IPPROTO_TCP ? "tcp" : "udp", modes[i].settings,
			modes[i].backend);
	fclose(f);
	lab_apply(yaml);
	free(yaml);
	return 0;
}

static int fill(void **state)
{
	(void)state;
	icmp_fill_budget();
	return 0;
}

static bool is_v4(const struct mode *m)
{
	return !strchr(m->vip, ':');
}

/* A request of so many bytes from its IP header on. */
static struct frame request(const struct mode *m, size_t ip_len)
{
	struct frame f = lab_request(is_v4(m) ? CLIENT4 : CLIENT6, PORT, m->vip, 80, m->protocol);

	f.ip_option_words = is_v4(m) ? (uint8_t)lab_below(11) : 0;
	f.fill = (uint32_t)lab_random();
	f.payload_len = (uint16_t)(ip_len - frame_transport_len(&f) -
				   (is_v4(m) ? 20 + 4 * f.ip_option_words : 40));
	return f;
}

/* RFC 1812 4.3.2.3 and RFC 4443 2.4 (c): as much as an answer of 576, and of 1280 bytes holds. */
static size_t answer_room(bool is_ipv4)
{
	return is_ipv4 ? 576 - 20 - 8 : 1280 - 40 - 8;
}

static size_t put_answer_ip(const struct in6_addr *from, const struct in6_addr *to, bool is_ipv4,
			    size_t body, uint8_t *ip)
{
	memset(ip, 0, 40);
	if (!is_ipv4) {
		ip[0] = 0x60;
		frame_put16(ip + 4, (uint16_t)body);
		ip[6] = IPPROTO_ICMPV6;
		ip[7] = 64;
		memcpy(ip + 8, from, 16);
		memcpy(ip + 24, to, 16);
		return 40;
	}
	ip[0] = 0x45;
	ip[1] = 0xc0;
	frame_put16(ip + 2, (uint16_t)(20 + body));
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 12, (const uint8_t *)from + 12, 4);
	memcpy(ip + 16, (const uint8_t *)to + 12, 4);
	frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, 20, 0)));
	return 20;
}

/* The answer to the frame in `in`: from the VIP, of what fits. */
static void build_answer(const struct frame *f, const char *vip, uint32_t mtu)
{
	bool is_ipv4 = frame_is_v4(f);
	size_t quote = len - FRAME_ETH - f->padding, room = answer_room(is_ipv4);
	struct in6_addr from = lab_addr(vip);
	uint8_t *ip = wanted + FRAME_ETH, *icmp;

	quote = quote < room ? quote & ~3ul : room;
	memcpy(wanted, in + 6, 6);
	memcpy(wanted + 6, in, 6);
	memcpy(wanted + 12, in + 12, 2);
	icmp = ip + put_answer_ip(&from, &f->src, is_ipv4, 8 + quote, ip);
	memset(icmp, 0, 8);
	icmp[0] = is_ipv4 ? 3 : 2;
	icmp[1] = is_ipv4 ? 4 : 0;
	frame_put16(icmp + 6, (uint16_t)mtu);
	memcpy(icmp + 8, in + FRAME_ETH, quote);
	frame_put16(icmp + 2, (uint16_t)~frame_fold(frame_sum(
				      icmp, 8 + quote,
				      is_ipv4 ? 0
					      : frame_pseudo_sum(ip, false, IPPROTO_ICMPV6,
								 (uint32_t)(8 + quote)))));
	wanted_len = (size_t)(icmp - wanted) + 8 + quote;
}

static void expect_answer(int nic, const struct frame *f, const char *vip, uint32_t mtu)
{
	struct outcome out;

	len = frame_build(f, in);
	build_answer(f, vip, mtu);
	lab_run(nic, in, len, &out);
	icmp_expect_bytes(&out, XDP_TX, wanted, wanted_len);
}

static void expect_dropped(const struct frame *f)
{
	struct outcome out;

	len = frame_build(f, in);
	icmp_note_verdicts();
	lab_run(lab_front, in, len, &out);
	icmp_expect_bytes(&out, XDP_DROP, in, len);
	icmp_expect_counted(SERIN_DROP_TOO_BIG, 1);
}

static void expect_forwarded(const struct mode *m, const struct frame *f)
{
	struct outcome out;

	lab_run_frame(lab_front, f, &out);
	assert_int_equal(out.action, m->is_back ? XDP_REDIRECT : XDP_TX);
}

static uint64_t flow_entries(void)
{
	struct snapshot *s = lab_snapshot();
	uint64_t entries = s->flow_entries;

	snapshot_free(s);
	return entries;
}

/* One byte too much is answered, and begins no flow; what fits goes on. */
static void test_requests_in_every_mode(void **state)
{
	uint64_t flows = flow_entries();

	(void)state;
	for (size_t i = 0; i < MODES; i++) {
		icmp_fill_budget();
		icmp_note_verdicts();
		for (size_t more = 1; more < 9; more++) {
			struct frame f = request(&modes[i], modes[i].fits + more);

			expect_answer(lab_front, &f, modes[i].vip, modes[i].fits);
		}
		icmp_expect_counted(SERIN_ANSWER_TOO_BIG, 8);
	}
	assert_int_equal(flow_entries(), flows);
	for (size_t i = 0; i < MODES; i++) {
		struct frame f = request(&modes[i], modes[i].fits);

		expect_forwarded(&modes[i], &f);
	}
}

/* The backend sent it: it gets the answer, about what it sent. */
static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct mode *m = &modes[i];
		struct frame f = request(m, 200), reply;
		uint16_t mtu = FRONT;

		expect_forwarded(m, &f);
		for (size_t more = 1; more < 9; more++) {
			f = request(m, mtu + more);
			reply = frame_reply(&f);
			reply.src = lab_addr(m->backend);
			reply.tcp_flags = FRAME_ACK;
			expect_answer(m->is_back ? lab_back : lab_front, &reply, m->vip, mtu);
		}
	}
}

/* By fullnat the backend knows nobody but the source, and hears from it. */
static void test_replies_to_a_source(void **state)
{
	(void)state;
	for (size_t i = 4; i < 6; i++) {
		const struct mode *m = &modes[i];
		struct frame f = request(m, 200), reply;
		char source[NET_ADDR_LEN];
		struct outcome out;

		lab_run_frame(lab_front, &f, &out);
		f = request(m, FRONT + 1);
		f.src = lab_wire_addr(out.bytes, false);
		f.src_port = frame_get16(out.bytes + frame_l4_offset(out.bytes));
		reply = frame_reply(&f);
		reply.src = lab_addr(m->backend);
		reply.tcp_flags = FRAME_ACK;
		expect_answer(m->is_back ? lab_back : lab_front, &reply,
			      net_format_addr(&f.src, source), FRONT);
	}
}

/* The frame is in several buffers, and the answer in one. */
static void test_jumbo_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODES; i++) {
		struct frame f = request(&modes[i], 2000);

		for (size_t more = 0; more < 7200; more += 397) {
			struct frame jumbo = f;

			jumbo.payload_len = (uint16_t)(jumbo.payload_len + more);
			icmp_fill_budget();
			expect_answer(lab_front, &jumbo, modes[i].vip, modes[i].fits);
		}
	}
}

static void test_tagged_frames_are_answered_with_their_tags(void **state)
{
	static const uint32_t tags[] = {0x88a8a123, 0x81006456};

	(void)state;
	for (size_t i = 0; i < MODES; i++) {
		for (int count = 1; count <= 2; count++) {
			struct frame f = request(&modes[i], modes[i].fits + 100);
			struct outcome out;

			len = frame_build(&f, in);
			build_answer(&f, modes[i].vip, modes[i].fits);
			len = icmp_insert_tags(in, len, tags, count);
			wanted_len = icmp_insert_tags(wanted, wanted_len, tags, count);
			lab_run(lab_front, in, len, &out);
			icmp_expect_bytes(&out, XDP_TX, wanted, wanted_len);
		}
	}
}

/* Bytes of Ethernet's own are not quoted. */
static void test_padding_is_not_quoted(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODES; i++) {
		struct frame f = request(&modes[i], modes[i].fits + 1);

		f.padding = 33;
		expect_answer(lab_front, &f, modes[i].vip, modes[i].fits);
	}
}

static void set_mtu(uint16_t mtu)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);

	for (uint32_t slot = 1; slot < SERIN_MAX_PORTS; slot++)
		if (dp->ports[slot].ifindex)
			dp->ports[slot].mtu = mtu ? mtu
					      : dp->ports[slot].ifindex == (uint32_t)lab_back
						      ? BACK
						      : FRONT;
	dataplane_close(dp);
}

/* Packets shorter than an answer may be are quoted whole, but for what is no word. */
static void test_small_links(void **state)
{
	(void)state;
	set_mtu(100);
	for (size_t ip_len = 101; ip_len < 700; ip_len += 7) {
		struct frame f = request(&modes[0], ip_len);

		icmp_fill_budget();
		expect_answer(lab_front, &f, modes[0].vip, 100);
	}
	set_mtu(0);
}

/* Nobody may tell an IPv6 host of less than 1280, and who is told that sends no less. */
static void test_links_too_small_for_ipv6(void **state)
{
	(void)state;
	set_mtu(1280);
	for (size_t i = 0; i < MODES; i++) {
		size_t outer = (modes[i].is_back ? BACK : FRONT) - modes[i].fits;
		struct frame f;

		if (is_v4(&modes[i]) || !outer)
			continue;
		f = request(&modes[i], 1281);
		expect_answer(lab_front, &f, modes[i].vip, 1280);
		f = request(&modes[i], 1280 - outer + 1);
		expect_dropped(&f);
		f = request(&modes[i], 1280);
		expect_dropped(&f);
		f = request(&modes[i], 1280 - outer);
		expect_forwarded(&modes[i], &f);
	}
	set_mtu(0);
}

/* ---- who gets none ---- */

static void test_later_pieces_get_no_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODES; i++) {
		struct frame f = request(&modes[i], 400);
		struct quoted piece;
		struct outcome out;
		size_t first;

		f.ip_option_words = 0;
		piece = quote_of(&f);
		quote_make_piece(&piece, 0, true, 4711);
		first = quote_frame(&piece, &f, in);
		lab_run(lab_front, in, first, &out);
		assert_true(out.action >= XDP_TX);
		f.payload_len = 1500;
		piece = quote_of(&f);
		quote_make_piece(&piece, 400, false, 4711);
		len = quote_frame(&piece, &f, in);
		icmp_note_verdicts();
		lab_run(lab_front, in, len, &out);
		icmp_expect_bytes(&out, XDP_DROP, in, len);
		icmp_expect_counted(SERIN_DROP_TOO_BIG, 1);
	}
}

static void test_nobody_and_everybody_get_no_answer(void **state)
{
	static const char *const sources4[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1",
					       "255.255.255.255"};
	static const char *const sources6[] = {"::", "::1", "ff02::1", "ff0e::5"};

	(void)state;
	for (size_t i = 0; i < MODES; i++) {
		for (size_t n = 0; n < 4; n++) {
			struct frame f = request(&modes[i], modes[i].fits + 1);

			f.src = lab_addr(is_v4(&modes[i]) ? sources4[n] : sources6[n]);
			expect_dropped(&f);
		}
	}
}

static void count_answers(uint64_t *answered, uint64_t *dropped)
{
	uint64_t now[SERIN_REASON_MAX];

	icmp_read_verdicts(now);
	*answered = now[SERIN_ANSWER_TOO_BIG] - icmp_verdicts[SERIN_ANSWER_TOO_BIG];
	*dropped = now[SERIN_DROP_TOO_BIG] - icmp_verdicts[SERIN_DROP_TOO_BIG];
}

/* A burst on each CPU, and then so many a second: however long it takes, no more than that. */
static void test_answers_are_limited(void **state)
{
	uint64_t began = lab_now_ms(), answered, dropped, seconds, sent = 0;
	uint64_t cpus = (uint64_t)libbpf_num_possible_cpus();
	struct frame f = request(&modes[0], BACK + 1);
	struct outcome out;

	(void)state;
	icmp_note_verdicts();
	len = frame_build(&f, in);
	do {
		lab_run(lab_front, in, len, &out);
		count_answers(&answered, &dropped);
		sent++;
	} while (!dropped);
	assert_true(answered >= SERIN_ANSWER_BURST);
	for (; sent < 5000; sent++)
		lab_run(lab_front, in, len, &out);
	count_answers(&answered, &dropped);
	seconds = (lab_now_ms() - began) / 1000 + 1;
	assert_int_equal(answered + dropped, 5000);
	assert_true(answered <= cpus * (SERIN_ANSWER_BURST + SERIN_ANSWERS_PER_S * seconds));
}

/* Those that were dropped come back as time goes by. */
static void test_answers_come_again(void **state)
{
	struct frame f = request(&modes[0], BACK + 1);
	uint64_t began = lab_now_ms(), answered, dropped;
	struct outcome out;

	(void)state;
	len = frame_build(&f, in);
	icmp_note_verdicts();
	do {
		lab_run(lab_front, in, len, &out);
		count_answers(&answered, &dropped);
	} while (!dropped);
	icmp_note_verdicts();
	for (;;) {
		lab_run(lab_front, in, len, &out);
		count_answers(&answered, &dropped);
		if (answered)
			break;
		lab_wait(began, "an answer");
	}
}

#define TEST(name) cmocka_unit_test_setup(name, fill)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests_in_every_mode),
		TEST(test_replies),
		TEST(test_replies_to_a_source),
		TEST(test_jumbo_frames),
		TEST(test_tagged_frames_are_answered_with_their_tags),
		TEST(test_padding_is_not_quoted),
		TEST(test_small_links),
		TEST(test_links_too_small_for_ipv6),
		TEST(test_later_pieces_get_no_answer),
		TEST(test_nobody_and_everybody_get_no_answer),
		TEST(test_answers_are_limited),
		TEST(test_answers_come_again),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}

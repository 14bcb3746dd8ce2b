// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ICMP errors by fullnat, where it differs from nat: quotes of packets that told of their client,
 * flows that nobody has, and pieces of datagrams. The rest is with all other ways of icmp_ways.h.
 */
#include "icmp_lab.h"

#include "fullnat_lab.h"

#define SEED	 0x27be54a90d6f81c3ull
#define PORT	 4000
#define PIECE_ID 0x7a11u

#define CLIENT(w) (way_is_v4(w) ? "198.51.100.7" : "2001:db8:c::7")
#define ROUTER(w) (way_is_v4(w) ? "203.0.113.9" : "2001:db8:dead::9")

static const struct way telling[] = {
	{"t4",
	 "192.0.2.1",
	 "10.2.0.1",
	 {"10.2.255.200"},
	 80,
	 8080,
	 1024,
	 65535,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 4, 1}},
	{"t6",
	 "2001:db8:ff::1",
	 "2001:db8:1::2",
	 {"2001:db8:1::200"},
	 443,
	 8443,
	 1024,
	 65535,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 6, 2}},
};

static const struct way datagrams[] = {
	{"u4",
	 "192.0.2.1",
	 "10.1.0.3",
	 {"10.1.255.200"},
	 53,
	 5353,
	 1024,
	 65535,
	 IPPROTO_UDP,
	 false,
	 {2, 0, 0, 1, 4, 3}},
	{"u6",
	 "2001:db8:ff::1",
	 "2001:db8:2::4",
	 {"2001:db8:2::200"},
	 53,
	 5353,
	 1024,
	 65535,
	 IPPROTO_UDP,
	 true,
	 {2, 0, 0, 2, 6, 4}},
};

/* A flow, and one packet of it each way: as its sender sent it, and as it left here. */
struct talk {
	const struct way *way;
	struct source source;
	struct frame request, sent, reply, returned;
};

static struct talk begin(const struct way *w)
{
	struct talk t = {.way = w, .request = way_request(w, CLIENT(w), PORT)};

	t.source = way_ask(w, &t.request);
	way_reply(w, &t.request, &t.source, FRAME_SYN | FRAME_ACK);
	t.request.tcp_flags = FRAME_ACK;
	t.request.payload_len = 300;
	t.sent = way_forwarded(w, &t.request, &t.source);
	t.reply = way_answer(w, &t.sent, FRAME_ACK);
	t.returned = way_returned(w, &t.reply, &t.request);
	t.sent.ttl = t.returned.ttl = 64; /* a hop is put right by nobody */
	return t;
}

static int nic(const struct way *w, bool to_client)
{
	return to_client && w->is_back ? lab_back : lab_front;
}

/* The same error before and after: to the client by the VIP, to the backend by the source. */
static void draw_error(const struct talk *t, bool to_client, struct icmp_message message[2])
{
	const struct way *w = t->way;
	const struct icmp_kind *kind = icmp_kind_of(way_is_v4(w), (size_t)lab_below(ICMP_KINDS));
	struct icmp_message *in = &message[0], *out = &message[1];

	*in = (struct icmp_message){.type = kind->type, .code = kind->code, .rest = kind->rest};
	in->outer.ttl = 40;
	in->outer.src = lab_addr(ROUTER(w));
	in->outer.dst = to_client ? t->source.address : lab_addr(w->vip);
	memcpy(in->outer.src_mac, to_client ? w->mac : lab_client_mac, 6);
	memcpy(in->outer.dst_mac, to_client ? way_mac(w) : lab_front_mac, 6);
	*out = *in;
	out->outer.ttl--;
	out->outer.src = to_client ? lab_addr(w->vip) : t->source.address;
	out->outer.dst = lab_addr(to_client ? CLIENT(w) : w->backend);
	memcpy(out->outer.src_mac, to_client ? lab_front_mac : way_mac(w), 6);
	memcpy(out->outer.dst_mac, to_client ? lab_client_mac : w->mac, 6);
}

static void expect_error(const struct talk *t, bool to_client, const struct quoted *seen,
			 const struct quoted *sent)
{
	struct icmp_message message[2];

	draw_error(t, to_client, message);
	icmp_expect(nic(t->way, to_client), &message[0], seen,
		    (t->way->is_back ? XDP_REDIRECT : XDP_TX), &message[1], sent);
}

static void expect_host(const struct talk *t, bool to_client, const struct quoted *seen,
			enum serin_reason reason)
{
	struct icmp_message message[2];

	draw_error(t, to_client, message);
	icmp_note_verdicts();
	icmp_expect(nic(t->way, to_client), &message[0], seen, XDP_PASS, NULL, NULL);
	icmp_expect_counted(reason, 1);
}

/* ---- quotes of packets with the option ---- */

static int setup_telling(void **state)
{
	(void)state;
	way_apply(LAB_HEAD, telling, 2, ", client_address: toa");
	return 0;
}

/* What really left for the backend. */
static struct quoted quote_told(const struct talk *t)
{
	struct quoted q;
	struct outcome out;

	lab_run_frame(lab_front, &t->request, &out);
	q.len = out.len - FRAME_ETH;
	memcpy(q.bytes, out.bytes + FRAME_ETH, q.len);
	assert_int_equal(q.bytes[quote_ip_len(&q) + 20], SERIN_TOA_KIND);
	return q;
}

/* The client finds its connection in it, and of its checksum what there is of the rest. */
static struct quoted put_client_back(const struct talk *t, const struct quoted *told)
{
	uint8_t bytes[FRAME_MAX];
	struct quoted q = *told;
	size_t ip = quote_ip_len(told), addrs = way_is_v4(t->way) ? 12 : 8;
	size_t size = way_is_v4(t->way) ? 4 : 16;
	struct in6_addr vip = lab_addr(t->way->vip);

	memcpy(q.bytes + addrs, (const uint8_t *)&t->request.src + 16 - size, size);
	memcpy(q.bytes + addrs + size, (const uint8_t *)&vip + 16 - size, size);
	frame_put16(q.bytes + ip, t->request.src_port);
	frame_put16(q.bytes + ip + 2, t->way->port);
	frame_build(&t->request, bytes); /* for its link header */
	memcpy(bytes + FRAME_ETH, q.bytes, q.len);
	frame_refresh(bytes);
	memcpy(q.bytes, bytes + FRAME_ETH, q.len);
	return q;
}

static void test_packets_that_told_of_their_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talk t = begin(&telling[i]);
		struct quoted told = quote_told(&t), sent = put_client_back(&t, &told);

		for (size_t len = quote_ip_len(&told) + 8; len <= told.len; len++) {
			struct quoted seen = quote_cut(told, len), cut = quote_cut(sent, len);
			size_t check = quote_ip_len(&told) + 16;

			if (len == check + 1) /* half a checksum, which nothing follows from */
				cut.bytes[check] = seen.bytes[check];
			expect_error(&t, true, &seen, &cut);
		}
		way_expect_state(&telling[i], &t.request, SERIN_FLOW_ACKED);
	}
}

/* ---- whose they are ---- */

static int setup_datagrams(void **state)
{
	(void)state;
	way_apply(LAB_HEAD, datagrams, 2, "");
	return 0;
}

static void test_errors_of_flows_that_nobody_has(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talk t = begin(&datagrams[i]);
		uint64_t memory = icmp_memory();
		struct frame other = t.sent;
		struct quoted q;

		other.src_port ^= 1;
		q = quote_of(&other);
		expect_host(&t, true, &q, SERIN_PASS_NO_FLOW);
		other = t.sent; /* one of the service's clients, said to be of another backend */
		other.dst_port ^= 1;
		q = quote_of(&other);
		expect_host(&t, true, &q, SERIN_PASS_NO_SERVICE);
		other = t.returned;
		other.dst_port ^= 1;
		q = quote_of(&other);
		expect_host(&t, false, &q, SERIN_PASS_NO_FLOW);
		assert_int_equal(icmp_memory(), memory);
		assert_int_equal(way_ports(&datagrams[i]).used, 1);
	}
}

/* ---- pieces ---- */

/* A piece of a datagram, as it is quoted or sent; of later ones the bytes are no header. */
static struct quoted piece_of(const struct frame *f, uint16_t at, uint32_t id)
{
	struct quoted q = quote_of(f);

	if (at)
		memset(q.bytes + quote_ip_len(&q), 0xa5, q.len - quote_ip_len(&q));
	quote_make_piece(&q, at, true, id);
	return q;
}

static void send_first(int ifindex, const struct frame *f, uint32_t id)
{
	struct quoted first = piece_of(f, 0, id);
	uint8_t bytes[FRAME_MAX];
	size_t len = quote_frame(&first, f, bytes);
	struct outcome out;

	lab_run(ifindex, bytes, len, &out);
	assert_true(out.action == XDP_TX || out.action == XDP_REDIRECT);
}

/* The first went by here; a later one is quoted, which has no ports. */
static void test_later_pieces_in_the_quote(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talk t = begin(&datagrams[i]);
		struct quoted seen, sent;

		send_first(lab_front, &t.request, PIECE_ID);
		seen = piece_of(&t.sent, 1200, PIECE_ID);
		sent = piece_of(&t.request, 1200, PIECE_ID);
		expect_error(&t, true, &seen, &sent);
		send_first(nic(t.way, true), &t.reply, PIECE_ID + 1);
		seen = piece_of(&t.returned, 1200, PIECE_ID + 1);
		sent = piece_of(&t.reply, 1200, PIECE_ID + 1);
		expect_error(&t, false, &seen, &sent);
		seen = piece_of(&t.sent, 1200, PIECE_ID + 2);
		expect_host(&t, true, &seen, SERIN_PASS_FRAGMENT);
	}
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_packets_that_told_of_their_client, setup_telling),
		TEST(test_errors_of_flows_that_nobody_has, setup_datagrams),
		TEST(test_later_pieces_in_the_quote, setup_datagrams),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns random and damaged frames: requests, replies and ICMP errors of every way there is, with what
 * networks add to them, and then something done to them. For inclusion by one test program each.
 */
#pragma once

#include "modes_lab.h"
#include "wire.h"

#define MUTANT_MAX 9216
#define CLIENTS	   4 /* of each way; all frames begin as of one of theirs */

/* Those whose backends' replies come this way. */
static const struct way *nat_ways[MODES_WAYS];
static unsigned int nat_count;

/* An address and port. */
struct place {
	struct in6_addr address;
	uint16_t port;
};

/* fullnat: for whom the ports of each way's two sources stand. */
static struct place seats[MODES_WAYS][2][MODES_PORT_HIGH - MODES_PORT_LOW + 1];
/* And by which of them the clients' own flows began. */
static struct place sources[MODES_WAYS][CLIENTS];

/* What a frame left as. */
enum kind {
	KIND_REQUEST,
	KIND_TOLD,
	KIND_REPLY,
	KIND_PIECE,
	KIND_ERROR,
	KIND_PIECE_ERROR,
	KIND_MAX
};

static const char *const kind_names[] = {"requests",	 "told",   "replies",
					 "later pieces", "errors", "errors of pieces"};
static uint64_t left_as[SERIN_FORWARDING_MAX][KIND_MAX];

static const struct way *made_of; /* the way that the frame began as one of; NULL: noise */
static uint8_t in[MUTANT_MAX];
static size_t in_len;
static struct outcome out;

static inline struct in6_addr addr_of(const struct wire *w, bool is_destination)
{
	struct in6_addr a = {};

	if (!w->is_v4) {
		memcpy(&a, w->ip + (is_destination ? 24 : 8), 16);
		return a;
	}
	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	memcpy(&a.s6_addr[12], w->ip + (is_destination ? 16 : 12), 4);
	return a;
}

static inline bool is_same_addr(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The way of this backend. */
static inline const struct way *way_of(const struct in6_addr *backend)
{
	unsigned int n = backend->s6_addr[15];
	struct in6_addr wanted;

	if (!n || n > way_count)
		return NULL;
	wanted = lab_addr(ways[n - 1].backend);
	return is_same_addr(backend, &wanted) ? &ways[n - 1] : NULL;
}

/* The way whose VIP it is for, whatever the port. */
static inline const struct way *way_of_vip(const struct wire *w)
{
	struct in6_addr a = addr_of(w, true);
	unsigned int n = a.s6_addr[15];
	struct in6_addr vip;

	if (!n || n > way_count)
		return NULL;
	vip = lab_addr(ways[n - 1].vip);
	return is_same_addr(&a, &vip) ? &ways[n - 1] : NULL;
}

static inline bool is_source(const struct way *w, const struct in6_addr *a)
{
	return is_same_addr(a, &w->source) || is_same_addr(a, &w->second);
}

/* NULL: none of the way's. */
static inline struct place *seat_at(const struct way *w, const struct in6_addr *source,
				    uint16_t port)
{
	if (!is_source(w, source) || port < MODES_PORT_LOW || port > MODES_PORT_HIGH)
		return NULL;
	return &seats[w - ways][is_same_addr(source, &w->second)][port - MODES_PORT_LOW];
}

static inline struct frame request_to(const struct way *w, unsigned int client)
{
	static const char *const addrs[][CLIENTS] = {
		{"2001:db8:c::1", "2001:db8:c::2", "2001:db8:c::3", "2001:db8:c::4"},
		{"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"}};

	return lab_request(addrs[w->is_v4][client], (uint16_t)(4321 + client), w->vip, w->port,
			   w->protocol);
}

static inline struct frame reply_of(const struct way *w, unsigned int client)
{
	struct frame request = request_to(w, client), f = frame_reply(&request);

	f.src = lab_addr(w->backend);
	f.src_port = w->backend_port;
	if (w->mode == SERIN_FORWARDING_FULLNAT) {
		f.dst = sources[w - ways][client].address;
		f.dst_port = sources[w - ways][client].port;
	}
	return f;
}

static inline void begin_flow(const struct way *w, unsigned int client)
{
	struct frame f = request_to(w, client);
	struct place *at = &sources[w - ways][client], *seat;
	struct wire left = {};

	lab_run_frame(lab_front, &f, &out);
	assert_true(out.action == XDP_TX || out.action == XDP_REDIRECT);
	if (w->mode != SERIN_FORWARDING_FULLNAT)
		return;
	assert_true(wire_read(out.bytes, out.len, &left));
	*at = (struct place){addr_of(&left, false), frame_get16(left.l4)};
	seat = seat_at(w, &at->address, at->port);
	assert_non_null(seat);
	*seat = (struct place){f.src, f.src_port};
}

/* Every flow is known; some later pieces will find a first one. */
static inline void begin(const struct way *w)
{
	for (unsigned int client = 0; client < CLIENTS; client++)
		begin_flow(w, client);
	if (modes_is_nat(w->mode))
		nat_ways[nat_count++] = w;
}

/* ---- making frames ---- */

static inline void insert(size_t at, size_t count)
{
	if (in_len + count > sizeof(in))
		return;
	memmove(in + at + count, in + at, in_len - at);
	for (size_t i = 0; i < count; i++)
		in[at + i] = (uint8_t)lab_random();
	in_len += count;
}

static inline void add_tags(void)
{
	static const uint16_t tags[][2] = {
		{0x8100, 100}, {0x8100, 300}, {0x88a8, 200}, {0x8100, 4094}, {0x88a8, 7}};

	for (uint32_t n = lab_below(4); n; n--) {
		const uint16_t *tag = tags[lab_below(5)];

		insert(12, 4);
		frame_put16(in + 12, tag[0]);
		frame_put16(in + 14, (uint16_t)(lab_below(16) << 12 | tag[1]));
	}
}

/* Few numbers and places, so that pieces meet. */
static inline void make_piece4(uint8_t *ip)
{
	frame_put16(ip + 4, (uint16_t)lab_below(4));
	frame_put16(ip + 6, (uint16_t)(lab_below(2) << 13 | lab_below(3)));
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, (ip[0] & 15u) * 4, 0)));
}

static inline void insert_header6(void)
{
	static const uint8_t kinds[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					IPPROTO_DSTOPTS};
	uint8_t *ip = in + FRAME_ETH, kind = kinds[lab_below(4)];
	size_t words = kind == IPPROTO_FRAGMENT || lab_below(4) ? 1 : 1 + lab_below(40);

	insert(FRAME_ETH + 40, words * 8);
	ip[40] = ip[6];
	ip[41] = (uint8_t)(words - 1);
	ip[6] = kind;
	frame_put16(ip + 4, (uint16_t)(frame_get16(ip + 4) + words * 8));
	if (kind == IPPROTO_ROUTING)
		ip[43] = lab_below(4) == 0;
	if (kind != IPPROTO_FRAGMENT)
		return;
	frame_put16(ip + 42, (uint16_t)(lab_below(3) << 3 | lab_below(2)));
	memset(ip + 44, 0, 3);
	ip[47] = (uint8_t)lab_below(4);
}

static inline void add_headers(bool is_v4)
{
	if (is_v4 && lab_below(2))
		make_piece4(in + FRAME_ETH);
	for (uint32_t n = is_v4 ? 0 : lab_below(lab_below(8) ? 3 : 11); n; n--)
		insert_header6();
}

/* Half of the damage goes where the headers are. */
static inline void damage(void)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x45, 0x4f,
					 0x60, 0x06, 0x11, 0x2c, 0x3c, 0x81};
	uint32_t at = lab_below((uint32_t)(lab_below(2) && in_len > 90 ? 90 : in_len));

	switch (lab_below(6)) {
	case 0:
		in[at] ^= (uint8_t)(1u << lab_below(8));
		break;
	case 1:
		in[at] = (uint8_t)lab_random();
		break;
	case 2:
		in[at] = values[lab_below(sizeof(values))];
		break;
	case 3: /* cut */
		in_len = FRAME_ETH + lab_below((uint32_t)in_len - FRAME_ETH + 1);
		break;
	case 4: /* lengthen */
		insert(in_len, lab_below(64));
		break;
	default: /* copy a piece over another */
		for (uint32_t i = 0, from = lab_below((uint32_t)in_len); i < 8; i++)
			in[(at + i) % in_len] = in[(from + i) % in_len];
	}
}

static inline void make_noise(void)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8};

	made_of = NULL;
	in_len = 0;
	insert(0, FRAME_ETH + lab_below(200));
	if (lab_below(4))
		frame_put16(in + 12, types[lab_below(4)]);
}

static inline uint16_t payload_size(void)
{
	if (lab_below(100) == 0)
		return (uint16_t)(3000 + lab_below(5000));
	return (uint16_t)lab_below(lab_below(8) ? 100 : 1500);
}

/* Any; but mostly of connections that begin, for only there a client is told of. */
static inline uint8_t tcp_flags(bool is_request)
{
	static const uint8_t requests[] = {FRAME_SYN, FRAME_ACK, FRAME_ACK, FRAME_ACK | FRAME_FIN};
	static const uint8_t replies[] = {FRAME_SYN | FRAME_ACK, FRAME_SYN | FRAME_ACK,
					  FRAME_SYN | FRAME_ACK, FRAME_ACK};

	if (lab_below(4) == 0)
		return (uint8_t)lab_random();
	return is_request ? requests[lab_below(4)] : replies[lab_below(4)];
}

static inline void make_plain(void)
{
	bool is_request = lab_below(3);
	struct frame f;

	made_of = is_request ? &ways[lab_below(way_count)] : nat_ways[lab_below(nat_count)];
	f = is_request ? request_to(made_of, lab_below(CLIENTS))
		       : reply_of(made_of, lab_below(CLIENTS));
	f.fill = (uint32_t)lab_random();
	f.tcp_flags = tcp_flags(is_request);
	f.ttl = (uint8_t)lab_random();
	f.payload_len = payload_size();
	f.ip_option_words = frame_is_v4(&f) && lab_below(2) ? (uint8_t)lab_below(11) : 0;
	f.tcp_option_words = lab_below(2) ? (uint8_t)lab_below(11) : 0;
	f.no_udp_csum = frame_is_v4(&f) && lab_below(4) == 0;
	f.padding = (uint16_t)lab_below(8);
	in_len = frame_build(&f, in);
}

/* ---- ICMP ---- */

/* What a router or an end may have seen of a way, and says an error about: what a client was sent,
 * or what a backend was. */
static inline struct frame quoted_of(const struct way *w, bool is_to_client)
{
	unsigned int client = lab_below(CLIENTS);
	struct frame f = is_to_client ? request_to(w, client) : reply_of(w, client);

	return frame_reply(&f);
}

/* The ICMP header's type, code and second word, and its checksum; the rest is there. */
static inline void finish_icmp(uint8_t type, uint8_t code, uint32_t word)
{
	struct wire w = {};
	uint8_t *icmp;

	if (!wire_read(in, in_len, &w))
		return;
	icmp = in + (w.l4 - in);
	icmp[0] = type;
	icmp[1] = code;
	frame_put16(icmp + 2, 0);
	frame_put16(icmp + 4, (uint16_t)(word >> 16));
	frame_put16(icmp + 6, (uint16_t)word);
	frame_put16(icmp + 2, (uint16_t)~frame_fold(wire_icmp_sum(&w)));
}

static inline void make_error(void)
{
	static const uint8_t types4[] = {3, 11, 12, 3}, types6[] = {1, 2, 3, 4};
	const struct way *w = lab_below(2) ? &ways[lab_below(way_count)]
					   : nat_ways[lab_below(nat_count)];
	struct frame quoted = quoted_of(w, !modes_is_nat(w->mode) || lab_below(2)), f = quoted;
	uint8_t quote[FRAME_MAX];
	size_t quote_len;

	made_of = w;
	quoted.payload_len = (uint16_t)lab_below(600);
	quoted.fill = (uint32_t)lab_random();
	quoted.tcp_option_words = lab_below(2) ? (uint8_t)lab_below(11) : 0;
	quote_len = frame_build(&quoted, quote) - FRAME_ETH;
	if (w->is_v4 && lab_below(4) == 0)
		make_piece4(quote + FRAME_ETH);
	if (lab_below(2))
		quote_len = 28 + lab_below((uint32_t)quote_len - 27);
	f.src = lab_addr(w->is_v4 ? "203.0.113.9" : "2001:db8:f::9");
	f.dst = quoted.src;
	f.protocol = w->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	f.ttl = (uint8_t)lab_random();
	f.payload_len = (uint16_t)(8 + quote_len);
	in_len = frame_build(&f, in);
	memcpy(in + in_len - quote_len, quote + FRAME_ETH, quote_len);
	finish_icmp(w->is_v4 ? types4[lab_below(4)] : types6[lab_below(4)], (uint8_t)lab_below(5),
		    lab_below(4) ? lab_below(2000) : 0);
}

static inline void make_echo(void)
{
	const struct way *w = &ways[lab_below(way_count)];
	struct frame f = request_to(w, lab_below(CLIENTS));

	made_of = w;
	f.protocol = w->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	f.payload_len = (uint16_t)(8 + payload_size());
	in_len = frame_build(&f, in);
	finish_icmp(w->is_v4 ? 8 : 128, 0, (uint32_t)lab_random());
}

static inline void make_mutant(void)
{
	if (lab_below(20) == 0) {
		make_noise();
		return;
	}
	if (lab_below(8) == 0)
		lab_below(4) ? make_error() : make_echo();
	else
		make_plain();
	if (lab_below(3) == 0)
		add_headers(in[12] == 0x08);
	if (lab_below(4) == 0)
		add_tags();
	for (uint32_t n = lab_below(4); n; n--)
		damage();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the judgement of what became of a frame: what its way may change is as it should be, all else
 * is as it was, and right where it was right. For inclusion by one test program each.
 */
#pragma once

#include "mutant_lab.h"

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

/* The way a packet is to or from: the last byte of the address is its number. */
static inline const struct way *way_at(const struct wire *w, bool is_request)
{
	struct in6_addr a = addr_of(w, is_request), wanted;
	unsigned int n = a.s6_addr[15];
	const struct way *way = &ways[n - 1];

	if (!n || n > way_count)
		return NULL;
	wanted = lab_addr(is_request ? way->vip : way->backend);
	if (memcmp(&a, &wanted, sizeof(a)))
		return NULL;
	if (w->is_later)
		return way;
	return w->protocol == way->protocol && frame_get16(w->l4 + (is_request ? 2 : 0)) ==
						       (is_request ? way->port : way->backend_port)
		       ? way
		       : NULL;
}

static inline void put_addr(uint8_t *copy, bool is_v4, bool is_destination,
			    const struct in6_addr *a)
{
	if (is_v4)
		memcpy(copy + (is_destination ? 16 : 12), &a->s6_addr[12], 4);
	else
		memcpy(copy + (is_destination ? 24 : 8), a, 16);
}

/* What forwarding makes of a packet: a copy of it, and the parts of that. */
struct copy {
	uint8_t bytes[MUTANT_MAX + 64];
	struct wire w;
	const struct way *way;
	bool is_request;
};

static inline uint8_t *copy_ports(struct copy *c)
{
	return c->bytes + (c->w.l4 - c->w.ip);
}

static inline void rewrite_near_side(struct copy *c)
{
	struct in6_addr addr = lab_addr(c->is_request ? c->way->backend : c->way->vip);

	put_addr(c->bytes, c->w.is_v4, c->is_request, &addr);
	if (!c->w.is_later)
		frame_put16(copy_ports(c) + (c->is_request ? 2 : 0),
			    c->is_request ? c->way->backend_port : c->way->port);
}

/* A request takes a seat, whichever it is; a reply goes to who has it. */
static inline void rewrite_far_side(struct copy *c, const struct wire *got)
{
	uint16_t port = c->w.is_later ? 0 : frame_get16(got->l4 + (c->is_request ? 0 : 2));
	struct in6_addr addr = c->is_request ? c->way->source : addr_of(got, true);

	if (!c->w.is_later && c->is_request) {
		*seat_of(c->way, port) = (struct seat){addr_of(&c->w, false), frame_get16(c->w.l4)};
	} else if (!c->w.is_later) {
		struct seat *seat = seat_of(c->way, frame_get16(c->w.l4 + 2));

		addr = seat->client;
		port = seat->port;
	}
	put_addr(c->bytes, c->w.is_v4, !c->is_request, &addr);
	if (!c->w.is_later)
		frame_put16(copy_ports(c) + (c->is_request ? 0 : 2), port);
}

/* The option that tells of the client, as the first of TCP's, if the packet came out longer by it. */
static inline size_t tell(struct copy *c, const struct wire *got, size_t len)
{
	size_t more = c->w.is_v4 ? 8 : 20, at = (size_t)(c->w.l4 - c->w.ip) + 20;
	struct in6_addr client = addr_of(&c->w, false);
	uint8_t *option = c->bytes + at;

	if (!c->way->is_telling || !c->is_request || !wire_has_ports(&c->w) ||
	    (size_t)(got->end - got->ip) != len + more)
		return len;
	memmove(option + more, option, len - at);
	option[0] = 28;
	option[1] = (uint8_t)more;
	memcpy(option + 2, c->w.l4, 2);
	memcpy(option + 4, client.s6_addr + (c->w.is_v4 ? 12 : 0), more - 4);
	copy_ports(c)[12] += (uint8_t)(more << 2);
	frame_put16(c->bytes + (c->w.is_v4 ? 2 : 4),
		    (uint16_t)(frame_get16(c->bytes + (c->w.is_v4 ? 2 : 4)) + more));
	return len + more;
}

/* But for the checksums, which come from what is compared with it. */
static inline size_t make_copy(struct copy *c, const struct wire *got)
{
	size_t len = (size_t)(c->w.end - c->w.ip);

	memcpy(c->bytes, c->w.ip, len);
	c->bytes[c->w.is_v4 ? 8 : 7]--;
	if (modes_is_nat(c->way->mode))
		rewrite_near_side(c);
	if (c->way->mode == SERIN_FORWARDING_FULLNAT)
		rewrite_far_side(c, got);
	len = tell(c, got, len);
	if (c->w.is_v4)
		memcpy(c->bytes + 10, got->ip + 10, 2);
	if (wire_has_ports(&c->w))
		memcpy(copy_ports(c) + (c->w.protocol == IPPROTO_TCP ? 16 : 6),
		       got->l4 + (c->w.protocol == IPPROTO_TCP ? 16 : 6), 2);
	return len;
}

/* But for what forwarding changes, the packet is as it was, and right where it was right. */
static inline const char *packet_fault(const struct wire *came, const struct wire *got,
				       const struct way *way, bool is_request)
{
	static struct copy copy;
	size_t len;

	copy.w = *came;
	copy.way = way;
	copy.is_request = is_request;
	len = make_copy(&copy, got);
	if ((size_t)(got->end - got->ip) != len)
		return "another length";
	if (memcmp(copy.bytes, got->ip, len))
		return "bytes that should be others";
	if (came->ip[came->is_v4 ? 8 : 7] < 2)
		return "should have expired";
	if (wire_ip_residue(came) != wire_ip_residue(got))
		return "IPv4 header checksum";
	if (!wire_has_ports(came))
		return NULL;
	if (wire_is_unchecked(came) != wire_is_unchecked(got))
		return "UDP checksum of none";
	return wire_l4_residue(came) == wire_l4_residue(got) ? NULL : "transport checksum";
}

/* ---- ICMP errors ---- */

/* Which bytes of a quote nat may change: addresses, ports and checksums. */
static inline void mask_quote(uint8_t *quote, size_t len)
{
	bool is_v4 = len && quote[0] >> 4 == 4;
	size_t l4 = is_v4 ? (quote[0] & 15u) * 4 : 40;
	uint8_t protocol = is_v4 ? 9 : 6;

	for (size_t i = is_v4 ? 12 : 8; i < (is_v4 ? 20u : 40u) && i < len; i++)
		quote[i] = 0;
	if (is_v4 && len >= 12)
		memset(quote + 10, 0, 2);
	protocol = len > protocol ? quote[protocol] : 0;
	if (!is_v4 && wire_is_extension(protocol)) /* somewhere behind it */
		memset(quote + 40, 0, len > 40 ? len - 40 : 0);
	for (size_t i = l4; i < l4 + 18 && i < len; i++)
		if (i < l4 + 4 || i == l4 + (protocol == IPPROTO_TCP ? 16u : 6u) ||
		    i == l4 + (protocol == IPPROTO_TCP ? 17u : 7u))
			quote[i] = 0;
}

/* Who gets an error finds in it the packet as he sent it; the sums are as right as they came. */
static inline const char *error_fault(const struct wire *came, const struct wire *got)
{
	static uint8_t before[MUTANT_MAX], after[MUTANT_MAX];
	size_t len = (size_t)(came->end - came->l4) - 8;

	if (got->end - got->l4 != came->end - came->l4)
		return "another length of an error";
	if (got->ip[got->is_v4 ? 8 : 7] + 1 != came->ip[came->is_v4 ? 8 : 7])
		return "TTL of an error";
	if (wire_ip_residue(came) != wire_ip_residue(got))
		return "IPv4 header checksum of an error";
	if (wire_icmp_residue(came) != wire_icmp_residue(got))
		return "ICMP checksum";
	if (memcmp(came->l4, got->l4, 2) || memcmp(came->l4 + 4, got->l4 + 4, 4))
		return "type, code or MTU";
	memcpy(before, came->l4 + 8, len);
	memcpy(after, got->l4 + 8, len);
	if (len >= 20 && before[0] >> 4 == 4 && (before[0] & 15) == 5 &&
	    frame_fold(frame_sum(before, 20, 0)) % 0xffff !=
		    frame_fold(frame_sum(after, 20, 0)) % 0xffff)
		return "quoted IPv4 header's checksum";
	mask_quote(before, len);
	mask_quote(after, len);
	return memcmp(before, after, len) ? "what is quoted" : NULL;
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
	return memcmp(&a, &vip, sizeof(a)) ? NULL : &ways[n - 1];
}

/* ---- answers of our own ---- */

static inline const char *link_answer_fault(const struct wire *came, const struct wire *left)
{
	if (out.action != XDP_TX || left->link_len != came->link_len)
		return "an answer that goes elsewhere";
	if (memcmp(out.bytes, in + 6, 6) || memcmp(out.bytes + 6, in, 6) ||
	    memcmp(out.bytes + 12, in + 12, came->link_len - 12))
		return "an answer's link";
	if (left->ip[left->is_v4 ? 8 : 7] != 64)
		return "an answer's TTL";
	return NULL;
}

static inline const char *echo_fault(const struct wire *came, const struct wire *left)
{
	struct in6_addr from = addr_of(came, false), to = addr_of(left, true);

	if (!wire_is_icmp(came) || !wire_is_icmp(left) || out.len != in_len)
		return "no echo";
	if (memcmp(&from, &to, sizeof(to)))
		return "an echo to somebody else";
	if (left->l4[0] != (left->is_v4 ? 0 : 129) || left->l4[1] != 0 ||
	    memcmp(left->l4 + 4, came->l4 + 4, (size_t)(in + in_len - came->l4) - 4))
		return "another echo than was asked for";
	if (wire_ip_residue(left) != wire_ip_residue(came) ||
	    wire_icmp_residue(left) != wire_icmp_residue(came))
		return "an echo's checksum";
	return link_answer_fault(came, left);
}

static inline const char *too_big_fault(const struct wire *came, const struct wire *left)
{
	struct in6_addr from = addr_of(came, false), to = addr_of(left, true);
	size_t quoted = (size_t)(left->end - left->l4) - 8;
	uint32_t mtu;

	if (!wire_is_icmp(left) || memcmp(&from, &to, sizeof(to)) || left->is_v4 != came->is_v4)
		return "no answer to what is too big";
	mtu = (uint32_t)frame_get16(left->l4 + 4) << 16 | frame_get16(left->l4 + 6);
	if (left->l4[0] != (left->is_v4 ? 3 : 2) || left->l4[1] != (left->is_v4 ? 4 : 0) ||
	    mtu >= (size_t)(came->end - came->ip) || mtu < (left->is_v4 ? 68 : 1280))
		return "type, code or MTU of an answer";
	if (wire_ip_residue(left) || wire_icmp_residue(left))
		return "an answer's checksum";
	if ((size_t)(left->end - left->ip) > (left->is_v4 ? 576 : 1280) ||
	    left->end != out.bytes + out.len || memcmp(left->l4 + 8, came->ip, quoted))
		return "an answer's quote";
	return link_answer_fault(came, left);
}

/* ---- all that leaves ---- */

/* What encloses a packet is right whatever that packet is. */
static inline const char *outer_fault(const struct wire *outer, const struct way *way)
{
	struct in6_addr backend = lab_addr(way->backend), to = addr_of(outer, true);

	if (memcmp(&backend, &to, sizeof(to)))
		return "not to the backend";
	if (wire_ip_residue(outer))
		return "outer IPv4 header checksum";
	if (way->mode == SERIN_FORWARDING_GUE &&
	    (!wire_is_gue(outer) || !wire_is_unchecked(outer) ||
	     frame_get16(outer->l4 + 4) != outer->end - outer->l4))
		return "UDP header around it";
	return wire_is_gue(outer) ? wire_transport_fault(outer) : NULL;
}

/* By a way: as it is, or within another packet. */
static inline const char *way_fault(const struct wire *came, const struct wire *left,
				    const struct way *way, bool is_request)
{
	struct wire inner = {};
	const char *fault;

	if (!modes_is_tunnel(way->mode))
		return packet_fault(came, left, way, is_request);
	if (!wire_read_inner(left, &inner))
		return "no packet within";
	fault = outer_fault(left, way);
	return fault ? fault : packet_fault(came, &inner, way, is_request);
}

/* nat mends what an error quotes; the other modes hand it on as any packet. */
static inline const char *forwarded_error_fault(const struct wire *came, const struct wire *left)
{
	const struct way *way = way_of_vip(came);

	if (!way || modes_is_nat(way->mode))
		return wire_is_icmp(left) ? error_fault(came, left) : "no error";
	return way_fault(came, left, way, true);
}

static inline const char *forwarded_fault(const struct wire *came, const struct wire *left)
{
	const struct way *way = way_at(came, true);
	const char *fault = way ? way_fault(came, left, way, true) : "not ours";

	/* A later piece from a backend to a VIP goes with its first, by the one's way or the other's. */
	if (!fault || (way && !came->is_later))
		return fault;
	way = way_at(came, false);
	return way ? way_fault(came, left, way, false) : fault;
}

static inline const char *leaving_fault(enum serin_reason reason)
{
	struct wire came = {}, left = {};

	if (!wire_read(in, in_len, &came))
		return "nothing to forward";
	if (!wire_read(out.bytes, out.len, &left))
		return "no packet";
	if (reason == SERIN_ANSWER_ECHO)
		return echo_fault(&came, &left);
	if (reason == SERIN_ANSWER_TOO_BIG)
		return too_big_fault(&came, &left);
	/* What follows the packet in the frame follows it still. */
	if (out.len - (size_t)(left.end - out.bytes) != in_len - (size_t)(came.end - in) ||
	    memcmp(left.end, came.end, in_len - (size_t)(came.end - in)))
		return "the end of the frame";
	if (wire_is_icmp(&came))
		return forwarded_error_fault(&came, &left);
	return forwarded_fault(&came, &left);
}

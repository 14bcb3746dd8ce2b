/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the judgement of what became of a frame: what its way may change is as it should be, all else
 * is as it was, and right where it was right. For inclusion by one test program each.
 */
#pragma once

#include "mutant_icmp.h"

/* The way a packet is to or from: the last byte of the address is its number. */
static inline const struct way *way_at(const struct wire *w, bool is_request)
{
	struct in6_addr a = addr_of(w, is_request), wanted;
	unsigned int n = a.s6_addr[15];
	const struct way *way = &ways[n - 1];

	if (!n || n > way_count)
		return NULL;
	wanted = lab_addr(is_request ? way->vip : way->backend);
	if (!is_same_addr(&a, &wanted))
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

/* ---- fullnat: first pieces, which later ones follow ---- */

#define PIECES_KEPT 1024 /* of each way */

struct first_piece {
	struct in6_addr src, dst;
	uint32_t id;
	uint8_t protocol; /* IPv6's numbers are one for all */
	bool is_known;	  /* it was seen to leave; else only that it came */
	struct in6_addr far;
};

static struct first_piece first_pieces[MODES_WAYS][PIECES_KEPT];
static unsigned int piece_counts[MODES_WAYS];

static inline struct first_piece piece_key(const struct wire *w)
{
	return (struct first_piece){.src = addr_of(w, false),
				    .dst = addr_of(w, true),
				    .id = w->id,
				    .protocol = w->is_v4 ? w->protocol : 0};
}

static inline struct first_piece *find_first(const struct way *way, const struct wire *w)
{
	unsigned int count = piece_counts[way - ways];
	struct first_piece key = piece_key(w);

	for (unsigned int i = 0; i < count && i < PIECES_KEPT; i++) {
		struct first_piece *p = &first_pieces[way - ways][i];

		if (p->id == key.id && p->protocol == key.protocol &&
		    is_same_addr(&p->src, &key.src) && is_same_addr(&p->dst, &key.dst))
			return p;
	}
	return NULL;
}

/* @far: what became of its client or source; NULL: it did not leave */
static inline void note_first(const struct way *way, const struct wire *w,
			      const struct in6_addr *far)
{
	struct first_piece *p = find_first(way, w);

	if (!p)
		p = &first_pieces[way - ways][piece_counts[way - ways]++ % PIECES_KEPT];
	*p = piece_key(w);
	p->is_known = far;
	if (far)
		p->far = *far;
}

/* ---- the packet as it is to leave ---- */

/* What forwarding makes of a packet: a copy of it, and the parts of that. */
struct copy {
	uint8_t bytes[MUTANT_MAX + 64];
	struct wire w;
	const struct way *way;
	bool is_request;
	const char *fault; /* of what it is compared with */
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

static inline void follow_first(struct copy *c, const struct wire *got)
{
	const struct first_piece *first = find_first(c->way, &c->w);
	struct in6_addr far = addr_of(got, !c->is_request);

	if (!first)
		c->fault = "a later piece of no first one";
	else if (first->is_known)
		far = first->far;
	put_addr(c->bytes, c->w.is_v4, !c->is_request, &far);
}

/* A request takes a seat, whichever it is; a reply goes to who has it. */
static inline void rewrite_far_side(struct copy *c, const struct wire *got)
{
	struct place came = {addr_of(&c->w, !c->is_request),
			     frame_get16(c->w.l4 + (c->is_request ? 0 : 2))};
	struct place far = {addr_of(got, false), frame_get16(got->l4)};
	struct place *seat = c->is_request ? seat_at(c->way, &far.address, far.port)
					   : seat_at(c->way, &came.address, came.port);

	if (!seat) {
		c->fault = "none of the service's sources";
		return;
	}
	if (c->is_request)
		*seat = came;
	else
		far = *seat;
	put_addr(c->bytes, c->w.is_v4, !c->is_request, &far.address);
	frame_put16(copy_ports(c) + (c->is_request ? 0 : 2), far.port);
	if (c->w.is_first)
		note_first(c->way, &c->w, &far.address);
}

/* What tells is whole, begins and resets nothing, and has room for the option. */
static inline bool may_tell(const struct copy *c, size_t more)
{
	const uint8_t *tcp = c->w.l4;

	return c->way->is_telling && c->is_request && !c->w.is_first && wire_has_ports(&c->w) &&
	       !(tcp[13] & (FRAME_SYN | FRAME_RST)) && (tcp[12] >> 4) * 4u + more <= 60 &&
	       (size_t)(c->w.end - c->w.ip) + more <= 1280;
}

/* The option that tells of the client, as the first of TCP's, if the packet came out longer by it. */
static inline size_t tell(struct copy *c, const struct wire *got, size_t len)
{
	size_t more = c->w.is_v4 ? 8 : 20, at = (size_t)(c->w.l4 - c->w.ip) + 20;
	struct in6_addr client = addr_of(&c->w, false);
	uint8_t *option = c->bytes + at;

	if (!may_tell(c, more) || (size_t)(got->end - got->ip) != len + more)
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
		c->w.is_later ? follow_first(c, got) : rewrite_far_side(c, got);
	len = tell(c, got, len);
	if (c->w.is_v4)
		memcpy(c->bytes + 10, got->ip + 10, 2);
	if (wire_has_ports(&c->w))
		memcpy(copy_ports(c) + (c->w.protocol == IPPROTO_TCP ? 16 : 6),
		       got->l4 + (c->w.protocol == IPPROTO_TCP ? 16 : 6), 2);
	return len;
}

static inline enum kind kind_of(const struct copy *c, size_t len)
{
	if (wire_is_icmp(&c->w))
		return KIND_ERROR;
	if (c->w.is_later)
		return KIND_PIECE;
	if (!c->is_request)
		return KIND_REPLY;
	return len > (size_t)(c->w.end - c->w.ip) ? KIND_TOLD : KIND_REQUEST;
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
	copy.fault = NULL;
	len = make_copy(&copy, got);
	if (copy.fault)
		return copy.fault;
	if ((size_t)(got->end - got->ip) != len)
		return "another length";
	if (memcmp(copy.bytes, got->ip, len))
		return "bytes that should be others";
	if (came->ip[came->is_v4 ? 8 : 7] < 2)
		return "should have expired";
	if (wire_ip_residue(came) != wire_ip_residue(got))
		return "IPv4 header checksum";
	if (wire_has_ports(came) && wire_is_unchecked(came) != wire_is_unchecked(got))
		return "UDP checksum of none";
	if (wire_has_ports(came) && wire_l4_residue(came) != wire_l4_residue(got))
		return "transport checksum";
	left_as[way->mode][kind_of(&copy, len)]++;
	return NULL;
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

	const char *fault;

	if (way && !modes_is_nat(way->mode))
		return way_fault(came, left, way, true);
	fault = wire_is_icmp(left) ? error_fault(came, left) : "no error";
	return fault ? fault : translation_fault(came, left, way);
}

/* A first piece that was dropped or answered: Serin knows whose it was, and may follow it. */
static inline void note_lost(void)
{
	struct wire w = {};

	if (!wire_read(in, in_len, &w) || !w.is_first)
		return;
	for (int is_request = 0; is_request < 2; is_request++) {
		const struct way *way = way_at(&w, is_request);

		if (way && way->mode == SERIN_FORWARDING_FULLNAT)
			note_first(way, &w, NULL);
	}
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

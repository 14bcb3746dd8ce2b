/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the reading of any frame: up to two tags, IPv4 with options, IPv6 with extension headers,
 * fragments, TCP, UDP, and packets within packets; and what is wrong with one. It shares no code
 * with what it is to judge. For inclusion by one test program each.
 */
#pragma once

#include "frame.h"

#define WIRE_GUE_PORT_LOW  6080 /* UDP to these ports holds an IP packet */
#define WIRE_GUE_PORT_HIGH 6081

/* An IP packet: where its parts are. Pointers go into the frame. */
struct wire {
	const uint8_t *ip, *l4, *end; /* end: by the IP header */
	size_t link_len;
	bool is_v4;
	bool is_first, is_later; /* pieces */
	uint8_t protocol;	 /* what l4 is, or in a later piece what it was said to be */
	uint32_t id;		 /* of a piece */
};

static inline bool wire_read_ipv4(struct wire *w, size_t room)
{
	size_t header = (w->ip[0] & 15u) * 4, len;

	if (room < 20 || header < 20)
		return false;
	len = frame_get16(w->ip + 2);
	if (len < header || len > room)
		return false;
	w->is_v4 = true;
	w->protocol = w->ip[9];
	w->l4 = w->ip + header;
	w->end = w->ip + len;
	w->id = frame_get16(w->ip + 4);
	w->is_later = frame_get16(w->ip + 6) & 0x1fff;
	w->is_first = !w->is_later && (frame_get16(w->ip + 6) & 0x2000);
	return true;
}

static inline bool wire_is_extension(uint8_t header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING ||
	       header == IPPROTO_DSTOPTS || header == IPPROTO_FRAGMENT;
}

static inline bool wire_read_ipv6(struct wire *w, size_t room)
{
	if (room < 40 || 40u + frame_get16(w->ip + 4) > room)
		return false;
	w->is_v4 = false;
	w->l4 = w->ip + 40;
	w->end = w->l4 + frame_get16(w->ip + 4);
	for (w->protocol = w->ip[6]; wire_is_extension(w->protocol) && !w->is_later;) {
		size_t len = w->protocol == IPPROTO_FRAGMENT ? 8 : 0;

		if (w->end - w->l4 < 8)
			return false;
		if (w->protocol == IPPROTO_FRAGMENT) {
			w->is_later = frame_get16(w->l4 + 2) & 0xfff8;
			w->is_first |= !w->is_later && (w->l4[3] & 1);
			if (w->is_later || (w->l4[3] & 1))
				w->id = (uint32_t)frame_get16(w->l4 + 4) << 16 |
					frame_get16(w->l4 + 6);
		} else {
			len = (w->l4[1] + 1u) * 8;
		}
		w->protocol = w->l4[0];
		w->l4 += len;
		if (w->l4 > w->end)
			return false;
	}
	return true;
}

/* An IP packet in at most `room` bytes. */
static inline bool wire_read_ip(const uint8_t *ip, size_t room, struct wire *w)
{
	*w = (struct wire){.ip = ip, .link_len = w->link_len};
	if (!room)
		return false;
	return ip[0] >> 4 == 4 ? wire_read_ipv4(w, room)
			       : ip[0] >> 4 == 6 && wire_read_ipv6(w, room);
}

static inline bool wire_read(const uint8_t *frame, size_t len, struct wire *w)
{
	size_t type = 12;

	for (int tags = 0; tags < 2 && type + 6 <= len; tags++, type += 4)
		if (frame_get16(frame + type) != 0x8100 && frame_get16(frame + type) != 0x88a8)
			break;
	if (type + 2 > len)
		return false;
	w->link_len = type + 2;
	switch (frame_get16(frame + type)) {
	case 0x0800:
		return wire_read_ip(frame + type + 2, len - type - 2, w) && w->is_v4;
	case 0x86dd:
		return wire_read_ip(frame + type + 2, len - type - 2, w) && !w->is_v4;
	default:
		return false;
	}
}

/* How wrong checksums are: 0 is right. Sums of 0xffff are 0 in ones' complement. */

static inline uint16_t wire_ip_residue(const struct wire *w)
{
	size_t header = (w->ip[0] & 15u) * 4;

	return w->is_v4 ? frame_fold(frame_sum(w->ip, header, 0)) % 0xffff : 0;
}

static inline bool wire_has_ports(const struct wire *w)
{
	return !w->is_later && ((w->protocol == IPPROTO_TCP && w->end - w->l4 >= 20) ||
				(w->protocol == IPPROTO_UDP && w->end - w->l4 >= 8));
}

static inline bool wire_is_unchecked(const struct wire *w)
{
	return w->protocol == IPPROTO_UDP && !frame_get16(w->l4 + 6);
}

/* Of a whole packet's transport header. A first piece's means nothing by itself, but nothing that
 * is done right changes it. */
static inline uint16_t wire_l4_residue(const struct wire *w)
{
	uint32_t len = (uint32_t)(w->end - w->l4);

	if (wire_is_unchecked(w))
		return 0;
	if (w->protocol == IPPROTO_UDP && !w->is_first && frame_get16(w->l4 + 4) < len)
		len = frame_get16(w->l4 + 4);
	return frame_fold(
		       frame_sum(w->l4, len, frame_pseudo_sum(w->ip, w->is_v4, w->protocol, len))) %
	       0xffff;
}

static inline bool wire_is_icmp(const struct wire *w)
{
	return !w->is_later && w->protocol == (w->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) &&
	       w->end - w->l4 >= 8;
}

static inline uint32_t wire_icmp_sum(const struct wire *w)
{
	uint32_t len = (uint32_t)(w->end - w->l4);

	return frame_sum(w->l4, len,
			 w->is_v4 ? 0 : frame_pseudo_sum(w->ip, false, w->protocol, len));
}

static inline uint16_t wire_icmp_residue(const struct wire *w)
{
	return frame_fold(wire_icmp_sum(w)) % 0xffff;
}

static inline bool wire_is_gue(const struct wire *w)
{
	uint16_t port = wire_has_ports(w) ? frame_get16(w->l4 + 2) : 0;

	return w->protocol == IPPROTO_UDP && port >= WIRE_GUE_PORT_LOW &&
	       port <= WIRE_GUE_PORT_HIGH;
}

/* The packet within a packet, or false. What is within fills what is without. */
static inline bool wire_read_inner(const struct wire *outer, struct wire *inner)
{
	const uint8_t *at = outer->l4;

	if (outer->is_later || outer->is_first)
		return false;
	if (wire_is_gue(outer))
		at += 8;
	else if (outer->protocol != IPPROTO_IPIP && outer->protocol != IPPROTO_IPV6)
		return false;
	return wire_read_ip(at, (size_t)(outer->end - at), inner) && inner->end == outer->end;
}

static inline const char *wire_transport_fault(const struct wire *w)
{
	if (!wire_has_ports(w) || w->is_first)
		return NULL;
	if (w->protocol == IPPROTO_UDP &&
	    (frame_get16(w->l4 + 4) < 8 || frame_get16(w->l4 + 4) > w->end - w->l4))
		return "wrong UDP length";
	if (wire_is_gue(w) && frame_get16(w->l4) < 0xc000)
		return "a source port that others use";
	if (wire_is_unchecked(w) && !w->is_v4 && !wire_is_gue(w))
		return "no UDP checksum over IPv6";
	return wire_l4_residue(w) ? "wrong transport checksum" : NULL;
}

/* What is wrong with a frame, the packets within it included; NULL: nothing. */
static inline const char *wire_fault(const uint8_t *frame, size_t len)
{
	struct wire w = {}, inner = {};
	const char *fault;

	if (!wire_read(frame, len, &w))
		return "not an IP packet, or wrong lengths";
	if (wire_ip_residue(&w))
		return "wrong IPv4 header checksum";
	fault = wire_transport_fault(&w);
	if (fault || !wire_read_inner(&w, &inner))
		return fault;
	if (wire_ip_residue(&inner))
		return "wrong IPv4 header checksum within";
	return wire_transport_fault(&inner);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the judgement of ICMP that leaves: errors as nat and fullnat translate them, and answers of
 * our own. For inclusion by one test program each.
 */
#pragma once

#include "mutant_lab.h"

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

/* Who sent what an error quotes, and to whom. */
struct quoted {
	struct place from, to;
	bool has_ports; /* where they are seen at once */
};

static inline bool read_quoted(const struct wire *error, struct quoted *q)
{
	struct wire w = {.ip = error->l4 + 8, .is_v4 = error->is_v4};
	size_t room = (size_t)(error->end - w.ip);
	size_t l4 = error->is_v4 ? (w.ip[0] & 15u) * 4 : 40;
	uint8_t protocol = w.ip[error->is_v4 ? 9 : 6];

	if (room < (error->is_v4 ? 20 : 40))
		return false;
	*q = (struct quoted){.from.address = addr_of(&w, false), .to.address = addr_of(&w, true)};
	q->has_ports = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && room >= l4 + 4 &&
		       !(error->is_v4 && frame_get16(w.ip + 6) & 0x1fff);
	if (!q->has_ports)
		return true;
	q->from.port = frame_get16(w.ip + l4);
	q->to.port = frame_get16(w.ip + l4 + 2);
	return true;
}

/* Ports are told only where they are. */
static inline bool is_place(const struct quoted *q, const struct place *have,
			    const struct place *wanted)
{
	return is_same_addr(&have->address, &wanted->address) &&
	       (!q->has_ports || have->port == wanted->port);
}

/* The backend's end of the quote becomes the VIP's, or the other way round. */
static inline const char *near_quote_fault(const struct quoted *before, const struct quoted *after,
					   const struct way *way, bool is_to_backend)
{
	struct place backend = {lab_addr(way->backend), way->backend_port};
	struct place vip = {lab_addr(way->vip), way->port};

	if (is_to_backend)
		return is_place(before, &before->from, &vip) &&
				       is_place(after, &after->from, &backend)
			       ? NULL
			       : "what the backend sent, by an error";
	return is_place(before, &before->to, &backend) && is_place(after, &after->to, &vip)
		       ? NULL
		       : "to whom the client sent, by an error";
}

/* And the client's a source's: of a piece only the address is known. */
static inline const char *far_quote_fault(const struct quoted *before, const struct quoted *after,
					  const struct way *way, bool is_to_backend)
{
	const struct place *outside = is_to_backend ? &before->to : &before->from;
	const struct place *inside = is_to_backend ? &after->to : &after->from;
	const struct place *source = is_to_backend ? inside : outside;
	const struct place *client = is_to_backend ? outside : inside;
	const struct place *seat = seat_at(way, &source->address, source->port);

	if (way->mode != SERIN_FORWARDING_FULLNAT)
		return is_place(before, inside, outside) ? NULL : "the client, by an error";
	if (!before->has_ports)
		return is_source(way, &source->address) ? NULL : "no source, by an error";
	return seat && is_place(before, client, seat) ? NULL : "whose seat, by an error";
}

/* By whom an error is told, and to whom: who sent the quoted packet, as he knows himself. */
static inline const char *outer_error_fault(const struct wire *came, const struct wire *got,
					    const struct quoted *after, const struct way *way,
					    bool is_to_backend)
{
	struct in6_addr from = addr_of(got, false), to = addr_of(got, true);
	struct in6_addr teller = is_to_backend ? addr_of(came, false) : lab_addr(way->vip);

	if (is_to_backend && way->mode == SERIN_FORWARDING_FULLNAT)
		teller = after->to.address;
	if (!is_same_addr(&to, &after->from.address))
		return "an error to somebody else";
	return is_same_addr(&from, &teller) ? NULL : "who tells of an error";
}

/* @way: whose VIP it came for; NULL: it came for a client or source. Both by nat or fullnat. */
static inline const char *translation_fault(const struct wire *came, const struct wire *got,
					    const struct way *way)
{
	struct quoted before, after;
	bool is_to_backend = way;
	const char *fault;

	if (!read_quoted(came, &before) || !read_quoted(got, &after))
		return "nothing that is quoted";
	if (!way)
		way = way_of(&before.to.address);
	if (!way || !modes_is_nat(way->mode))
		return "an error of no way";
	fault = near_quote_fault(&before, &after, way, is_to_backend);
	if (!fault)
		fault = far_quote_fault(&before, &after, way, is_to_backend);
	if (!fault)
		fault = outer_error_fault(came, got, &after, way, is_to_backend);
	left_as[way->mode][before.has_ports ? KIND_ERROR : KIND_PIECE_ERROR]++;
	return fault;
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 1, parse, of ICMP and ICMPv6. An error is told apart by the packet it quotes: its endpoints,
 * the other way round, become the error's own, so that the stages that follow find the service, the
 * backend and the flow as they would for an answer to what is quoted. Echo requests are here, too,
 * to be answered where nobody else would. All other ICMP is the host's.
 */
#pragma once

#include "icmp_tunnel.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "quote.bpf.h"

enum icmp_kind {
	ICMP_KIND_OTHER,
	ICMP_KIND_ERROR,
	ICMP_KIND_TOO_BIG, /* an error that tells what would not be */
	ICMP_KIND_ECHO,
};

static __always_inline enum icmp_kind icmp4_kind(const struct icmp_header *icmp)
{
	switch (icmp->type) {
	case ICMP4_UNREACHABLE:
		return icmp->code == ICMP4_FRAG_NEEDED ? ICMP_KIND_TOO_BIG : ICMP_KIND_ERROR;
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER_PROBLEM:
		return ICMP_KIND_ERROR;
	case ICMP4_ECHO:
		return icmp->code ? ICMP_KIND_OTHER : ICMP_KIND_ECHO;
	default:
		return ICMP_KIND_OTHER;
	}
}

static __always_inline enum icmp_kind icmp6_kind(const struct icmp_header *icmp)
{
	switch (icmp->type) {
	case ICMP6_TOO_BIG:
		return ICMP_KIND_TOO_BIG;
	case ICMP6_UNREACHABLE:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAMETER_PROBLEM:
		return ICMP_KIND_ERROR;
	case ICMP6_ECHO:
		return icmp->code ? ICMP_KIND_OTHER : ICMP_KIND_ECHO;
	default:
		return ICMP_KIND_OTHER;
	}
}

/* A host that is no group, not all hosts, and not nobody: who may be answered (RFC 1122 3.2.2). */
static __always_inline int is_host(const struct serin_addr *a)
{
	__u32 first = bpf_ntohl(a->word_be[0]), last = bpf_ntohl(a->word_be[3]);

	if (serin_addr_is_v4(a))
		return last >> 24 && last >> 24 != 127 && last >> 24 < 224;
	return first >> 24 != 0xff &&
	       (a->word_be[0] | a->word_be[1] | a->word_be[2] | (last & ~1u));
}

/* One with IP options or extension headers is left to the host: the answer may owe them something. */
static __always_inline int parse_echo(const struct packet *p, __u32 at)
{
	__u32 plain = p->link.len + (p->ip4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct serin_vip *vip = bpf_map_lookup_elem(&vips, &p->dst.addr);

	if (!vip || !vip->answers_echo || at != plain || !is_host(&p->src.addr))
		return SERIN_PASS_PROTOCOL;
	return p->eth->h_dest[0] & 1 ? SERIN_PASS_GROUP : SERIN_ANSWER_ECHO;
}

/* RFC 4884: objects may follow the quote, whose length then is told, in words of 4 bytes or of 8. */
static __always_inline __u32 quote_len(const struct packet *p, const struct icmp_header *icmp,
				       __u32 left)
{
	__u32 told = p->ip4 ? icmp->rest[1] * 4u : icmp->rest[0] * 8u;

	if (!p->ip4 && icmp->type != ICMP6_UNREACHABLE && icmp->type != ICMP6_TIME_EXCEEDED)
		return left;
	return told >= MIN_TOLD_QUOTE && told < left ? told : left;
}

static __always_inline int is_transport(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* Takes the quoted packet's endpoints for its own. */
static __always_inline int adopt_quote(struct packet *p, const struct quote_view *q, __u32 icmp_at)
{
	__u32 check = q->l4 + (q->src.protocol == IPPROTO_TCP ? TCP_CHECK_AT : UDP_CHECK_AT);

	if (q->piece.place != PIECE_LATER) {
		if (!is_transport(q->src.protocol))
			return SERIN_PASS_PROTOCOL;
		if (!q->l4)
			return SERIN_PASS_MALFORMED;
	}
	if (!q->l4 || check + sizeof(__u16) > q->l4 + q->left)
		check = 0;
	p->quote.icmp = icmp_at;
	p->quote.l4 = q->l4;
	p->quote.check = forget_number(check, icmp_at);
	p->piece.place = q->piece.place == PIECE_LATER ? PIECE_LATER : PIECE_WHOLE;
	p->piece.place = forget_number(p->piece.place, icmp_at);
	p->piece.id_be = q->piece.id_be;
	return SERIN_GO_ON;
}

static __always_inline int parse_error(struct packet *p, const struct icmp_header *icmp, __u32 at,
				       __u32 left, int is_too_big)
{
	struct quote_view q = {
		.at = at + sizeof(*icmp),
		.is_v6 = !p->ip4,
		.left = quote_len(p, icmp, left - sizeof(*icmp)),
	};
	__u32 mtu = p->ip4 ? bpf_ntohs(icmp->mtu_be) : bpf_ntohl(icmp->rest_be);
	int reason;

	if (read_quote(p->ctx, &q))
		return SERIN_PASS_MALFORMED;
	/* An error goes to whoever sent what it quotes. */
	if (!serin_addr_equal(&q.src.addr, &p->dst.addr))
		return SERIN_PASS_PROTOCOL;
	p->src = q.dst;
	p->dst = q.src;
	if (!is_too_big && icmp->type == (p->ip4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE))
		p->says = SAYS_UNREACHABLE;
	reason = adopt_quote(p, &q, at);
	if (is_too_big && learn_path_mtu(p, &q, mtu))
		return SERIN_PASS_TUNNEL_ERROR;
	return reason;
}

/* @at: where in the frame its header begins; @left: bytes from there on, by the IP header */
static __noinline int parse_icmp(struct packet *p, __u32 at, __u32 left, __u32 protocol)
{
	struct icmp_header *icmp = (void *)(long)p->ctx->data;
	void *end = (void *)(long)p->ctx->data_end;
	enum icmp_kind kind;

	if (protocol != (p->ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return SERIN_PASS_PROTOCOL;
	if (p->piece.place != PIECE_WHOLE)
		return SERIN_PASS_FRAGMENT;
	if (at > MAX_AT || left < sizeof(*icmp))
		return SERIN_PASS_MALFORMED;
	icmp = (void *)icmp + at;
	if ((void *)(icmp + 1) > end)
		return SERIN_PASS_MALFORMED;
	kind = p->ip4 ? icmp4_kind(icmp) : icmp6_kind(icmp);
	if (kind == ICMP_KIND_OTHER)
		return SERIN_PASS_PROTOCOL;
	if (kind == ICMP_KIND_ECHO)
		return parse_echo(p, at);
	return parse_error(p, icmp, at, left, kind == ICMP_KIND_TOO_BIG);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a packet within a packet: what an ICMP error quotes, or what a quoted tunnel carries. */
#pragma once

#include "ip.bpf.h"
#include "packet.bpf.h"

/* Of ICMP and ICMPv6 alike, as far as we use it. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	union {
		__u8 rest[4];
		__u32 rest_be;
		struct {
			__u16 unused_be;
			__u16 mtu_be;
		};
	};
};

#define ICMP4_UNREACHABLE	3
#define ICMP4_FRAG_NEEDED	4 /* code of the above */
#define ICMP4_ECHO		8
#define ICMP4_ECHO_REPLY	0
#define ICMP4_TIME_EXCEEDED	11
#define ICMP4_PARAMETER_PROBLEM 12
#define ICMP6_UNREACHABLE	1
#define ICMP6_TOO_BIG		2
#define ICMP6_TIME_EXCEEDED	3
#define ICMP6_PARAMETER_PROBLEM 4
#define ICMP6_ECHO		128
#define ICMP6_ECHO_REPLY	129

#define MIN_TOLD_QUOTE 128 /* RFC 4884: a quote whose length is told is no shorter */
#define TCP_CHECK_AT   16
#define UDP_CHECK_AT   6

struct quote_view {
	__u32 at; /* its IP header, in the frame */
	__u32 is_v6;
	struct serin_endpoint src __attribute__((aligned(8)));
	__u32 left; /* in: bytes of it there are; out: those after its IP headers */
	struct serin_endpoint dst __attribute__((aligned(8)));
	__u32 l4; /* out: what follows its IP headers; 0: nothing that can be read */
	struct piece piece;
};

static __always_inline int quote_ipv4(void *base, void *end, struct quote_view *q)
{
	struct iphdr *ip = base;
	__u32 len;

	if ((void *)(ip + 1) > end || q->left < sizeof(*ip))
		return SERIN_PASS_MALFORMED;
	len = ip->ihl * 4;
	if (ip->version != 4 || len < sizeof(*ip) || len > q->left)
		return SERIN_PASS_MALFORMED;
	set_v4(&q->src.addr, ip->saddr);
	set_v4(&q->dst.addr, ip->daddr);
	q->src.protocol = ip->protocol;
	if (ip->frag_off & bpf_htons(IP_OFFSET)) {
		q->piece.place = PIECE_LATER;
		q->piece.id_be = ip->id;
	}
	q->l4 = q->at + len;
	q->left -= len;
	return SERIN_GO_ON;
}

static __always_inline int quote_ipv6(struct xdp_md *ctx, void *base, void *end,
				      struct quote_view *q)
{
	struct header_walk w = {};
	struct ipv6hdr *ip = base;

	if ((void *)(ip + 1) > end || q->left < sizeof(*ip) || ip->version != 6)
		return SERIN_PASS_MALFORMED;
	__builtin_memcpy(&q->src.addr, &ip->saddr, sizeof(q->src.addr));
	__builtin_memcpy(&q->dst.addr, &ip->daddr, sizeof(q->dst.addr));
	w.next = ip->nexthdr;
	if (is_extension(w.next) && walk_headers(ctx, q->at + sizeof(*ip), &w))
		return SERIN_PASS_MALFORMED;
	w.len += sizeof(*ip);
	if (w.len > q->left)
		return SERIN_PASS_MALFORMED;
	q->src.protocol = w.next;
	q->piece = w.piece;
	q->l4 = q->at + w.len;
	q->left -= w.len;
	return SERIN_GO_ON;
}

/* Later pieces have no ports, and a quote may end before them. */
static __always_inline void quote_ports(void *base, void *end, struct quote_view *q)
{
	__u16 *port = base + q->l4;

	if (q->src.protocol != IPPROTO_TCP && q->src.protocol != IPPROTO_UDP)
		return;
	if (q->piece.place == PIECE_LATER || q->left < 2 * sizeof(*port) ||
	    (void *)(port + 2) > end) {
		q->l4 = 0;
		return;
	}
	q->src.port_be = port[0];
	q->dst.port_be = port[1];
}

/* A global function: the verifier proves it once. Fills in all of q but what says what to read. */
__noinline int read_quote(struct xdp_md *ctx, struct quote_view *q)
{
	void *end = (void *)(long)ctx->data_end;
	void *base = (void *)(long)ctx->data;
	int reason;

	if (!q || q->at > MAX_AT)
		return SERIN_PASS_MALFORMED;
	q->src = (struct serin_endpoint){};
	q->dst = (struct serin_endpoint){};
	q->piece = (struct piece){};
	reason = q->is_v6 ? quote_ipv6(ctx, base + q->at, end, q)
			  : quote_ipv4(base + q->at, end, q);
	if (reason || q->l4 > MAX_AT)
		return SERIN_PASS_MALFORMED;
	q->dst.protocol = q->src.protocol;
	quote_ports(base, end, q);
	return SERIN_GO_ON;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 1, parse: Ethernet, IPv4 or IPv6, TCP or UDP. Reads, never writes. Whatever it does not
 * understand, or that does not add up, is not ours and passes untouched.
 *
 * Parsers take a cursor and move it past what they have read; they return 0 or a reason.
 */
#pragma once

#include "packet.bpf.h"

#define IP_FRAGMENT_MASK 0x3fff /* more fragments, or an offset */

struct cursor {
	void *pos;
	void *end;     /* of the frame */
	__u32 left;    /* bytes after pos by the IP header: Ethernet padding is not the packet's */
	__u8 protocol; /* what comes next: an IPPROTO_* */
};

/* A difference is a plain number. Lengths in network order must not be added to a packet pointer:
 * the verifiers of 6.1 and 6.12 forget the bounds of a number at its byte swap. */
static __always_inline __u32 bytes_left(const struct cursor *c)
{
	return c->end - c->pos;
}

static __always_inline void set_v4(struct serin_addr *a, __u32 addr_be)
{
	a->word_be[0] = 0;
	a->word_be[1] = 0;
	a->word_be[2] = SERIN_V4_MAPPED_BE;
	a->word_be[3] = addr_be;
}

static __always_inline int parse_ipv4(struct cursor *c, struct packet *p)
{
	struct iphdr *ip = c->pos;
	__u32 header_len, total_len;

	if ((void *)(ip + 1) > c->end)
		return SERIN_PASS_MALFORMED;
	header_len = ip->ihl * 4;
	total_len = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header_len < sizeof(*ip) || total_len < header_len ||
	    total_len > bytes_left(c))
		return SERIN_PASS_MALFORMED;
	if (ip->frag_off & bpf_htons(IP_FRAGMENT_MASK))
		return SERIN_PASS_FRAGMENT;
	p->ip4 = ip;
	set_v4(&p->src.addr, ip->saddr);
	set_v4(&p->dst.addr, ip->daddr);
	c->protocol = ip->protocol;
	c->left = total_len - header_len;
	c->pos += header_len;
	return SERIN_GO_ON;
}

static __always_inline int parse_ipv6(struct cursor *c, struct packet *p)
{
	struct ipv6hdr *ip = c->pos;
	__u32 payload_len;

	if ((void *)(ip + 1) > c->end)
		return SERIN_PASS_MALFORMED;
	payload_len = bpf_ntohs(ip->payload_len);
	if (ip->version != 6 || payload_len > bytes_left(c) - sizeof(*ip))
		return SERIN_PASS_MALFORMED;
	if (ip->nexthdr == IPPROTO_FRAGMENT)
		return SERIN_PASS_FRAGMENT;
	p->ip6 = ip;
	__builtin_memcpy(&p->src.addr, &ip->saddr, sizeof(p->src.addr));
	__builtin_memcpy(&p->dst.addr, &ip->daddr, sizeof(p->dst.addr));
	c->protocol = ip->nexthdr;
	c->left = payload_len;
	c->pos += sizeof(*ip);
	return SERIN_GO_ON;
}

static __always_inline int parse_tcp(struct cursor *c, struct packet *p)
{
	struct tcphdr *tcp = c->pos;

	if ((void *)(tcp + 1) > c->end || tcp->doff < 5 || tcp->doff * 4u > c->left)
		return SERIN_PASS_MALFORMED;
	p->tcp = tcp;
	p->src.port_be = tcp->source;
	p->dst.port_be = tcp->dest;
	return SERIN_GO_ON;
}

static __always_inline int parse_udp(struct cursor *c, struct packet *p)
{
	struct udphdr *udp = c->pos;

	if ((void *)(udp + 1) > c->end || bpf_ntohs(udp->len) < sizeof(*udp) ||
	    bpf_ntohs(udp->len) > c->left)
		return SERIN_PASS_MALFORMED;
	if (p->ip6 && !udp->check) /* RFC 8200 8.1: forbidden but for tunnels, which this is not */
		return SERIN_PASS_MALFORMED;
	p->udp = udp;
	p->src.port_be = udp->source;
	p->dst.port_be = udp->dest;
	return SERIN_GO_ON;
}

static __always_inline int parse_transport(struct cursor *c, struct packet *p)
{
	p->src.protocol = c->protocol;
	p->dst.protocol = c->protocol;
	switch (c->protocol) {
	case IPPROTO_TCP:
		return parse_tcp(c, p);
	case IPPROTO_UDP:
		return parse_udp(c, p);
	default:
		return SERIN_PASS_PROTOCOL;
	}
}

static __always_inline int parse(struct xdp_md *ctx, struct packet *p)
{
	struct cursor c = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = c.pos;
	int reason;

	p->ctx = ctx;
	p->frame_len = c.end - c.pos;
	if ((void *)(eth + 1) > c.end)
		return SERIN_PASS_MALFORMED;
	p->eth = eth;
	c.pos = eth + 1;
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		reason = parse_ipv4(&c, p);
		break;
	case bpf_htons(ETH_P_IPV6):
		reason = parse_ipv6(&c, p);
		break;
	default:
		return SERIN_PASS_NOT_IP;
	}
	return reason ? reason : parse_transport(&c, p);
}

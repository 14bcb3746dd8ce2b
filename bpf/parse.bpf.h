/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 1, parse: Ethernet and up to two VLAN tags; IPv4 and its options, IPv6 and its extension
 * headers; fragments; TCP or UDP, and ICMP by icmp.bpf.h. Reads, never writes. Whatever it does not
 * understand, or that does not add up, is not ours and passes untouched.
 *
 * Parsers take a cursor and move it past what they have read; they return 0 or a reason.
 */
#pragma once

#include "icmp.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

#define TCP_LEN_AT   12
#define TCP_FLAGS_AT 13

struct cursor {
	void *pos;
	void *end;     /* of the frame's first buffer */
	__u32 left;    /* bytes after pos by the IP header: Ethernet padding is not the packet's */
	__u8 protocol; /* what comes next: an IPPROTO_* */
};

/* A difference is a plain number. Lengths in network order must not be added to a packet pointer:
 * the verifiers of 6.1 and 6.12 forget the bounds of a number at its byte swap. */
static __always_inline __u32 bytes_left(const struct cursor *c)
{
	return c->end - c->pos;
}

/* Is the packet all there? A jumbo frame has more buffers than the one we see. */
static __always_inline int is_complete(const struct cursor *c, struct packet *p)
{
	__u32 len = p->frame_len;

	if (p->ip_len > bytes_left(c))
		len = bpf_xdp_get_buff_len(p->ctx);
	p->frame_len = len;
	return p->ip_len + p->link.len <= p->frame_len;
}

static __always_inline int parse_ipv4(struct cursor *c, struct packet *p)
{
	struct iphdr *ip = c->pos;
	__u32 header_len;

	if ((void *)(ip + 1) > c->end)
		return SERIN_PASS_MALFORMED;
	header_len = ip->ihl * 4;
	p->ip_len = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header_len < sizeof(*ip) || p->ip_len < header_len ||
	    !is_complete(c, p))
		return SERIN_PASS_MALFORMED;
	p->ip4 = ip;
	set_v4(&p->src.addr, ip->saddr);
	set_v4(&p->dst.addr, ip->daddr);
	if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_OFFSET)) {
		p->piece.place = ip->frag_off & bpf_htons(IP_OFFSET) ? PIECE_LATER : PIECE_FIRST;
		p->piece.id_be = ip->id;
	}
	c->protocol = ip->protocol;
	c->left = p->ip_len - header_len;
	c->pos += header_len;
	return SERIN_GO_ON;
}

/* Whose a packet is that has more headers than we walk, its address alone can say. */
static __noinline int too_many_headers(struct packet *p)
{
	return bpf_map_lookup_elem(&vips, &p->dst.addr) ? SERIN_DROP_HEADERS : SERIN_PASS_PROTOCOL;
}

/* IPv6's extension headers: how long they are, and what follows them. */
struct headers {
	__u32 next;
	__u32 len;
};

static __noinline int parse_headers(struct packet *p, struct headers *h)
{
	struct header_walk w = {.next = h->next};
	int reason = walk_headers(p->ctx, p->link.len + sizeof(struct ipv6hdr), &w);

	if (reason == SERIN_DROP_HEADERS)
		return too_many_headers(p);
	if (reason)
		return reason == SERIN_PASS_PROTOCOL ? SERIN_PASS_PROTOCOL : SERIN_PASS_MALFORMED;
	p->piece = w.piece;
	h->next = w.next;
	h->len = w.len;
	return SERIN_GO_ON;
}

static __always_inline int parse_ipv6(struct cursor *c, struct packet *p)
{
	struct ipv6hdr *ip = c->pos;
	__u32 headers_len = 0;
	struct headers h;
	int reason;

	if ((void *)(ip + 1) > c->end)
		return SERIN_PASS_MALFORMED;
	p->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (ip->version != 6 || !is_complete(c, p))
		return SERIN_PASS_MALFORMED;
	p->ip6 = ip;
	copy_addr(&p->src.addr, &ip->saddr);
	copy_addr(&p->dst.addr, &ip->daddr);
	c->protocol = ip->nexthdr;
	c->left = p->ip_len - sizeof(*ip);
	c->pos += sizeof(*ip);
	if (is_extension(c->protocol)) {
		h.next = c->protocol;
		reason = parse_headers(p, &h);
		if (reason)
			return reason;
		c->protocol = h.next;
		headers_len = h.len;
	}
	headers_len = forget_number(headers_len, p->ip_len);
	if (headers_len > MAX_HEADERS_LEN + 2048 || headers_len > c->left)
		return SERIN_PASS_MALFORMED;
	c->left -= headers_len;
	c->pos += headers_len;
	return SERIN_GO_ON;
}

static __always_inline int parse_tcp(struct cursor *c, struct packet *p)
{
	struct tcphdr *tcp = c->pos;
	const __u8 *byte = c->pos;
	__u32 len;

	if ((void *)(tcp + 1) > c->end)
		return SERIN_PASS_MALFORMED;
	len = (byte[TCP_LEN_AT] & 0xf0u) >> 2;
	if (len < sizeof(*tcp) || len > c->left)
		return SERIN_PASS_MALFORMED;
	p->tcp = tcp;
	p->seq_be = tcp->seq;
	/* The difference is negative where data follows: without a branch to prove. */
	p->says = (byte[TCP_FLAGS_AT] & SAYS_TCP_FLAGS) | ((len - c->left) >> 31) * SAYS_DATA;
	p->src.port_be = tcp->source;
	p->dst.port_be = tcp->dest;
	return SERIN_GO_ON;
}

static __always_inline int parse_udp(struct cursor *c, struct packet *p)
{
	struct udphdr *udp = c->pos;

	if ((void *)(udp + 1) > c->end || bpf_ntohs(udp->len) < sizeof(*udp) ||
	    (bpf_ntohs(udp->len) > c->left &&
	     (p->piece.place == PIECE_WHOLE || c->left < sizeof(*udp))))
		return SERIN_PASS_MALFORMED;
	if (p->ip6 && !udp->check) /* RFC 8200 8.1: forbidden but for tunnels, which this is not */
		return SERIN_PASS_MALFORMED;
	p->udp = udp;
	p->says = SAYS_DATA;
	p->src.port_be = udp->source;
	p->dst.port_be = udp->dest;
	return SERIN_GO_ON;
}

static __always_inline int parse_transport(struct cursor *c, struct packet *p)
{
	p->src.protocol = c->protocol;
	p->dst.protocol = c->protocol;
	if (p->piece.place == PIECE_LATER)
		return SERIN_GO_ON;
	switch (c->protocol) {
	case IPPROTO_TCP:
		return parse_tcp(c, p);
	case IPPROTO_UDP:
		return parse_udp(c, p);
	default:
		return parse_icmp(p, c->pos - (void *)(long)p->ctx->data, c->left, c->protocol);
	}
}

static __always_inline int is_tag(__u16 type_be)
{
	return type_be == bpf_htons(ETH_P_8021Q) || type_be == bpf_htons(ETH_P_8021AD);
}

/* What the frame carries after its tags; a third tag is none of the types we know. */
__noinline int parse_tags(struct xdp_md *ctx, struct link *l)
{
	void *end = (void *)(long)ctx->data_end;
	__u32 *tag = (void *)(long)ctx->data + 2 * ETH_ALEN;
	__u16 type_be = 0;

	if (!l)
		return 0;
	for (int i = 0; i <= SERIN_MAX_TAGS; i++) {
		if ((void *)(tag + 1) > end)
			return 0;
		type_be = *(__u16 *)tag;
		if (i == SERIN_MAX_TAGS || !is_tag(type_be))
			break;
		l->tag_be[i] = *tag++;
		l->count++;
		l->len += sizeof(*tag);
	}
	return type_be;
}

/* No tags and no piece. With them or without, to the verifier it is one and the same. */
static __always_inline void expect_plain(struct packet *p)
{
	__u32 none = forget_number(0, p->frame_len);

	p->link = (struct link){sizeof(*p->eth) + none, none, {none, none}};
	p->piece = (struct piece){none, none};
}

static __always_inline int parse(struct xdp_md *ctx, struct packet *p)
{
	struct cursor c = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = c.pos;
	__u16 type_be;
	int reason;

	p->ctx = ctx;
	p->frame_len = c.end - c.pos;
	expect_plain(p);
	if ((void *)(eth + 1) > c.end)
		return SERIN_PASS_MALFORMED;
	p->eth = eth;
	type_be = *(any16 *)((void *)eth + 2 * ETH_ALEN);
	if (is_tag(type_be))
		type_be = parse_tags(ctx, &p->link);
	if (p->link.len > MAX_L2_LEN)
		return SERIN_PASS_MALFORMED;
	c.pos += p->link.len;
	switch (type_be) {
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

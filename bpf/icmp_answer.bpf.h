/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that Serin answers itself: echo requests to a VIP that no host owns, and what is too big
 * for the way on. The frame that came becomes the answer and leaves by the NIC it came in by, with
 * its VLAN tags, to the MAC address it came from.
 */
#pragma once

#include "checksum.bpf.h"
#include "icmp.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "tunnel.bpf.h"

#define ANSWER_TTL	    64
#define TRAFFIC_CLASS_ICMP4 0xc0 /* RFC 1812 4.3.2.5: precedence 6 */
#define ANSWER4_MAX	    576	 /* RFC 1812 4.3.2.3 */
#define ANSWER6_MAX	    1280 /* RFC 4443 2.4 (c) */

/* ---- echo ---- */

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/* A sum does not mind who is source and who destination. */
static __always_inline void turn_ipv4(struct iphdr *ip)
{
	__u32 addr_be = ip->saddr;

	ip->saddr = ip->daddr;
	ip->daddr = addr_be;
	ip->check = csum_add(ip->check, csum_replace((__u16 *)&ip->ttl,
						     bpf_htons(ANSWER_TTL << 8 | ip->protocol)));
}

static __always_inline void turn_ipv6(struct ipv6hdr *ip)
{
	struct in6_addr addr = ip->saddr;

	ip->saddr = ip->daddr;
	ip->daddr = addr;
	ip->hop_limit = ANSWER_TTL;
}

__noinline int write_echo_reply(struct xdp_md *ctx, __u32 l3, __u32 is_v6)
{
	void *base = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct icmp_header *icmp;
	void *ip = base + l3;

	if (l3 > MAX_L2_LEN || base + sizeof(struct ethhdr) > end)
		return SERIN_PASS_MALFORMED;
	icmp = ip + (is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if ((void *)(icmp + 1) > end)
		return SERIN_PASS_MALFORMED;
	swap_macs(base);
	if (is_v6)
		turn_ipv6(ip);
	else
		turn_ipv4(ip);
	icmp->check = csum_add(icmp->check,
			       csum_replace((__u16 *)icmp, bpf_htons(is_v6 ? ICMP6_ECHO_REPLY << 8
									   : ICMP4_ECHO_REPLY)));
	return SERIN_GO_ON;
}

static __noinline int answer_echo(struct packet *p)
{
	return write_echo_reply(p->ctx, p->link.len, !p->ip4) ? SERIN_PASS_MALFORMED
							      : SERIN_ANSWER_ECHO;
}

/* ---- too big ---- */

/* A bucket of tokens a CPU. */
__noinline int may_answer(void)
{
	__u64 now = bpf_jiffies64(), most = (__u64)SERIN_ANSWER_BURST * second_jiffies;
	__u32 zero = 0;
	struct serin_answers *b = bpf_map_lookup_elem(&answer_budget, &zero);

	if (!b)
		return 0;
	b->credit += (now - b->jiffies) * SERIN_ANSWERS_PER_S;
	b->jiffies = now;
	if (b->credit > most)
		b->credit = most;
	if (b->credit < second_jiffies)
		return 0;
	b->credit -= second_jiffies;
	return 1;
}

/* RFC 1812 4.3.2.7, RFC 4443 2.4 (e): what no error may be about. Nor is there one that helps where
 * IPv6's smallest packets do not fit. */
static __always_inline int deserves_answer(const struct packet *p)
{
	return p->piece.place != PIECE_LATER && !packet_is_error(p) && is_host(&p->src.addr) &&
	       is_host(&p->dst.addr) && (p->ip4 || p->ip_len > IP6_MIN_MTU);
}

/* As much of the packet as the answer may quote, in whole words: it makes the sum simple. */
static __always_inline __u32 answer_quote_len(const struct packet *p)
{
	__u32 most = p->ip4 ? ANSWER4_MAX - sizeof(struct iphdr) - sizeof(struct icmp_header)
			    : ANSWER6_MAX - sizeof(struct ipv6hdr) - sizeof(struct icmp_header);

	return p->ip_len < most ? p->ip_len & ~3u : most;
}

/* Whoever sent it hears from who it was sent to, the VIP or a source of fullnat's; or, of what a
 * backend sent to a client, from the VIP. */
static __always_inline void describe_answer(const struct packet *p, __u32 quote_len,
					    struct envelope *e)
{
	e->came = p->link;
	e->out_port = arrival_port(p->ctx->ingress_ifindex, &p->link);
	__builtin_memcpy(&e->hop, p->eth->h_source, ETH_ALEN);
	__builtin_memcpy(e->mac, p->eth->h_dest, ETH_ALEN);
	e->source = is_fullnat(p) ? p->dst.addr : p->service->vip.addr;
	e->destination = p->src.addr;
	e->inner_len = sizeof(struct icmp_header);
	e->len = quote_len + sizeof(struct icmp_header);
	e->df_be = bpf_htons(IP_DONT_FRAGMENT);
	if (p->ip4) {
		e->type_be = bpf_htons(ETH_P_IP);
		e->protocol = IPPROTO_ICMP;
		e->traffic_class = TRAFFIC_CLASS_ICMP4;
	} else {
		e->type_be = bpf_htons(ETH_P_IPV6);
		e->protocol = IPPROTO_ICMPV6;
	}
}

/* Up to the frame's end, which is a multiple of 4 bytes away. */
static __always_inline __u64 sum_words(void *at, void *end)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < ANSWER6_MAX; i += sizeof(__u32)) {
		if (at + i + sizeof(__u32) > end)
			break;
		sum += *(__u32 *)(at + i);
	}
	return sum;
}

static __always_inline __u16 sum_answer(void *ip, void *icmp, void *end, __u32 is_v6)
{
	__u64 sum;

	if (is_v6) /* with the pseudo header: the addresses, which end the IP header, and two numbers */
		sum = sum_words(ip + offsetof(struct ipv6hdr, saddr), end) +
		      bpf_htonl((__u32)(end - icmp)) + bpf_htonl(IPPROTO_ICMPV6);
	else
		sum = sum_words(icmp, end);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return csum_fold((sum & 0xffff) + (sum >> 16));
}

/* The ICMP header, in front of the quote, where the frame ends. */
__noinline int write_too_big(struct xdp_md *ctx, __u32 l3, __u32 mtu, __u32 is_v6)
{
	void *end = (void *)(long)ctx->data_end, *ip = (void *)(long)ctx->data;
	struct icmp_header *icmp;

	if (l3 > MAX_L2_LEN)
		return SERIN_DROP_NO_ROOM;
	ip += l3;
	icmp = ip + (is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if ((void *)(icmp + 1) > end)
		return SERIN_DROP_NO_ROOM;
	icmp->type = is_v6 ? ICMP6_TOO_BIG : ICMP4_UNREACHABLE;
	icmp->code = is_v6 ? 0 : ICMP4_FRAG_NEEDED;
	icmp->check = 0;
	icmp->rest_be = bpf_htonl(mtu);
	icmp->check = (__u16)~sum_answer(ip, icmp, end, is_v6);
	return SERIN_GO_ON;
}

/* Cuts the frame after the quote; after that no pointer into the packet is valid. */
static __always_inline int cut_frame(const struct packet *p, __u32 quote_len)
{
	__u32 len = p->link.len + quote_len, now = bpf_xdp_get_buff_len(p->ctx);

	return bpf_xdp_adjust_tail(p->ctx, (int)len - (int)now);
}

/* In place of what does not fit: "fragmentation needed", or "packet too big", from the VIP. */
static __noinline int answer_too_big(struct packet *p)
{
	__u32 quote_len = answer_quote_len(p), mtu = p->mtu, is_v6 = !p->ip4;
	__u32 l3 = p->link.len;
	struct envelope e = {};

	if (!deserves_answer(p) ||
	    (void *)p->eth + p->link.len + quote_len > (void *)(long)p->ctx->data_end)
		return SERIN_DROP_TOO_BIG;
	if (is_v6 && mtu < IP6_MIN_MTU)
		mtu = IP6_MIN_MTU;
	if (!may_answer())
		return SERIN_DROP_TOO_BIG;
	describe_answer(p, quote_len, &e);
	if (cut_frame(p, quote_len) || write_envelope(p->ctx, &e) ||
	    write_too_big(p->ctx, l3, mtu, is_v6))
		return SERIN_DROP_NO_ROOM;
	return SERIN_ANSWER_TOO_BIG;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes before a packet that leaves otherwise than it came: other VLAN tags, and for ipip and
 * gue a new IP header, for gue a UDP header after it (variant 1 of draft-ietf-intarea-gue: the IP
 * packet follows at once).
 *
 * DSCP and ECN are copied (RFC 2983 uniform, RFC 6040 normal mode); so is Don't Fragment (RFC 2003
 * 3.1). A UDP checksum of 0 is what RFC 768 and, for tunnels, RFC 6935 allow: the packet within has
 * its own.
 */
#pragma once

#include "checksum.bpf.h"
#include "link.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

#define TUNNEL_TTL	 64
#define ENTROPY_PORTS	 0xc000 /* source ports from here: RFC 6335's dynamic range */
#define IP_DONT_FRAGMENT 0x4000

/* All that is written, gathered while the packet can still be read. */
struct envelope {
	struct link came;
	__u32 out_port;
	__u32 pad;
	__u64 hop;
	__u8 mac[ETH_ALEN];
	__u16 type_be; /* of what follows the link's header */
	struct serin_addr source, destination;
	__u32 entropy; /* one for all packets of a flow, later pieces too */
	__u32 len;     /* of all that follows the outer IP header */
	__u16 df_be;
	__u16 gue_port_be;
	__u8 traffic_class;
	__u8 protocol;	/* of what follows the outer IP header; 0: there is none */
	__u8 inner_len; /* of the header after that: UDP's, or ICMP's, which others write */
	__u8 pad2;
};

/* ---- gathering ---- */

/* Of the client, and not of the ports a later piece lacks: those were kept of the first. */
static __always_inline __u32 entropy_of(const struct packet *p)
{
	const struct serin_endpoint client = {
		.addr = p->client,
		.port_be = p->client_port_be,
		.protocol = p->service->vip.protocol,
	};

	return (__u32)serin_endpoint_hash(&client, p->service->now.flow_key);
}

static __always_inline void choose_source(const struct serin_tunnel *t, struct envelope *e)
{
	if (serin_addr_is_v4(&e->destination)) {
		e->type_be = bpf_htons(ETH_P_IP);
		e->source.word_be[3] = t->source4_be | (e->entropy & t->host_mask4_be);
		return;
	}
	e->type_be = bpf_htons(ETH_P_IPV6);
	for (int i = 0; i < 4; i++)
		e->source.word_be[i] = t->source6.word_be[i] |
				       (e->entropy & t->host_mask6.word_be[i]);
}

static __always_inline void describe_tunnel(const struct packet *p, struct envelope *e)
{
	const struct serin_tunnel *t = &p->service->tunnel;

	e->entropy = entropy_of(p);
	e->destination = p->backend->at.addr;
	choose_source(t, e);
	e->len = p->ip_len;
	e->protocol = p->ip4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	if (p->service->forwarding == SERIN_FORWARDING_GUE) {
		e->gue_port_be = t->port_be;
		e->inner_len = SERIN_GUE_LEN;
		e->len += SERIN_GUE_LEN;
		e->protocol = IPPROTO_UDP;
	}
	if (p->ip4) {
		e->traffic_class = p->ip4->tos;
		e->df_be = p->ip4->frag_off & bpf_htons(IP_DONT_FRAGMENT);
	} else if (p->ip6) {
		e->traffic_class = p->ip6->priority << 4 | p->ip6->flow_lbl[0] >> 4;
		e->df_be = bpf_htons(IP_DONT_FRAGMENT); /* IPv6 knows no other way */
	}
}

static __always_inline void describe_link(const struct packet *p, struct envelope *e)
{
	e->came = p->link;
	e->out_port = p->out_port;
	e->hop = p->hop;
	e->type_be = p->ip4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	__builtin_memcpy(e->mac, p->out->mac, sizeof(e->mac));
}

/* ---- writing ---- */

static __always_inline __u16 header_sum(const struct iphdr *ip)
{
	const __u16 *word = (const void *)ip;
	__u32 sum = 0;

	for (int i = 0; i < (int)(sizeof(*ip) / sizeof(*word)); i++)
		sum += word[i];
	return (__u16)~csum_fold(sum);
}

/* Returns where the IP header ends, or NULL. */
static __always_inline void *write_outer4(const struct envelope *e, void *at, void *end)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end)
		return NULL;
	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = e->traffic_class,
		.tot_len = bpf_htons(e->len + sizeof(*ip)),
		.id = e->df_be ? 0 : bpf_get_prandom_u32(), /* RFC 6864 */
		.frag_off = e->df_be,
		.ttl = TUNNEL_TTL,
		.protocol = e->protocol,
		.saddr = e->source.word_be[3],
		.daddr = e->destination.word_be[3],
	};
	ip->check = header_sum(ip);
	return ip + 1;
}

static __always_inline void *write_outer6(const struct envelope *e, void *at, void *end)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end)
		return NULL;
	/* version, traffic class, and a flow label of the flow's own (RFC 6438) */
	*(__u32 *)ip = bpf_htonl(6u << 28 | (__u32)e->traffic_class << 20 | (e->entropy & 0xfffff));
	ip->payload_len = bpf_htons(e->len);
	ip->nexthdr = e->protocol;
	ip->hop_limit = TUNNEL_TTL;
	__builtin_memcpy(&ip->saddr, &e->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &e->destination, sizeof(ip->daddr));
	return ip + 1;
}

static __always_inline int write_gue(const struct envelope *e, struct udphdr *udp, void *end)
{
	if ((void *)(udp + 1) > end)
		return SERIN_DROP_NO_ROOM;
	udp->source = bpf_htons(ENTROPY_PORTS | (e->entropy >> 16 & ~ENTROPY_PORTS));
	udp->dest = e->gue_port_be;
	udp->len = bpf_htons(e->len);
	udp->check = 0;
	return SERIN_GO_ON;
}

static __always_inline __u32 outer_len(const struct envelope *e)
{
	if (!e->protocol)
		return 0;
	return e->inner_len +
	       (e->type_be == bpf_htons(ETH_P_IP) ? SERIN_IPIP4_LEN : SERIN_IPIP6_LEN);
}

/* A global function: the verifier proves it once, and not for each way that leads to it. After it
 * no pointer into the packet is valid. */
__noinline int write_envelope(struct xdp_md *ctx, const struct envelope *e)
{
	struct link leaves = {};
	void *at, *end;

	if (!e)
		return SERIN_DROP_NO_ROOM;
	choose_tags(&e->came, ctx->ingress_ifindex, e->out_port, &leaves);
	if (bpf_xdp_adjust_head(ctx, (int)e->came.len - (int)(leaves.len + outer_len(e))))
		return SERIN_DROP_NO_ROOM;
	at = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (at + sizeof(struct ethhdr) > end)
		return SERIN_DROP_NO_ROOM;
	write_macs(at, &e->hop, e->mac);
	at = write_tags(&leaves, at, end, e->type_be);
	if (!at || !e->protocol)
		return at ? SERIN_GO_ON : SERIN_DROP_NO_ROOM;
	at = e->type_be == bpf_htons(ETH_P_IP) ? write_outer4(e, at, end)
					       : write_outer6(e, at, end);
	if (!at || e->protocol != IPPROTO_UDP)
		return at ? SERIN_GO_ON : SERIN_DROP_NO_ROOM;
	return write_gue(e, at, end);
}

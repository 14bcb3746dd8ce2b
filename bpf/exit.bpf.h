/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the frame leaves, with which VLAN tags, and whether it fits: found before the flow is
 * remembered and before a byte is written. A frame that goes nowhere begins no flow.
 */
#pragma once

#include "hop.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/*
 * Which tags go out. A VLAN's own, with the priority the frame came with. By a NIC without: none, if
 * the frame came by a VLAN the host has an interface for; if the host knows nothing of its tags, it
 * keeps them.
 */
__noinline int choose_tags(struct link *l, __u32 ingress, __u32 out_port)
{
	__u32 came = l ? arrival_port(ingress, l) : 0;
	struct serin_port *in = bpf_map_lookup_elem(&ports, &came);
	struct serin_port *out = bpf_map_lookup_elem(&ports, &out_port);

	if (!l || !in || !out)
		return 0;
	l->out_count = out->tag_count;
	for (int i = 0; i < SERIN_MAX_TAGS; i++)
		l->out_tag_be[i] = out->tag_be[i] | (l->tag_be[i] & ~VLAN_BE);
	if (out->tag_count || in->tag_count)
		return 0;
	l->out_count = l->count;
	for (int i = 0; i < SERIN_MAX_TAGS; i++)
		l->out_tag_be[i] = l->tag_be[i];
	return 0;
}

static __always_inline __u32 tunnel_len(const struct packet *p)
{
	__u32 ip_len = serin_addr_is_v4(&p->backend->at.addr) ? SERIN_IPIP4_LEN : SERIN_IPIP6_LEN;

	switch (p->service->forwarding) {
	case SERIN_FORWARDING_IPIP:
		return ip_len;
	case SERIN_FORWARDING_GUE:
		return ip_len + SERIN_GUE_LEN;
	default:
		return 0;
	}
}

/* A router on the way may have said that less fits. */
static __always_inline __u32 tunnel_mtu(const struct packet *p, __u32 mtu)
{
	__u32 path = READ_ONCE(p->backend->path_mtu);
	__u32 age = (__u32)bpf_jiffies64() - READ_ONCE(p->backend->path_mtu_jiffies);

	return path && path < mtu && age < path_mtu_jiffies ? path : mtu;
}

static __always_inline int is_tunnelled(const struct packet *p)
{
	return p->service->forwarding >= SERIN_FORWARDING_IPIP;
}

static __always_inline int find_exit(struct packet *p)
{
	p->out_port = p->hop >> SERIN_HOP_PORT_SHIFT;
	p->out = bpf_map_lookup_elem(&ports, &p->out_port);
	if (!p->hop || !p->out || !p->out->ifindex || p->out->ifindex == SERIN_PORT_GONE)
		return SERIN_DROP_NO_NEXT_HOP;
	if (p->link.count | p->out->tag_count)
		choose_tags(&p->link, p->ctx->ingress_ifindex, p->out_port);
	p->link.out_count = forget_number(p->link.out_count, p->ip_len);
	p->mtu = p->out->mtu;
	if (is_tunnelled(p))
		p->mtu = tunnel_mtu(p, p->mtu) - tunnel_len(p);
	return p->ip_len > p->mtu ? SERIN_DROP_TOO_BIG : SERIN_GO_ON;
}

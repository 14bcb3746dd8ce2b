/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the frame leaves, and whether it fits: found before the flow is
 * remembered and before a byte is written. A frame that goes nowhere begins no flow.
 */
#pragma once

#include "hop.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

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
	p->mtu = p->out->mtu;
	if (is_tunnelled(p))
		p->mtu = tunnel_mtu(p, p->mtu) - tunnel_len(p);
	return p->ip_len > p->mtu ? SERIN_DROP_TOO_BIG : SERIN_GO_ON;
}

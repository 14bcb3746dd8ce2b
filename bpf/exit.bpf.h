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

/* What fits a tunnel, its headers taken off. A router on the way may have said that less does; not
 * so little that IPv6 would have nothing left to send: nobody can act on that. */
static __always_inline __u32 tunnel_mtu(const struct packet *p, __u32 mtu)
{
	__u32 id = READ_ONCE(p->backend->path), len = tunnel_len(p), path;
	struct serin_backend *end = bpf_map_lookup_elem(&backends, &id);

	path = end ? READ_ONCE(end->path_mtu) : 0;
	if (!path || path >= mtu ||
	    (__u32)bpf_jiffies64() - READ_ONCE(end->path_mtu_jiffies) >= path_mtu_jiffies)
		return mtu - len;
	if (!p->ip4 && path < IP6_MIN_MTU + len)
		path = IP6_MIN_MTU + len;
	return (path < mtu ? path : mtu) - len;
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
		return p->hop == SERIN_HOP_HOST ? SERIN_PASS_NO_FLOW : SERIN_DROP_NO_NEXT_HOP;
	p->mtu = p->out->mtu;
	if (is_tunnelled(p))
		p->mtu = tunnel_mtu(p, p->mtu);
	return p->ip_len > p->mtu ? SERIN_DROP_TOO_BIG : SERIN_GO_ON;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the frame leaves: found before the flow is remembered and before a byte is written. */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

/* By which port, and may it? A frame that goes nowhere begins no flow. */
static __always_inline int find_exit(struct packet *p)
{
	p->out_port = p->hop >> SERIN_HOP_PORT_SHIFT;
	p->out = bpf_map_lookup_elem(&ports, &p->out_port);
	if (!p->hop || !p->out || !p->out->ifindex || p->out->ifindex == SERIN_PORT_GONE)
		return SERIN_DROP_NO_NEXT_HOP;
	if (p->frame_len > p->out->mtu + (__u32)ETH_HLEN)
		return SERIN_DROP_TOO_BIG;
	return SERIN_GO_ON;
}

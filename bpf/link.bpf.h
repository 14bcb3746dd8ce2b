/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet header and VLAN tags of what leaves. */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline void write_macs(struct ethhdr *eth, const __u64 *hop, const __u8 *mac)
{
	__builtin_memcpy(eth->h_dest, hop, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/* Tags and the type of what follows them. Returns where that is, or NULL. */
static __always_inline void *write_tags(const struct link *l, void *at, void *end, __u16 type_be)
{
	__u32 *tag = at + 2 * ETH_ALEN;

	for (__u32 i = 0; i < SERIN_MAX_TAGS; i++) {
		if (i >= l->out_count)
			break;
		if ((void *)(tag + 1) + sizeof(type_be) > end)
			return NULL;
		*tag++ = l->out_tag_be[i];
	}
	if ((void *)tag + sizeof(type_be) > end)
		return NULL;
	*(__u16 *)tag = type_be;
	return (void *)tag + sizeof(type_be);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet header and VLAN tags of what leaves. */
#pragma once

#include "hop.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/*
 * Which tags go out. A VLAN's own, with the priority the frame came with. By a NIC without: none, if
 * the frame came by a VLAN the host has an interface for; if the host knows nothing of its tags, it
 * keeps them.
 */
static __always_inline void choose_tags(const struct link *came, __u32 ingress, __u32 out_port,
					struct link *leaves)
{
	__u32 in_port = arrival_port(ingress, came);
	struct serin_port *in = bpf_map_lookup_elem(&ports, &in_port);
	struct serin_port *out = bpf_map_lookup_elem(&ports, &out_port);
	int is_kept = in && out && !in->tag_count && !out->tag_count;

	leaves->count = is_kept ? came->count : out ? out->tag_count : 0;
	for (int i = 0; i < SERIN_MAX_TAGS; i++)
		leaves->tag_be[i] = is_kept ? came->tag_be[i]
					    : (out ? out->tag_be[i] : 0) |
						      (came->tag_be[i] & ~VLAN_BE);
	leaves->len = sizeof(struct ethhdr) + leaves->count * sizeof(__u32);
}

static __always_inline void write_macs(struct ethhdr *eth, const __u64 *hop, const __u8 *mac)
{
	copy_mac(eth->h_dest, hop);
	copy_mac(eth->h_source, mac);
}

/* Tags and the type of what follows them. Returns where that is, or NULL. */
static __always_inline void *write_tags(const struct link *l, void *at, void *end, __u16 type_be)
{
	__u32 *tag = at + 2 * ETH_ALEN;

	for (__u32 i = 0; i < SERIN_MAX_TAGS; i++) {
		if (i >= l->count)
			break;
		if ((void *)(tag + 1) + sizeof(type_be) > end)
			return NULL;
		*tag++ = l->tag_be[i];
	}
	if ((void *)tag + sizeof(type_be) > end)
		return NULL;
	*(__u16 *)tag = type_be;
	return (void *)tag + sizeof(type_be);
}

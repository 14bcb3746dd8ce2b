/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a frame goes next. To a backend: its entry says, as user space asked the kernel. To a
 * client: by the kernel's routes, a handful of which are laid out for this; a client on the link
 * itself, by the way its frames come; and if that is not known, as the kernel's FIB says.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

#define FAMILY_INET  2
#define FAMILY_INET6 10

/* Global functions, these: the verifier proves them once, not for each way that leads to them. */

/* The slot of an interface, or 0. */
__noinline __u32 port_of(__u32 ifindex)
{
	__u32 slot = serin_port_home(ifindex);
	struct serin_port *port;

	for (int i = 0; i < SERIN_MAX_PORTS - 1; i++) {
		port = bpf_map_lookup_elem(&ports, &slot);
		if (!port || !port->ifindex)
			break;
		if (port->ifindex == ifindex)
			return slot;
		slot = serin_port_next(slot);
	}
	return 0;
}

/* The slot of the VLAN with these tags upon a NIC, or 0. */
__noinline __u32 port_of_vlan(__u32 nic, __u64 tags_be, __u32 tag_count)
{
	struct serin_port *port;

	for (__u32 slot = 1; slot < SERIN_MAX_PORTS; slot++) {
		__u32 key = slot;

		port = bpf_map_lookup_elem(&ports, &key);
		if (port && port->nic == nic && port->tag_count == tag_count &&
		    ((__u64)port->tag_be[0] << 32 | port->tag_be[1]) == tags_be)
			return slot;
	}
	return 0;
}

#define VLAN_BE bpf_htonl(0xffff0fff) /* all of a tag but priority and drop eligibility */

/* The slot of what the frame came in by: the VLAN, where the host has it, or the NIC. A bond's
 * frames come in by what is under it. */
static __always_inline __u32 arrival_port(__u32 ingress, const struct link *l)
{
	__u32 slot = port_of(ingress), vlan = 0;
	struct serin_port *nic = bpf_map_lookup_elem(&ports, &slot);

	if (l->count && nic)
		vlan = port_of_vlan(
			nic->nic, (__u64)(l->tag_be[0] & VLAN_BE) << 32 | (l->tag_be[1] & VLAN_BE),
			l->count);
	return vlan ? vlan : slot;
}

static __always_inline struct serin_switches *all_switches(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&switches, &zero);
}

static __always_inline struct serin_routes *live_routes(void)
{
	struct serin_switches *s = all_switches();
	__u32 live = s ? READ_ONCE(s->live_routes) & 1 : 0;

	return bpf_map_lookup_elem(&routes, &live);
}

__noinline __u64 route_to4(__u32 client_be)
{
	struct serin_routes *r = live_routes();

	for (__u32 i = 0; r && i < SERIN_MAX_ROUTES && i < r->count4; i++)
		if ((client_be & r->v4[i].mask_be) == r->v4[i].prefix_be)
			return READ_ONCE(r->v4[i].hop);
	return 0;
}

__noinline __u64 route_to6(__u64 high, __u64 low)
{
	struct serin_routes *r = live_routes();

	for (__u32 i = 0; r && i < SERIN_MAX_ROUTES && i < r->count6; i++)
		if ((high & r->v6[i].mask_high) == r->v6[i].high &&
		    (low & r->v6[i].mask_low) == r->v6[i].low)
			return READ_ONCE(r->v6[i].hop);
	return 0;
}

/* The gateway's hop for a client; 0 if there is none, or the kernel has more routes than we hold. */
static __always_inline __u64 route_to(const struct packet *p)
{
	return p->ip4 ? route_to4(p->client.word_be[3])
		      : route_to6(serin_addr_high(&p->client), serin_addr_low(&p->client));
}

/* Remembers the way back to a client that no gateway leads to. Not by an ICMP error, which comes from
 * anybody but the client. */
static __noinline int learn_client_hop(struct packet *p, struct serin_switches *s)
{
	__u64 hop = 0, *known;
	__u32 slot;

	if (packet_is_error(p))
		return 0;
	slot = arrival_port(p->ctx->ingress_ifindex, &p->link);
	if (!slot)
		return 0;
	__builtin_memcpy(&hop, p->eth->h_source, ETH_ALEN);
	hop |= (__u64)slot << SERIN_HOP_PORT_SHIFT;
	if (!READ_ONCE(s->learns))
		WRITE_ONCE(s->learns, 1);
	known = bpf_map_lookup_elem(&client_hops, &p->client);
	if (!known || *known != hop)
		bpf_map_update_elem(&client_hops, &p->client, &hop, BPF_ANY);
	return 0;
}

static __always_inline __u64 ask_fib(struct packet *p)
{
	struct bpf_fib_lookup fib = {.ifindex = p->ctx->ingress_ifindex};
	__u64 hop = 0;
	__u32 slot;

	if (p->ip4) {
		fib.family = FAMILY_INET;
		fib.ipv4_dst = p->client.word_be[3];
	} else {
		fib.family = FAMILY_INET6;
		__builtin_memcpy(fib.ipv6_dst, &p->client, sizeof(fib.ipv6_dst));
	}
	if (bpf_fib_lookup(p->ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return 0;
	slot = port_of(fib.ifindex);
	if (!slot)
		return 0;
	__builtin_memcpy(&hop, fib.dmac, ETH_ALEN);
	return hop | (__u64)slot << SERIN_HOP_PORT_SHIFT;
}

static __noinline __u64 unrouted_client_hop(struct packet *p)
{
	__u64 *learned = bpf_map_lookup_elem(&client_hops, &p->client);

	return learned ? *learned : ask_fib(p);
}

/* Most frames of clients come from the gateway that leads to them: one comparison tells. */
static __always_inline int is_from_gateway(const struct packet *p, const struct serin_switches *s)
{
	__u64 mac = 0;

	__builtin_memcpy(&mac, p->eth->h_source, ETH_ALEN);
	return mac == READ_ONCE(s->gateway_mac[!p->ip4]);
}

static __always_inline int find_hop(struct packet *p)
{
	struct serin_switches *s = all_switches();

	if (!s || !p->backend)
		return SERIN_DROP_NO_NEXT_HOP;
	if (p->is_reply) {
		p->hop = route_to(p);
		if (!p->hop)
			p->hop = unrouted_client_hop(p);
		return SERIN_GO_ON;
	}
	p->hop = READ_ONCE(p->backend->hop);
	if ((p->is_new || READ_ONCE(s->learns)) && !is_from_gateway(p, s) && !route_to(p))
		learn_client_hop(p, s);
	return SERIN_GO_ON;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 5, forward: rewrite or encapsulate, and address the frame to its next hop. Decides first,
 * writes after: once a byte is changed, the packet leaves, or is dropped for want of headroom.
 * Checksums are updated incrementally (RFC 1624, eq. 3).
 */
#pragma once

#include "checksum.bpf.h"
#include "exit.bpf.h"
#include "icmp_error.bpf.h"
#include "link.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "source.bpf.h"
#include "toa.bpf.h"
#include "tunnel.bpf.h"

static __always_inline void rewrite_transport(struct packet *p, __u16 port_be, __u16 delta)
{
	if (p->tcp) {
		if (p->is_reply)
			p->tcp->source = port_be;
		else
			p->tcp->dest = port_be;
		p->tcp->check = csum_add(p->tcp->check, delta);
	} else if (p->udp) {
		if (p->is_reply)
			p->udp->source = port_be;
		else
			p->udp->dest = port_be;
		if (p->udp->check) { /* 0: the sender computed none; a computed 0 is sent as ~0 */
			__u16 check = csum_add(p->udp->check, delta);

			p->udp->check = check ? check : 0xffff;
		}
	}
}

/* One hop less, and what else the header's sum changes by. */
static __always_inline void take_ttl(struct packet *p, __u16 delta)
{
	if (p->ip4) {
		p->ip4->ttl--;
		/* One less in the upper byte of its word is the ones' complement of one, more. */
		p->ip4->check = csum_add(p->ip4->check, (__u32)delta + bpf_htons(0xfeff));
	} else if (p->ip6) {
		p->ip6->hop_limit--;
	}
}

static __always_inline void rewrite_network(struct packet *p, const struct serin_addr *addr)
{
	if (p->ip4) {
		if (p->is_reply)
			p->ip4->saddr = addr->word_be[3];
		else
			p->ip4->daddr = addr->word_be[3];
	} else if (p->ip6) {
		if (p->is_reply)
			__builtin_memcpy(&p->ip6->saddr, addr, sizeof(*addr));
		else
			__builtin_memcpy(&p->ip6->daddr, addr, sizeof(*addr));
	}
}

/* nat: the backend's address and port in place of the VIP's; in replies the reverse. */
static __always_inline int rewrite_nat(struct packet *p)
{
	const struct serin_endpoint *to = p->is_reply ? &p->service->vip : &p->backend->at;
	__u16 flip = p->is_reply ? 0xffff : 0; /* the way back subtracts what the way out added */

	if (!p->tcp && !p->udp && packet_is_error(p)) {
		if (rewrite_error(p, NULL))
			return SERIN_PASS_MALFORMED;
		take_ttl(p, 0);
		return SERIN_GO_ON;
	}
	rewrite_transport(p, to->port_be, p->backend->l4_csum_delta ^ flip);
	rewrite_network(p, &to->addr);
	take_ttl(p, p->backend->l3_csum_delta ^ flip);
	return SERIN_GO_ON;
}

/* The other side of a packet: where a request comes from, and a reply goes to. */
static __always_inline void rewrite_far_side(struct packet *p, const struct serin_endpoint *to)
{
	if (p->tcp) {
		if (p->is_reply)
			p->tcp->dest = to->port_be;
		else
			p->tcp->source = to->port_be;
	} else if (p->udp) {
		if (p->is_reply)
			p->udp->dest = to->port_be;
		else
			p->udp->source = to->port_be;
	}
	if (p->ip4) {
		if (p->is_reply)
			p->ip4->daddr = to->addr.word_be[3];
		else
			p->ip4->saddr = to->addr.word_be[3];
	} else if (p->ip6) {
		if (p->is_reply)
			__builtin_memcpy(&p->ip6->daddr, &to->addr, sizeof(to->addr));
		else
			__builtin_memcpy(&p->ip6->saddr, &to->addr, sizeof(to->addr));
	}
}

/* fullnat: the same, and a source's address and port in place of the client's. */
static __noinline int rewrite_fullnat(struct packet *p)
{
	const struct serin_endpoint *near = p->is_reply ? &p->service->vip : &p->backend->at;
	struct source_flow *f = describe_flow(p);
	__u16 flip = p->is_reply ? 0xffff : 0;

	if (!f)
		return SERIN_DROP_NO_PORT;
	if (packet_is_error(p)) {
		if (rewrite_error(p, f))
			return SERIN_PASS_MALFORMED;
		take_ttl(p, 0);
		return SERIN_GO_ON;
	}
	rewrite_far_side(p, p->is_reply ? &f->client : &f->source);
	rewrite_network(p, &near->addr);
	take_ttl(p, csum_fold(f->l3_delta + p->backend->l3_csum_delta) ^ flip);
	rewrite_transport(p, near->port_be,
			  csum_fold(f->l4_delta + p->backend->l4_csum_delta) ^ flip);
	return SERIN_GO_ON;
}

/* Behind a header of its own. */
static __noinline int forward_enveloped(struct packet *p)
{
	struct envelope e = {};

	describe_link(p, &e);
	describe_tunnel(p, &e);
	return write_envelope(p->ctx, &e);
}

/* With other tags, or where no pointer into the packet is valid any more. */
static __noinline int forward_relinked(struct packet *p)
{
	struct envelope e = {};

	describe_link(p, &e);
	return write_envelope(p->ctx, &e);
}

static __always_inline int forward(struct packet *p)
{
	int reason = SERIN_GO_ON, told = 0;

	switch (p->service->forwarding) {
	case SERIN_FORWARDING_NAT:
		reason = rewrite_nat(p);
		break;
	case SERIN_FORWARDING_FULLNAT:
		reason = rewrite_fullnat(p);
		if (!reason && p->is_telling)
			told = tell_client(p);
		break;
	default:
		take_ttl(p, 0);
	}
	if (reason)
		return reason;
	if (told)
		reason = told > 0 ? forward_relinked(p) : SERIN_DROP_NO_ROOM;
	else if (is_tunnelled(p))
		reason = forward_enveloped(p);
	else if (p->link.count | p->out->tag_count)
		reason = forward_relinked(p);
	else
		write_macs(p->eth, &p->hop, p->out->mac);
	if (reason)
		return SERIN_DROP_NO_ROOM;
	return p->out->nic == p->ctx->ingress_ifindex ? SERIN_FORWARD_TX : SERIN_FORWARD_REDIRECT;
}

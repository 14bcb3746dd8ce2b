/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Forwarding ICMP errors where addresses are rewritten: whoever gets one must find in it the packet
 * as he sent it (RFC 5508 4.2). The quote's addresses, ports and checksums are put back, and the
 * ICMP checksum follows. Wrong checksums stay as wrong as they came.
 */
#pragma once

#include "checksum.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "quote.bpf.h"
#include "source.bpf.h"

/* What the error is to say. Its destination is the quoted source: errors go to who sent the packet. */
struct error_rewrite {
	struct quote at;
	__u16 l3; /* where the outer IP header is */
	struct serin_addr source;
	struct serin_endpoint quoted_src, quoted_dst;
};

/* The quoted ports and the checksum after them; returns what that adds to the ICMP sum.
 * @addr_delta: what the quoted addresses changed, which that checksum covers, too */
static __always_inline __u32 rewrite_quoted_ports(const struct error_rewrite *r, __u16 *port,
						  __u16 *check, __u32 addr_delta)
{
	__u32 delta = csum_replace(port, r->quoted_src.port_be) +
		      csum_replace(port + 1, r->quoted_dst.port_be);
	__u16 fresh;

	if (!r->at.check)
		return delta;
	fresh = csum_add(*check, addr_delta + delta);
	if (r->quoted_src.protocol == IPPROTO_UDP) { /* 0: none was computed */
		if (!*check)
			return delta;
		fresh = fresh ? fresh : 0xffff;
	}
	return delta + csum_replace(check, fresh);
}

/* Only where the quote has them; all of them are within the frame. */
static __always_inline int find_quoted_ports(const struct error_rewrite *r, void *base, void *end,
					     __u16 **port, __u16 **check)
{
	__u32 port_at = r->at.l4, check_at = r->at.check;

	if (port_at > MAX_AT || check_at > MAX_AT)
		return 0;
	*port = base + port_at;
	*check = base + check_at;
	return (void *)(*port + 2) <= end && (void *)(*check + 1) <= end;
}

static __always_inline __u32 rewrite_addrs4(struct iphdr *ip, const struct serin_addr *src,
					    const struct serin_addr *dst)
{
	return csum_replace_words(&ip->saddr, &src->word_be[3], 2) +
	       csum_replace_words(&ip->daddr, &dst->word_be[3], 2);
}

static __always_inline __u32 rewrite_addrs6(struct ipv6hdr *ip, const struct serin_addr *src,
					    const struct serin_addr *dst)
{
	return csum_replace_words(&ip->saddr, src, 8) + csum_replace_words(&ip->daddr, dst, 8);
}

/* These two are global functions: the verifier proves each once. All is checked before a byte is
 * written: 0, or it is as it was. */
__noinline int rewrite_error4(struct xdp_md *ctx, const struct error_rewrite *r)
{
	void *base = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct icmp_header *icmp = base;
	struct iphdr *ip = base, *quoted;
	__u16 *port, *check;
	__u32 addrs, delta;

	if (!r || r->l3 > MAX_AT || r->at.icmp > MAX_AT)
		return SERIN_PASS_MALFORMED;
	ip = base + r->l3;
	icmp = base + r->at.icmp;
	quoted = (void *)(icmp + 1);
	if ((void *)(ip + 1) > end || (void *)(quoted + 1) > end ||
	    !find_quoted_ports(r, base, end, &port, &check))
		return SERIN_PASS_MALFORMED;
	ip->check = csum_add(ip->check, rewrite_addrs4(ip, &r->source, &r->quoted_src.addr));
	addrs = rewrite_addrs4(quoted, &r->quoted_src.addr, &r->quoted_dst.addr);
	delta = addrs + csum_replace(&quoted->check, csum_add(quoted->check, addrs));
	if (r->at.l4)
		delta += rewrite_quoted_ports(r, port, check, addrs);
	icmp->check = csum_add(icmp->check, delta);
	return SERIN_GO_ON;
}

__noinline int rewrite_error6(struct xdp_md *ctx, const struct error_rewrite *r)
{
	void *base = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct icmp_header *icmp = base;
	struct ipv6hdr *ip = base, *quoted;
	__u16 *port, *check;
	__u32 addrs, delta;

	if (!r || r->l3 > MAX_AT || r->at.icmp > MAX_AT)
		return SERIN_PASS_MALFORMED;
	ip = base + r->l3;
	icmp = base + r->at.icmp;
	quoted = (void *)(icmp + 1);
	if ((void *)(ip + 1) > end || (void *)(quoted + 1) > end ||
	    !find_quoted_ports(r, base, end, &port, &check))
		return SERIN_PASS_MALFORMED;
	delta = rewrite_addrs6(ip, &r->source, &r->quoted_src.addr); /* of the pseudo header */
	addrs = rewrite_addrs6(quoted, &r->quoted_src.addr, &r->quoted_dst.addr);
	delta += addrs;
	if (r->at.l4)
		delta += rewrite_quoted_ports(r, port, check, addrs);
	icmp->check = csum_add(icmp->check, delta);
	return SERIN_GO_ON;
}

/*
 * What each forwarding mode makes of an error. nat: towards the backend, the quoted sender is not
 * the VIP but the backend; towards the client, the quoted receiver is the VIP, and so is the error's
 * sender, whoever behind it that was (RFC 5508, REQ-5).
 */
static __always_inline void translate_error(const struct packet *p, struct error_rewrite *r)
{
	const struct serin_service *svc = p->service;

	if (svc->forwarding != SERIN_FORWARDING_NAT && svc->forwarding != SERIN_FORWARDING_FULLNAT)
		return;
	if (p->is_reply) {
		r->source = svc->vip.addr;
		r->quoted_dst = svc->vip;
	} else {
		r->quoted_src = p->backend->at;
	}
}

/* fullnat: moreover, client and source stand for each other. Towards the backend the source sends
 * the error, too: there may be no way there from any other address. */
static __always_inline void translate_source(const struct packet *p, const struct source_flow *f,
					     struct error_rewrite *r)
{
	if (p->is_reply) {
		r->quoted_src.addr = f->client.addr;
		r->quoted_src.port_be = f->client.port_be;
	} else {
		r->source = f->source.addr;
		r->quoted_dst.addr = f->source.addr;
		r->quoted_dst.port_be = f->source.port_be;
	}
}

/* @f: fullnat's flow; NULL: the packet is of no such service */
static __noinline int rewrite_error(struct packet *p, const struct source_flow *f)
{
	struct error_rewrite r = {
		.at = p->quote,
		.l3 = p->link.len,
		.quoted_src = p->dst,
		.quoted_dst = p->src,
	};

	if (p->ip4)
		set_v4(&r.source, p->ip4->saddr);
	else if (p->ip6)
		__builtin_memcpy(&r.source, &p->ip6->saddr, sizeof(r.source));
	translate_error(p, &r);
	if (f)
		translate_source(p, f, &r);
	return p->ip4 ? rewrite_error4(p->ctx, &r) : rewrite_error6(p->ctx, &r);
}

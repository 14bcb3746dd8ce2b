/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Path MTU behind tunnels: a router on the way to a backend that could not forward a packet of ours
 * says so to the tunnel's source, with what fits. The backend's entry keeps it, and find_exit() has
 * the clients told. The host sees the error, too.
 *
 * Anybody may send such an error. Who guesses a backend's address and a tunnel's source can lower
 * what that backend is sent to 576 bytes (by IPv6, 1280) for ten minutes at a time: TCP goes on in
 * smaller segments; what cannot be cut so small, QUIC for one, fails to reach that backend. Nothing
 * is read, sent elsewhere or remembered otherwise. Networks that let no packet with such a
 * destination in from outside, as they should, are out of reach.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"
#include "quote.bpf.h"
#include "service.bpf.h"

#define MIN_PATH_MTU4 576 /* RFC 791: every host takes that */

static __always_inline int is_tunnel_source(const struct serin_service *svc,
					    const struct serin_addr *a)
{
	const struct serin_tunnel *t = &svc->tunnel;
	__u32 differs = 0;

	if (svc->forwarding != SERIN_FORWARDING_IPIP && svc->forwarding != SERIN_FORWARDING_GUE)
		return 0;
	if (serin_addr_is_v4(a))
		return t->source4_be && (a->word_be[3] & ~t->host_mask4_be) == t->source4_be;
	for (int i = 0; i < 4; i++)
		differs |= (a->word_be[i] & ~t->host_mask6.word_be[i]) ^ t->source6.word_be[i];
	return !differs;
}

/* Makes q what the tunnel carries. Does the quote go on as far as to its addresses? */
static __always_inline int enter_tunnel(struct xdp_md *ctx, struct quote_view *q)
{
	__u32 header = q->src.protocol == IPPROTO_UDP ? SERIN_GUE_LEN : 0;
	__u8 *first = (void *)(long)ctx->data;

	q->at = q->l4 + header;
	if (!q->l4 || q->left < header || q->at > MAX_AT)
		return 0;
	q->left -= header;
	first += q->at;
	if ((void *)(first + 1) > (void *)(long)ctx->data_end)
		return 0;
	q->is_v6 = *first >> 4 == 6;
	return q->left >= (q->is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

/* Whose packet it was. Where the quote is too short to say, the backend's own service stands for
 * all that send to it. NULL: nobody's. */
static __always_inline struct serin_service *tunnel_owner(struct xdp_md *ctx, struct quote_view *q,
							  const struct serin_backend *backend)
{
	struct serin_service *svc = NULL;
	__u32 id = backend->service;

	if (enter_tunnel(ctx, q)) {
		if (read_quote(ctx, q) || !bpf_map_lookup_elem(&vips, &q->dst.addr))
			return NULL;
		svc = service_at(&q->dst, &id);
	}
	return svc ? svc : bpf_map_lookup_elem(&services, &id);
}

/* Only lower, until it is forgotten. */
static __always_inline void lower_path_mtu(struct serin_backend *backend, __u32 mtu)
{
	__u32 known = READ_ONCE(backend->path_mtu), now = bpf_jiffies64();

	if (known && mtu > known && now - READ_ONCE(backend->path_mtu_jiffies) < path_mtu_jiffies)
		return;
	WRITE_ONCE(backend->path_mtu_jiffies, now);
	WRITE_ONCE(backend->path_mtu, mtu);
}

/* Is the packet that p quotes, and that was too big, one of our tunnels'? @mtu: what would fit; 0:
 * the router does not know that it may say so (RFC 1191 5). q is used up. */
static __noinline int learn_path_mtu(struct packet *p, struct quote_view *q, __u32 mtu)
{
	__u32 *id = bpf_map_lookup_elem(&tunnel_ends, &p->src);
	struct serin_backend *backend = id ? bpf_map_lookup_elem(&backends, id) : NULL;
	__u32 least = p->ip4 ? MIN_PATH_MTU4 : IP6_MIN_MTU;
	struct serin_service *svc;

	if (!backend || backend->state == SERIN_BACKEND_FREE)
		return 0;
	svc = tunnel_owner(p->ctx, q, backend);
	if (!svc || !is_tunnel_source(svc, &p->dst.addr))
		return 0;
	if (mtu)
		lower_path_mtu(backend, mtu < least ? least : mtu > 0xffff ? 0xffff : mtu);
	return 1;
}

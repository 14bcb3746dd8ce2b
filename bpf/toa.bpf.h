/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The client's address in a TCP option, for backends that see another one: kind SERIN_TOA_KIND, with
 * port and address, first of the options. Modules of the kernel's (TOA) read it off the packet that
 * ends the handshake; so it goes with that one and with those after it, until the backend speaks:
 * any of them may be the first to get there.
 */
#pragma once

#include "checksum.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "source.bpf.h"

#define TCP_HEADER_MAX	60
#define TOA_HEADERS_MAX 128 /* of what is moved to make room: Ethernet to TCP without its options */
#define TOA_UNTOLD	(-1)
/* What the next link has room for, a later one may not have, and its sender would be told of an MTU
 * that his packet kept. IPv6's paths have room for this (RFC 8200 5), IPv4's but for rare ones. */
#define TOA_PACKET_MAX 1280

struct toa {
	struct serin_addr client;
	__u32 ip_offset;
	__u32 tcp_offset;
	__u32 is_v6;
	__u16 port_be;
	__u16 pad;
};

static __always_inline __u32 toa_len(__u32 is_v6)
{
	return is_v6 ? SERIN_TOA_LEN6 : SERIN_TOA_LEN4;
}

/* The first bytes of a frame, an even number of them, to its new beginning. */
static __always_inline int move_headers(struct xdp_md *ctx, __u32 bytes, __u32 distance)
{
	void *end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;

	for (__u32 i = 0; i < TOA_HEADERS_MAX && i < bytes; i += sizeof(__u16)) {
		__u16 *to = data + i, *from = data + i + distance;

		if ((void *)(from + 1) > end)
			return SERIN_DROP_NO_ROOM;
		*to = *from;
	}
	return SERIN_GO_ON;
}

/* The option's bytes, where the packet has room for them. Returns the sum of its words. */
static __always_inline __u32 write_option(const struct toa *t, void *at, void *end, const int is_v6)
{
	__u32 *addr = at + sizeof(__u32), only = t->client.word_be[3];
	__u16 *head = at;

	if (at + toa_len(is_v6) > end)
		return 0;
	head[0] = bpf_htons(SERIN_TOA_KIND << 8 | toa_len(is_v6));
	head[1] = t->port_be;
	if (!is_v6) {
		addr[0] = only;
		return (__u32)head[0] + head[1] + (only & 0xffff) + (only >> 16);
	}
	for (int i = 0; i < 4; i++)
		addr[i] = t->client.word_be[i];
	return (__u32)head[0] + head[1] + csum_addr(&t->client);
}

/* The IP header's length, and with IPv4 its checksum. */
static __always_inline int lengthen_ip(const struct toa *t, void *at, void *end)
{
	struct ipv6hdr *ip6 = at;
	struct iphdr *ip4 = at;
	__u32 len = toa_len(t->is_v6);

	if ((void *)(ip4 + 1) > end || (t->is_v6 && (void *)(ip6 + 1) > end))
		return SERIN_DROP_NO_ROOM;
	if (t->is_v6) {
		ip6->payload_len = bpf_htons(bpf_ntohs(ip6->payload_len) + len);
	} else {
		ip4->tot_len = bpf_htons(bpf_ntohs(ip4->tot_len) + len);
		ip4->check = csum_add(ip4->check, bpf_htons(len));
	}
	return SERIN_GO_ON;
}

/*
 * Into a packet that is otherwise as it is to leave. TOA_UNTOLD: there is no headroom, it leaves as
 * it is. After it no pointer into the packet is valid. A global function: proved once.
 */
__noinline int insert_toa(struct xdp_md *ctx, const struct toa *t)
{
	__u32 len, sum, ip_offset, tcp_offset;
	struct tcphdr *tcp;
	void *data, *end;

	if (!t)
		return TOA_UNTOLD;
	len = toa_len(t->is_v6);
	tcp_offset = READ_ONCE(t->tcp_offset);
	if (tcp_offset > TOA_HEADERS_MAX || bpf_xdp_adjust_head(ctx, -(int)len))
		return TOA_UNTOLD;
	if (move_headers(ctx, tcp_offset + sizeof(*tcp), len))
		return SERIN_DROP_NO_ROOM;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	/* Anew: of what it knew before the loop the verifier knows too much now, or nothing (6.1). */
	ip_offset = READ_ONCE(t->ip_offset);
	tcp_offset = READ_ONCE(t->tcp_offset);
	if (ip_offset > TOA_HEADERS_MAX || tcp_offset > TOA_HEADERS_MAX)
		return SERIN_DROP_NO_ROOM;
	tcp = data + tcp_offset;
	if ((void *)(tcp + 1) > end || lengthen_ip(t, data + ip_offset, end))
		return SERIN_DROP_NO_ROOM;
	sum = t->is_v6 ? write_option(t, tcp + 1, end, 1) : write_option(t, tcp + 1, end, 0);
	if (!sum)
		return SERIN_DROP_NO_ROOM;
	sum += bpf_htons(len) + bpf_htons(len / 4 << 12);
	tcp->doff += len / 4;
	tcp->check = csum_add(tcp->check, sum);
	return SERIN_GO_ON;
}

static __always_inline void count_untold(const struct packet *p)
{
	struct serin_source_counters *c = source_counts(p->service_id);

	if (c)
		c->untold++;
}

/* Whether header, packet and path have room for the option. A piece of a datagram never has: those
 * that follow say where they stand. */
static __always_inline int has_toa_room(const struct packet *p, const struct toa *t)
{
	__u32 len = toa_len(t->is_v6);

	return p->piece.place == PIECE_WHOLE && p->tcp->doff * 4 + len <= TCP_HEADER_MAX &&
	       p->ip_len + len <= TOA_PACKET_MAX && p->ip_len + len <= p->mtu &&
	       t->tcp_offset + sizeof(*p->tcp) <= TOA_HEADERS_MAX;
}

/* 0: pointers into the packet are as they were. 1: none is valid any more. -1: it is to be dropped. */
static __noinline int tell_client(struct packet *p)
{
	struct toa t = {
		.client = p->client,
		.ip_offset = p->link.len,
		.is_v6 = !p->ip4,
		.port_be = p->client_port_be,
	};
	int result = TOA_UNTOLD;
	int is_tried = 0;

	if (!p->tcp)
		return 0;
	t.tcp_offset = (void *)p->tcp - (void *)p->eth;
	is_tried = has_toa_room(p, &t);
	if (is_tried)
		result = insert_toa(p->ctx, &t);
	if (result == TOA_UNTOLD)
		count_untold(p);
	return result == SERIN_DROP_NO_ROOM ? -1 : is_tried;
}

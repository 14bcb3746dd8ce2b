// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The L4 balancer of the textbooks, to compare with: every packet looks up its service in a hash
 * map and its connection in an LRU hash map keyed by the 5-tuple; a new one is placed by jhash over
 * a table of slots. It forwards by nat on one NIC or to another as Serin does, with plain C for the
 * checksums, and counts packets and bytes per service and per backend. Replies find their service by a map
 * from the backend's endpoint, and the client's MAC address in the same connection.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "textbook.h"

#define V4_MAPPED_BE bpf_htonl(0xffff)
#define FRAGMENT     0x3fff

/* The NIC's MAC address, in the order of the wire; set before it is loaded. */
const volatile __u32 own_mac_head;
const volatile __u16 own_mac_tail;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct textbook_endpoint);
	__type(value, struct textbook_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct textbook_connection_key);
	__type(value, struct textbook_connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct textbook_backend);
} backends SEC(".maps");

/* Which backend sent this? Value: what its clients know it by. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct textbook_endpoint);
	__type(value, struct textbook_service);
} reverse SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct textbook_counters);
} service_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct textbook_counters);
} backend_counters SEC(".maps");

/* Other NICs than the one packets come in by; all have one MAC address. Key 0 is none. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} tx_ports SEC(".maps");

struct packet {
	struct ethhdr *eth;
	struct iphdr *ip4; /* or: */
	struct ipv6hdr *ip6;
	struct tcphdr *tcp; /* or: */
	struct udphdr *udp;
	__u32 len;
	struct textbook_connection_key key;
};

static __always_inline int parse_ip4(struct packet *p, void *end, void **l4)
{
	struct iphdr *ip = *l4;

	if ((void *)(ip + 1) > end || ip->ihl < 5 || ip->frag_off & bpf_htons(FRAGMENT) ||
	    ip->ttl <= 1)
		return -1;
	p->ip4 = ip;
	p->key.src_be[2] = V4_MAPPED_BE;
	p->key.src_be[3] = ip->saddr;
	p->key.dst_be[2] = V4_MAPPED_BE;
	p->key.dst_be[3] = ip->daddr;
	p->key.protocol = ip->protocol;
	*l4 += ip->ihl * 4;
	return 0;
}

static __always_inline int parse_ip6(struct packet *p, void *end, void **l4)
{
	struct ipv6hdr *ip = *l4;

	if ((void *)(ip + 1) > end || ip->hop_limit <= 1)
		return -1;
	p->ip6 = ip;
	__builtin_memcpy(p->key.src_be, &ip->saddr, 16);
	__builtin_memcpy(p->key.dst_be, &ip->daddr, 16);
	p->key.protocol = ip->nexthdr;
	*l4 = ip + 1;
	return 0;
}

static __always_inline int parse_l4(struct packet *p, void *end, void *l4)
{
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;

	if (p->key.protocol == IPPROTO_TCP && (void *)(tcp + 1) <= end)
		p->tcp = tcp;
	else if (p->key.protocol == IPPROTO_UDP && (void *)(udp + 1) <= end)
		p->udp = udp;
	else
		return -1;
	p->key.src_port_be = udp->source;
	p->key.dst_port_be = udp->dest;
	return 0;
}

static __always_inline int parse(struct xdp_md *ctx, struct packet *p)
{
	void *end = (void *)(long)ctx->data_end;
	void *l4;
	int error;

	p->eth = (void *)(long)ctx->data;
	l4 = p->eth + 1;
	if (l4 > end)
		return -1;
	p->len = end - (void *)p->eth;
	if (p->eth->h_proto == bpf_htons(ETH_P_IP))
		error = parse_ip4(p, end, &l4);
	else if (p->eth->h_proto == bpf_htons(ETH_P_IPV6))
		error = parse_ip6(p, end, &l4);
	else
		return -1;
	return error ? error : parse_l4(p, end, l4);
}

static __always_inline __u32 rotate(__u32 x, int by)
{
	return x << by | x >> (32 - by);
}

/* Bob Jenkins' lookup3 (2006, public domain) of the ten words of a key: the kernel's jhash2(). */
static __always_inline __u32 jhash(const struct textbook_connection_key *key)
{
	const __u32 *k = (const __u32 *)key;
	__u32 a, b, c;

	a = b = c = 0xdeadbeef + (10 << 2);
#pragma unroll
	for (int i = 0; i < 9; i += 3) {
		a += k[i];
		b += k[i + 1];
		c += k[i + 2];
		a -= c, a ^= rotate(c, 4), c += b;
		b -= a, b ^= rotate(a, 6), a += c;
		c -= b, c ^= rotate(b, 8), b += a;
		a -= c, a ^= rotate(c, 16), c += b;
		b -= a, b ^= rotate(a, 19), a += c;
		c -= b, c ^= rotate(b, 4), b += a;
	}
	a += k[9];
	c ^= b, c -= rotate(b, 14);
	a ^= c, a -= rotate(c, 11);
	b ^= a, b -= rotate(a, 25);
	c ^= b, c -= rotate(b, 16);
	a ^= c, a -= rotate(c, 4);
	b ^= a, b -= rotate(a, 14);
	c ^= b, c -= rotate(b, 24);
	return c;
}

static __always_inline void touch(const struct packet *p, struct textbook_connection *c)
{
	__u64 now = bpf_jiffies64();

	if (c->seen_jiffies != now)
		c->seen_jiffies = now;
	if (p->tcp && (p->tcp->fin || p->tcp->rst) && !c->is_closing)
		c->is_closing = 1;
}

/* A new connection: placed by hash, and remembered. */
static __always_inline int connect(const struct packet *p, const struct textbook_service *s,
				   __u32 *backend)
{
	struct textbook_connection c = {.seen_jiffies = bpf_jiffies64()};
	__u32 slot = s->first_slot + jhash(&p->key) % s->slot_count;
	__u32 *id = bpf_map_lookup_elem(&slots, &slot);

	if (!id)
		return -1;
	*backend = *id;
	c.backend = *id;
	__builtin_memcpy(c.client_mac, p->eth->h_source, ETH_ALEN);
	bpf_map_update_elem(&connections, &p->key, &c, BPF_ANY);
	return 0;
}

static __always_inline __u16 csum_replace(__u16 check, const __u32 *from, const __u32 *to,
					  int words, __u16 port_from, __u16 port_to)
{
	__u64 sum = (__u16)~check + (__u64)(__u16)~port_from + port_to;

#pragma unroll
	for (int i = 0; i < words; i++)
		sum += (__u64)(__u32)~from[i] + to[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline void replace_l4(const struct packet *p, __u16 *check, __u16 *port,
				       const __u32 *from, const struct textbook_endpoint *to)
{
	if (p->ip4)
		*check = csum_replace(*check, from + 3, to->addr_be + 3, 1, *port, to->port_be);
	else
		*check = csum_replace(*check, from, to->addr_be, 4, *port, to->port_be);
	*port = to->port_be;
}

/* Puts an endpoint in place of the destination, or of the source in a reply. */
static __always_inline void rewrite(struct packet *p, const struct textbook_endpoint *to,
				    int is_reply)
{
	const __u32 *from = is_reply ? p->key.src_be : p->key.dst_be;

	if (p->tcp) {
		replace_l4(p, &p->tcp->check, is_reply ? &p->tcp->source : &p->tcp->dest, from, to);
	} else if (p->udp) {
		int is_summed = p->udp->check;

		replace_l4(p, &p->udp->check, is_reply ? &p->udp->source : &p->udp->dest, from, to);
		if (!is_summed)
			p->udp->check = 0;
		else if (!p->udp->check)
			p->udp->check = 0xffff;
	}
	if (p->ip4) {
		*(is_reply ? &p->ip4->saddr : &p->ip4->daddr) = to->addr_be[3];
		p->ip4->check = csum_replace(p->ip4->check, from + 3, to->addr_be + 3, 1,
					     bpf_htons(0x0100), 0);
		p->ip4->ttl--;
	} else if (p->ip6) {
		__builtin_memcpy(is_reply ? &p->ip6->saddr : &p->ip6->daddr, to->addr_be, 16);
		p->ip6->hop_limit--;
	}
}

static __always_inline void count(void *map, __u32 index, __u32 len)
{
	struct textbook_counters *c = bpf_map_lookup_elem(map, &index);

	if (!c)
		return;
	c->packets++;
	c->bytes += len;
}

static __always_inline void finish(struct packet *p, const __u8 *mac, __u32 service, __u32 backend)
{
	__builtin_memcpy(p->eth->h_dest, mac, ETH_ALEN);
	*(__u32 *)p->eth->h_source = own_mac_head;
	*(__u16 *)(p->eth->h_source + 4) = own_mac_tail;
	count(&service_counters, service, p->len);
	count(&backend_counters, backend, p->len);
}

static __always_inline int forward_request(struct packet *p, const struct textbook_service *s)
{
	struct textbook_connection *c = bpf_map_lookup_elem(&connections, &p->key);
	struct textbook_backend *b;
	__u32 id;

	if (c) {
		id = c->backend;
		touch(p, c);
	} else if (connect(p, s, &id)) {
		return XDP_DROP;
	}
	b = bpf_map_lookup_elem(&backends, &id);
	if (!b)
		return XDP_DROP;
	rewrite(p, &b->at, 0);
	finish(p, b->mac, s->id, id);
	return b->port ? bpf_redirect_map(&tx_ports, b->port, 0) : XDP_TX;
}

/* The connection of a reply is the client's, seen from the other end. */
static __always_inline int forward_reply(struct packet *p)
{
	struct textbook_endpoint at = {.port_be = p->key.src_port_be, .protocol = p->key.protocol};
	struct textbook_connection_key key = {};
	struct textbook_connection *c;
	struct textbook_service *s;

	__builtin_memcpy(at.addr_be, p->key.src_be, 16);
	s = bpf_map_lookup_elem(&reverse, &at);
	if (!s)
		return XDP_PASS;
	__builtin_memcpy(key.src_be, p->key.dst_be, 16);
	__builtin_memcpy(key.dst_be, s->vip.addr_be, 16);
	key.src_port_be = p->key.dst_port_be;
	key.dst_port_be = s->vip.port_be;
	key.protocol = p->key.protocol;
	c = bpf_map_lookup_elem(&connections, &key);
	if (!c)
		return XDP_PASS;
	touch(p, c);
	rewrite(p, &s->vip, 1);
	finish(p, c->client_mac, s->id, c->backend);
	return XDP_TX;
}

SEC("xdp.frags")
int textbook(struct xdp_md *ctx)
{
	struct textbook_endpoint vip = {};
	struct textbook_service *s;
	struct packet p = {};

	if (parse(ctx, &p))
		return XDP_PASS;
	__builtin_memcpy(vip.addr_be, p.key.dst_be, 16);
	vip.port_be = p.key.dst_port_be;
	vip.protocol = p.key.protocol;
	s = bpf_map_lookup_elem(&services, &vip);
	return s ? forward_request(&p, s) : forward_reply(&p);
}

char LICENSE[] SEC("license") = "GPL";

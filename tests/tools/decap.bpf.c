// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A tunnel's far end, for kernels that have none: takes the outer header off ipip (IPv4 or IPv6 in
 * either) and off UDP to one port (gue, variant 1), and passes what was within up the stack.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u16 gue_port = 6080;
__u64 taken_off;  /* packets */
__u64 sources[4]; /* a bit for each value of an outer source's last byte, or of a port's */

struct outer {
	__u32 len; /* of the headers to take off; 0: none */
	__u16 inner_type_be;
};

static void note_source(__u8 which)
{
	__sync_fetch_and_or(&sources[which / 64], 1ull << which % 64);
}

static int inside(struct outer *o, void *at, void *end, __u8 protocol)
{
	struct udphdr *udp = at;
	__u8 *first;

	if (protocol == IPPROTO_UDP) {
		if ((void *)(udp + 1) > end || udp->dest != bpf_htons(gue_port))
			return 0;
		o->len += sizeof(*udp);
		note_source(bpf_ntohs(udp->source) & 0xff);
		first = (void *)(udp + 1);
		if ((void *)(first + 1) > end)
			return 0;
		protocol = *first >> 4 == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6)
		return 0;
	o->inner_type_be = protocol == IPPROTO_IPIP ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return 1;
}

static int outer_of(struct ethhdr *eth, void *end, struct outer *o)
{
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);

	if (eth->h_proto == bpf_htons(ETH_P_IP) && (void *)(ip + 1) <= end && ip->ihl == 5) {
		o->len = sizeof(*ip);
		if (ip->protocol == IPPROTO_IPIP || ip->protocol == IPPROTO_IPV6)
			note_source(bpf_ntohl(ip->saddr) & 0xff);
		return inside(o, ip + 1, end, ip->protocol);
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end) {
		o->len = sizeof(*ip6);
		return inside(o, ip6 + 1, end, ip6->nexthdr);
	}
	return 0;
}

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data, copy;
	void *end = (void *)(long)ctx->data_end;
	struct outer o = {};

	if ((void *)(eth + 1) > end || !outer_of(eth, end, &o))
		return XDP_PASS;
	copy = *eth;
	copy.h_proto = o.inner_type_be;
	if (bpf_xdp_adjust_head(ctx, o.len))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	*eth = copy;
	__sync_fetch_and_add(&taken_off, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0-or-later
/* The least a program can do, and the least a forwarder can do. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int bottom(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

/* Is it TCP over an IP without options? */
static __always_inline int is_tcp(const struct ethhdr *eth, const void *end)
{
	const struct ipv6hdr *ip6 = (const void *)(eth + 1);
	const struct iphdr *ip4 = (const void *)(eth + 1);
	const struct tcphdr *tcp;

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		tcp = (const void *)(ip4 + 1);
		return (const void *)(tcp + 1) <= end && ip4->ihl == 5 &&
		       ip4->protocol == IPPROTO_TCP && tcp->doff >= 5;
	}
	tcp = (const void *)(ip6 + 1);
	return eth->h_proto == bpf_htons(ETH_P_IPV6) && (const void *)(tcp + 1) <= end &&
	       ip6->nexthdr == IPPROTO_TCP && tcp->doff >= 5;
}

SEC("xdp.frags")
int swap(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > end || !is_tcp(eth, end))
		return XDP_PASS;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";

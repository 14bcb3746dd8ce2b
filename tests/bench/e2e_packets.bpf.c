// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Owns the packet generator of the end-to-end benchmark: what is sent, what is counted when it
 * comes back, and the load balancer that does nothing, which is the floor under all others.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "e2e_packets.h"

/* Set before loading. Sums are of all 16-bit words that are the same in every packet. */
__u32 frame_words[sizeof(struct e2e_frame) / 4];
const volatile __u32 ip_sum, udp_sum;
const volatile __u32 clients; /* the first client's address, host order */
const volatile __u32 flow_count = 1;
const volatile __u64 pause_ns; /* from one batch to the next; 0: as fast as it goes */

/* Of the floor's. */
__u32 host_be;
__u8 host_mac[ETH_ALEN], client_mac[ETH_ALEN];

/* By one CPU only. */
__u64 sent, turns, due_ns;
bool is_due;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, E2E_SEEN_MAX); /* by the last byte of the address it came back to */
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* Queues on the way are short, so it is never two batches at once, however late it is. */
static __always_inline bool is_batch_due(void)
{
	if (!pause_ns)
		return true;
	if (turns++ % E2E_BATCH == 0) {
		__u64 now_ns = bpf_ktime_get_ns();

		is_due = now_ns >= due_ns;
		if (is_due)
			due_ns = due_ns + 2 * pause_ns > now_ns ? due_ns + pause_ns
								: now_ns + pause_ns;
	}
	return is_due;
}

/* Pages are used again with what the last receiver left in them, so every byte is written. */
SEC("xdp")
int e2e_send(struct xdp_md *ctx)
{
	struct e2e_frame *f = (void *)(long)ctx->data;
	__u32 flow, address, port, sum, *word = (void *)f;

	if ((void *)(f + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (!is_batch_due())
		return XDP_DROP;
	/* A prime far from any power of two: neighbours in time are not neighbours in a table. */
	flow = (__u32)(sent++ * 2654435761u % flow_count);
	address = clients + flow / E2E_PORTS;
	port = E2E_PORT_MIN + flow % E2E_PORTS;
	for (__u32 i = 0; i < sizeof(*f) / sizeof(*word); i++)
		word[i] = frame_words[i];
	sum = (address >> 16) + (address & 0xffff);
	f->ip.saddr = bpf_htonl(address);
	f->ip.check = bpf_htons(fold(ip_sum + sum));
	f->udp.source = bpf_htons((__u16)port);
	f->udp.check = bpf_htons(fold(udp_sum + sum + port));
	return XDP_TX;
}

SEC("xdp")
int e2e_sink(struct xdp_md *ctx)
{
	struct e2e_frame *f = (void *)(long)ctx->data;
	__u64 *count;
	__u32 key;

	if ((void *)(f + 1) > (void *)(long)ctx->data_end ||
	    f->eth.h_proto != bpf_htons(ETH_P_IP) || f->ip.protocol != IPPROTO_UDP)
		return XDP_PASS; /* what neighbours say to each other */
	key = bpf_ntohl(f->ip.daddr) & (E2E_SEEN_MAX - 1);
	count = bpf_map_lookup_elem(&seen, &key);
	if (count)
		++*count;
	return XDP_DROP;
}

/* Carries IPv4 between the clients and one host, to the MAC addresses it was told; with none, back
 * to where it came from. */
SEC("xdp")
int e2e_floor(struct xdp_md *ctx)
{
	struct e2e_frame *f = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if ((void *)f->payload > (void *)(long)ctx->data_end ||
	    f->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    (f->ip.protocol != IPPROTO_UDP && f->ip.protocol != IPPROTO_TCP))
		return XDP_PASS;
	__builtin_memcpy(mac, f->eth.h_dest, ETH_ALEN);
	if (!host_be)
		__builtin_memcpy(f->eth.h_dest, f->eth.h_source, ETH_ALEN);
	else if (f->ip.daddr == host_be)
		__builtin_memcpy(f->eth.h_dest, host_mac, ETH_ALEN);
	else
		__builtin_memcpy(f->eth.h_dest, client_mac, ETH_ALEN);
	__builtin_memcpy(f->eth.h_source, mac, ETH_ALEN);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";

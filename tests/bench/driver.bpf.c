// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends packets to the program under test: BPF_PROG_RUN repeats the driver, which makes the next
 * flow's packet in place and hands over by a tail call. The frame left by the packet before is
 * brought back to its own length by one bpf_xdp_adjust_head(), always, so that it costs the same
 * whether the program under test rewrites or encapsulates.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench.h"

struct bench_run run;

/* The turns. key: turn; writer: user space and learner(); reader: driver() */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_ORDER_MAX);
	__type(key, __u32);
	__type(value, struct bench_turn);
} order SEC(".maps");

/* The program under test. key: 0, a constant, so that the call is a direct jump */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} subject SEC(".maps");

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline void put16(void *at, __u16 value)
{
	*(__u16 *)at = value;
}

static __always_inline void put_l4_check(void *l4, __u32 sum)
{
	__u16 check = fold(sum);

	if (run.frame.is_udp)
		put16(l4 + 6, check ? check : 0xffff);
	else
		put16(l4 + 16, check);
}

static __always_inline void fill_ip4(void *frame, __u32 flow, __u16 near_be)
{
	struct bench_far4 far = run.frame.is_to_source ? bench_source4(flow) : bench_client4(flow);
	__u32 far_be = bpf_htonl(far.addr);
	__u16 port_be = bpf_htons(far.port);
	__u32 sum = (far_be & 0xffff) + (far_be >> 16) + near_be;

	if (run.frame.is_reply) {
		put16(frame + 28, near_be);
		*(__u32 *)(frame + 30) = far_be;
		put16(frame + 36, port_be);
	} else {
		*(__u32 *)(frame + 26) = far_be;
		put16(frame + 32, near_be);
		put16(frame + 34, port_be);
	}
	put16(frame + 24, fold(run.frame.ip_sum + sum));
	put_l4_check(frame + 34, run.frame.l4_sum + sum + port_be);
}

static __always_inline void fill_ip6(void *frame, __u32 bits, __u16 near_be)
{
	__u32 client_be = bpf_htonl(BENCH_CLIENT6 | bits >> 12);
	__u16 port_be = bpf_htons(BENCH_CLIENT_PORT + (bits & 0xfff));
	__u32 sum = (client_be & 0xffff) + (client_be >> 16) + near_be;

	if (run.frame.is_reply) {
		put16(frame + 36, near_be);
		*(__u32 *)(frame + 42) = client_be;
		put16(frame + 56, port_be);
	} else {
		*(__u32 *)(frame + 26) = client_be;
		put16(frame + 52, near_be);
		put16(frame + 54, port_be);
	}
	put_l4_check(frame + 54, run.frame.l4_sum + sum + port_be);
}

/* Where did the packet before go? Its turn is told the low 16 bits of the destination. */
static __always_inline void learn(void *frame, __u64 packet)
{
	__u32 key = (run.start + packet - 1) & run.mask;
	struct bench_turn *turn = bpf_map_lookup_elem(&order, &key);

	if (packet && turn)
		turn->near_be[run.side & 1] =
			*(__u16 *)(frame + (run.frame.family == BENCH_IP4 ? 32 : 52));
}

static __always_inline int drive(struct xdp_md *ctx, int learns)
{
	int surplus = (int)(ctx->data_end - ctx->data) - BENCH_FRAME_LEN;
	__u64 packet = run.packet++;
	__u32 key = (run.start + packet) & run.mask;
	struct bench_turn *turn;
	void *frame;

	if (!(packet & (BENCH_CHUNK - 1)))
		run.stamps_ns[packet / BENCH_CHUNK & (BENCH_STAMPS - 1)] = bpf_ktime_get_ns();
	turn = bpf_map_lookup_elem(&order, &key);
	if (!turn || bpf_xdp_adjust_head(ctx, surplus))
		return XDP_ABORTED;
	frame = (void *)(long)ctx->data;
	if (frame + BENCH_FRAME_LEN > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (learns)
		learn(frame, packet);
#pragma unroll
	for (int i = 0; i < BENCH_HEAD_LEN; i += 8)
		*(__u64 *)(frame + i) = *(__u64 *)(run.frame.bytes + i);
	if (run.frame.family == BENCH_IP4)
		fill_ip4(frame, turn->flow, turn->near_be[run.side & 1]);
	else if (run.frame.family == BENCH_IP6)
		fill_ip6(frame, bench_client_bits(turn->flow), turn->near_be[run.side & 1]);
	bpf_tail_call(ctx, &subject, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int driver(struct xdp_md *ctx)
{
	return drive(ctx, 0);
}

SEC("xdp.frags")
int learner(struct xdp_md *ctx)
{
	return drive(ctx, 1);
}

char LICENSE[] SEC("license") = "GPL";

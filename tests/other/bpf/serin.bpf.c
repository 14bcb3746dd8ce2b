// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Serin's program as another build of the same ABI might have it: it counts packets as they come. */
#include "../../../bpf/packet.bpf.h"
#include "../../../bpf/parse.bpf.h"

__u64 other_packets;

static __always_inline int other_parse(struct xdp_md *ctx, struct packet *p)
{
	__sync_fetch_and_add(&other_packets, 1);
	return parse(ctx, p);
}

#define parse other_parse
#include "../../../bpf/serin.bpf.c"

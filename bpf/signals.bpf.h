/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 6, signals: what is counted of every forwarded packet, for its pool and its backend. */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline void count_packet(struct serin_counters *c, const struct packet *p)
{
	if (p->is_reply) {
		c->packets_out++;
		c->bytes_out += p->frame_len;
		return;
	}
	c->packets_in++;
	c->bytes_in += p->frame_len;
	if (!p->is_new)
		return;
	c->flows++;
	if (c->epoch != p->epoch) {
		c->epoch = p->epoch;
		c->epoch_flows = 0;
	}
	c->epoch_flows++;
}

static __always_inline void count_fallback(const struct packet *p)
{
	__u32 index = p->service_id * SERIN_MAX_POOLS + p->fallback - 1;
	struct serin_counters *c;

	if (!p->fallback || !p->is_new)
		return;
	c = bpf_map_lookup_elem(&pool_counters, &index);
	if (c)
		c->fallbacks++;
}

static __always_inline void count_signals(const struct packet *p)
{
	__u32 index = p->service_id * SERIN_MAX_POOLS + p->backend->pool;
	struct serin_counters *c = bpf_map_lookup_elem(&pool_counters, &index);

	if (c)
		count_packet(c, p);
	c = bpf_map_lookup_elem(&backend_counters, &p->backend_id);
	if (c)
		count_packet(c, p);
	count_fallback(p);
}

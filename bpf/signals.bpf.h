/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 6, signals: what is counted of every forwarded packet, for its pool and its backend. */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

static __always_inline void count_reply(struct serin_counters *c, const struct packet *p)
{
	c->packets_out++;
	c->bytes_out += p->frame_len;
}

static __always_inline void count_request(struct serin_counters *c, const struct packet *p)
{
	c->packets_in++;
	c->bytes_in += p->frame_len;
}

static __always_inline void count_new(struct serin_counters *c, const struct packet *p)
{
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

	if (!p->fallback)
		return;
	c = bpf_map_lookup_elem(&pool_counters, &index);
	if (c)
		c->fallbacks++;
}

static __always_inline void count_signals(const struct packet *p)
{
	__u32 index = p->service_id * SERIN_MAX_POOLS + p->backend->pool;
	struct serin_counters *pool = bpf_map_lookup_elem(&pool_counters, &index);
	struct serin_counters *backend = bpf_map_lookup_elem(&backend_counters, &p->backend_id);

	if (!pool || !backend)
		return;
	if (p->is_reply) {
		count_reply(pool, p);
		count_reply(backend, p);
		return;
	}
	count_request(pool, p);
	count_request(backend, p);
	if (!p->is_new)
		return;
	count_new(pool, p);
	count_new(backend, p);
	count_fallback(p);
}

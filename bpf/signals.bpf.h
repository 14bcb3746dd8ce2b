/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 6, signals: what is counted of every forwarded packet, for its pool and its backend; and of
 * those that begin or end something, what they say.
 */
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

static __always_inline void count_client_step(struct serin_signals *s, __u32 says)
{
	if (says & SAYS_FIN)
		s->fins_in++;
	if (says & SAYS_RST)
		s->resets_by_client++;
	else if ((says & (SAYS_SYN | SAYS_ACK)) == SAYS_SYN)
		s->syns++;
}

/* A reset that answers a SYN has the sequence number 0 (RFC 9293 3.5.2). */
static __always_inline void count_backend_step(struct serin_signals *s, __u32 says, __u32 seq_be)
{
	if (says & SAYS_UNREACHABLE)
		s->unreachables++;
	if (says & SAYS_FIN)
		s->fins_out++;
	if ((says & SAYS_RST) && (says & SAYS_ACK) && !seq_be)
		s->refused++;
	if (says & SAYS_RST)
		s->resets_by_backend++;
	else if ((says & SAYS_SYN) && (says & SAYS_ACK))
		s->syn_acks++;
}

/* Out of the way of packets that say nothing; global, to be proved once. */
__noinline int count_step(__u32 pool, __u32 backend, __u32 says, __u32 seq_be, __u32 is_reply)
{
	struct serin_signals *of_pool = bpf_map_lookup_elem(&pool_signals, &pool);
	struct serin_signals *of_backend = bpf_map_lookup_elem(&backend_signals, &backend);

	if (!of_pool || !of_backend)
		return 0;
	if (is_reply) {
		count_backend_step(of_pool, says, seq_be);
		count_backend_step(of_backend, says, seq_be);
	} else {
		count_client_step(of_pool, says);
		count_client_step(of_backend, says);
	}
	return 0;
}

static __always_inline void count_signals(const struct packet *p)
{
	__u32 index = p->service_id * SERIN_MAX_POOLS + p->backend->pool;
	struct serin_counters *pool = bpf_map_lookup_elem(&pool_counters, &index);
	struct serin_counters *backend = bpf_map_lookup_elem(&backend_counters, &p->backend_id);

	if (!pool || !backend)
		return;
	if (p->says & SAYS_STEP)
		count_step(index, p->backend_id, p->says, p->seq_be, p->is_reply);
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

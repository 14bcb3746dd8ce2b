/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sampled flows: which they are, and what their packets tell: how far each has come, what its steps
 * took, and how it ended.
 */
#pragma once

#include "sample.bpf.h"

/* @word: what kind of failure */
static __always_inline void fail_sample(const struct sight *s, struct serin_sample *e, __u64 state,
					__u32 word)
{
	__u64 client = e->client;

	if (!end_sample(e, state))
		return;
	count_sight(s, word);
	if (!(state & SERIN_SAMPLE_LOST)) /* or it is counted */
		add_failure(client, pool_index(s->service, s->pool), s->backend);
}

static __always_inline void close_sample(const struct sight *s, struct serin_sample *e, __u64 state)
{
	__u64 begun_ns = e->begun_ns;

	if (!end_sample(e, state))
		return;
	count_sight(s, SIGNAL_AT(closed));
	time_sight(s, SERIN_LATENCY_DURATION, bpf_ktime_get_ns() - begun_ns);
}

static __always_inline void follow_fin(const struct sight *s, struct serin_sample *e, __u64 state)
{
	__u64 both = SERIN_SAMPLE_FIN_IN | SERIN_SAMPLE_FIN_OUT, bits;

	bits = s->is_reply ? SERIN_SAMPLE_FIN_OUT : SERIN_SAMPLE_FIN_IN;
	if (s->kind & SERIN_KIND_ONE_WAY)
		bits = both;
	if ((state & bits) != bits && add_state(e, &state, bits) && (state & both) == both)
		close_sample(s, e, state);
}

static __always_inline void count_handshake(const struct sight *s, struct serin_sample *e,
					    __u64 *state, __u64 bits)
{
	__u64 now = bpf_ktime_get_ns();

	e->step_ns = now;
	if (!add_state(e, state, bits))
		return;
	count_sight(s, SIGNAL_AT(handshakes));
	time_sight(s, SERIN_LATENCY_HANDSHAKE, now - e->begun_ns);
	guard_success(pool_index(s->service, s->pool));
}

/* Another number is another connection's. */
static __always_inline void follow_syn(struct sight *s, struct serin_sample *e, __u64 state)
{
	if (e->isn_be != s->seq_be) {
		if (end_sample(e, state))
			begin_sample(s);
		return;
	}
	e->backend = s->backend;
	e->pool = s->pool;
	if (!(state & SERIN_SAMPLE_OPEN))
		count_sight(s, SIGNAL_AT(syn_retransmits));
	if (!(state & SERIN_SAMPLE_ANSWERED) && sample_tries(state) < SERIN_SAMPLE_TRIES_MAX)
		__sync_val_compare_and_swap(&e->state, state,
					    state + (1u << SERIN_SAMPLE_TRIES_SHIFT));
}

static __always_inline void follow_request_data(struct serin_sample *e, __u64 *state)
{
	if (*state & (SERIN_SAMPLE_REQUESTED | SERIN_SAMPLE_SERVED))
		return;
	e->step_ns = bpf_ktime_get_ns();
	add_state(e, state, SERIN_SAMPLE_REQUESTED);
}

__noinline int follow_client(struct sight *s, __u32 number, __u64 state)
{
	struct serin_sample *e = bpf_map_lookup_elem(&samples, &number);

	if (!s || !e)
		return 0;
	if (s->says & SAYS_RST) {
		end_sample(e, state);
		return 0;
	}
	if (s->says & SAYS_SYN) {
		follow_syn(s, e, state);
		return 0;
	}
	if ((s->kind & SERIN_KIND_ONE_WAY) && !(state & SERIN_SAMPLE_ANSWERED))
		count_handshake(s, e, &state, SERIN_SAMPLE_ANSWERED | SERIN_SAMPLE_OPEN);
	if ((state & (SERIN_SAMPLE_ANSWERED | SERIN_SAMPLE_OPEN)) == SERIN_SAMPLE_ANSWERED) {
		__u64 answered_ns = e->step_ns;

		if (add_state(e, &state, SERIN_SAMPLE_OPEN))
			time_sight(s, SERIN_LATENCY_CLIENT_HALF, bpf_ktime_get_ns() - answered_ns);
	}
	if ((s->says & SAYS_DATA) && (state & SERIN_SAMPLE_OPEN))
		follow_request_data(e, &state);
	if (s->says & SAYS_FIN)
		follow_fin(s, e, state);
	return 0;
}

static __always_inline void follow_reset(const struct sight *s, struct serin_sample *e, __u64 state)
{
	if (!(state & SERIN_SAMPLE_ANSWERED))
		fail_sample(s, e, state, SIGNAL_AT(sampled_refused));
	else if (!(state & SERIN_SAMPLE_SERVED))
		fail_sample(s, e, state, SIGNAL_AT(resets_before_data));
	else if (end_sample(e, state))
		count_sight(s, SIGNAL_AT(resets_after_data));
}

__noinline int follow_backend(struct sight *s, __u32 number, __u64 state)
{
	struct serin_sample *e = bpf_map_lookup_elem(&samples, &number);

	if (!s || !e)
		return 0;
	if (s->says & SAYS_RST) {
		follow_reset(s, e, state);
		return 0;
	}
	if (s->says & SAYS_SYN) {
		if (!(state & SERIN_SAMPLE_ANSWERED))
			count_handshake(s, e, &state, SERIN_SAMPLE_ANSWERED);
		return 0;
	}
	if ((s->says & SAYS_DATA) && !(state & SERIN_SAMPLE_SERVED)) {
		__u64 requested_ns = e->step_ns;

		if (add_state(e, &state, SERIN_SAMPLE_SERVED) && (state & SERIN_SAMPLE_REQUESTED))
			time_sight(s, SERIN_LATENCY_FIRST_BYTE, bpf_ktime_get_ns() - requested_ns);
	}
	if (s->says & SAYS_FIN)
		follow_fin(s, e, state);
	return 0;
}

/* UDP: the first answer of a conversation. */
static __always_inline void follow_answer(const struct sight *s, struct serin_sample *e,
					  __u64 state)
{
	__u64 begun_ns = e->begun_ns;

	if ((state & (SERIN_SAMPLE_ANSWERED | SERIN_SAMPLE_LOST)) ||
	    !add_state(e, &state, SERIN_SAMPLE_ANSWERED | SERIN_SAMPLE_SERVED))
		return;
	count_sight(s, SIGNAL_AT(answered));
	time_sight(s, SERIN_LATENCY_FIRST_BYTE, bpf_ktime_get_ns() - begun_ns);
	guard_success(pool_index(s->service, s->pool));
}

/* A client's SYN, or its datagram where answers are seen: nobody could tell an unanswered one. */
static __always_inline int begins_sample(const struct sight *s)
{
	if (s->is_reply)
		return 0;
	if (s->kind & SERIN_KIND_UDP)
		return !(s->kind & SERIN_KIND_ONE_WAY) && (s->says & SAYS_DATA);
	return (s->says & SAYS_TCP_FLAGS) == SAYS_SYN;
}

__noinline int follow_sample(struct sight *s)
{
	struct serin_sample *e;
	__u32 number;
	__u64 state;

	if (!s)
		return 0;
	s->key = hash_flow(&s->client, s->port_be, s->service);
	number = find_sample(s->key);
	e = bpf_map_lookup_elem(&samples, &number);
	if (!e)
		return begins_sample(s) ? begin_sample(s) : 0;
	state = READ_ONCE(e->state);
	if (!(state & SERIN_SAMPLE_LIVE) || READ_ONCE(e->key) != s->key)
		return 0;
	WRITE_ONCE(e->seen_jiffies, bpf_jiffies64());
	if ((s->says & SAYS_SYN) && !s->is_reply) { /* sent again: it may be too late */
		if (judge_sample(number, 0))
			return begin_sample(s);
		state = READ_ONCE(e->state);
	}
	if (s->says & SAYS_UNREACHABLE) {
		if (s->is_reply && !(state & SERIN_SAMPLE_SERVED))
			fail_sample(s, e, state, SIGNAL_AT(sampled_unreachables));
	} else if (s->kind & SERIN_KIND_UDP) {
		if (s->is_reply && (s->says & SAYS_DATA))
			follow_answer(s, e, state);
	} else if (s->says) {
		return s->is_reply ? follow_backend(s, number, state)
				   : follow_client(s, number, state);
	}
	return 0;
}

/* Out of the way of packets of flows that are not. */
static __noinline int sample_flow(const struct packet *p)
{
	__u32 zero = 0;
	struct sight *s = bpf_map_lookup_elem(&sight_scratch, &zero);

	if (!s)
		return 0;
	copy_addr(&s->client, &p->client);
	s->port_be = p->client_port_be;
	s->service = p->service_id;
	s->pool = p->backend->pool & (SERIN_MAX_POOLS - 1);
	s->backend = p->backend_id;
	s->draw = serin_sample_draw(&p->client, p->client_port_be);
	s->seq_be = p->seq_be;
	s->says = p->says;
	s->is_reply = p->is_reply;
	s->kind = (p->src.protocol == IPPROTO_UDP ? SERIN_KIND_UDP : 0) |
		  (p->service->forwarding >= SERIN_FORWARDING_DSR ? SERIN_KIND_ONE_WAY : 0);
	return follow_sample(s);
}

/* Most flows are not sampled: their packets pay for this decision alone. */
static __always_inline void sample_packet(const struct packet *p)
{
	__u32 pool = p->backend->pool & (SERIN_MAX_POOLS - 1);
	__u32 draw = serin_sample_draw(&p->client, p->client_port_be);

	if (serin_is_sampled(draw, READ_ONCE(p->service->sample_mask[pool])))
		sample_flow(p);
}

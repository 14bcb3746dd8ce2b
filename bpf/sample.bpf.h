/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sampled flows: their table, what is counted of them, and what time alone ends. All functions that do
 * more than a word's work are global: the verifier proves them once, and the sweep, which runs beside
 * the packets, calls them, too. What it counts, a packet may be counting on the same CPU: so all is
 * counted by atomic additions.
 */
#pragma once

#include "guard.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* What a packet tells of its flow. */
struct sight {
	struct serin_addr client;
	__u64 key;
	__u32 service;
	__u32 pool;
	__u32 backend;
	__u32 draw;
	__u32 seq_be;
	__u16 port_be;
	__u8 says; /* SAYS_* */
	__u8 kind; /* SERIN_KIND_* */
	__u32 is_reply;
	__u32 pad;
};

/* Instead of the stack, which is short. key: 0; a CPU has but one packet at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sight);
} sight_scratch SEC(".maps");

/* ---- counting ---- */

#define SIGNAL_AT(name) (offsetof(struct serin_signals, name) / sizeof(__u64))

/* The offset is one register, checked and used: 6.1 does not know two for copies. */
static __always_inline void add_to(struct serin_signals *s, __u64 at)
{
	if (s && at <= sizeof(*s) - sizeof(__u64))
		__sync_fetch_and_add((__u64 *)((void *)s + at), 1);
}

__noinline int add_signal(__u32 pool, __u32 backend, __u32 word)
{
	__u64 at = word * sizeof(__u64);

	barrier_var(at);
	add_to(bpf_map_lookup_elem(&pool_signals, &pool), at);
	add_to(bpf_map_lookup_elem(&backend_signals, &backend), at);
	return 0;
}

static __always_inline void add_to_histogram(struct serin_histograms *all, __u64 at,
					     __u64 bucket_at, __u32 us)
{
	if (!all || at > sizeof(*all) - sizeof(__u64) || bucket_at > sizeof(*all) - sizeof(__u64))
		return;
	__sync_fetch_and_add((__u64 *)((void *)all + at), us);
	__sync_fetch_and_add((__u64 *)((void *)all + bucket_at), 1);
}

__noinline __u32 latency_bucket(__u64 us)
{
	return serin_latency_bucket(us);
}

__noinline int add_latency(__u32 pool, __u32 backend, __u32 latency, __u64 ns)
{
	__u64 us = (__s64)ns < 0 ? 0 : ns / 1000; /* the clocks of two CPUs */
	__u64 at = latency * sizeof(struct serin_histogram), bucket_at;

	bucket_at =
		at + offsetof(struct serin_histogram, bucket) + latency_bucket(us) * sizeof(__u64);
	barrier_var(at);
	barrier_var(bucket_at);
	add_to_histogram(bpf_map_lookup_elem(&pool_histograms, &pool), at, bucket_at, us);
	add_to_histogram(bpf_map_lookup_elem(&backend_histograms, &backend), at, bucket_at, us);
	return 0;
}

/* A client that tries again at once fails again, and is one failure. */
__noinline int add_failure(__u64 client, __u32 pool, __u32 backend)
{
	struct serin_failure_key key = {.client = client, .pool = pool};
	__u64 now = bpf_jiffies64(), was, *last = bpf_map_lookup_elem(&failures, &key);

	if (!last) {
		if (bpf_map_update_elem(&failures, &key, &now, BPF_NOEXIST))
			return 0;
	} else {
		was = READ_ONCE(*last);
		if (now - was < second_jiffies ||
		    __sync_val_compare_and_swap(last, was, now) != was)
			return 0;
	}
	add_signal(pool, backend, SIGNAL_AT(failures));
	return guard_failure(pool);
}

static __always_inline __u32 pool_index(__u32 service, __u32 pool)
{
	return service * SERIN_MAX_POOLS + pool;
}

static __always_inline void count_sight(const struct sight *s, __u32 word)
{
	add_signal(pool_index(s->service, s->pool), s->backend, word);
}

static __always_inline void time_sight(const struct sight *s, enum serin_latency latency, __u64 ns)
{
	add_latency(pool_index(s->service, s->pool), s->backend, latency, ns);
}

/* ---- entries ---- */

static __always_inline __u32 sample_tries(__u64 state)
{
	return state >> SERIN_SAMPLE_TRIES_SHIFT & SERIN_SAMPLE_TRIES_MAX;
}

#define STATE_TRIES 4

/* Adds bits to the state that was read; 0 if they are there, or the entry is another's, by now. */
static __always_inline int add_state(struct serin_sample *e, __u64 *state, __u64 bits)
{
	for (int i = 0; i < STATE_TRIES; i++) {
		__u64 was = __sync_val_compare_and_swap(&e->state, *state, *state | bits);

		if (was == *state) {
			*state |= bits;
			return 1;
		}
		if ((was ^ *state) >> SERIN_SAMPLE_AGE_SHIFT || (was & bits) == bits)
			return 0;
		*state = was;
	}
	return 0;
}

/* Frees the entry; 0 if somebody else does. */
static __always_inline int end_sample(struct serin_sample *e, __u64 state)
{
	__u64 next = ((state >> SERIN_SAMPLE_AGE_SHIFT) + 1) << SERIN_SAMPLE_AGE_SHIFT;

	for (int i = 0; i < STATE_TRIES; i++) {
		__u64 was = __sync_val_compare_and_swap(&e->state, state, next);

		if (was == state) {
			WRITE_ONCE(e->key, 0);
			return 1;
		}
		if ((was ^ state) >> SERIN_SAMPLE_AGE_SHIFT)
			return 0;
		state = was;
	}
	return 0;
}

/* ---- what no packet tells ---- */

/* Lately sampled, and still? Where fewer flows are by now, their packets go by unseen; and what was the
 * backend may be gone. */
static __always_inline int is_still_sampled(const struct serin_sample *e)
{
	__u32 service = e->service, backend = e->backend, pool = e->pool & (SERIN_MAX_POOLS - 1);
	struct serin_service *svc = bpf_map_lookup_elem(&services, &service);
	struct serin_backend *b = bpf_map_lookup_elem(&backends, &backend);

	return svc && b && b->state != SERIN_BACKEND_FREE && b->service == service &&
	       serin_is_sampled(e->draw, READ_ONCE(svc->sample_mask[pool]));
}

static __always_inline __u64 answer_limit_ns(const struct serin_sample *e)
{
	return (e->kind & SERIN_KIND_UDP ? SERIN_ANSWER_MS : SERIN_HANDSHAKE_MS) * 1000000ull;
}

static __always_inline __u64 keep_jiffies(const struct serin_sample *e, __u64 state, int is_wanted)
{
	if (state & SERIN_SAMPLE_LOST)
		return is_wanted ? 0 : SERIN_SAMPLE_LINGER_S * (__u64)second_jiffies;
	if ((e->kind & SERIN_KIND_UDP) || !(state & SERIN_SAMPLE_OPEN))
		return SERIN_SAMPLE_LINGER_S * (__u64)second_jiffies;
	return (is_wanted ? SERIN_SAMPLE_QUIET_S : SERIN_SAMPLE_KEEP_S) * (__u64)second_jiffies;
}

static __always_inline void count_lost(const struct serin_sample *e)
{
	__u32 pool = pool_index(e->service, e->pool);

	add_signal(pool, e->backend,
		   e->kind & SERIN_KIND_UDP ? SIGNAL_AT(unanswered) : SIGNAL_AT(timed_out));
	add_failure(e->client, pool, e->backend);
}

/* Time alone ends a handshake, and in the end the sample. Returns 1 if that is over.
 * @is_wanted: another flow could use its place */
__noinline int judge_sample(__u32 number, __u32 is_wanted)
{
	struct serin_sample *e = bpf_map_lookup_elem(&samples, &number);
	__u64 state;
	__s64 quiet;

	if (!e || !READ_ONCE(e->key))
		return 0;
	state = READ_ONCE(e->state);
	if (!(state & SERIN_SAMPLE_LIVE))
		return 0;
	if (!(state & (SERIN_SAMPLE_ANSWERED | SERIN_SAMPLE_LOST)) &&
	    (__s64)(bpf_ktime_get_ns() - e->begun_ns) >= (__s64)answer_limit_ns(e)) {
		if (!is_still_sampled(e))
			return end_sample(e, state);
		if (add_state(e, &state, SERIN_SAMPLE_LOST))
			count_lost(e);
	}
	quiet = bpf_jiffies64() - READ_ONCE(e->seen_jiffies);
	return quiet >= (__s64)keep_jiffies(e, state, is_wanted) && end_sample(e, state);
}

/* ---- finding and placing ---- */

static __always_inline __u32 sample_number(__u64 key, __u32 way)
{
	return (key >> way * 16) % SERIN_SAMPLES;
}

/* SERIN_SAMPLES: it is not there. */
__noinline __u32 find_sample(__u64 key)
{
	for (__u32 way = 0; way < SERIN_SAMPLE_WAYS; way++) {
		__u32 number = sample_number(key, way);
		struct serin_sample *e = bpf_map_lookup_elem(&samples, &number);

		if (e && READ_ONCE(e->key) == key)
			return number;
	}
	return SERIN_SAMPLES;
}

/* A place of the four, now this key's, its state not live yet. */
static __always_inline __u32 claim_sample(__u64 key)
{
	for (__u32 turn = 0; turn < 2 * SERIN_SAMPLE_WAYS; turn++) {
		__u32 number = sample_number(key, turn % SERIN_SAMPLE_WAYS);
		struct serin_sample *e = bpf_map_lookup_elem(&samples, &number);

		if (turn >= SERIN_SAMPLE_WAYS)
			judge_sample(number, 1);
		if (e && !READ_ONCE(e->key) && !__sync_val_compare_and_swap(&e->key, 0, key))
			return number;
	}
	return SERIN_SAMPLES;
}

static __always_inline __u64 hash_client(const struct serin_addr *client)
{
	return serin_addr_is_v4(client)
		       ? serin_flow4_hash(serin_flow4_key(client->word_be[3], 0, 0), flow_secret)
		       : serin_flow6_hash(client, 0, 0, flow_secret);
}

static __always_inline __u64 hash_flow(const struct serin_addr *client, __u16 port_be,
				       __u32 service)
{
	__u64 key =
		serin_addr_is_v4(client)
			? serin_flow4_hash(serin_flow4_key(client->word_be[3], port_be, service),
					   flow_secret)
			: serin_flow6_hash(client, port_be, service, flow_secret);

	return key ? key : 1;
}

/* Nothing that a reader of the state can see is written after it. */
__noinline int begin_sample(struct sight *s)
{
	__u32 number;
	struct serin_sample *e;

	if (!s)
		return 0;
	number = claim_sample(s->key);
	e = bpf_map_lookup_elem(&samples, &number);
	if (!e) {
		count_sight(s, SIGNAL_AT(missed));
		return 0;
	}
	e->begun_ns = bpf_ktime_get_ns();
	e->seen_jiffies = bpf_jiffies64();
	e->client = hash_client(&s->client);
	e->draw = s->draw;
	e->isn_be = s->seq_be;
	e->backend = s->backend;
	e->service = s->service;
	e->pool = s->pool;
	e->kind = s->kind;
	count_sight(s, SIGNAL_AT(sampled_flows));
	__sync_fetch_and_or(&e->state, SERIN_SAMPLE_LIVE);
	return 0;
}

/* ---- the sweep ---- */

struct bpf_map;

static long sweep_sample(struct bpf_map *map, __u32 *number, struct serin_sample *e, void *arg)
{
	(void)map;
	(void)arg;
	if (READ_ONCE(e->key))
		judge_sample(*number, 0);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fullnat's flow tables, one a service, in which a flow's position is the source address and port it
 * has toward its backend: finding and placing entries, by the buckets and states of the flow table,
 * and which flow a reply is of.
 */
#pragma once

#include "checksum.bpf.h"
#include "flow_table.bpf.h"
#include "hop.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

#define SOURCE_LOCK_TRIES 512
#define SPOT_TRIES	  4 /* other flows may be quicker to take a place */

/* A flow looked for or placed, as it is handed to and from global functions. */
struct source_flow {
	struct flow_key flow;
	__u64 value; /* found; or to be bound to, and what it is bound to */
	__u32 service;
	__u32 position;
	struct serin_endpoint client;
	struct serin_endpoint source;
	struct serin_endpoint backend;
	__u16 l3_delta; /* what client -> source adds to the sums of IPv4's header */
	__u16 l4_delta; /* and TCP's or UDP's */
	__u32 is_v6;
	__u64 best; /* find_spot(): of a bucket, as best_in() has it; 0: nothing gives way */
	__u32 number;
	__u32 depth; /* which of the flow's buckets that is */
};

/* Instead of the stack, which is short. key: 0; a CPU has but one packet at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct source_flow);
} source_scratch SEC(".maps");

static __always_inline void *source_table(__u32 service, const int is_v6)
{
	return is_v6 ? bpf_map_lookup_elem(&source_tables6, &service)
		     : bpf_map_lookup_elem(&source_tables4, &service);
}

static __always_inline void *source_bucket(__u32 service, __u32 number, const int is_v6)
{
	void *table = source_table(service, is_v6);

	return table ? bpf_map_lookup_elem(table, &number) : NULL;
}

/* Keys of maps are copied to the stack: to 6.1 a global function's argument cannot be one. */
static __always_inline struct serin_source_set *source_set(__u32 service)
{
	return bpf_map_lookup_elem(&source_sets, &service);
}

static __always_inline struct serin_source_counters *source_counts(__u32 service)
{
	return bpf_map_lookup_elem(&source_counters, &service);
}

/* The value of an entry, or NULL. */
static __always_inline __u64 *source_entry(__u32 service, __u32 position, const int is_v6)
{
	void *bucket = source_bucket(service, position / SERIN_FLOW4_WAYS, is_v6);

	position &= SERIN_FLOW4_WAYS - 1;
	return bucket ? entry_value(bucket, position, is_v6) : NULL;
}

/* The n-th bucket that a flow may be in; its number goes into the flow's record. */
static __always_inline void *nth_bucket(struct source_flow *f, __u32 n, const int is_v6)
{
	struct serin_source_set *set = source_set(f->service);

	if (!set)
		return NULL;
	f->number = serin_source_bucket(f->flow.hash, n, set->buckets);
	return source_bucket(f->service, f->number, is_v6);
}

/* ---- finding ---- */

static __always_inline int find_in_nth(struct source_flow *f, __u32 n, const int is_v6)
{
	void *bucket = nth_bucket(f, n, is_v6);
	__u32 way;

	if (!bucket)
		return 0;
	way = find_way(&f->flow, bucket, &f->value, is_v6);
	f->position = f->number * SERIN_FLOW4_WAYS + way;
	return way < SERIN_FLOW4_WAYS;
}

/* Global functions, as others here: proved once, not in each turn of a loop. */

__noinline int find_in_nth4(struct source_flow *f, __u32 n)
{
	return f ? find_in_nth(f, n, 0) : 0;
}

__noinline int find_in_nth6(struct source_flow *f, __u32 n)
{
	return f ? find_in_nth(f, n, 1) : 0;
}

static __always_inline int find_in_source_table(struct source_flow *f)
{
	struct serin_source_set *set = source_set(f->service);

	for (__u32 n = 0; set && n < SERIN_SOURCE_DEPTH; n++) {
		if (n > 1 && !(READ_ONCE(set->depths) & serin_source_depths(n)))
			break;
		if (f->is_v6 ? find_in_nth6(f, n) : find_in_nth4(f, n))
			return 1;
	}
	return 0;
}

__noinline int find_source_flow(struct source_flow *f)
{
	return f ? find_in_source_table(f) : 0;
}

/* ---- placing ---- */

static __always_inline __u64 weigh_nth(struct source_flow *f, __u32 n, const int is_v6)
{
	void *bucket = nth_bucket(f, n, is_v6);

	return bucket ? best_in(bucket, bpf_jiffies64(), is_v6) : 0;
}

__noinline __u64 weigh_nth4(struct source_flow *f, __u32 n)
{
	return f ? weigh_nth(f, n, 0) : 0;
}

__noinline __u64 weigh_nth6(struct source_flow *f, __u32 n)
{
	return f ? weigh_nth(f, n, 1) : 0;
}

static __always_inline __u64 weigh(struct source_flow *f, __u32 n)
{
	f->depth = n;
	return f->is_v6 ? weigh_nth6(f, n) : weigh_nth4(f, n);
}

/* A place in the buckets that a flow goes to when its first two are full. */
static __always_inline int find_deep_spot(struct source_flow *f)
{
	for (__u32 n = 2; n < SERIN_SOURCE_DEPTH; n++) {
		f->best = weigh(f, n);
		if (f->best >> 2 >= SCORE_IDLE)
			return 1;
	}
	return 0;
}

/*
 * The first place that is free or whose flow is over. So many buckets are looked at, once the table
 * is nearly full, that all but a few ports of a hundred serve before a flow is refused one. If there
 * is none, the weaker of the weakest flows of the first two.
 */
__noinline int find_spot(struct source_flow *f)
{
	__u64 best;
	__u32 n;

	if (!f)
		return 0;
	f->best = weigh(f, 0);
	if (f->best >> 2 >= SCORE_IDLE)
		return 1;
	best = f->best;
	f->best = weigh(f, 1);
	if (f->best >> 2 >= SCORE_IDLE)
		return 1;
	n = f->best > best;
	best = n ? f->best : best;
	if (find_deep_spot(f))
		return 1;
	weigh(f, n);
	f->best = best;
	return best > 0;
}

/* 1 if it is the flow's now, 0 if it does not give way, -1 if another CPU was quicker. */
static __always_inline int take_spot(struct source_flow *f, const int is_v6)
{
	void *bucket = source_bucket(f->service, f->number, is_v6);
	struct serin_source_counters *c = source_counts(f->service);
	struct serin_source_set *set = source_set(f->service);
	__u64 seen, score, now = bpf_jiffies64();
	__u32 way = f->best & (SERIN_FLOW4_WAYS - 1);

	if (!bucket || !c || !set)
		return 0;
	seen = READ_ONCE(*entry_value(bucket, way, is_v6));
	score = score_entry(READ_ONCE(*entry_key(bucket, way, is_v6)), seen, now);
	if (!score || (score < SCORE_IDLE && !may_evict(&c->budget, set->evictions_per_jiffy, now)))
		return 0;
	if (!claim_entry(entry_key(bucket, way, is_v6), entry_value(bucket, way, is_v6), seen))
		return -1;
	c->evicted += score < SCORE_IDLE;
	c->taken++;
	if (!(READ_ONCE(set->depths) & serin_source_depths(f->depth)))
		__sync_fetch_and_or(&set->depths, 1ull << f->depth / 2);
	write_entry(&f->flow, bucket, way, f->value, is_v6);
	f->position = f->number * SERIN_FLOW4_WAYS + way;
	return 1;
}

__noinline int take_spot4(struct source_flow *f)
{
	return f ? take_spot(f, 0) : 0;
}

__noinline int take_spot6(struct source_flow *f)
{
	return f ? take_spot(f, 1) : 0;
}

/* One flow has one entry, as in the flow table: f->value and f->position are of that one. */
static __always_inline int find_or_place(struct source_flow *f)
{
	struct serin_source_counters *c;
	__u64 wanted = f->value;
	int placed = -1;

	if (find_source_flow(f))
		return 1;
	f->value = wanted;
	for (int i = 0; placed < 0 && i < SPOT_TRIES; i++) {
		if (!find_spot(f))
			break;
		placed = f->is_v6 ? take_spot6(f) : take_spot4(f);
	}
	if (placed > 0)
		return 1;
	c = source_counts(f->service);
	if (c)
		c->refused++;
	return -1;
}

/* Returns 1; -1 where there is no port; and 0 where another CPU does not let go of the lock, for two
 * ports would be worse than a packet sent again. */
__noinline int insert_source_flow(struct source_flow *f)
{
	__u32 number = f ? f->flow.hash % SERIN_FLOW_LOCKS : 0;
	__u64 *lock = bpf_map_lookup_elem(&flow_locks, &number);
	int result;

	if (!f || !lock || !lock_flow(lock, SOURCE_LOCK_TRIES))
		return 0;
	result = find_or_place(f);
	WRITE_ONCE(*lock, 0);
	return result;
}

/* ---- whose reply is it? ---- */

static __always_inline struct source_flow *scratch_flow(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&source_scratch, &zero);
}

/* The position that a source is of its service. */
static __always_inline int find_position(struct source_flow *f)
{
	struct serin_source_key key = {.addr = f->source.addr, .protocol = f->source.protocol};
	struct serin_source_ranges *ranges = bpf_map_lookup_elem(&sources, &key);
	__u16 port = bpf_ntohs(f->source.port_be);
	struct serin_source_range *range;
	struct serin_source_set *set;
	__u32 i = 0;

	if (!ranges)
		return 0;
	while (i < SERIN_SOURCE_SHARES - 1 &&
	       (port < ranges->range[i].low || port > ranges->range[i].high))
		i++;
	i = forget_number(i, f->flow.hash) & (SERIN_SOURCE_SHARES - 1);
	range = &ranges->range[i];
	f->service = (__u32)range->service - 1;
	set = source_set(f->service);
	if (!set || port < range->low || port > range->high)
		return 0;
	f->position = range->number * set->ports + (port - range->low);
	return 1;
}

/* The flow that has a position, read as one: whose client it is, and its entry's value. */
static __always_inline int read_position(struct source_flow *f, const int is_v6)
{
	__u32 way = f->position & (SERIN_FLOW4_WAYS - 1);
	void *bucket = source_bucket(f->service, f->position / SERIN_FLOW4_WAYS, is_v6);
	struct serin_flow6 *flow6;
	__u64 key, high = 0, low;

	if (!bucket)
		return 0;
	key = READ_ONCE(*entry_key(bucket, way, is_v6));
	low = (__u64)SERIN_V4_MAPPED_BE << 32 | key >> 32;
	if (is_v6) {
		flow6 = bucket + way * sizeof(*flow6);
		high = READ_ONCE(flow6->client_high);
		low = READ_ONCE(flow6->client_low);
	}
	f->value = READ_ONCE(*entry_value(bucket, way, is_v6));
	if (!key || key == SERIN_FLOW_BUSY || READ_ONCE(*entry_key(bucket, way, is_v6)) != key)
		return 0;
	f->client.addr.word_be[0] = high >> 32;
	f->client.addr.word_be[1] = high;
	f->client.addr.word_be[2] = low >> 32;
	f->client.addr.word_be[3] = low;
	f->client.port_be = key >> 16;
	return serin_flow_state(f->value) != SERIN_FLOW_EVICTED;
}

/* The flow of a source and a backend; a global function, for there are many ways to fail. */
__noinline int find_source_owner(struct source_flow *f)
{
	struct serin_backend *backend;
	__u32 id;

	if (!f || !find_position(f) || !(f->is_v6 ? read_position(f, 1) : read_position(f, 0)))
		return 0;
	id = serin_flow_backend(f->value);
	backend = bpf_map_lookup_elem(&backends, &id);
	return backend && backend->state != SERIN_BACKEND_FREE &&
	       serin_endpoint_equal(&backend->at, &f->backend);
}

/* Is it from a backend, for the source that a flow of its has? Whatever else comes for such an
 * address is the host's. */
static __noinline int find_source(struct packet *p)
{
	struct source_flow *f = scratch_flow();

	if (!f || packet_is_syn(p))
		return SERIN_PASS_NO_FLOW;
	f->source = p->dst;
	f->backend = p->src;
	f->is_v6 = !p->ip4;
	if (!find_source_owner(f))
		return SERIN_PASS_NO_FLOW;
	p->service_id = f->service;
	p->service = bpf_map_lookup_elem(&services, &p->service_id);
	p->backend_id = serin_flow_backend(f->value);
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
	if (!p->service || !p->backend)
		return SERIN_PASS_NO_FLOW;
	p->position = f->position;
	p->client = f->client.addr;
	p->client_port_be = f->client.port_be;
	p->is_reply = 1;
	return SERIN_GO_ON;
}

/* What stands for the client; 0 if the flow's service is gone. */
__noinline int describe_source(struct source_flow *f)
{
	struct serin_source_set *set;
	__u32 number, from, to;

	if (!f)
		return 0;
	set = source_set(f->service);
	if (!set || !set->ports)
		return 0;
	number = f->position / set->ports;
	barrier_var(number);
	f->source.addr = set->source[number & (SERIN_MAX_SOURCES - 1)];
	f->source.port_be = bpf_htons(set->port_low + f->position % set->ports);
	from = csum_addr(&f->client.addr);
	to = csum_addr(&f->source.addr);
	f->l3_delta = csum_delta(from, to);
	f->l4_delta = csum_delta(from + f->client.port_be, to + f->source.port_be);
	return 1;
}

/* The same for the packet at hand, or NULL. */
static __always_inline struct source_flow *describe_flow(const struct packet *p)
{
	struct source_flow *f = scratch_flow();

	if (!f)
		return NULL;
	f->service = p->service_id;
	f->position = p->position;
	f->client.addr = p->client;
	f->client.port_be = p->client_port_be;
	return describe_source(f) ? f : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table itself: finding an entry, and placing a new one. How entries are written so that
 * nobody reads half of one: see struct serin_flow4.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

#define LOCK_TRIES 32
/* A handshake has this long, whatever the flood: one unit of `seen` at the least. */
#define GRACE_JIFFIES (2u << SERIN_FLOW_JIFFIES_SHIFT)
#define BURST_JIFFIES 16

/* What tells a flow from others. */
struct flow_key {
	__u64 hash;
	__u64 key;
	__u64 high, low; /* IPv6 only */
};

/* And the two buckets it may be in. */
struct flow_place {
	void *bucket[2];
	struct flow_key flow;
	__u32 is_v6;
};

/* An entry is some words, key and value the last of them. */
#define FLOW_STRIDE(is_v6) ((is_v6) ? sizeof(struct serin_flow6) : sizeof(struct serin_flow4))

static __always_inline __u64 *entry_key(void *bucket, __u32 way, const int is_v6)
{
	return bucket + (way + 1) * FLOW_STRIDE(is_v6) - 2 * sizeof(__u64);
}

static __always_inline __u64 *entry_value(void *bucket, __u32 way, const int is_v6)
{
	return bucket + (way + 1) * FLOW_STRIDE(is_v6) - sizeof(__u64);
}

static __always_inline int locate_buckets(struct flow_place *at, void *table)
{
	__u32 number = at->flow.hash & flow_bucket_mask;

	at->bucket[0] = bpf_map_lookup_elem(table, &number);
	number = at->flow.hash >> 32 & flow_bucket_mask;
	at->bucket[1] = bpf_map_lookup_elem(table, &number);
	return at->bucket[0] && at->bucket[1];
}

static __always_inline void set_flow4_key(struct flow_key *flow, const struct serin_addr *client,
					  __u16 port_be, __u32 service)
{
	flow->key = serin_flow4_key(client->word_be[3], port_be, service);
	flow->hash = serin_flow4_hash(flow->key, flow_secret);
}

static __always_inline void set_flow6_key(struct flow_key *flow, const struct serin_addr *client,
					  __u16 port_be, __u32 service)
{
	flow->high = serin_addr_high(client);
	flow->low = serin_addr_low(client);
	flow->hash = serin_flow6_hash(client, port_be, service, flow_secret);
	flow->key = serin_flow6_key(flow->hash, port_be, service);
}

static __always_inline int locate_flow4(struct flow_place *at, const struct serin_addr *client,
					__u16 port_be, __u32 service)
{
	set_flow4_key(&at->flow, client, port_be, service);
	return locate_buckets(at, &flows4);
}

static __always_inline int locate_flow6(struct flow_place *at, const struct serin_addr *client,
					__u16 port_be, __u32 service)
{
	at->is_v6 = 1;
	set_flow6_key(&at->flow, client, port_be, service);
	return locate_buckets(at, &flows6);
}

/* The flow of the packet at hand; @at is all zero before. */
static __always_inline int locate_flow(const struct packet *p, struct flow_place *at)
{
	return p->ip4 ? locate_flow4(at, &p->client, p->client_port_be, p->service_id)
		      : locate_flow6(at, &p->client, p->client_port_be, p->service_id);
}

/* Any flow; @at is all zero before. */
static __always_inline int locate_client(struct flow_place *at, const struct serin_addr *client,
					 __u16 port_be, __u32 service)
{
	return serin_addr_is_v4(client) ? locate_flow4(at, client, port_be, service)
					: locate_flow6(at, client, port_be, service);
}

/* Is this entry the flow's? Read as one: key, value, key again. */
static __always_inline int match_entry(const struct flow_key *flow, void *bucket, __u32 way,
				       __u64 *value, const int is_v6)
{
	struct serin_flow6 *flow6 = bucket + way * sizeof(struct serin_flow6);
	__u64 *key = entry_key(bucket, way, is_v6);

	if (READ_ONCE(*key) != flow->key)
		return 0;
	if (is_v6 && (READ_ONCE(flow6->client_high) != flow->high ||
		      READ_ONCE(flow6->client_low) != flow->low))
		return 0;
	*value = READ_ONCE(*entry_value(bucket, way, is_v6));
	return READ_ONCE(*key) == flow->key && serin_flow_state(*value) != SERIN_FLOW_EVICTED;
}

/* Which of a bucket's entries is the flow's; SERIN_FLOW4_WAYS: none. */
static __always_inline __u32 find_way(const struct flow_key *flow, void *bucket, __u64 *value,
				      const int is_v6)
{
	__u32 way;

	for (way = 0; way < SERIN_FLOW4_WAYS; way++)
		if (match_entry(flow, bucket, way, value, is_v6))
			break;
	return forget_number(way, flow->key);
}

static __always_inline __u64 *find_in_bucket(const struct flow_key *flow, void *bucket,
					     __u64 *value, const int is_v6)
{
	__u32 way = find_way(flow, bucket, value, is_v6);

	if (way >= SERIN_FLOW4_WAYS)
		return NULL;
	barrier_var(way);
	return entry_value(bucket, way & (SERIN_FLOW4_WAYS - 1), is_v6);
}

static __always_inline __u64 *find_in(const struct flow_place *at, __u64 *value, const int is_v6)
{
	__u64 *found = find_in_bucket(&at->flow, at->bucket[0], value, is_v6);

	return found ? found : find_in_bucket(&at->flow, at->bucket[1], value, is_v6);
}

static __always_inline __u64 *find_flow(const struct flow_place *at, __u64 *value)
{
	__u32 is_v6 = at->is_v6;

	barrier_var(is_v6); /* or clang 19 looks at p->ip4 again, where verifiers do not follow */
	return is_v6 ? find_in(at, value, 1) : find_in(at, value, 0);
}

static __always_inline int flow_is_idle(__u64 value, __u64 now)
{
	return serin_flow_idle_jiffies(value, now) > flow_idle_jiffies[serin_flow_state(value)];
}

/* ---- inserting ---- */

/* How readily an entry gives way; 0: never. A free one first; then what is idle; then the longest
 * silent of those that nobody has proved. */
#define SCORE_FREE (1ull << 48)
#define SCORE_IDLE (1ull << 47)

/* Global, as those below: the verifier proves it once, not for each way that leads to it. */
__noinline __u64 score_entry(__u64 key, __u64 value, __u64 now)
{
	__u64 idle = serin_flow_idle_jiffies(value, now);

	if (!key)
		return SCORE_FREE;
	if (key == SERIN_FLOW_BUSY || serin_flow_state(value) == SERIN_FLOW_EVICTED)
		return 0;
	if (flow_is_idle(value, now))
		return SCORE_IDLE + idle;
	return serin_flow_state(value) < SERIN_FLOW_PROVEN && idle >= GRACE_JIFFIES ? idle : 0;
}

static __always_inline __u32 count_free(void *bucket, const int is_v6)
{
	__u32 free = 0;

	for (__u32 way = 0; way < SERIN_FLOW4_WAYS; way++)
		free += !READ_ONCE(*entry_key(bucket, way, is_v6));
	return forget_number(free, bpf_jiffies64());
}

/* The best of a bucket's entries: score << 2 | way. One number, so that the verifier has but one
 * thing to follow round the loop. */
static __always_inline __u64 best_in(void *bucket, __u64 now, const int is_v6)
{
	__u64 best = 0;

	for (__u32 way = 0; way < SERIN_FLOW4_WAYS; way++) {
		__u64 score = score_entry(READ_ONCE(*entry_key(bucket, way, is_v6)),
					  READ_ONCE(*entry_value(bucket, way, is_v6)), now);

		score = score << 2 | way;
		barrier_var(score);
		best = score > best ? score : best;
		barrier_var(best);
	}
	return best;
}

/* Whether one more living flow may give way on this CPU now. */
static __always_inline int may_evict(struct serin_budget *b, __u32 per_jiffy, __u64 now)
{
	__u64 limit = (__u64)per_jiffy * BURST_JIFFIES;
	__u64 left = b->left + (now - b->jiffies) * per_jiffy;

	b->left = left > limit ? limit : left;
	b->jiffies = now;
	if (!b->left)
		return 0;
	b->left--;
	return 1;
}

/* Takes the entry, unless it is no longer what was seen: from then on it is nobody's. */
static __always_inline int claim_entry(__u64 *key, __u64 *value, __u64 seen)
{
	__u64 evicted = seen | (__u64)SERIN_FLOW_EVICTED << SERIN_FLOW_STATE_SHIFT;

	if (!READ_ONCE(*key))
		return !__sync_val_compare_and_swap(key, 0, SERIN_FLOW_BUSY);
	if (__sync_val_compare_and_swap(value, seen, evicted) != seen)
		return 0;
	WRITE_ONCE(*key, SERIN_FLOW_BUSY);
	return 1;
}

static __always_inline void write_entry(const struct flow_key *flow, void *bucket, __u32 way,
					__u64 value, const int is_v6)
{
	struct serin_flow6 *flow6 = bucket + way * sizeof(struct serin_flow6);

	if (is_v6) {
		WRITE_ONCE(flow6->client_high, flow->high);
		WRITE_ONCE(flow6->client_low, flow->low);
	}
	WRITE_ONCE(*entry_value(bucket, way, is_v6), value);
	WRITE_ONCE(*entry_key(bucket, way, is_v6), flow->key);
}

/* Asked for where they change, not kept: the stack is short. */
static __always_inline struct serin_flow_counters *own_counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&flow_counters, &zero);
}

/* A place in a bucket half of which is free, without weighing the others; 0: there is none. */
static __always_inline int take_free(const struct flow_place *at, __u64 value, const int is_v6)
{
	struct serin_flow_counters *c;
	__u32 free = 0, way = 0;

	for (__u32 i = 0; i < SERIN_FLOW4_WAYS; i++) {
		__u32 is_free = !READ_ONCE(*entry_key(at->bucket[0], i, is_v6));

		free += is_free;
		way = is_free ? i : way;
	}
	way = forget_number(way, at->flow.hash) & (SERIN_FLOW4_WAYS - 1);
	barrier_var(way);
	way &= SERIN_FLOW4_WAYS - 1;
	free = forget_number(free, at->flow.hash);
	if (free < SERIN_FLOW4_WAYS / 2 ||
	    __sync_val_compare_and_swap(entry_key(at->bucket[0], way, is_v6), 0, SERIN_FLOW_BUSY))
		return 0;
	write_entry(&at->flow, at->bucket[0], way, value, is_v6);
	c = own_counters();
	if (c)
		c->inserted++;
	return 1;
}

/* Once; 1 if it is placed, 0 if there is no place, -1 if another CPU was quicker. */
static __always_inline int try_entry(const struct flow_place *at, __u64 value, const int is_v6)
{
	struct serin_flow_counters *c;
	__u64 now = bpf_jiffies64(), seen, best;
	void *bucket = at->bucket[0];
	__u32 way, free;

	/* The first bucket while half of it is free, so that most flows cost one cache line; then the
	 * emptier of the two, so that hardly ever both are full before the table is. */
	best = best_in(at->bucket[0], now, is_v6);
	free = count_free(at->bucket[0], is_v6);
	if (free < SERIN_FLOW4_WAYS / 2) {
		seen = best_in(at->bucket[1], now, is_v6);
		if (seen >> 2 > best >> 2 ||
		    (best >> 2 == SCORE_FREE && count_free(at->bucket[1], is_v6) > free)) {
			best = seen;
			bucket = at->bucket[1];
		}
	}
	way = best & (SERIN_FLOW4_WAYS - 1);
	barrier_var(way);
	way &= SERIN_FLOW4_WAYS - 1;
	seen = READ_ONCE(*entry_value(bucket, way, is_v6)); /* it may have been proved meanwhile */
	best = score_entry(READ_ONCE(*entry_key(bucket, way, is_v6)), seen, now);
	c = own_counters();
	if (!c || !best ||
	    (best < SCORE_IDLE && !may_evict(&c->budget, flow_evictions_per_jiffy, now)))
		return 0;
	if (!claim_entry(entry_key(bucket, way, is_v6), entry_value(bucket, way, is_v6), seen))
		return -1;
	if (best < SCORE_IDLE)
		c->evicted[serin_flow_state(seen) % SERIN_FLOW_STATE_MAX]++;
	write_entry(&at->flow, bucket, way, value, is_v6);
	c->inserted++;
	return 1;
}

static __always_inline int place_entry(const struct flow_place *at, __u64 value, const int is_v6)
{
	int placed = take_free(at, value, is_v6);

	if (!placed)
		placed = try_entry(at, value, is_v6);
	if (placed < 0)
		placed = try_entry(at, value, is_v6);
	return placed > 0;
}

static __always_inline int lock_flow(__u64 *lock, const int tries)
{
	int is_locked = 0;

	for (int i = 0; i < tries; i++) {
		if (__sync_val_compare_and_swap(lock, 0, 1))
			continue;
		is_locked = 1;
		break;
	}
	barrier_var(is_locked); /* or the loop's count would live on in its place */
	return is_locked;
}

/*
 * One flow has one entry: whoever comes second finds the first one's. Returns the value that binds
 * the flow now, the one given or another CPU's, or 0 where none could be placed.
 */
static __always_inline __u64 insert_at(const struct flow_place *at, __u64 value, const int is_v6)
{
	__u32 number = at->flow.hash % SERIN_FLOW_LOCKS;
	__u64 *lock = bpf_map_lookup_elem(&flow_locks, &number);
	struct serin_flow_counters *c;
	__u64 there = 0;

	if (!lock)
		return 0;
	if (!lock_flow(lock, LOCK_TRIES)) {
		lock = NULL;
		c = own_counters();
		if (c)
			c->unlocked++;
	}
	if (find_in(at, &there, is_v6)) {
		value = there;
	} else if (!place_entry(at, value, is_v6)) {
		c = own_counters();
		if (c)
			c->unremembered++;
		value = 0;
	}
	if (lock)
		WRITE_ONCE(*lock, 0);
	return value;
}

__noinline __u64 insert_flow4(__u64 key, __u64 hash, __u64 value)
{
	struct flow_place at = {.flow = {.key = key, .hash = hash}};

	return locate_buckets(&at, &flows4) ? insert_at(&at, value, 0) : 0;
}

__noinline __u64 insert_flow6(__u64 high, __u64 low, __u64 key, __u64 hash, __u64 value)
{
	struct flow_place at = {.flow = {.key = key, .hash = hash, .high = high, .low = low}};

	return locate_buckets(&at, &flows6) ? insert_at(&at, value, 1) : 0;
}

static __always_inline __u64 insert_flow(const struct flow_place *at, __u64 value)
{
	const struct flow_key *flow = &at->flow;

	return at->is_v6 ? insert_flow6(flow->high, flow->low, flow->key, flow->hash, value)
			 : insert_flow4(flow->key, flow->hash, value);
}

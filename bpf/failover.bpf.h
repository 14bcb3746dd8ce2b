/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYN failover: a client that sends its SYN again for the k-th time, and whose pool has not answered,
 * gets another one's backend. The sample knows both: such a pool is sampled wholly.
 */
#pragma once

#include "packet.bpf.h"
#include "sample.bpf.h"

/* Is this SYN the one that goes to the primary? Then its pool has failed. */
__noinline int is_failing_over(const struct serin_addr *client, __u32 service, __u32 port_be,
			       __u32 seq_be)
{
	struct serin_sample *e;
	struct serin_guard *g;
	__u32 number, pool;
	__u64 key, state;

	if (!client)
		return 0;
	key = hash_flow(client, port_be, service);
	number = find_sample(key);
	e = bpf_map_lookup_elem(&samples, &number);
	if (!e)
		return 0;
	state = READ_ONCE(e->state);
	pool = pool_index(service, e->pool & (SERIN_MAX_POOLS - 1));
	if ((state & (SERIN_SAMPLE_LIVE | SERIN_SAMPLE_ANSWERED)) != SERIN_SAMPLE_LIVE ||
	    e->isn_be != seq_be || READ_ONCE(e->key) != key)
		return 0;
	g = bpf_map_lookup_elem(&guards, &pool);
	if (!g || !g->failover || sample_tries(state) + 1 < g->failover)
		return 0;
	/* Whether the primary answers is another sample's to tell. */
	if (!(state & SERIN_SAMPLE_LOST) && add_state(e, &state, SERIN_SAMPLE_LOST))
		count_lost(e);
	return end_sample(e, state);
}

/* Only what begins a flow can. */
static __always_inline int may_fail_over(const struct packet *p, __u32 flags)
{
	return (flags & SERIN_SERVICE_FAILOVER) && !p->is_reply && !packet_is_error(p) &&
	       packet_is_syn(p);
}

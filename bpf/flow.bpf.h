/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 4, flow: the memory. What the flow table binds goes where it went before; what is new is
 * bound to what stage 3 chose. Nothing outside this file knows how flows are kept.
 */
#pragma once

#include "exit.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

#define EEXIST 17 /* of asm-generic/errno-base.h, whose way in is not made for this side */

static __always_inline void flow_key(const struct packet *p, struct serin_flow_key *key)
{
	const struct serin_endpoint *client = p->is_reply ? &p->dst : &p->src;

	key->client = client->addr;
	key->service = p->service_id;
	key->client_port_be = client->port_be;
	key->pad = 0;
}

/* The way back to whoever sent this frame. */
static __always_inline __u64 hop_back(const struct packet *p)
{
	__u64 mac = 0;

	__builtin_memcpy(&mac, p->eth->h_source, ETH_ALEN);
	return mac | (__u64)p->in_port << SERIN_HOP_PORT_SHIFT;
}

static __always_inline int flow_is_idle(const struct serin_flow *flow)
{
	__u8 state = flow->state;

	if (state >= SERIN_FLOW_STATE_MAX)
		return 1;
	return bpf_jiffies64() - flow->seen_jiffies > flow_idle_jiffies[state];
}

/*
 * Is the flow's next packet free to go elsewhere? A SYN is, once its entry is closing or idle, or
 * its backend takes no new flows; a datagram after the idle time; any other packet never.
 */
static __always_inline int flow_may_move(const struct packet *p, const struct serin_flow *flow,
					 const struct serin_backend *backend)
{
	if (packet_is_syn(p))
		return flow->state == SERIN_FLOW_CLOSING || backend->state != SERIN_BACKEND_UP ||
		       flow_is_idle(flow);
	return p->udp && flow_is_idle(flow);
}

static __always_inline void flow_touch(const struct packet *p, struct serin_flow *flow)
{
	__u64 now = bpf_jiffies64();

	if (flow->seen_jiffies != now)
		WRITE_ONCE(flow->seen_jiffies, now);
	if (packet_ends_flow(p)) {
		WRITE_ONCE(flow->state, SERIN_FLOW_CLOSING);
	} else if (!p->is_reply && flow->state == SERIN_FLOW_SYN && !packet_is_syn(p)) {
		WRITE_ONCE(flow->state, SERIN_FLOW_ESTABLISHED);
	}
}

static __always_inline int follow_reply(struct packet *p, struct serin_flow *flow)
{
	/* The verifier cannot know that a reply has a backend. */
	if (!flow || !p->backend || flow->backend != p->backend_id ||
	    flow->generation != p->backend->generation)
		return SERIN_PASS_NO_FLOW;
	flow_touch(p, flow);
	p->hop = READ_ONCE(flow->hop);
	return SERIN_GO_ON;
}

static __always_inline int follow_request(struct packet *p, struct serin_flow *flow)
{
	struct serin_backend *backend;
	__u32 id = flow->backend;

	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend || backend->generation != flow->generation ||
	    backend->state == SERIN_BACKEND_FREE || !READ_ONCE(backend->hop) ||
	    flow_may_move(p, flow, backend)) {
		p->is_rebound = 1;
		return SERIN_GO_ON;
	}
	flow_touch(p, flow);
	if (flow->hop != hop_back(p))
		WRITE_ONCE(flow->hop, hop_back(p));
	p->backend = backend;
	p->backend_id = id;
	p->has_flow = 1;
	return SERIN_GO_ON;
}

static __always_inline int find_flow(struct packet *p)
{
	struct serin_flow_key key;
	struct serin_flow *flow;

	flow_key(p, &key);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (p->is_reply)
		return follow_reply(p, flow);
	return flow ? follow_request(p, flow) : SERIN_GO_ON;
}

static __always_inline __u8 flow_first_state(const struct packet *p)
{
	if (p->udp)
		return SERIN_FLOW_UDP;
	if (packet_ends_flow(p))
		return SERIN_FLOW_CLOSING;
	return packet_is_syn(p) ? SERIN_FLOW_SYN : SERIN_FLOW_ESTABLISHED;
}

/* Another CPU bound this flow a moment ago: it has one owner, and that one came first. */
static __always_inline int adopt_flow(struct packet *p, const struct serin_flow_key *key)
{
	struct serin_flow *flow = bpf_map_lookup_elem(&flows, key);
	struct serin_backend *backend;
	__u32 id;

	if (!flow)
		return SERIN_GO_ON;
	id = flow->backend;
	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend || backend->generation != flow->generation)
		return SERIN_GO_ON;
	p->backend = backend;
	p->backend_id = id;
	return find_exit(p);
}

static __always_inline int bind_flow(struct packet *p)
{
	struct serin_flow_key key;
	struct serin_flow flow = {};

	flow_key(p, &key);
	flow.hop = hop_back(p);
	flow.seen_jiffies = bpf_jiffies64();
	flow.backend = p->backend_id;
	flow.generation = p->backend->generation;
	flow.state = flow_first_state(p);
	flow.epoch = p->epoch;
	p->is_new = packet_is_syn(p) || p->udp;
	if (bpf_map_update_elem(&flows, &key, &flow, p->is_rebound ? BPF_ANY : BPF_NOEXIST) !=
	    -EEXIST)
		return SERIN_GO_ON;
	p->is_new = 0;
	return adopt_flow(p, &key);
}

/* Binds a request to what was chosen. A reset is never remembered: it begins nothing. */
static __always_inline int remember_flow(struct packet *p)
{
	if (p->is_reply || p->has_flow || (p->tcp && p->tcp->rst))
		return SERIN_GO_ON;
	return bind_flow(p);
}

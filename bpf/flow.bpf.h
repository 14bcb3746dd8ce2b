/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 4, flow: the memory, for moving places alone. What the flow table binds goes where it went
 * before; a new flow takes the current choice and is bound to it; any other was born before the
 * base's first change and takes the base's choice. What cannot be remembered takes the base's
 * choice too, so that its next packet, which will find nothing either, goes to the same backend.
 *
 * Nothing outside this file and flow_table.bpf.h knows how flows are kept.
 */
#pragma once

#include "choose.bpf.h"
#include "exit.bpf.h"
#include "flow_table.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* ---- states ---- */

/* A value that says: over. The place is free, and a new SYN chooses anew. */
static __always_inline __u64 value_of_ended(__u64 value, __u64 now)
{
	__u64 past = (1ull << (SERIN_FLOW_SEEN_BITS - 1)) << SERIN_FLOW_JIFFIES_SHIFT;

	return serin_flow_value(serin_flow_backend(value), SERIN_FLOW_SYN, serin_flow_epoch(value),
				now + past);
}

static __always_inline __u32 state_after_reply(const struct packet *p, __u32 state)
{
	switch (state) {
	case SERIN_FLOW_SYN:
		return p->tcp && p->tcp->syn ? SERIN_FLOW_REPLIED : state;
	case SERIN_FLOW_ADOPTED:
		return SERIN_FLOW_ESTABLISHED;
	case SERIN_FLOW_UDP:
		return SERIN_FLOW_UDP_REPLIED;
	case SERIN_FLOW_ACKED:
		if (!p->tcp || p->tcp->syn)
			return state;
		return p->tcp->fin ? SERIN_FLOW_CLOSING : SERIN_FLOW_ESTABLISHED;
	case SERIN_FLOW_ESTABLISHED:
		return p->tcp && p->tcp->fin ? SERIN_FLOW_CLOSING : state;
	default:
		return state;
	}
}

/* By dsr, ipip and gue answers go past us: that a client acknowledges one is all there is to see. */
static __always_inline int tells_of_answer(const struct packet *p)
{
	return p->service->forwarding >= SERIN_FORWARDING_DSR && p->tcp && p->tcp->ack &&
	       !p->tcp->syn;
}

/* Where backends are told of the client, a handshake is over when they have been: when they speak. */
static __always_inline __u32 state_after_request(const struct packet *p, __u32 state)
{
	switch (state) {
	case SERIN_FLOW_SYN:
		if (!tells_of_answer(p))
			return state;
		return p->tcp->fin ? SERIN_FLOW_CLOSING : SERIN_FLOW_ESTABLISHED;
	case SERIN_FLOW_REPLIED:
		if (!p->tcp || p->tcp->syn)
			return state;
		if (READ_ONCE(p->service->flags) & SERIN_SERVICE_TOA)
			return SERIN_FLOW_ACKED;
		return p->tcp->fin ? SERIN_FLOW_CLOSING : SERIN_FLOW_ESTABLISHED;
	case SERIN_FLOW_ACKED:
		return p->tcp && p->tcp->rst ? SERIN_FLOW_CLOSING : state;
	case SERIN_FLOW_ESTABLISHED:
		return p->tcp && (p->tcp->fin || p->tcp->rst) ? SERIN_FLOW_CLOSING : state;
	default:
		return state;
	}
}

/* A FIN ends what was never answered. A reset ends a flow if the backend sends it, or before it was
 * proved. From a client, whom anybody can pretend to be, it must not make a proved flow weak. */
static __always_inline int is_ended_by(const struct packet *p, __u32 state)
{
	if (!p->tcp)
		return 0;
	if (p->tcp->fin &&
	    (state == SERIN_FLOW_ADOPTED || (state == SERIN_FLOW_SYN && !tells_of_answer(p))))
		return 1;
	return p->tcp->rst && (p->is_reply || state < SERIN_FLOW_PROVEN);
}

/* A value that another CPU changed first is left: it has seen the flow as lately as we. Returns what
 * was there. */
static __always_inline __u64 touch_flow(const struct packet *p, __u64 *place, __u64 value)
{
	__u64 now = bpf_jiffies64(), fresh;
	__u32 state = serin_flow_state(value);

	/* A straggler goes where its flow went, and does not bring it back to life. */
	if (state == SERIN_FLOW_SYN && (p->is_reply || !packet_may_begin(p)) &&
	    flow_is_idle(value, now))
		return value;
	if (is_ended_by(p, state))
		fresh = value_of_ended(value, now);
	else
		fresh = serin_flow_value(serin_flow_backend(value),
					 p->is_reply ? state_after_reply(p, state)
						     : state_after_request(p, state),
					 serin_flow_epoch(value), now);
	return fresh == value ? value : __sync_val_compare_and_swap(place, value, fresh);
}

/* ---- following ---- */

/* Is the flow's next packet free to go elsewhere? A SYN is, once its entry is closing or idle, or
 * its backend takes no new flows, and has not just answered it; a datagram after the idle time; any
 * other packet never. */
static __always_inline int flow_may_move(const struct packet *p, __u64 value)
{
	__u64 now = bpf_jiffies64();
	__u32 state;

	if (!packet_is_syn(p))
		return p->udp && flow_is_idle(value, now);
	state = serin_flow_state(value);
	return state == SERIN_FLOW_CLOSING || flow_is_idle(value, now) ||
	       (p->backend->state != SERIN_BACKEND_UP && state != SERIN_FLOW_REPLIED);
}

/* Not once the backend is known to have answered. */
static __always_inline int fails_over_from(const struct packet *p, __u64 value)
{
	return p->fails_over && serin_flow_state(value) == SERIN_FLOW_SYN;
}

/* The backend an entry binds to, if it can be reached. */
static __always_inline int follow_entry(struct packet *p, __u64 value)
{
	p->backend_id = serin_flow_backend(value);
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
	return p->backend && p->backend->state != SERIN_BACKEND_FREE &&
	       p->backend->service == p->service_id && READ_ONCE(p->backend->hop);
}

static __always_inline __u32 first_state(const struct packet *p)
{
	if (p->udp)
		return SERIN_FLOW_UDP;
	return packet_is_syn(p) ? SERIN_FLOW_SYN : SERIN_FLOW_ADOPTED;
}

/* Binds a flow to the backend chosen; where that cannot be, to what the base gives it each time. */
static __always_inline int remember_flow(struct packet *p, const struct flow_place *at)
{
	__u64 value, bound;
	int reason;

	p->hop = READ_ONCE(p->backend->hop);
	reason = find_exit(p);
	if (!reason && p->is_new)
		reason = refuse_hairpin(p);
	if (reason) /* a frame that goes nowhere begins no flow */
		return reason;
	value = serin_flow_value(p->backend_id, first_state(p), p->epoch, bpf_jiffies64());
	bound = insert_flow(at, value);
	if (bound == value)
		return SERIN_GO_ON;
	if (bound) {
		p->is_new = 0;
		return follow_entry(p, bound) ? SERIN_GO_ON : choose_current(p);
	}
	WRITE_ONCE(p->service->forgot_jiffies, bpf_jiffies64());
	return p->udp || !choose_base(p) ? SERIN_GO_ON : choose_current(p);
}

/* An entry that binds no more becomes the current choice's; if another CPU was first, its. */
static __always_inline int rebind_flow(struct packet *p, __u64 *place, __u64 old)
{
	__u64 value, was;
	int reason;

	p->is_new = packet_may_begin(p);
	reason = choose_guarded(p);
	if (!reason && p->is_new)
		reason = refuse_hairpin(p);
	if (reason)
		return reason;
	value = serin_flow_value(p->backend_id, first_state(p), p->epoch, bpf_jiffies64());
	was = __sync_val_compare_and_swap(place, old, value);
	p->is_unfollowed = was == old || serin_flow_state(was) == SERIN_FLOW_EVICTED;
	if (p->is_unfollowed)
		return SERIN_GO_ON;
	p->is_new = 0;
	return follow_entry(p, was) ? SERIN_GO_ON : choose_current(p);
}

static __always_inline int follow_request(struct packet *p, const struct flow_place *at)
{
	__u64 value = 0, *place = find_flow(at, &value);
	int reason;

	if (place) {
		if (!follow_entry(p, value) || flow_may_move(p, value) || fails_over_from(p, value))
			return rebind_flow(p, place, value);
		touch_flow(p, place, value);
		return SERIN_GO_ON;
	}
	p->is_unfollowed = 1;
	p->is_new = packet_may_begin(p);
	reason = p->is_new || choose_base(p) ? choose_guarded(p) : SERIN_GO_ON;
	if (reason || (p->tcp && (p->tcp->rst || p->tcp->fin))) /* an end begins nothing */
		return reason;
	return remember_flow(p, at);
}

/* Was the flow remembered, if it is one at all? Of a place that moves alone, not every flow is. */
static __always_inline int must_be_remembered(const struct packet *p)
{
	if (READ_ONCE(p->service->forgot_jiffies))
		return 0;
	return p->udp ||
	       (packet_is_error(p) && (READ_ONCE(p->service->flags) & SERIN_SERVICE_TRACKED));
}

/* An ICMP error about what a backend sent: it goes where the flow goes, and changes nothing. */
static __always_inline int follow_error(struct packet *p, const struct flow_place *at)
{
	__u64 value = 0;

	if (find_flow(at, &value))
		return follow_entry(p, value) ? SERIN_GO_ON : SERIN_PASS_NO_FLOW;
	if (must_be_remembered(p))
		return SERIN_PASS_NO_FLOW;
	return choose_base(p) ? choose_current(p) : SERIN_GO_ON;
}

/*
 * The base's backend answers a SYN that nobody remembers. Sent again, for the answer may be late or
 * lost, that SYN would choose anew: the client would take one backend's handshake and send what
 * follows to another. So the answer binds the flow; unless the SYN was sent again before it. Not to
 * this host, whose checks never end: the service would not settle.
 */
static __always_inline int remember_answer(struct packet *p, const struct flow_place *at)
{
	__u64 bound, value = serin_flow_value(p->backend_id, SERIN_FLOW_REPLIED, p->epoch,
					      bpf_jiffies64());

	if (!route_to(p) && unrouted_client_hop(p) == SERIN_HOP_HOST)
		return 0;
	bound = insert_flow(at, value);
	return !bound || serin_flow_backend(bound) == p->backend_id;
}

/* Where the table knows nothing: either choice may have been the flow's. */
static __always_inline int is_unremembered_reply(struct packet *p, const struct flow_place *at,
						 __u32 sender)
{
	if (!choose_base(p) && p->backend_id == sender)
		return !p->tcp || !p->tcp->syn || remember_answer(p, at);
	return !choose_current(p) && p->backend_id == sender;
}

/* Is this backend the one its client has? */
static __always_inline int follow_reply(struct packet *p, const struct flow_place *at)
{
	__u64 value = 0, *place = find_flow(at, &value);
	struct serin_backend *sender = p->backend;
	__u32 id = p->backend_id;
	int is_ours;

	if (place) {
		if (serin_flow_backend(value) != id)
			return SERIN_PASS_NO_FLOW;
		if (!packet_is_error(p))
			touch_flow(p, place, value);
		return SERIN_GO_ON;
	}
	/* Every conversation is remembered that had room: what is not was begun by the backend. */
	if (must_be_remembered(p))
		return SERIN_PASS_NO_FLOW;
	is_ours = is_unremembered_reply(p, at, id);
	p->backend = sender;
	p->backend_id = id;
	p->fallback = 0;
	return is_ours ? SERIN_GO_ON : SERIN_PASS_NO_FLOW;
}

/* Out of the way of packets that need no memory. */
static __noinline int follow_flow(struct packet *p)
{
	struct flow_place at = {};

	if (!locate_flow(p, &at))
		return SERIN_DROP_NO_BACKEND;
	if (p->is_reply)
		return follow_reply(p, &at);
	return packet_is_error(p) ? follow_error(p, &at) : follow_request(p, &at);
}

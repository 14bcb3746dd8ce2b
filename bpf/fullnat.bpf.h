/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow stage of fullnat services, all of whose flows are remembered: in the table whose positions
 * are their source ports. What is not known there, or can no longer be, is given a port anew.
 */
#pragma once

#include "choose.bpf.h"
#include "event.bpf.h"
#include "exit.bpf.h"
#include "flow.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "source.bpf.h"

/* ---- following ---- */

/* Between SYN/ACK and the backend's first word: then this packet may be the handshake's last. */
static __always_inline int is_to_tell(const struct packet *p, __u32 state)
{
	return p->tcp && !p->tcp->syn && !p->tcp->rst &&
	       (READ_ONCE(p->service->flags) & SERIN_SERVICE_TOA) &&
	       (state == SERIN_FLOW_REPLIED || state == SERIN_FLOW_ACKED);
}

static __always_inline __u64 *flow_entry(const struct packet *p)
{
	return p->ip4 ? source_entry(p->service_id, p->position, 0)
		      : source_entry(p->service_id, p->position, 1);
}

static __always_inline int find_known(struct packet *p, struct source_flow *f)
{
	int is_there;

	f->service = p->service_id;
	f->is_v6 = !p->ip4;
	if (p->ip4)
		set_flow4_key(&f->flow, &p->client, p->client_port_be, p->service_id);
	else
		set_flow6_key(&f->flow, &p->client, p->client_port_be, p->service_id);
	is_there = find_source_flow(f);
	p->position = f->position;
	return is_there;
}

/* 0 if the flow's port is another's by now. */
static __always_inline int touch_source_flow(const struct packet *p, __u64 value)
{
	__u64 *entry = flow_entry(p);

	return entry && serin_flow_state(touch_flow(p, entry, value)) != SERIN_FLOW_EVICTED;
}

/* The backend chosen, or another CPU's choice for the flow, which was first. */
static __always_inline int follow_bound(struct packet *p, __u64 chosen, __u64 bound)
{
	if (bound == chosen)
		return SERIN_GO_ON;
	p->is_new = 0;
	return follow_entry(p, bound) ? SERIN_GO_ON : SERIN_DROP_NO_BACKEND;
}

/* An entry that binds no more becomes the current choice's, with the port it has. */
static __always_inline int rebind_source_flow(struct packet *p, __u64 old, __u64 value)
{
	__u64 *entry = flow_entry(p), was;

	if (!entry)
		return SERIN_DROP_NO_PORT;
	was = __sync_val_compare_and_swap(entry, old, value);
	if (was == old)
		return SERIN_GO_ON;
	return serin_flow_state(was) == SERIN_FLOW_EVICTED ? SERIN_DROP_NO_PORT
							   : follow_bound(p, value, was);
}

static __always_inline int insert_source_flow_of(struct packet *p, struct source_flow *f,
						 __u64 value)
{
	int result;

	f->value = value;
	result = insert_source_flow(f);
	if (result < 0)
		send_packet_event(p, SERIN_EVENT_PORTS_EXHAUSTED,
				  p->is_new ? SERIN_EVENT_CAUSE_NEW_FLOW
					    : SERIN_EVENT_CAUSE_UNKNOWN_FLOW);
	if (result <= 0)
		return SERIN_DROP_NO_PORT;
	p->position = f->position;
	return follow_bound(p, value, f->value);
}

/* Not only what begins a flow is given a port: a connection whose flow is not known any more shall
 * hear from its backend, at once, that there is none. */
static __always_inline int begin_source_flow(struct packet *p, struct source_flow *f, __u64 old)
{
	__u64 value;
	int reason;

	if (!old && p->tcp && (p->tcp->rst || p->tcp->fin))
		return SERIN_DROP_NO_FLOW;
	p->is_new = packet_may_begin(p);
	reason = choose_guarded(p);
	if (reason)
		return reason;
	p->hop = READ_ONCE(p->backend->hop);
	reason = find_exit(p);
	if (reason)
		return reason;
	value = serin_flow_value(p->backend_id, first_state(p), p->epoch, bpf_jiffies64());
	return old ? rebind_source_flow(p, old, value) : insert_source_flow_of(p, f, value);
}

static __always_inline int follow_source_request(struct packet *p, struct source_flow *f)
{
	__u64 old = 0;

	if (find_known(p, f)) {
		if (follow_entry(p, f->value) && !flow_may_move(p, f->value) &&
		    !fails_over_from(p, f->value)) {
			p->is_telling = is_to_tell(p, serin_flow_state(f->value));
			if (touch_source_flow(p, f->value))
				return SERIN_GO_ON;
		} else {
			old = f->value;
		}
	}
	return begin_source_flow(p, f, old);
}

/* An ICMP error goes where its flow goes, and changes nothing. */
static __always_inline int follow_source_error(struct packet *p, struct source_flow *f)
{
	return find_known(p, f) && follow_entry(p, f->value) ? SERIN_GO_ON : SERIN_PASS_NO_FLOW;
}

/* In place of follow_flow(). */
static __noinline int follow_fullnat(struct packet *p)
{
	struct source_flow *f = scratch_flow();

	if (!f)
		return SERIN_DROP_NO_PORT;
	if (p->is_reply)
		return packet_is_error(p) || touch_source_flow(p, f->value) ? SERIN_GO_ON
									    : SERIN_PASS_NO_FLOW;
	return packet_is_error(p) ? follow_source_error(p, f) : follow_source_request(p, f);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pieces of datagrams: the first has the ports and goes its way as any packet; those that follow go
 * where it went, in whatever order. One that comes before the first, or after it was forgotten, goes
 * up to the host: nothing tells whether it is ours. Nothing is put together.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"
#include "source.bpf.h"

/* IPv6's number is one for all protocols, and pieces need not agree in theirs (RFC 8200 4.5). */
static __always_inline struct serin_fragment_key fragment_key(const struct packet *p)
{
	return (struct serin_fragment_key){
		.src = p->src.addr,
		.dst = p->dst.addr,
		.id_be = p->piece.id_be,
		.protocol = p->ip4 ? p->src.protocol : 0,
	};
}

/* The same, as pieces leave: so an ICMP error may quote them. */
static __always_inline void note_sent(const struct packet *p, struct serin_fragment_key *key,
				      const struct serin_fragment *fragment)
{
	struct source_flow *f = NULL;

	if (is_fullnat(p))
		f = describe_flow(p);
	else if (p->service->forwarding != SERIN_FORWARDING_NAT)
		return;
	if (!p->backend)
		return;
	if (f && p->is_reply)
		key->dst = f->client.addr;
	else if (f)
		key->src = f->source.addr;
	key->is_sent = 1;
	if (p->is_reply)
		key->src = p->service->vip.addr;
	else
		key->dst = p->backend->at.addr;
	bpf_map_update_elem(&fragments, key, fragment, BPF_ANY);
}

/* After the first piece's way is known. */
static __noinline int note_fragment(struct packet *p)
{
	struct serin_fragment_key key = fragment_key(p);
	struct serin_fragment fragment = {
		.service = p->service_id,
		.backend = p->backend_id,
		.is_reply = p->is_reply,
		.jiffies = bpf_jiffies64(),
		.client = {.addr = p->client, .port_be = p->client_port_be},
		.position = p->position,
	};

	bpf_map_update_elem(&fragments, &key, &fragment, BPF_ANY);
	note_sent(p, &key, &fragment);
	return SERIN_GO_ON;
}

/* In place of all stages up to the flow. An ICMP error's endpoints are the quoted piece's, the other
 * way round. */
static __noinline int recall_fragment(struct packet *p)
{
	struct serin_fragment_key key = fragment_key(p);
	struct serin_fragment *first;

	if (packet_is_error(p)) {
		key.src = p->dst.addr;
		key.dst = p->src.addr;
		key.is_sent = 1;
	}
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first || (__u32)bpf_jiffies64() - first->jiffies > fragment_jiffies)
		return SERIN_PASS_FRAGMENT;
	p->service_id = first->service;
	p->service = bpf_map_lookup_elem(&services, &p->service_id);
	p->backend_id = first->backend;
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
	if (!p->service || !p->backend)
		return SERIN_PASS_FRAGMENT;
	p->is_reply = packet_is_error(p) ? !first->is_reply : first->is_reply;
	p->client = first->client.addr;
	p->client_port_be = first->client.port_be;
	p->position = first->position;
	return SERIN_GO_ON;
}

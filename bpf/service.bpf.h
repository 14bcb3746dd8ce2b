/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 2, service: is this packet for a VIP of ours, or a backend's reply? Both are answered by
 * an index whose bucket is one cache line; the entry it names holds the key that is compared.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"
#include "shared.bpf.h"
#include "source.bpf.h"

/* Of a map's value and of the packet: both aligned, their padding 0. */
static __always_inline int is_same_endpoint(const struct serin_endpoint *a,
					    const struct serin_endpoint *b)
{
	const any64 *x = (const any64 *)a, *y = (const any64 *)b;

	return *(const any32 *)&a->port_be == *(const any32 *)&b->port_be && x[1] == y[1] &&
	       x[0] == y[0];
}

static __always_inline struct serin_service *service_at(const struct serin_endpoint *at, __u32 *id)
{
	__u64 hash = serin_index_hash(at);
	__u32 number = hash & service_bucket_mask;
	struct serin_bucket *bucket = bpf_map_lookup_elem(&service_index, &number);
	struct serin_service *svc;

	if (!bucket)
		return NULL;
	for (int i = 0; i < SERIN_BUCKET_WAYS; i++) {
		__u32 word = READ_ONCE(bucket->word[i]);

		if (!word)
			break;
		if (!serin_index_tag_matches(word, hash))
			continue;
		*id = serin_index_id(word);
		svc = bpf_map_lookup_elem(&services, id);
		if (svc && is_same_endpoint(&svc->vip, at))
			return svc;
	}
	return NULL;
}

static __always_inline struct serin_backend *backend_at(const struct serin_endpoint *at, __u32 *id)
{
	__u64 hash = serin_index_hash(at);
	__u32 number = hash & backend_bucket_mask;
	struct serin_bucket *bucket = bpf_map_lookup_elem(&backend_index, &number);
	struct serin_backend *backend;

	if (!bucket)
		return NULL;
	for (int i = 0; i < SERIN_BUCKET_WAYS; i++) {
		__u32 word = READ_ONCE(bucket->word[i]);

		if (!word)
			break;
		if (!serin_index_tag_matches(word, hash))
			continue;
		*id = serin_index_id(word);
		backend = bpf_map_lookup_elem(&backends, id);
		if (backend && backend->state != SERIN_BACKEND_FREE &&
		    is_same_endpoint(&backend->at, at))
			return backend;
	}
	return NULL;
}

/* Not for a VIP and not from a backend: is it for a backend's own address? Then so is the answer. A
 * reset, though, has none: it may be a client's word to a backend whose answer came too late. */
static __noinline int note_direct(struct packet *p)
{
	struct serin_direct_key key = {.client = p->src, .backend = p->dst};
	__u32 id = 0, one = 1;
	struct serin_backend *backend;

	if (packet_is_error(p)) /* who knows whether there was such a conversation */
		return SERIN_PASS_NO_SERVICE;
	backend = backend_at(&p->dst, &id);
	if (!backend || (p->tcp && p->tcp->rst))
		return SERIN_PASS_NO_SERVICE;
	if (!bpf_map_lookup_elem(&direct_flows, &key))
		bpf_map_update_elem(&direct_flows, &key, &one, BPF_ANY);
	if (!READ_ONCE(backend->has_direct))
		WRITE_ONCE(backend->has_direct, 1);
	return SERIN_PASS_NO_SERVICE;
}

static __noinline int is_direct_reply(struct packet *p)
{
	struct serin_direct_key key = {.client = p->dst, .backend = p->src};

	return bpf_map_lookup_elem(&direct_flows, &key) != NULL;
}

/* Both ends open at once (RFC 9293 3.5): the backend's SYN crosses that of a flow we remember. */
__noinline int is_crossing_syn(const struct serin_endpoint *client, __u32 service, __u32 backend)
{
	__u64 value = 0;

	return client && find_bound(client, service, backend, &value) &&
	       serin_flow_state(value) == SERIN_FLOW_SYN && !flow_is_idle(value, bpf_jiffies64());
}

static __always_inline int find_service(struct packet *p)
{
	p->service = service_at(&p->dst, &p->service_id);
	if (p->service) {
		copy_addr(&p->client, &p->src.addr);
		p->client_port_be = p->src.port_be;
		return SERIN_GO_ON;
	}
	p->backend = backend_at(&p->src, &p->backend_id);
	if (!p->backend)
		return note_direct(p);
	/* What it begins itself, or answers past the VIP, is none of ours. */
	if ((packet_is_syn(p) && !is_crossing_syn(&p->dst, p->backend->service, p->backend_id)) ||
	    (READ_ONCE(p->backend->has_direct) && is_direct_reply(p)))
		return SERIN_PASS_NO_FLOW;
	p->is_reply = 1;
	copy_addr(&p->client, &p->dst.addr);
	p->client_port_be = p->dst.port_be;
	if (READ_ONCE(p->backend->next_shared)) {
		if (!find_source(p))
			return SERIN_GO_ON;
		p->backend_id = find_sharer(&p->dst, &p->src, p->backend_id) - 1;
		p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
		if (!p->backend)
			return SERIN_PASS_NO_FLOW;
	}
	p->service_id = p->backend->service;
	p->service = bpf_map_lookup_elem(&services, &p->service_id);
	if (!p->service)
		return SERIN_PASS_NO_SERVICE;
	return is_fullnat(p) ? find_source(p) : SERIN_GO_ON;
}

static __always_inline int packet_is_expiring(const struct packet *p)
{
	return p->ip4 ? p->ip4->ttl <= 1 : p->ip6 && p->ip6->hop_limit <= 1;
}

/* Ours, but may a router forward it at all? What may not goes up: the host knows what to answer. */
static __always_inline int check_transit(struct packet *p)
{
	if (p->eth->h_dest[0] & 1)
		return SERIN_PASS_GROUP;
	if (packet_is_expiring(p))
		return SERIN_PASS_EXPIRING;
	return SERIN_GO_ON;
}

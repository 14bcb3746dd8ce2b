/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage 2, service: is this packet for a VIP of ours, or a backend's reply? Both are answered by
 * an index whose bucket is one cache line; the entry it names holds the key that is compared.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

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
		if (svc && serin_endpoint_equal(&svc->vip, at))
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
		    serin_endpoint_equal(&backend->at, at))
			return backend;
	}
	return NULL;
}

static __always_inline int find_service(struct packet *p)
{
	p->service = service_at(&p->dst, &p->service_id);
	if (p->service)
		return SERIN_GO_ON;
	p->backend = backend_at(&p->src, &p->backend_id);
	if (!p->backend)
		return SERIN_PASS_NO_SERVICE;
	p->service_id = p->backend->service;
	p->service = bpf_map_lookup_elem(&services, &p->service_id);
	if (!p->service)
		return SERIN_PASS_NO_SERVICE;
	p->is_reply = 1;
	return SERIN_GO_ON;
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

/* The slot of the interface it came in by, which a client's flow remembers as the way back. */
static __always_inline int find_port(struct packet *p)
{
	__u32 ifindex = p->ctx->ingress_ifindex;
	__u32 slot = serin_port_home(ifindex);
	struct serin_port *port;

	for (int i = 0; i < SERIN_MAX_PORTS - 1; i++) {
		port = bpf_map_lookup_elem(&ports, &slot);
		if (!port || !port->ifindex)
			break;
		if (port->ifindex == ifindex) {
			p->in_port = slot;
			return SERIN_GO_ON;
		}
		slot = serin_port_next(slot);
	}
	return SERIN_PASS_UNKNOWN_PORT;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backends that several services have: the ring of an endpoint's entries, which packets go round while
 * it changes, and which services must remember every flow because of it.
 */
#include "dataplane/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <serin/hash.h>

/* ---- rings ---- */

/* The entry after this one; itself if it is alone. */
static uint32_t ring_next(const struct dataplane *dp, uint32_t id)
{
	uint32_t next = dp->backends[id].next_shared;

	return next && next <= dp->meta.max_backends ? next - 1 : id;
}

/* The entry before this one in its endpoint's ring, itself if it is alone there; -1: it is not in it. */
static int64_t ring_before(const struct dataplane *dp, uint32_t id)
{
	int64_t head = dp_backend_at(dp, &dp->backends[id].at);
	uint32_t at = (uint32_t)head;

	for (int i = 0; head >= 0 && i < SERIN_SHARED_MAX; i++) {
		uint32_t next = ring_next(dp, at);

		if (next == id)
			return at;
		if (next == head)
			break;
		at = next;
	}
	return -1;
}

int dp_backend_link(struct dataplane *dp, uint32_t id)
{
	struct serin_backend *b = &dp->backends[id];
	int64_t head = dp_backend_at(dp, &b->at);

	if (ring_before(dp, id) >= 0)
		return 0;
	if (head < 0) {
		b->next_shared = 0;
		return dp_backend_index_set(dp, &b->at, id);
	}
	b->next_shared = ring_next(dp, (uint32_t)head) + 1;
	__atomic_store_n(&dp->backends[head].next_shared, id + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Its own next_shared stays, for packets that are just there. */
void dp_backend_unlink(struct dataplane *dp, uint32_t id)
{
	struct serin_backend *b = &dp->backends[id];
	int64_t before = ring_before(dp, id);
	uint32_t next = ring_next(dp, id);

	if (before < 0)
		return;
	if (before == id) {
		dp_backend_index_clear(dp, &b->at, id);
		return;
	}
	if (dp_backend_at(dp, &b->at) == id) {
		dp->backends[next].has_direct |= b->has_direct; /* asked of the one indexed */
		dp_backend_index_set(dp, &b->at, next);
	}
	__atomic_store_n(&dp->backends[before].next_shared, before == next ? 0 : next + 1,
			 __ATOMIC_RELEASE);
}

void dp_ring_release(struct dataplane *dp, const struct serin_endpoint *at, const uint8_t *keeps)
{
	int64_t head = dp_backend_at(dp, at);
	uint32_t id = (uint32_t)head;

	for (int i = 0; head >= 0 && i < SERIN_SHARED_MAX; i++) {
		uint32_t next = ring_next(dp, id);

		if (!keeps[dp->backends[id].service])
			dp_backend_unlink(dp, id);
		if (next == head)
			break;
		id = next;
	}
}

/* ---- who must remember ---- */

static bool is_nat(const struct dataplane *dp, uint32_t id)
{
	return dp->services[dp->backends[id].service].forwarding == SERIN_FORWARDING_NAT;
}

/* Has another service, by nat, this one's backend? */
static bool is_shared(const struct dataplane *dp, uint32_t id)
{
	uint32_t other = ring_next(dp, id);

	if (!is_nat(dp, id) || ring_before(dp, id) < 0)
		return false;
	for (int i = 1; i < SERIN_SHARED_MAX && other != id; i++) {
		if (is_nat(dp, other))
			return true;
		other = ring_next(dp, other);
	}
	return false;
}

/* As the packet path's gives_way(), the other way round. */
static bool holds(const struct dataplane *dp, uint64_t value, uint64_t now)
{
	return dp_flow_is_alive(dp, value, now) &&
	       !(serin_flow_state(value) == SERIN_FLOW_CLOSING &&
		 dp_flow_idle_ms(value, now) >= SERIN_SHARED_QUIET_S * 1000);
}

bool dp_backend_is_held(struct dataplane *dp, uint32_t id, const struct serin_addr *client,
			uint16_t port_be, uint64_t now)
{
	uint32_t other = ring_next(dp, id);
	uint64_t value;

	for (int i = 1; i < SERIN_SHARED_MAX && other != id; i++) {
		if (is_nat(dp, other) &&
		    !dp_flow_find(dp, dp->backends[other].service, client, port_be, &value) &&
		    serin_flow_backend(value) == other && holds(dp, value, now))
			return true;
		other = ring_next(dp, other);
	}
	return false;
}

void dp_sharing_begin(struct dataplane *dp, uint32_t service)
{
	dp_service_set_flags(dp, service, dp->services[service].flags | SERIN_SERVICE_SHARING);
}

int dp_sharing_end(struct dataplane *dp)
{
	uint8_t *is_sharing = calloc(dp->meta.max_services + 1, 1);

	if (!is_sharing)
		return -ENOMEM;
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state != SERIN_BACKEND_FREE && dp->backends[id].next_shared &&
		    is_shared(dp, id))
			is_sharing[dp->backends[id].service] = 1;
	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		uint8_t flags = dp->services[id].flags;

		if (dp->info[id].name[0] && flags & SERIN_SERVICE_SHARING && !is_sharing[id])
			dp_service_set_flags(dp, id, flags & (uint8_t)~SERIN_SERVICE_SHARING);
	}
	free(is_sharing);
	return 0;
}

void dp_past_begin(struct dataplane *dp, uint32_t service)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state != SERIN_BACKEND_FREE &&
		    dp->backends[id].service == service)
			dp->backends[id].has_past = 1;
}

void dp_past_end(struct dataplane *dp, const uint8_t *is_service)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].has_past && is_service[dp->backends[id].service])
			dp->backends[id].has_past = 0;
}

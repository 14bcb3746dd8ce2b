/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A backend that is itself a client of its VIP. By nat it would be answered past this host, by an
 * address it never spoke to: its new flows are refused. Most clients are told apart by one bit.
 */
#pragma once

#include "maps.bpf.h"
#include "packet.bpf.h"

/* A global function: the verifier proves it once. */
__noinline int is_backend_host(const struct serin_addr *client, __u32 service)
{
	struct serin_host_key key = {.service = service};

	if (!client)
		return 0;
	key.addr = *client;
	return bpf_map_lookup_elem(&backend_hosts, &key) != NULL;
}

/* Of a packet that would begin a flow. */
static __always_inline int refuse_hairpin(const struct packet *p)
{
	__u32 bit = serin_host_bit(&p->client);

	if (p->service->forwarding != SERIN_FORWARDING_NAT ||
	    !(READ_ONCE(p->service->host_filter[bit / 64]) & 1ull << bit % 64))
		return SERIN_GO_ON;
	return is_backend_host(&p->client, p->service_id) ? SERIN_DROP_HAIRPIN : SERIN_GO_ON;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the configurations that are measured, generated. For inclusion by packet_bench.c. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define MODELS_TARGET_RULES 64
#define MODELS_SOURCES	    "10.1.254.1" /* and on from there, of fullnat's */

struct service_spec {
	const char *name;
	const char *vip;
	const char *backends; /* the address before the first one's */
	uint16_t port;
	uint16_t backend_port;
	uint8_t protocol;
	uint32_t canary_count; /* 0: there is no canary */
	uint32_t stable_count;
	uint32_t canary_ppm;
	uint32_t table_size; /* 0: the default */
	bool has_targets;
};

static inline void *models_alloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		die("out of memory");
	return p;
}

static inline struct in6_addr models_nth(struct in6_addr base, uint32_t n)
{
	uint32_t low;

	memcpy(&low, &base.s6_addr[12], 4);
	low = htonl(ntohl(low) + n);
	memcpy(&base.s6_addr[12], &low, 4);
	return base;
}

static inline void models_fill_pool(struct model_pool *pool, const char *name,
				    const struct service_spec *spec, uint32_t first, uint32_t count)
{
	struct in6_addr base = world_addr(spec->backends);

	snprintf(pool->name, sizeof(pool->name), "%s", name);
	pool->backends = models_alloc(count, sizeof(*pool->backends));
	pool->backend_count = count;
	for (uint32_t i = 0; i < count; i++)
		pool->backends[i] = (struct model_backend){.address = models_nth(base, first + i),
							   .port = spec->backend_port,
							   .weight = 1};
}

/* Half of the clients are sent to the canary by rule; the other rules only are there. */
static inline void models_fill_targets(struct model_service *svc)
{
	svc->targets = models_alloc(MODELS_TARGET_RULES, sizeof(*svc->targets));
	svc->target_count = MODELS_TARGET_RULES;
	svc->targets[0] = (struct model_target){
		.prefix = world_addr("172.16.0.0"), .prefix_len = 96 + 13, .pool = 0};
	for (uint32_t i = 1; i < MODELS_TARGET_RULES; i++)
		svc->targets[i] = (struct model_target){
			.prefix = models_nth(world_addr("198.51.0.0"), i << 8),
			.prefix_len = 96 + 24,
			.pool = 1};
}

static inline void models_fill_service(struct model_service *svc, const struct service_spec *spec)
{
	struct model_pool *pool;

	snprintf(svc->name, sizeof(svc->name), "%s", spec->name);
	svc->vip = world_addr(spec->vip);
	svc->port = spec->port;
	svc->protocol = spec->protocol;
	svc->forwarding = SERIN_FORWARDING_NAT;
	svc->affinity = SERIN_AFFINITY_CONNECTION;
	svc->client_prefix6 = MODEL_PREFIX6_DEFAULT;
	svc->client_prefix4 = MODEL_PREFIX4_DEFAULT;
	svc->seed = model_default_seed(spec->name);
	svc->table_size = spec->table_size ? spec->table_size : MODEL_TABLE_SIZE_DEFAULT;
	svc->pool_count = spec->canary_count ? 2 : 1;
	svc->primary = svc->pool_count - 1;
	svc->pools = models_alloc(svc->pool_count, sizeof(*svc->pools));
	pool = svc->pools;
	if (spec->canary_count) {
		models_fill_pool(pool, "canary", spec, 1, spec->canary_count);
		pool++->weight_ppm = spec->canary_ppm;
	}
	models_fill_pool(pool, "stable", spec, 1 + spec->canary_count, spec->stable_count);
	if (spec->has_targets)
		models_fill_targets(svc);
}

static inline struct model *models_new(size_t services, uint32_t flows)
{
	struct model *m = model_new();

	if (!m)
		die("out of memory");
	m->interfaces = models_alloc(2, sizeof(*m->interfaces));
	m->interface_count = 1;
	snprintf(m->interfaces[0].name, IF_NAMESIZE, "%s", WORLD_NIC);
	snprintf(m->interfaces[1].name, IF_NAMESIZE, "%s", WORLD_NIC2);
	m->services = models_alloc(services, sizeof(*m->services));
	m->service_count = services;
	m->limits.flows = flows;
	return m;
}

/* What the cases run on: a canary at 10 %, but for "moving", whose weight the cases change. */
static inline struct model *models_standard(uint32_t flows)
{
	static const struct service_spec specs[] = {
		{"tcp4", "192.0.2.1", "10.1.0.0", 80, 8080, IPPROTO_TCP, 2, 6, 100000, 0, false},
		{"udp4", "192.0.2.2", "10.1.0.0", 53, 5353, IPPROTO_UDP, 2, 6, 100000, 0, false},
		{"tcp6", "2001:db8:f::1", "2001:db8:1::", 80, 8080, IPPROTO_TCP, 2, 6, 100000, 0,
		 false},
		{"moving", "192.0.2.3", "10.1.0.0", 80, 8083, IPPROTO_TCP, 2, 6, 0, 0, false},
		{"target", "192.0.2.4", "10.1.0.0", 80, 8084, IPPROTO_TCP, 2, 6, 100000, 0, true},
	};
	size_t count = sizeof(specs) / sizeof(*specs);
	struct model *m = models_new(count, flows);

	for (size_t i = 0; i < count; i++)
		models_fill_service(&m->services[i], &specs[i]);
	return m;
}

/* The backends are behind another NIC than the clients. */
static inline struct model *models_two_nics(uint32_t flows)
{
	static const struct service_spec spec = {
		"redirect", "192.0.2.5", "10.3.0.0", 80, 8080, IPPROTO_TCP, 2, 6, 100000, 0, false};
	struct model *m = models_new(1, flows);

	m->interface_count = 2;
	models_fill_service(&m->services[0], &spec);
	return m;
}

static inline void models_fill_sources(struct model_service *svc)
{
	svc->source_count = MODEL_SOURCES_MAX;
	svc->sources = models_alloc(svc->source_count, sizeof(*svc->sources));
	for (uint32_t i = 0; i < svc->source_count; i++)
		svc->sources[i] = (struct model_source){
			.prefix = models_nth(world_addr(MODELS_SOURCES), i), .prefix_len = 128};
	svc->source_port_low = MODEL_SOURCE_PORT_LOW;
	svc->source_port_high = MODEL_SOURCE_PORT_HIGH;
}

/* The standard model's service of this name alone, by another way than nat. */
static inline struct model *models_forwarding(const char *name, enum serin_forwarding forwarding,
					      uint32_t flows)
{
	bool is_v4 = strcmp(name, "tcp6") != 0;
	const struct service_spec spec = {.name = name,
					  .vip = is_v4 ? "192.0.2.1" : "2001:db8:f::1",
					  .backends = is_v4 ? "10.1.0.0" : "2001:db8:1::",
					  .port = 80,
					  .backend_port =
						  model_forwarding_returns(forwarding) ? 8080 : 80,
					  .protocol = IPPROTO_TCP,
					  .canary_count = 2,
					  .stable_count = 6,
					  .canary_ppm = 100000};
	struct model *m = models_new(1, flows);

	models_fill_service(&m->services[0], &spec);
	m->services[0].forwarding = forwarding;
	m->services[0].gue_port = MODEL_GUE_PORT;
	if (forwarding == SERIN_FORWARDING_FULLNAT)
		models_fill_sources(&m->services[0]);
	return m;
}

/* Many services, 10.200.0.0 and up, of two backends each: with small tables, or they alone would
 * be gigabytes. */
static inline struct model *models_services(uint32_t count, uint32_t flows)
{
	struct model *m = models_new(count, flows);

	m->limits.services = count < 1024 ? 1024 : 16384;
	m->limits.backends = 32768;
	for (uint32_t i = 0; i < count; i++) {
		struct in6_addr vip = models_nth(world_addr("10.200.0.0"), i);
		char name[SERIN_NAME_LEN], text[NET_ADDR_LEN];
		struct service_spec spec = {.name = name,
					    .vip = text,
					    .backends = "10.1.0.0",
					    .port = 80,
					    .backend_port = (uint16_t)(10000 + i),
					    .protocol = IPPROTO_TCP,
					    .stable_count = 2,
					    .table_size = 251};

		snprintf(name, sizeof(name), "s%u", i);
		net_format_addr(&vip, text);
		models_fill_service(&m->services[i], &spec);
	}
	return m;
}

/* One service of many backends; as a pool holds at most 6,553, half of very many are canaries. */
static inline struct model *models_backends(uint32_t count, uint32_t flows)
{
	struct model *m = models_new(1, flows);
	struct service_spec spec = {"tcp4",
				    "192.0.2.1",
				    "10.2.0.0",
				    80,
				    8080,
				    IPPROTO_TCP,
				    count > 5000 ? count / 2 : 0,
				    count > 5000 ? count - count / 2 : count,
				    500000,
				    count > 160 ? 524287 : 0,
				    false};

	models_fill_service(&m->services[0], &spec);
	return m;
}

/* The pool of this backend, or NULL. */
static inline const struct model_pool *models_pool_of(const struct model_service *svc,
						      const struct in6_addr *address, uint16_t port)
{
	for (size_t p = 0; p < svc->pool_count; p++)
		for (size_t b = 0; b < svc->pools[p].backend_count; b++)
			if (!memcmp(&svc->pools[p].backends[b].address, address,
				    sizeof(*address)) &&
			    svc->pools[p].backends[b].port == port)
				return &svc->pools[p];
	return NULL;
}

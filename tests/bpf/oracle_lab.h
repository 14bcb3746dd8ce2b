/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the world of the oracle: seven services whose pools and backends come and go, some of them
 * shared, what was asked for last, and the changes an operator, a file or a failing backend may make.
 * What flows must do meanwhile is oracle_test.c's. For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>

#include <serin/hash.h>

#include "lab.h"

#include "dataplane/internal.h"

#define O_HEAD                                                \
	"version: 1\n"                                        \
	"interfaces: [front, back]\n"                         \
	"limits: {services: 8, backends: 256, flows: 8192}\n" \
	"services:\n"

enum { O_CANARY, O_BASELINE, O_EXTRA, O_STABLE, O_POOLS, O_NO_POOL };

#define O_HOSTS	   12 /* slots 1 .. 12 of a service: a host each, at the service's own port */
#define O_GUESTS   4  /* slots 13 .. 16: hosts 1 .. 4 at the sibling's port */
#define O_SLOTS	   (O_HOSTS + O_GUESTS + 1)
#define O_SERVICES 7

static const char *const o_pool_names[O_POOLS] = {"canary", "baseline", "extra", "stable"};

/* What a file says of a service. */
struct o_wish {
	uint8_t pool[O_SLOTS];
	uint8_t weight[O_SLOTS];
	uint32_t table_size;
	uint32_t seed;
	bool by_client;
};

struct o_service {
	const char *name, *vip;
	uint16_t port; /* of its backends */
	uint8_t protocol;
	bool is_v4, by_client;
	unsigned int sibling; /* whose backends it may have, too; itself: nobody's */
};

static const struct o_service o_services[O_SERVICES] = {
	{"conn4", "192.0.2.1", 8001, IPPROTO_TCP, true, false, 1},
	{"client4", "192.0.2.2", 8002, IPPROTO_TCP, true, true, 0},
	{"conn6", "2001:db8:ff::1", 8003, IPPROTO_TCP, false, false, 3},
	{"client6", "2001:db8:ff::2", 8004, IPPROTO_TCP, false, true, 2},
	{"udp4", "192.0.2.1", 8005, IPPROTO_UDP, true, false, 5},
	{"udp4b", "192.0.2.2", 8006, IPPROTO_UDP, true, true, 4},
	{"udp6", "2001:db8:ff::1", 8007, IPPROTO_UDP, false, false, 6},
};

static struct o_wish o_wishes[O_SERVICES];
static struct dataplane *o_dp;		     /* for reading, all the while */
static uint64_t o_hops[O_SERVICES][O_SLOTS]; /* of backends that were taken down */
static uint32_t o_ids[O_SERVICES];	     /* services' */
static unsigned int o_refused;		     /* applies that were, and changed nothing */

/* ---- backends ---- */

static inline unsigned int o_host(unsigned int slot)
{
	return slot > O_HOSTS ? slot - O_HOSTS : slot;
}

static inline uint16_t o_port(unsigned int s, unsigned int slot)
{
	return o_services[slot > O_HOSTS ? o_services[s].sibling : s].port;
}

static inline void o_address(unsigned int s, unsigned int slot, char text[NET_ADDR_LEN])
{
	unsigned int host = o_host(slot);

	snprintf(text, NET_ADDR_LEN, o_services[s].is_v4 ? "10.%u.0.%u" : "2001:db8:%u::%x",
		 host % 2 ? 1 : 2, host);
}

/* The backend's id, or -1 if the service has none there now. */
static inline int64_t o_backend(unsigned int s, unsigned int slot)
{
	char text[NET_ADDR_LEN];
	struct serin_endpoint at;
	struct in6_addr addr;

	o_address(s, slot, text);
	addr = lab_addr(text);
	at = dp_endpoint(&addr, o_port(s, slot), o_services[s].protocol);
	for (uint32_t id = 0; id < o_dp->meta.max_backends; id++) {
		const struct serin_backend *b = &o_dp->backends[id];

		if (b->state != SERIN_BACKEND_FREE && b->service == o_ids[s] &&
		    serin_endpoint_equal(&b->at, &at))
			return id;
	}
	return -1;
}

static inline bool o_is_down(unsigned int s, unsigned int slot)
{
	int64_t id = o_backend(s, slot);

	return id < 0 || !o_dp->backends[id].hop;
}

static inline bool o_is_up(unsigned int s, unsigned int slot)
{
	return !o_is_down(s, slot) && o_dp->backends[o_backend(s, slot)].state == SERIN_BACKEND_UP;
}

static inline unsigned int o_slot_of(unsigned int s, const struct in6_addr *addr, uint16_t port)
{
	unsigned int host = addr->s6_addr[15];

	if (port == o_services[s].port && host <= O_HOSTS)
		return host;
	if (port == o_services[o_services[s].sibling].port && host <= O_GUESTS)
		return O_HOSTS + host;
	return O_SLOTS; /* a backend that is none of the service's */
}

/* ---- files ---- */

static inline size_t o_pool_size(const struct o_wish *w, int pool)
{
	size_t count = 0;

	for (int slot = 1; slot < O_SLOTS; slot++)
		count += w->pool[slot] == pool;
	return count;
}

static inline void o_write_pool(FILE *yaml, unsigned int s, int pool)
{
	static const char *const weights[O_POOLS] = {"weight: 5, ", "weight: 12.3456, ",
						     "weight: 0, ", ""};
	const struct o_wish *w = &o_wishes[s];
	char text[NET_ADDR_LEN];

	if (!o_pool_size(w, pool))
		return;
	fprintf(yaml, "{name: %s, %sbackends: [", o_pool_names[pool], weights[pool]);
	for (unsigned int slot = 1; slot < O_SLOTS; slot++) {
		if (w->pool[slot] != pool)
			continue;
		o_address(s, slot, text);
		fprintf(yaml, "{address: '%s', port: %u, weight: %u}, ", text, o_port(s, slot),
			w->weight[slot]);
	}
	fputs("]}, ", yaml);
}

static inline char *o_config(void)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(O_HEAD, yaml);
	for (unsigned int s = 0; s < O_SERVICES; s++) {
		const struct o_service *svc = &o_services[s];
		const struct o_wish *w = &o_wishes[s];

		fprintf(yaml,
			"  - {name: %s, vip: '%s', port: 80, protocol: %s, affinity: %s, seed: %u, "
			"table_size: %u, primary: stable, pools: [",
			svc->name, svc->vip, svc->protocol == IPPROTO_UDP ? "udp" : "tcp",
			w->by_client ? "client" : "connection", w->seed, w->table_size);
		for (int pool = 0; pool < O_POOLS; pool++)
			o_write_pool(yaml, s, pool);
		fputs("]}\n", yaml);
	}
	fclose(yaml);
	return text;
}

/* Applies the wishes; a refusal must have been in time, and takes them back. */
static inline bool o_apply(const struct o_wish before[O_SERVICES])
{
	char *yaml = o_config();
	int error = lab_apply_yaml(yaml, false);

	free(yaml);
	if (!error)
		return true;
	if (!before || strstr(lab_errors, "in part"))
		fail_msg("apply: %d: %s", error, lab_errors);
	memcpy(o_wishes, before, sizeof(o_wishes));
	o_refused++;
	return false;
}

static inline void o_begin(void)
{
	char *yaml;

	for (unsigned int s = 0; s < O_SERVICES; s++) {
		struct o_wish *w = &o_wishes[s];

		memset(w, 0, sizeof(*w));
		memset(w->pool, O_NO_POOL, sizeof(w->pool));
		for (unsigned int slot = 1; slot <= 8; slot++)
			w->pool[slot] = slot < 3 ? O_CANARY : slot < 5 ? O_BASELINE : O_STABLE;
		memset(w->weight, 1, sizeof(w->weight));
		w->table_size = 2003;
		w->by_client = o_services[s].by_client;
	}
	memset(o_hops, 0, sizeof(o_hops));
	o_refused = 0;
	yaml = o_config();
	lab_apply(yaml);
	free(yaml);
	o_dp = lab_open(DATAPLANE_READ);
	for (unsigned int s = 0; s < O_SERVICES; s++)
		o_ids[s] = (uint32_t)dp_service_find(o_dp, o_services[s].name);
}

static inline int o_teardown(void **state)
{
	dataplane_close(o_dp);
	o_dp = NULL;
	return lab_teardown(state);
}

/* ---- changes ---- */

static inline void o_shift(unsigned int s, int pool, uint32_t ppm)
{
	int real = lab_hush_begin();

	lab_shift(o_services[s].name, o_pool_names[pool], ppm);
	lab_hush_end(real);
}

static inline void o_drain(unsigned int s, unsigned int slot, bool drain)
{
	char text[NET_ADDR_LEN], endpoint[NET_ADDR_LEN + 16];

	o_address(s, slot, text);
	snprintf(endpoint, sizeof(endpoint), o_services[s].is_v4 ? "%s:%u" : "[%s]:%u", text,
		 o_port(s, slot));
	lab_drain(o_services[s].name, endpoint, drain, true);
}

/* A backend's neighbour is gone, or there again: what following hops does of it. */
static inline void o_set_down(unsigned int s, unsigned int slot, bool down)
{
	struct dataplane *dp;
	int64_t id = o_backend(s, slot);
	struct serin_backend *b;

	if (id < 0 || down == !o_dp->backends[id].hop)
		return;
	dp = lab_open(DATAPLANE_WRITE);
	b = &dp->backends[id];
	if (down)
		o_hops[s][slot] = b->hop;
	b->hop = down ? 0 : o_hops[s][slot];
	assert_int_equal(dp_tables_refresh_all(dp), 0);
	dataplane_close(dp);
}

/* A file that differs from the last in one thing. */
static inline void o_wish_something(unsigned int s)
{
	static const uint32_t sizes[] = {1301, 2003, 3001};
	unsigned int slots = o_services[s].sibling == s ? O_HOSTS : O_SLOTS - 1;
	unsigned int slot = 1 + lab_below(slots);

	switch (lab_below(8)) {
	case 0:
		o_wishes[s].table_size = sizes[lab_below(3)];
		break;
	case 1:
		o_wishes[s].weight[slot] = (uint8_t)(1 + lab_below(5));
		break;
	case 2:
		for (int pool = 0; pool < O_STABLE; pool++)
			o_shift(s, pool, 0);
		o_wishes[s].seed = lab_below(3);
		o_wishes[s].by_client = lab_below(2);
		break;
	case 3: /* a pool leaves */
		for (slot = 1, slots = lab_below(O_STABLE); slot < O_SLOTS; slot++)
			if (o_wishes[s].pool[slot] == slots)
				o_wishes[s].pool[slot] = O_NO_POOL;
		break;
	case 4:
	case 5:
		o_wishes[s].pool[slot] = O_NO_POOL;
		break;
	default:
		o_wishes[s].pool[slot] = (uint8_t)lab_below(O_POOLS);
	}
}

/* All backends of a pool stop taking new flows, or fail, or are there again. */
static inline void o_change_pool(unsigned int s)
{
	uint8_t pool = (uint8_t)lab_below(O_POOLS);
	uint32_t what = lab_below(4);

	for (unsigned int slot = 1; slot < O_SLOTS; slot++) {
		if (o_wishes[s].pool[slot] != pool)
			continue;
		if (what < 2)
			o_drain(s, slot, what);
		else
			o_set_down(s, slot, what == 2);
	}
}

/* Is the flow of this entry over? */
typedef bool o_judge(unsigned int s, const struct in6_addr *client, uint16_t port);

static inline void o_age_entry(struct dataplane *dp, const struct dp_flow *flow, __u64 *value,
			       uint64_t now, o_judge *is_over)
{
	struct in6_addr client = dp_addr(&flow->client);

	if (!dp_flow_is_alive(dp, *value, now))
		return;
	for (unsigned int s = 0; s < O_SERVICES; s++)
		if (o_ids[s] == flow->service && is_over(s, &client, ntohs(flow->client_port_be)))
			*value -= 1ull << (SERIN_FLOW_SEEN_BITS - 2 + SERIN_FLOW_SEEN_SHIFT);
}

/* As if days had passed for the entries of flows that are over. */
static inline void o_age(struct dataplane *dp, o_judge *is_over)
{
	uint64_t now;

	assert_int_equal(dp_jiffies(dp, &now), 0);
	assert_int_equal(dp_mmap_flows(dp), 0);
	for (uint32_t n = 0; n < dp->meta.flow_buckets * SERIN_FLOW4_WAYS; n++) {
		struct serin_flow4 *e4 = &dp->flows4[n / SERIN_FLOW4_WAYS].flow[n % 4];
		struct serin_flow6 *e6 = &dp->flows6[n / SERIN_FLOW6_WAYS].flow[n % 4];
		struct dp_flow f4 = {
			.client.word_be = {0, 0, SERIN_V4_MAPPED_BE, (uint32_t)(e4->key >> 32)},
			.client_port_be = (uint16_t)(e4->key >> 16),
			.service = serin_flow_service(e4->key)};
		struct dp_flow f6 = {.client.word_be = {(uint32_t)(e6->client_high >> 32),
							(uint32_t)e6->client_high,
							(uint32_t)(e6->client_low >> 32),
							(uint32_t)e6->client_low},
				     .client_port_be = (uint16_t)(e6->key >> 16),
				     .service = serin_flow_service(e6->key)};

		if (e4->key)
			o_age_entry(dp, &f4, &e4->value, now, is_over);
		if (e6->key)
			o_age_entry(dp, &f6, &e6->value, now, is_over);
	}
}

/* The others are none of this: they have changed just now, however long the test has run. */
static inline void o_postpone_others(struct dataplane *dp, uint32_t service)
{
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (id != service && dp->services[id].changed_ns)
			dp_service_changed(dp, id);
}

/*
 * As if all idle times had passed since the service's last change. The view's own idle times are
 * short, for the machine's clock may have begun a minute ago; those flows that go on have just sent
 * a packet.
 */
static inline void o_settle(unsigned int s, o_judge *is_over)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	struct serin_service *svc = &dp->services[o_ids[s]];
	uint64_t changed = svc->changed_ns;
	struct rtnl *rtnl = NULL;

	assert_int_equal(rtnl_open(&rtnl), 0);
	o_age(dp, is_over);
	for (int i = 0; i < SERIN_FLOW_STATE_MAX; i++)
		dp->meta.idle_s[i] = 5;
	o_postpone_others(dp, o_ids[s]);
	svc->changed_ns = changed ? 1 : 0;
	svc->forgot_jiffies = 0;
	assert_int_equal(dataplane_maintain(dp, rtnl), 0);
	if (svc->changed_ns)
		svc->changed_ns = changed;
	rtnl_close(rtnl);
	dataplane_close(dp);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the connections of the tests of the flow table: a TCP and a UDP service of two pools, many
 * clients, and what the table says of each. For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#include "lab.h"

#define FLOWS 300

#define CANARY_1 "{address: 10.1.0.1, port: 80}, "
#define CANARY_2 "{address: 10.2.0.2, port: 80}, "
#define STABLE_1 "{address: 10.1.0.61, port: 80}, "
#define STABLE_2 "{address: 10.2.0.62, port: 80}, "
#define STABLE_3 "{address: 10.1.0.63, port: 80}, "
#define LATER_1	 "{address: 10.1.0.71, port: 80}, "
#define LATER_2	 "{address: 10.2.0.72, port: 80}, "

#define FLOW_SERVICE(protocol, settings, canary, stable)                                  \
	"  - {name: " protocol ", vip: 192.0.2.1, port: 80, protocol: " protocol settings \
	", primary: stable, pools: [{name: canary, weight: 30, backends: [" canary        \
	"]}, {name: stable, backends: [" stable "]}]}\n"

#define FLOW_SERVICES(settings, canary, stable)       \
	FLOW_SERVICE("tcp", settings, canary, stable) \
	FLOW_SERVICE("udp", settings, canary, stable)

#define FLOW_CONFIG(settings, canary, stable) LAB_HEAD FLOW_SERVICES(settings, canary, stable)

#define TRACKED ", track: always"

/* UDP flows are remembered always; TCP flows where a choice has changed, or if told to. */
static const char flow_config[] = FLOW_CONFIG("", CANARY_1 CANARY_2, STABLE_1 STABLE_2 STABLE_3);
static const char tracked_config[] =
	FLOW_CONFIG(TRACKED, CANARY_1 CANARY_2, STABLE_1 STABLE_2 STABLE_3);

static bool is_tracked; /* the TCP service, in the test that runs */

#define FLOW_APPLY(settings, canary, stable)                                 \
	lab_apply(is_tracked ? FLOW_CONFIG(TRACKED settings, canary, stable) \
			     : FLOW_CONFIG(settings, canary, stable))

static unsigned int hosts[2][FLOWS]; /* where each TCP and UDP flow went */

static inline bool is_canary(unsigned int host)
{
	return host == 1 || host == 2;
}

static inline struct frame flow_frame(bool is_udp, uint16_t n, uint8_t flags)
{
	char client[NET_ADDR_LEN];
	struct frame f;

	snprintf(client, sizeof(client), "198.51.%u.%u", n / 200, 1 + n % 200);
	f = lab_request(client, (uint16_t)(20000 + n), "192.0.2.1", 80,
			is_udp ? IPPROTO_UDP : IPPROTO_TCP);
	f.tcp_flags = flags;
	return f;
}

static inline unsigned int flow_send(bool is_udp, uint16_t n, uint8_t flags)
{
	struct frame f = flow_frame(is_udp, n, flags);

	return lab_ask(&f);
}

/* The flow's backend answers; returns the verdict. */
static inline uint32_t flow_answer(bool is_udp, uint16_t n, unsigned int host, uint8_t flags,
				   struct outcome *out)
{
	struct frame request = flow_frame(is_udp, n, flags), reply = frame_reply(&request);
	char backend[NET_ADDR_LEN];

	snprintf(backend, sizeof(backend), "10.%u.0.%u", host % 2 ? 1 : 2, host);
	reply.src = lab_addr(backend);
	lab_run_frame(host % 2 ? lab_front : lab_back, &reply, out);
	return out->action;
}

/* Flows [from, to): SYNs and datagrams; and, if asked for, what completes the handshake. */
static inline void flow_open(uint16_t from, uint16_t to, uint8_t then)
{
	struct outcome out;

	for (uint16_t n = from; n < to; n++) {
		hosts[0][n] = flow_send(false, n, FRAME_SYN);
		hosts[1][n] = flow_send(true, n, 0);
		assert_true(hosts[0][n] && hosts[1][n]);
		if (!then)
			continue;
		assert_true(flow_answer(false, n, hosts[0][n], FRAME_SYN | FRAME_ACK, &out) >=
			    XDP_TX);
		assert_int_equal(flow_send(false, n, then), hosts[0][n]);
	}
}

static inline void flow_open_all(uint8_t then)
{
	flow_open(0, FLOWS, then);
}

/* Whatever has happened: packets of every flow, and their replies, go where they went. */
static inline void flow_expect(uint16_t from, uint16_t to, uint8_t flags)
{
	struct outcome out;

	for (uint16_t n = from; n < to; n++) {
		if (flow_send(false, n, flags) != hosts[0][n])
			fail_msg("TCP flow %u left %u", n, hosts[0][n]);
		if (flow_send(true, n, 0) != hosts[1][n])
			fail_msg("UDP flow %u left %u", n, hosts[1][n]);
		assert_true(flow_answer(false, n, hosts[0][n], FRAME_ACK, &out) >= XDP_TX);
		assert_true(flow_answer(true, n, hosts[1][n], 0, &out) >= XDP_TX);
	}
}

static inline void flow_expect_all(uint8_t flags)
{
	flow_expect(0, FLOWS, flags);
}

/* ---- what the flow table says ---- */

static inline struct serin_addr flow_client(const struct frame *f)
{
	struct serin_addr client;

	memcpy(&client, &f->src, sizeof(client));
	return client;
}

struct flow_search {
	const char *service;
	uint16_t port;
	struct flow_view found;
	char pool[SERIN_NAME_LEN];
	size_t matches;
};

static inline int flow_match(const struct flow_view *view, void *arg)
{
	struct flow_search *s = arg;

	if (view->client_port != s->port || strcmp(view->service, s->service))
		return 0;
	s->found = *view;
	snprintf(s->pool, sizeof(s->pool), "%s", view->pool);
	s->matches++;
	return 0;
}

static inline bool flow_find(bool is_udp, uint16_t n, struct flow_search *out)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	*out = (struct flow_search){.service = is_udp ? "udp" : "tcp",
				    .port = (uint16_t)(20000 + n)};
	assert_int_equal(dataplane_each_flow(dp, flow_match, out), 0);
	dataplane_close(dp);
	assert_true(out->matches <= 1);
	return out->matches;
}

static inline void flow_expect_state(uint16_t n, enum serin_flow_state state)
{
	struct flow_search s;

	assert_true(flow_find(false, n, &s));
	if (s.found.state != state)
		fail_msg("flow %u is %s, to be %s", n, flow_state_name(s.found.state),
			 flow_state_name(state));
}

static inline uint64_t flow_entries(void)
{
	struct snapshot *s = lab_snapshot();
	uint64_t entries = s->flow_entries;

	snapshot_free(s);
	return entries;
}

/* As if the flow had been silent for weeks: its entry's time is set back. */
static inline void flow_age(bool is_udp, uint16_t n)
{
	struct frame f = flow_frame(is_udp, n, 0);
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	uint32_t service = (uint32_t)dp_service_find(dp, is_udp ? "udp" : "tcp");
	uint64_t key = serin_flow4_key(flow_client(&f).word_be[3], htons(f.src_port), service);
	uint64_t now, past = 1ull << (SERIN_FLOW_SEEN_BITS - 1 + SERIN_FLOW_JIFFIES_SHIFT);
	size_t count = 0;

	assert_int_equal(dp_jiffies(dp, &now), 0);
	assert_int_equal(dp_mmap_flows(dp), 0);
	for (uint32_t b = 0; b < dp->meta.flow_buckets; b++) {
		for (int i = 0; i < SERIN_FLOW4_WAYS; i++) {
			struct serin_flow4 *flow = &dp->flows4[b].flow[i];

			if (flow->key != key)
				continue;
			flow->value = serin_flow_value(serin_flow_backend(flow->value),
						       serin_flow_state(flow->value),
						       serin_flow_epoch(flow->value), now + past);
			count++;
		}
	}
	dataplane_close(dp);
	assert_int_equal(count, 1);
}

/* ---- before and after a test ---- */

static inline int start(void **state)
{
	(void)state;
	is_tracked = false;
	lab_apply(flow_config);
	return 0;
}

static inline int start_tracked(void **state)
{
	(void)state;
	is_tracked = true;
	lab_apply(tracked_config);
	return 0;
}

#define FLOW_TEST(name, begin)                                          \
	{                                                               \
#name " after " #begin, name, begin, lab_teardown, NULL \
	}

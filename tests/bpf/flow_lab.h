/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the connections of the tests of the flow table: a TCP and a UDP service of two pools, many
 * clients, and what the table says of each. For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>

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

#define FLOW_CONFIG(settings, canary, stable)                  \
	LAB_HEAD FLOW_SERVICE("tcp", settings, canary, stable) \
		FLOW_SERVICE("udp", settings, canary, stable)

static const char flow_config[] = FLOW_CONFIG("", CANARY_1 CANARY_2, STABLE_1 STABLE_2 STABLE_3);

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

static inline void flow_open_all(uint8_t then)
{
	for (uint16_t n = 0; n < FLOWS; n++) {
		hosts[0][n] = flow_send(false, n, FRAME_SYN);
		hosts[1][n] = flow_send(true, n, 0);
		assert_true(hosts[0][n] && hosts[1][n]);
		if (then)
			assert_int_equal(flow_send(false, n, then), hosts[0][n]);
	}
}

/* Whatever has happened: packets of every flow, and their replies, go where they went. */
static inline void flow_expect_all(uint8_t flags)
{
	struct outcome out;

	for (uint16_t n = 0; n < FLOWS; n++) {
		if (flow_send(false, n, flags) != hosts[0][n])
			fail_msg("TCP flow %u left %u", n, hosts[0][n]);
		if (flow_send(true, n, 0) != hosts[1][n])
			fail_msg("UDP flow %u left %u", n, hosts[1][n]);
		assert_true(flow_answer(false, n, hosts[0][n], FRAME_ACK, &out) >= XDP_TX);
		assert_true(flow_answer(true, n, hosts[1][n], 0, &out) >= XDP_TX);
	}
}

/* ---- what the flow table says ---- */

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

/* As if the flow had been silent for days: its entry's time is set back. */
static inline void flow_age(bool is_udp, uint16_t n)
{
	struct frame f = flow_frame(is_udp, n, 0);
	struct serin_flow_key key = {.client_port_be = htons(f.src_port)};
	int fd = bpf_obj_get(LAB_DIR "/v1/flows");
	struct snapshot *s = lab_snapshot();
	struct serin_flow flow;

	memcpy(&key.client, &f.src, sizeof(key.client));
	key.service = snapshot_find_service(s, is_udp ? "udp" : "tcp")->id;
	snapshot_free(s);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &flow), 0);
	flow.seen_jiffies = 0;
	assert_int_equal(bpf_map_update_elem(fd, &key, &flow, BPF_EXIST), 0);
	close(fd);
}

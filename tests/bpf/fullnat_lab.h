/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services of fullnat's tests, of one backend each, and the packets of their flows: as
 * clients and backends send them, and as they are to leave. For inclusion by one test program each.
 */
#pragma once

#include "lab.h"

struct way {
	const char *service, *vip, *backend;
	const char *sources[2];
	uint16_t port, backend_port, port_low, port_high;
	uint8_t protocol;
	bool is_back; /* the backend, behind `back` */
	uint8_t mac[6];
};

static inline bool way_is_v4(const struct way *w)
{
	return !strchr(w->vip, ':');
}

/* @settings: ", key: value" */
static inline void way_describe(FILE *yaml, const struct way *w, const char *settings)
{
	fprintf(yaml,
		"  - {name: %s, vip: '%s', port: %u, protocol: %s, forwarding: fullnat, "
		"source_addresses: ['%s'",
		w->service, w->vip, w->port, model_protocol_name(w->protocol), w->sources[0]);
	if (w->sources[1])
		fprintf(yaml, ", '%s'", w->sources[1]);
	fprintf(yaml,
		"], source_ports: %u-%u%s, pools: [{name: p, backends: [{address: '%s', port: "
		"%u}]}]}\n",
		w->port_low, w->port_high, settings, w->backend, w->backend_port);
}

static inline void way_apply(const char *head, const struct way *ways, size_t count,
			     const char *settings)
{
	char *text = NULL;
	size_t len = 0;
	FILE *yaml = open_memstream(&text, &len);

	assert_non_null(yaml);
	fputs(head, yaml);
	for (size_t i = 0; i < count; i++)
		way_describe(yaml, &ways[i], settings);
	fclose(yaml);
	lab_apply(text);
	free(text);
}

static inline struct frame way_request(const struct way *w, const char *client, uint16_t port)
{
	return lab_request(client, port, w->vip, w->port, w->protocol);
}

/* ---- what leaves ---- */

/* An address and port of the load balancer. */
struct source {
	struct in6_addr address;
	uint16_t port;
};

static inline struct source way_source(const uint8_t *bytes)
{
	return (struct source){lab_wire_addr(bytes, false),
			       frame_get16(bytes + frame_l4_offset(bytes))};
}

static inline void source_expect(const struct source *have, const struct source *wanted)
{
	assert_memory_equal(&have->address, &wanted->address, sizeof(wanted->address));
	assert_int_equal(have->port, wanted->port);
}

static inline bool way_has_source(const struct way *w, const struct source *s)
{
	bool is_one = false;

	for (int i = 0; i < 2 && w->sources[i]; i++) {
		struct in6_addr a = lab_addr(w->sources[i]);

		is_one |= !memcmp(&a, &s->address, sizeof(a));
	}
	return is_one && s->port >= w->port_low && s->port <= w->port_high;
}

static inline const uint8_t *way_mac(const struct way *w)
{
	return w->is_back ? lab_back_mac : lab_front_mac;
}

/* What the backend is to get for a request, from this source. */
static inline struct frame way_forwarded(const struct way *w, const struct frame *in,
					 const struct source *s)
{
	struct frame f = *in;

	f.src = s->address;
	f.src_port = s->port;
	f.dst = lab_addr(w->backend);
	f.dst_port = w->backend_port;
	f.ttl--;
	memcpy(f.dst_mac, w->mac, 6);
	memcpy(f.src_mac, way_mac(w), 6);
	return f;
}

/* What the backend answers to what it got, as it leaves the backend. */
static inline struct frame way_answer(const struct way *w, const struct frame *got, uint8_t flags)
{
	struct frame f = frame_reply(got);

	f.tcp_flags = flags;
	f.ttl = 64;
	f.padding = 0;
	memcpy(f.src_mac, w->mac, 6);
	memcpy(f.dst_mac, way_mac(w), 6);
	return f;
}

/* And what the client is to get of that. */
static inline struct frame way_returned(const struct way *w, const struct frame *reply,
					const struct frame *request)
{
	struct frame f = *reply;

	f.src = lab_addr(w->vip);
	f.src_port = w->port;
	f.dst = request->src;
	f.dst_port = request->src_port;
	f.ttl--;
	memcpy(f.dst_mac, request->src_mac, 6);
	memcpy(f.src_mac, lab_front_mac, 6);
	return f;
}

static inline void way_expect(const struct outcome *out, const struct frame *wanted,
			      bool is_redirect)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(wanted, bytes);

	assert_int_equal(out->action, is_redirect ? XDP_REDIRECT : XDP_TX);
	assert_int_equal(out->len, len);
	assert_memory_equal(out->bytes, bytes, len);
}

/* Runs a request, which must be forwarded as it is to be. Returns the source it was given. */
static inline struct source way_ask(const struct way *w, const struct frame *request)
{
	struct outcome out;
	struct source s;
	struct frame sent;

	lab_run_frame(lab_front, request, &out);
	if (out.action != XDP_TX && out.action != XDP_REDIRECT)
		fail_msg("%s: a request of port %u was not forwarded", w->service,
			 request->src_port);
	s = way_source(out.bytes);
	if (!way_has_source(w, &s))
		fail_msg("%s: port %u is not of its sources", w->service, s.port);
	sent = way_forwarded(w, request, &s);
	way_expect(&out, &sent, w->is_back);
	return s;
}

/* The same packets' way back. */
static inline void way_reply(const struct way *w, const struct frame *request,
			     const struct source *s, uint8_t flags)
{
	struct frame got = way_forwarded(w, request, s), reply = way_answer(w, &got, flags);
	struct frame back = way_returned(w, &reply, request);
	struct outcome out;

	lab_run_frame(w->is_back ? lab_back : lab_front, &reply, &out);
	way_expect(&out, &back, w->is_back);
}

/* ---- what is remembered ---- */

struct way_search {
	const char *service;
	struct in6_addr client;
	uint16_t port;
	struct flow_view found;
	size_t matches, all;
};

static inline int way_match(const struct flow_view *view, void *arg)
{
	struct way_search *s = arg;

	if (strcmp(view->service, s->service))
		return 0;
	s->all++;
	if (view->client_port != s->port || memcmp(&view->client, &s->client, sizeof(s->client)))
		return 0;
	s->found = *view;
	s->matches++;
	return 0;
}

static inline bool way_find(const struct way *w, const struct frame *request,
			    struct way_search *out)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);

	*out = (struct way_search){
		.service = w->service, .client = request->src, .port = request->src_port};
	assert_int_equal(dataplane_each_flow(dp, way_match, out), 0);
	dataplane_close(dp);
	assert_true(out->matches <= 1);
	return out->matches;
}

static inline void way_expect_state(const struct way *w, const struct frame *request,
				    enum serin_flow_state state)
{
	struct way_search s;

	assert_true(way_find(w, request, &s));
	if (s.found.state != state)
		fail_msg("flow %u is %s, to be %s", request->src_port,
			 flow_state_name(s.found.state), flow_state_name(state));
}

static inline struct snapshot_ports way_ports(const struct way *w)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_service *svc = snapshot_find_service(s, w->service);
	struct snapshot_ports ports;

	assert_non_null(svc);
	ports = svc->ports;
	snapshot_free(s);
	return ports;
}

static inline uint64_t way_packets(enum serin_reason reason)
{
	struct snapshot *s = lab_snapshot();
	uint64_t packets = s->packets[reason];

	snapshot_free(s);
	return packets;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services of the tests of ICMP by nat and fullnat, and what an error is before and after
 * it went by one of them. For inclusion by one test program each.
 */
#pragma once

#include "icmp_lab.h"

struct icmp_way {
	const char *name, *vip, *backend, *client, *router;
	uint16_t port, backend_port;
	uint8_t protocol;
	bool is_back; /* the backend is behind `back` */
	uint8_t mac[6];
	const char *source; /* fullnat: what stands for the client; NULL: nat */
};

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"
#define ROUTER4 "203.0.113.9"
#define ROUTER6 "2001:db8:dead::9"

static const struct icmp_way icmp_ways[] = {
	{"t4",
	 "192.0.2.1",
	 "10.1.0.1",
	 CLIENT4,
	 ROUTER4,
	 80,
	 8080,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 4, 1},
	 NULL},
	{"u4",
	 "192.0.2.2",
	 "10.2.0.2",
	 CLIENT4,
	 ROUTER4,
	 53,
	 5353,
	 IPPROTO_UDP,
	 true,
	 {2, 0, 0, 2, 4, 2},
	 NULL},
	{"t6",
	 "2001:db8:ff::1",
	 "2001:db8:2::3",
	 CLIENT6,
	 ROUTER6,
	 443,
	 8443,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 6, 3},
	 NULL},
	{"u6",
	 "2001:db8:ff::2",
	 "2001:db8:1::4",
	 CLIENT6,
	 ROUTER6,
	 53,
	 53,
	 IPPROTO_UDP,
	 false,
	 {2, 0, 0, 1, 6, 4},
	 NULL},
	{"k4",
	 "192.0.2.3",
	 "10.2.0.5",
	 CLIENT4,
	 ROUTER4,
	 80,
	 1,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 4, 5},
	 NULL},
	{"k6",
	 "2001:db8:ff::3",
	 "2001:db8:1::6",
	 CLIENT6,
	 ROUTER6,
	 80,
	 65535,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 6, 6},
	 NULL},
	{"ft4",
	 "192.0.2.11",
	 "10.2.0.7",
	 CLIENT4,
	 ROUTER4,
	 80,
	 8080,
	 IPPROTO_TCP,
	 true,
	 {2, 0, 0, 2, 4, 7},
	 "10.2.255.200"},
	{"fu4",
	 "192.0.2.12",
	 "10.1.0.8",
	 CLIENT4,
	 ROUTER4,
	 53,
	 53,
	 IPPROTO_UDP,
	 false,
	 {2, 0, 0, 1, 4, 8},
	 "10.1.255.200"},
	{"ft6",
	 "2001:db8:ff::11",
	 "2001:db8:1::9",
	 CLIENT6,
	 ROUTER6,
	 443,
	 8443,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 6, 9},
	 "2001:db8:1::200"},
	{"fu6",
	 "2001:db8:ff::12",
	 "2001:db8:2::a",
	 CLIENT6,
	 ROUTER6,
	 53,
	 5353,
	 IPPROTO_UDP,
	 true,
	 {2, 0, 0, 2, 6, 10},
	 "2001:db8:2::200"},
};

#define ICMP_WAYS (sizeof(icmp_ways) / sizeof(*icmp_ways))

/* By fullnat: the port that the flow was given which icmp_open() has begun, one of each way. */
static uint16_t icmp_source_ports[ICMP_WAYS];

static inline bool icmp_is_v4(const struct icmp_way *w)
{
	return !strchr(w->vip, ':');
}

static inline void icmp_describe(FILE *f, const struct icmp_way *w)
{
	fprintf(f, "  - {name: %s, vip: '%s', port: %u, protocol: %s, track: %s, ", w->name, w->vip,
		w->port, w->protocol == IPPROTO_TCP ? "tcp" : "udp",
		*w->name == 'k' ? "always" : "changed");
	if (w->source)
		fprintf(f, "forwarding: fullnat, source_addresses: ['%s'], ", w->source);
	fprintf(f, "pools: [{name: p, backends: [{address: '%s', port: %u}]}]}\n", w->backend,
		w->backend_port);
}

/* With these services besides. */
static inline void icmp_apply_ways_and(const char *more)
{
	char *yaml = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&yaml, &len);

	assert_non_null(f);
	fputs(LAB_HEAD, f);
	for (size_t i = 0; i < ICMP_WAYS; i++)
		icmp_describe(f, &icmp_ways[i]);
	fputs(more, f);
	fclose(f);
	lab_apply(yaml);
	free(yaml);
}

static inline void icmp_apply_ways(void)
{
	icmp_apply_ways_and("");
}

/* The client's first packet: the flow is begun, and the way back known. */
static inline struct frame icmp_request(const struct icmp_way *w, uint16_t port)
{
	struct frame f = lab_request(w->client, port, w->vip, w->port, w->protocol);

	f.payload_len = 40;
	return f;
}

static inline void icmp_open(const struct icmp_way *w, uint16_t port)
{
	struct frame f = icmp_request(w, port);
	struct outcome out;

	lab_run_frame(lab_front, &f, &out);
	assert_true(lab_host_of(&out) > 0);
	if (w->source)
		icmp_source_ports[w - icmp_ways] =
			frame_get16(out.bytes + frame_l4_offset(out.bytes));
}

/* The client's end of a packet between Serin and the backend. */
static inline void icmp_stand_in(const struct icmp_way *w, struct in6_addr *client, uint16_t *port)
{
	if (!w->source)
		return;
	*client = lab_addr(w->source);
	*port = icmp_source_ports[w - icmp_ways];
}

/* What is quoted: a packet of the flow, drawn. To the client as it left here, or to the backend as
 * it came there; and the same packet as the backend or the client had sent it. */
static inline void icmp_draw_quoted(const struct icmp_way *w, uint16_t port, bool to_backend,
				    struct frame *before, struct frame *after)
{
	struct frame f = icmp_request(w, port);

	f.fill = (uint32_t)lab_random();
	f.ttl = (uint8_t)(1 + lab_below(255));
	f.tcp_flags = (uint8_t)lab_random();
	f.tcp_option_words = (uint8_t)lab_below(11);
	f.payload_len = (uint16_t)lab_below(lab_below(2) ? 20 : 900);
	f.ip_option_words = icmp_is_v4(w) && lab_below(3) == 0 ? (uint8_t)lab_below(11) : 0;
	f.no_udp_csum = icmp_is_v4(w) && lab_below(4) == 0;
	if (to_backend) { /* the backend, or a router before it, quotes what came */
		*after = f;
		f.dst = lab_addr(w->backend);
		f.dst_port = w->backend_port;
		icmp_stand_in(w, &f.src, &f.src_port);
		*before = f;
		return;
	}
	f = frame_reply(&f);
	*before = f;
	f.src = lab_addr(w->backend);
	f.src_port = w->backend_port;
	icmp_stand_in(w, &f.dst, &f.dst_port);
	*after = f;
}

/* An error from outside, and as the backend gets it: by fullnat from who it knows, for it may have no
 * way to anybody else. */
static inline void icmp_from_outside(const struct icmp_way *w, struct icmp_message *in,
				     struct icmp_message *out)
{
	*in = (struct icmp_message){
		.outer = {.src = lab_addr(w->router),
			  .dst = lab_addr(w->vip),
			  .ttl = (uint8_t)(2 + lab_below(254)),
			  .fill = (uint32_t)lab_random(),
			  .src_mac = {2, 0xee, 0, 0, 0, 9}},
	};
	in->outer.ip_option_words = icmp_is_v4(w) && lab_below(3) == 0 ? (uint8_t)lab_below(11) : 0;
	memcpy(in->outer.dst_mac, lab_front_mac, 6);
	*out = *in;
	out->outer.dst = lab_addr(w->backend);
	if (w->source)
		out->outer.src = lab_addr(w->source);
	out->outer.ttl--;
	memcpy(out->outer.dst_mac, w->mac, 6);
	memcpy(out->outer.src_mac, w->is_back ? lab_back_mac : lab_front_mac, 6);
}

/* An error from the backend's side, whoever there sends it, and as the client gets it. */
static inline void icmp_from_backend(const struct icmp_way *w, bool by_router,
				     struct icmp_message *in, struct icmp_message *out)
{
	icmp_from_outside(w, in, out);
	in->outer.src = lab_addr(by_router ? w->router : w->backend);
	in->outer.dst = lab_addr(w->source ? w->source : w->client);
	memcpy(in->outer.src_mac, w->mac, 6);
	memcpy(in->outer.dst_mac, w->is_back ? lab_back_mac : lab_front_mac, 6);
	*out = *in;
	out->outer.src = lab_addr(w->vip);
	out->outer.dst = lab_addr(w->client);
	out->outer.ttl--;
	memcpy(out->outer.dst_mac, lab_client_mac, 6);
	memcpy(out->outer.src_mac, lab_front_mac, 6);
}

static inline void icmp_set_kind(struct icmp_message *in, struct icmp_message *out,
				 const struct icmp_kind *kind)
{
	in->type = out->type = kind->type;
	in->code = out->code = kind->code;
	in->rest = out->rest = kind->rest;
}

/* A drawn error of the flow of a client's port, in either direction. */
static inline void icmp_draw(const struct icmp_way *w, uint16_t port, bool to_client, size_t kind,
			     struct icmp_message message[2], struct quoted quote[2])
{
	struct frame before, after;

	if (to_client)
		icmp_from_backend(w, lab_below(2), &message[0], &message[1]);
	else
		icmp_from_outside(w, &message[0], &message[1]);
	icmp_set_kind(&message[0], &message[1], icmp_kind_of(icmp_is_v4(w), kind));
	icmp_draw_quoted(w, port, to_client, &before, &after);
	quote[0] = quote_of(&before);
	quote[1] = quote_of(&after);
}

static inline int icmp_nic(const struct icmp_way *w, bool to_client)
{
	return to_client && w->is_back ? lab_back : lab_front;
}

static inline uint32_t icmp_action(const struct icmp_way *w)
{
	return w->is_back ? XDP_REDIRECT : XDP_TX;
}

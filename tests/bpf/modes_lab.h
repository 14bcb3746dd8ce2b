/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the ways of the tests of forwarding: a service with one backend for each mode, family,
 * protocol and NIC, some behind VLANs, some whose outer source varies; and their description for
 * who is to say what packets become on them. For inclusion by one test program each.
 *
 * Way n has the VIP 192.0.2.n or 2001:db8:ff::n, and as its backend host n of a NIC.
 */
#pragma once

#include <arpa/inet.h>
#include <jansson.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#include "lab.h"

#define MODES_WAYS	128
#define MODES_PORT_LOW	20000 /* fullnat: source ports of each way */
#define MODES_PORT_HIGH 22047
#define MODES_HEAD                                               \
	"version: 1\n"                                           \
	"interfaces: [front, back]\n"                            \
	"limits: {services: 128, backends: 256, flows: 65536}\n" \
	"services:\n"

/* A VLAN the host has an interface for. */
struct vlan {
	const char *name;
	uint32_t ifindex; /* of no interface there is */
	bool is_back;
	uint8_t tag_count;
	uint16_t tag[SERIN_MAX_TAGS][2]; /* TPID and VLAN id, outermost first */
	uint8_t mac[6];
};

static const struct vlan modes_vlans[] = {
	{"front.100", 1001, false, 1, {{0x8100, 100}}, {2, 0, 0, 0, 1, 0x64}},
	{"front.200.300", 1002, false, 2, {{0x88a8, 200}, {0x8100, 300}}, {2, 0, 0, 0, 1, 0x65}},
	{"back.4094", 1003, true, 1, {{0x8100, 4094}}, {2, 0, 0, 0, 2, 0x66}},
};

#define MODES_VLANS (sizeof(modes_vlans) / sizeof(*modes_vlans))

struct way {
	char name[SERIN_NAME_LEN];
	enum serin_forwarding mode;
	uint8_t protocol;
	bool is_v4;	  /* its VIP */
	bool is_outer_v4; /* its backend */
	bool is_back;
	bool is_tracked;
	bool is_telling;	 /* fullnat: the client's address, in a TCP option */
	const struct vlan *vlan; /* NULL: none */
	unsigned int host;
	char vip[NET_ADDR_LEN], backend[NET_ADDR_LEN];
	uint16_t port, backend_port, gue_port;
	struct in6_addr source;	  /* fullnat, tunnels */
	struct in6_addr second;	  /* fullnat: source; all zero: there is but one */
	unsigned int source_bits; /* tunnels: that vary */
};

static struct way ways[MODES_WAYS];
static unsigned int way_count;

static inline bool modes_is_tunnel(enum serin_forwarding mode)
{
	return mode == SERIN_FORWARDING_IPIP || mode == SERIN_FORWARDING_GUE;
}

/* ---- the ways there are ---- */

/* ipip-4in6-tcp-back */
static inline void modes_name(struct way *w, const char *suffix)
{
	char families[16];

	snprintf(families, sizeof(families), modes_is_tunnel(w->mode) ? "%din%d" : "%d",
		 w->is_v4 ? 4 : 6, w->is_outer_v4 ? 4 : 6);
	snprintf(w->name, sizeof(w->name), "%s-%s-%s-%s%s", model_forwarding_name(w->mode),
		 families, model_protocol_name(w->protocol), w->is_back ? "back" : "front", suffix);
}

static inline bool modes_is_nat(enum serin_forwarding mode)
{
	return mode == SERIN_FORWARDING_NAT || mode == SERIN_FORWARDING_FULLNAT;
}

static inline struct in6_addr modes_source(const struct way *w)
{
	char text[NET_ADDR_LEN];

	if (w->mode == SERIN_FORWARDING_FULLNAT)
		snprintf(text, sizeof(text), w->is_v4 ? "10.8.0.%u" : "2001:db8:8::%x", w->host);
	else
		snprintf(text, sizeof(text), w->is_outer_v4 ? "10.9.0.7" : "2001:db8:9::7");
	return lab_addr(text);
}

static inline void modes_add(struct way w, const char *suffix)
{
	unsigned int n = ++way_count, net = w.is_back ? 2 : 1;

	assert_true(n <= LAB_HOSTS);
	w.host = n;
	snprintf(w.vip, sizeof(w.vip), w.is_v4 ? "192.0.2.%u" : "2001:db8:ff::%x", n);
	snprintf(w.backend, sizeof(w.backend), w.is_outer_v4 ? "10.%u.0.%u" : "2001:db8:%u::%x",
		 net, n);
	w.port = w.protocol == IPPROTO_TCP ? 80 : 53;
	w.backend_port = modes_is_nat(w.mode) ? (uint16_t)(8000 + n * 100) : w.port;
	w.gue_port = w.is_back ? 6081 : 6080;
	if (!w.source_bits)
		w.source = modes_source(&w);
	modes_name(&w, suffix);
	ways[n - 1] = w;
}

/* The families of VIP and backend that a mode can have: one, or with tunnels any two. Behind a VLAN
 * one has to do. */
static inline void modes_add_families(const struct way *of, const char *suffix)
{
	for (int i = 0; i < 4; i++) {
		struct way w = *of;

		w.is_v4 = i & 1;
		w.is_outer_v4 = i >> 1;
		if (w.is_v4 == w.is_outer_v4 || (modes_is_tunnel(w.mode) && !w.vlan))
			modes_add(w, suffix);
	}
}

/* Whose outer source is drawn from a prefix. */
static inline void modes_add_spread(enum serin_forwarding mode)
{
	for (int i = 0; i < 4; i++) {
		struct way w = {.mode = mode, .protocol = IPPROTO_UDP};

		w.is_v4 = i & 1;
		w.is_outer_v4 = i >> 1;
		w.source_bits = w.is_outer_v4 ? 15 : 50;
		w.source = lab_addr(w.is_outer_v4 ? "10.77.0.0" : "2001:db8:77:7777::");
		modes_add(w, "-spread");
	}
}

/* nat whose flows are all remembered, and fullnat that tells of its clients. */
static inline void modes_add_special(void)
{
	struct way tracked = {.mode = SERIN_FORWARDING_NAT, .is_tracked = true};
	struct way telling = {.mode = SERIN_FORWARDING_FULLNAT, .is_telling = true};

	tracked.protocol = telling.protocol = IPPROTO_TCP;
	modes_add_families(&tracked, "-tracked");
	modes_add_families(&telling, "-toa");
	telling.is_back = true;
	modes_add_families(&telling, "-toa");
}

static inline void modes_add_all(void)
{
	for (int m = 0; m < SERIN_FORWARDING_MAX; m++) {
		struct way w = {.mode = (enum serin_forwarding)m};

		for (int i = 0; i < 4; i++) {
			w.protocol = i & 1 ? IPPROTO_UDP : IPPROTO_TCP;
			w.is_back = i >> 1;
			modes_add_families(&w, "");
		}
		w.protocol = IPPROTO_TCP;
		for (size_t v = 0; v < MODES_VLANS; v++) {
			w.vlan = &modes_vlans[v];
			w.is_back = w.vlan->is_back;
			modes_add_families(&w, v == 1 ? "-qinq" : "-vlan");
		}
		if (modes_is_tunnel(w.mode))
			modes_add_spread(w.mode);
	}
	modes_add_special();
}

/* ---- bringing them about ---- */

static inline void modes_add_vlan(struct dataplane *dp, const struct vlan *v)
{
	uint32_t slot = serin_port_home(v->ifindex), nic = v->is_back ? lab_back : lab_front;
	struct serin_port *port;

	while (dp->ports[slot].ifindex)
		slot = serin_port_next(slot);
	port = &dp->ports[slot];
	port->nic = nic;
	port->mtu = v->is_back ? 1400 : 1500;
	memcpy(port->mac, v->mac, sizeof(port->mac));
	port->tag_count = v->tag_count;
	for (int i = 0; i < v->tag_count; i++)
		port->tag_be[i] = htonl((uint32_t)v->tag[i][0] << 16 | v->tag[i][1]);
	port->ifindex = v->ifindex;
	assert_int_equal(bpf_map_update_elem(dp->map_fd[DP_MAP_TX_PORTS], &slot, &nic, 0), 0);
}

/* The backend of a way behind a VLAN, as if the kernel's route led there. */
static inline void modes_lead_by_vlan(struct dataplane *dp, const struct way *w)
{
	uint64_t port = dp_port_find(dp, w->vlan->ifindex);
	int64_t service = dp_service_find(dp, w->name);

	assert_true(service >= 0 && port);
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		struct serin_backend *b = &dp->backends[id];

		if (b->state == SERIN_BACKEND_FREE || b->service != service)
			continue;
		b->hop = (b->hop & ((1ull << SERIN_HOP_PORT_SHIFT) - 1)) |
			 port << SERIN_HOP_PORT_SHIFT;
		return;
	}
	fail_msg("%s: no backend", w->name);
}

static inline bool modes_has_second(const struct way *w)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&w->second);
}

/* fullnat: as many flows with a source address of its own as with the first. */
static inline void modes_add_seconds(void)
{
	for (unsigned int i = 0; i < way_count; i++) {
		struct way *w = &ways[i];
		char text[NET_ADDR_LEN];

		if (w->mode != SERIN_FORWARDING_FULLNAT)
			continue;
		snprintf(text, sizeof(text), w->is_v4 ? "10.8.1.%u" : "2001:db8:8:1::%x", w->host);
		w->second = lab_addr(text);
	}
}

static inline void modes_put_source(FILE *f, const struct way *w)
{
	char source[NET_ADDR_LEN];

	net_format_addr(&w->source, source);
	if (modes_is_tunnel(w->mode))
		fprintf(f, ", source_addresses: ['%s/%u']", source,
			(w->is_outer_v4 ? 32 : 128) - w->source_bits);
	if (w->mode == SERIN_FORWARDING_GUE)
		fprintf(f, ", gue_port: %u", w->gue_port);
	if (w->mode != SERIN_FORWARDING_FULLNAT)
		return;
	fprintf(f, ", source_addresses: ['%s'", source);
	if (modes_has_second(w)) {
		net_format_addr(&w->second, source);
		fprintf(f, ", '%s'", source);
	}
	fprintf(f, "], source_ports: %u-%u, client_address: %s", MODES_PORT_LOW, MODES_PORT_HIGH,
		w->is_telling ? "toa" : "none");
}

static inline char *modes_yaml(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs(MODES_HEAD, f);
	for (unsigned int i = 0; i < way_count; i++) {
		const struct way *w = &ways[i];

		fprintf(f, "  - {name: %s, vip: '%s', port: %u, protocol: %s, forwarding: %s",
			w->name, w->vip, w->port, model_protocol_name(w->protocol),
			model_forwarding_name(w->mode));
		modes_put_source(f, w);
		fprintf(f, "%s, pools: [{name: p, backends: [{address: '%s', port: %u}]}]}\n",
			w->is_tracked ? ", track: always" : "", w->backend, w->backend_port);
	}
	fclose(f);
	return text;
}

/* Of what modes_add_all() has added. */
static inline void modes_apply(void)
{
	struct dataplane *dp;
	char *yaml;

	yaml = modes_yaml();
	lab_apply(yaml);
	dp = lab_open(DATAPLANE_WRITE);
	for (size_t v = 0; v < MODES_VLANS; v++)
		modes_add_vlan(dp, &modes_vlans[v]);
	for (unsigned int i = 0; i < way_count; i++)
		if (ways[i].vlan)
			modes_lead_by_vlan(dp, &ways[i]);
	dataplane_close(dp);
	free(yaml);
}

/* ---- describing them ---- */

static inline json_t *modes_mac_json(const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return json_string(text);
}

static inline json_t *modes_tags_json(const struct vlan *v)
{
	json_t *tags = json_array();

	for (int i = 0; v && i < v->tag_count; i++)
		json_array_append_new(tags, json_pack("[ii]", v->tag[i][0], v->tag[i][1]));
	return tags;
}

static inline json_t *modes_way_json(const struct way *w)
{
	const uint8_t *nic = w->is_back ? lab_back_mac : lab_front_mac;
	uint8_t hop[6] = {2, 0, 0, w->is_back ? 2 : 1, w->is_outer_v4 ? 4 : 6, (uint8_t)w->host};
	char source[NET_ADDR_LEN];

	net_format_addr(&w->source, source);
	return json_pack("{ss ss ss ss si ss si ss so so so ss sb si sb sb}", "name", w->name,
			 "mode", model_forwarding_name(w->mode), "protocol",
			 model_protocol_name(w->protocol), "vip", w->vip, "port", w->port,
			 "backend", w->backend, "backend_port", w->backend_port, "nic",
			 w->is_back ? "back" : "front", "hop_mac", modes_mac_json(hop), "out_mac",
			 modes_mac_json(w->vlan ? w->vlan->mac : nic), "tags",
			 modes_tags_json(w->vlan), "source", source, "varies", w->source_bits > 0,
			 "gue_port", w->gue_port, "tracked", w->is_tracked, "tells", w->is_telling);
}

/* All that a packet's fate depends on, for who is to foretell it. */
static inline json_t *modes_json(void)
{
	json_t *all = json_array(), *vlans = json_array();

	for (unsigned int i = 0; i < way_count; i++)
		json_array_append_new(all, modes_way_json(&ways[i]));
	for (size_t v = 0; v < MODES_VLANS; v++)
		json_array_append_new(vlans,
				      json_pack("{ss ss so so}", "name", modes_vlans[v].name, "nic",
						modes_vlans[v].is_back ? "back" : "front", "tags",
						modes_tags_json(&modes_vlans[v]), "mac",
						modes_mac_json(modes_vlans[v].mac)));
	return json_pack("{s{so so} so s{si si} so so}", "macs", "front",
			 modes_mac_json(lab_front_mac), "back", modes_mac_json(lab_back_mac),
			 "client_mac", modes_mac_json(lab_client_mac), "mtu", "front", 1500, "back",
			 1400, "ways", all, "vlans", vlans);
}

/* What the NICs and VLANs take; 0: as it was. */
static inline void modes_set_mtu(uint16_t mtu)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);

	for (uint32_t slot = 1; slot < SERIN_MAX_PORTS; slot++) {
		struct serin_port *port = &dp->ports[slot];

		if (port->ifindex)
			port->mtu = mtu ? mtu : port->nic == (uint32_t)lab_back ? 1400 : 1500;
	}
	dataplane_close(dp);
}

/* How many packets there have been for each reason, by the map that verdict() counts in. */
static inline void modes_read_verdicts(const struct dataplane *dp, uint64_t sums[SERIN_REASON_MAX])
{
	struct serin_verdicts values[dp->cpu_count];
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(dp->map_fd[DP_MAP_VERDICTS], &zero, values), 0);
	memset(sums, 0, SERIN_REASON_MAX * sizeof(*sums));
	for (int cpu = 0; cpu < dp->cpu_count; cpu++)
		for (int i = 0; i < SERIN_REASON_MAX; i++)
			sums[i] += values[cpu].packets[i];
}

/* The one reason that a packet run between two readings was counted for; SERIN_REASON_MAX if it was
 * not one. */
static inline enum serin_reason modes_reason(const uint64_t before[SERIN_REASON_MAX],
					     const uint64_t after[SERIN_REASON_MAX])
{
	enum serin_reason reason = SERIN_REASON_MAX;
	uint64_t counted = 0;

	for (int i = 0; i < SERIN_REASON_MAX; i++) {
		counted += after[i] - before[i];
		if (after[i] != before[i])
			reason = (enum serin_reason)i;
	}
	return counted == 1 ? reason : SERIN_REASON_MAX;
}

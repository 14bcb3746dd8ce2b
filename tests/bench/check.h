/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the check, before anything is timed, that a program does to the packets of a case what a
 * balancer has to: every byte as a host of its own would have built it, every checksum summed anew.
 * A benchmark of a wrong program is worth nothing. For inclusion by packet_bench.c.
 */
#pragma once

#include "traffic.h"

static const char *const contender_names[] = {"floor", "serin", "textbook"};

/* What is looked at, for the message that says what is wrong with it. */
struct check {
	const char *name;
	const struct traffic *traffic;
	enum contender who;
	uint32_t turn;
};

static inline void check_fail(const struct check *c, const char *what) __attribute__((noreturn));

static inline void check_fail(const struct check *c, const char *what)
{
	die("%s: %s, flow %u: %s; nothing was timed", c->name, contender_names[c->who],
	    world.order[c->turn].flow, what);
}

static inline bool check_folds(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static inline void check_sums(const struct check *c, const uint8_t *bytes)
{
	const struct bench_frame *f = &c->traffic->frame;
	bool is_v4 = f->family == BENCH_IP4;
	uint8_t protocol = f->is_udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (f->family == BENCH_RAW)
		return;
	if (is_v4 && !check_folds(traffic_sum(bytes + 14, 20, 0)))
		check_fail(c, "wrong IPv4 checksum");
	if (!check_folds(traffic_l4_sum(bytes, BENCH_FRAME_LEN, is_v4, protocol)))
		check_fail(c, "wrong TCP or UDP checksum");
}

static inline struct in6_addr check_addr(const uint8_t *bytes, bool is_destination)
{
	struct in6_addr a = {};

	if (bytes[12] == 0x08) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(&a.s6_addr[12], bytes + (is_destination ? 30 : 26), 4);
	} else {
		memcpy(&a, bytes + (is_destination ? 38 : 22), 16);
	}
	return a;
}

static inline void check_put(uint8_t *bytes, const struct in6_addr *addr, uint16_t port,
			     bool is_destination)
{
	bool is_v4 = bytes[12] == 0x08;

	if (is_v4)
		memcpy(bytes + (is_destination ? 30 : 26), &addr->s6_addr[12], 4);
	else
		memcpy(bytes + (is_destination ? 38 : 22), addr, 16);
	traffic_put16(bytes + traffic_l4_offset(is_v4) + (is_destination ? 2 : 0), port);
}

/* A target rule's pool, if the service has rules and this client falls under the first. */
static inline const char *check_pool(const struct traffic *t, const uint8_t *in)
{
	if (t->service->target_count && in[26] == 172 && in[27] < 24)
		return "canary";
	return t->pool;
}

static inline const struct model_service *check_service(const struct check *c, const uint8_t *in)
{
	const struct model *m = c->traffic->any_of;
	struct in6_addr vip = check_addr(in, true);

	for (size_t i = 0; m && i < m->service_count; i++)
		if (!memcmp(&m->services[i].vip, &vip, sizeof(vip)))
			return &m->services[i];
	return c->traffic->service;
}

/* The backend a request went to has to be one of the right pool's. */
static inline void check_backend(const struct check *c, const uint8_t *in,
				 const struct in6_addr *address, uint16_t port)
{
	const struct model_pool *pool = models_pool_of(check_service(c, in), address, port);
	const char *wanted = check_pool(c->traffic, in);

	if (!pool)
		check_fail(c, "its destination is no backend of the service");
	if (c->who == CONTENDER_SERIN && wanted && strcmp(pool->name, wanted))
		check_fail(c, "it went to the wrong pool");
}

static inline uint16_t check_port(const uint8_t *bytes, bool is_destination)
{
	const uint8_t *at = bytes + traffic_l4_offset(bytes[12] == 0x08) + (is_destination ? 2 : 0);

	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void check_same(const struct check *c, const uint8_t *bytes, const uint8_t *expected,
			      size_t len, const char *where)
{
	char what[64];

	for (size_t i = 0; i < len; i++) {
		if (expected[i] == bytes[i])
			continue;
		snprintf(what, sizeof(what), "byte %zu%s is %02x and not %02x", i, where, bytes[i],
			 expected[i]);
		check_fail(c, what);
	}
}

/* ---- what other modes than nat do ---- */

static inline size_t check_outer_len(const struct traffic *t)
{
	size_t ip_len = t->frame.family == BENCH_IP4 ? 20 : 40;

	switch (t->service->forwarding) {
	case SERIN_FORWARDING_IPIP:
		return ip_len;
	case SERIN_FORWARDING_GUE:
		return ip_len + 8;
	default:
		return 0;
	}
}

static inline void check_outer_udp(const struct check *c, const uint8_t *udp)
{
	uint8_t expected[8] = {};

	expected[0] = udp[0] | 0xc0; /* the port it is from is the flow's own */
	expected[1] = udp[1];
	traffic_put16(expected + 2, c->traffic->service->gue_port);
	traffic_put16(expected + 4, BENCH_FRAME_LEN - 14 + sizeof(expected));
	check_same(c, udp, expected, sizeof(expected), " of the outer UDP header");
}

/* A tunnel's own headers: from our address, to whom it may concern; check_expect() looks at that. */
static inline void check_outer(const struct check *c, const uint8_t *ip)
{
	bool is_v4 = c->traffic->frame.family == BENCH_IP4;
	bool is_gue = c->traffic->service->forwarding == SERIN_FORWARDING_GUE;
	size_t ip_len = is_v4 ? 20 : 40, addr_len = is_v4 ? 4 : 16, src = is_v4 ? 12 : 8;
	size_t len = BENCH_FRAME_LEN - 14 + check_outer_len(c->traffic);
	struct in6_addr from = world_addr(is_v4 ? "10.1.255.1" : "2001:db8:1::ffff");
	uint8_t expected[40] = {}, inner = is_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;

	traffic_put_ip(expected, is_v4, is_gue ? IPPROTO_UDP : inner);
	traffic_put16(expected + (is_v4 ? 2 : 4), (uint16_t)(is_v4 ? len : len - ip_len));
	memcpy(expected + src, &from.s6_addr[16 - addr_len], addr_len);
	memcpy(expected + src + addr_len, ip + src + addr_len, addr_len);
	if (is_v4) {
		memcpy(expected + 10, ip + 10, 2);
		if (!check_folds(traffic_sum(ip, ip_len, 0)))
			check_fail(c, "wrong outer IPv4 checksum");
	} else { /* the flow label is the flow's own */
		expected[1] = ip[1] & 0x0f;
		memcpy(expected + 2, ip + 2, 2);
	}
	check_same(c, ip, expected, ip_len, " of the outer IP header");
	if (is_gue)
		check_outer_udp(c, ip + ip_len);
}

/* By dsr, the only sign of the backend is whom the frame is addressed to. */
static inline struct in6_addr check_owner(const struct check *c, const uint8_t *frame)
{
	const struct model_service *svc = c->traffic->service;
	uint8_t mac[6];

	for (size_t p = 0; p < svc->pool_count; p++)
		for (size_t b = 0; b < svc->pools[p].backend_count; b++) {
			world_mac(&svc->pools[p].backends[b].address, mac);
			if (!memcmp(mac, frame, sizeof(mac)))
				return svc->pools[p].backends[b].address;
		}
	check_fail(c, "it was addressed to no backend of the service");
}

/* fullnat's request has to come from one of its sources; that a flow has one to itself, its reply
 * says. */
static inline void check_source(const struct check *c, const uint8_t *out)
{
	const struct model_service *svc = c->traffic->service;
	struct in6_addr from = check_addr(out, false);
	uint16_t port = check_port(out, false);

	for (size_t i = 0; i < svc->source_count; i++)
		if (!memcmp(&svc->sources[i].prefix, &from, sizeof(from)) &&
		    port >= svc->source_port_low && port <= svc->source_port_high)
			return;
	check_fail(c, "it comes from none of the service's sources");
}

/* The client that the source of a reply stands for. */
static inline struct bench_far4 check_client(const struct check *c)
{
	const struct traffic_near *near = c->traffic->near;

	for (uint32_t flow = 0; flow < near->flows; flow++)
		if (near->source_of[flow] == world.order[c->turn].flow)
			return bench_client4(flow);
	check_fail(c, "a reply to nobody");
}

/* ---- all of it ---- */

static inline void check_expect_request(const struct check *c, const uint8_t *in,
					const uint8_t *out, uint8_t *expected)
{
	enum serin_forwarding forwarding = c->traffic->service->forwarding;
	bool is_dsr = forwarding == SERIN_FORWARDING_DSR;
	struct in6_addr to = is_dsr ? check_owner(c, out) : check_addr(out, true), from;
	uint16_t port = c->traffic->service->port;

	if (model_forwarding_returns(forwarding)) {
		port = check_port(out, true);
		check_put(expected, &to, port, true);
	}
	if (forwarding == SERIN_FORWARDING_FULLNAT) {
		check_source(c, out);
		from = check_addr(out, false);
		check_put(expected, &from, check_port(out, false), false);
	}
	check_backend(c, in, &to, port);
	world_mac(&to, expected);
}

static inline void check_expect_reply(const struct check *c, const uint8_t *in, uint8_t *expected)
{
	const struct model_service *svc = c->traffic->service;
	struct in6_addr next = world_addr(in[12] == 0x08 ? "10.1.0.253" : "2001:db8:1::fd"), to;

	check_put(expected, &svc->vip, svc->port, false);
	if (svc->forwarding == SERIN_FORWARDING_FULLNAT) {
		struct bench_far4 client = check_client(c);
		uint32_t addr_be = htonl(client.addr);

		to = next;
		memcpy(&to.s6_addr[12], &addr_be, sizeof(addr_be));
		check_put(expected, &to, client.port, true);
	}
	world_mac(&next, expected);
}

/* What came in, as it has to go out, but for the checksums and what goes before it in a tunnel. */
static inline void check_expect(const struct check *c, const uint8_t *in, const uint8_t *out,
				uint8_t *expected)
{
	memcpy(expected, in, BENCH_FRAME_LEN);
	if (c->traffic->frame.is_reply)
		check_expect_reply(c, in, expected);
	else
		check_expect_request(c, in, out, expected);
	memcpy(expected + 6, world_nic_mac, 6);
	expected[in[12] == 0x08 ? 22 : 21]--;
}

static inline void check_forwarded(const struct check *c, const struct outcome *in,
				   const struct outcome *out)
{
	bool is_v4 = c->traffic->frame.family == BENCH_IP4;
	size_t l4_check = traffic_l4_offset(is_v4) + (c->traffic->frame.is_udp ? 6 : 16);
	uint8_t expected[BENCH_FRAME_LEN], inner[BENCH_FRAME_LEN];
	size_t outer_len = check_outer_len(c->traffic);

	if (out->action != traffic_action(c->traffic))
		check_fail(c, "was not sent out, or by the wrong NIC");
	if (out->len != BENCH_FRAME_LEN + outer_len)
		check_fail(c, "has a wrong length");
	if (outer_len)
		check_outer(c, out->bytes + 14);
	memcpy(inner, out->bytes, 14);
	memcpy(inner + 14, out->bytes + 14 + outer_len, sizeof(inner) - 14);
	check_sums(c, inner);
	check_expect(c, in->bytes, out->bytes, expected);
	if (is_v4)
		memcpy(expected + 24, inner + 24, 2);
	memcpy(expected + l4_check, inner + l4_check, 2);
	check_same(c, inner, expected, sizeof(inner), "");
}

static inline void check_passed(const struct check *c, const struct outcome *in,
				const struct outcome *out)
{
	if (out->action != XDP_PASS)
		check_fail(c, "did not pass");
	if (out->len != in->len || memcmp(in->bytes, out->bytes, in->len))
		check_fail(c, "was changed");
}

/* What came out: the same packet a second time has to fare alike. */
static inline void check_turn(const struct check *c, const struct outcome *in)
{
	struct outcome out = {}, again = {};

	traffic_send(c->traffic, c->who, c->turn, 1, &out);
	if (c->traffic->service)
		check_forwarded(c, in, &out);
	else
		check_passed(c, in, &out);
	traffic_send(c->traffic, c->who, c->turn, 1, &again);
	if (again.action != out.action || memcmp(again.bytes, out.bytes, out.len))
		check_fail(c, "the same packet again fared otherwise");
}

/* What goes in, as one sees it who sends it back untouched. */
static inline void check_input(const struct check *c, struct outcome *in)
{
	traffic_prepare(c->traffic, CONTENDER_FLOOR, c->turn);
	world.driver->bss->run.side = world_side(c->who);
	world_run(world.driver->progs.driver, 1, in);
	check_sums(c, in->bytes);
}

/* Looks at turns from all over [first, first + turns) of the order table; all inputs first, so that
 * the driver need not be told twice for each whom to call. */
static inline void check_sample(const char *name, const struct traffic *t, uint32_t first,
				uint32_t turns)
{
	static struct outcome in[TRAFFIC_SAMPLE];
	struct check c = {.name = name, .traffic = t};

	for (c.who = CONTENDER_SERIN; c.who < CONTENDER_MAX; c.who++) {
		if (!traffic_is_for(t->service, c.who))
			continue;
		for (uint32_t i = 0; i < TRAFFIC_SAMPLE; i++) {
			c.turn = first + (uint32_t)((uint64_t)i * turns / TRAFFIC_SAMPLE);
			check_input(&c, &in[i]);
		}
		for (uint32_t i = 0; i < TRAFFIC_SAMPLE; i++) {
			c.turn = first + (uint32_t)((uint64_t)i * turns / TRAFFIC_SAMPLE);
			check_turn(&c, &in[i]);
		}
	}
}

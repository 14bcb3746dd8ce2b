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

/* What came in, as it has to go out, but for the checksums. */
static inline void check_expect(const struct check *c, const uint8_t *in, const uint8_t *out,
				uint8_t *expected)
{
	const struct model_service *svc = c->traffic->service;
	size_t l4 = traffic_l4_offset(in[12] == 0x08);
	struct in6_addr to = check_addr(out, true), next = to;
	uint16_t port = (uint16_t)(out[l4 + 2] << 8 | out[l4 + 3]);

	memcpy(expected, in, BENCH_FRAME_LEN);
	if (c->traffic->frame.is_reply) {
		next = world_addr(net_is_v4(&to) ? "10.1.0.253" : "2001:db8:1::fd");
		check_put(expected, &svc->vip, svc->port, false);
	} else {
		check_backend(c, in, &to, port);
		check_put(expected, &to, port, true);
	}
	world_mac(&next, expected);
	memcpy(expected + 6, world_nic_mac, 6);
	expected[net_is_v4(&to) ? 22 : 21]--;
}

static inline void check_forwarded(const struct check *c, const struct outcome *in,
				   const struct outcome *out)
{
	bool is_v4 = c->traffic->frame.family == BENCH_IP4;
	size_t l4_check = traffic_l4_offset(is_v4) + (c->traffic->frame.is_udp ? 6 : 16);
	uint8_t expected[BENCH_FRAME_LEN];
	char what[64];

	if (out->action != traffic_action(c->traffic))
		check_fail(c, "was not sent out, or by the wrong NIC");
	if (out->len != BENCH_FRAME_LEN)
		check_fail(c, "changed its length");
	check_sums(c, out->bytes);
	check_expect(c, in->bytes, out->bytes, expected);
	if (is_v4)
		memcpy(expected + 24, out->bytes + 24, 2);
	memcpy(expected + l4_check, out->bytes + l4_check, 2);
	for (int i = 0; i < BENCH_FRAME_LEN; i++) {
		if (expected[i] == out->bytes[i])
			continue;
		snprintf(what, sizeof(what), "byte %d is %02x and not %02x", i, out->bytes[i],
			 expected[i]);
		check_fail(c, what);
	}
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

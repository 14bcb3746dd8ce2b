/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the packets: templates of frames, the order flows take turns in, and the check, byte by
 * byte and with every checksum summed anew, that a program did to them what a balancer has to. For
 * inclusion by packet_bench.c.
 */
#pragma once

#include <math.h>

#include "models.h"

#define TRAFFIC_SYN	   0x02
#define TRAFFIC_ACK	   0x10
#define TRAFFIC_TTL	   64
#define TRAFFIC_FRESH	   (1u << 24) /* from here on flows nobody has seen */
#define TRAFFIC_TURNS_MIN  131072u    /* for one flow, too: the order table costs alike */
#define TRAFFIC_ZIPF_TURNS (4u << 20)
#define TRAFFIC_SAMPLE	   64

/* What is sent, and what a right program does with it. */
struct traffic {
	const struct model_service *service; /* NULL: none of Serin's business */
	const char *pool;		     /* where it has to go; NULL: any of the service's */
	const struct model *any_of; /* not NULL: the destination may be any service of this */
	struct bench_frame frame;
	const struct traffic_near *near; /* whose sources the turns of fullnat's replies are */
	uint32_t turns;			 /* in the order table; a power of two */
	bool is_redirected;		 /* its backends are behind the other NIC */
};

/* Can this one do it at all? The textbook balancer knows nat alone. */
static inline bool traffic_is_for(const struct model_service *svc, enum contender who)
{
	return who != CONTENDER_TEXTBOOK || !svc || svc->forwarding == SERIN_FORWARDING_NAT;
}

static inline uint32_t traffic_action(const struct traffic *t)
{
	if (!t->service)
		return XDP_PASS;
	return t->is_redirected ? XDP_REDIRECT : XDP_TX;
}

static uint64_t traffic_rng = 0x3c6ef372fe94f82bull;

static inline uint64_t traffic_random(void) /* xorshift64* */
{
	traffic_rng ^= traffic_rng >> 12;
	traffic_rng ^= traffic_rng << 25;
	traffic_rng ^= traffic_rng >> 27;
	return traffic_rng * 0x2545f4914f6cdd1dull;
}

/* ---- frames ---- */

static inline void traffic_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Of 16-bit words as they are in memory, like everything in the driver. */
static inline uint32_t traffic_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2) {
		uint16_t word;

		memcpy(&word, data + i, 2);
		sum += word;
	}
	return sum;
}

static inline size_t traffic_l4_offset(bool is_v4)
{
	return is_v4 ? 34 : 54;
}

/* The sum of the pseudo header and the segment; right if it folds to 0xffff. */
static inline uint32_t traffic_l4_sum(const uint8_t *bytes, size_t len, bool is_v4,
				      uint8_t protocol)
{
	size_t l4 = traffic_l4_offset(is_v4), l4_len = BENCH_FRAME_LEN - l4;
	uint32_t sum = (uint32_t)htons(protocol) + htons((uint16_t)l4_len);

	sum = is_v4 ? traffic_sum(bytes + 26, 8, sum) : traffic_sum(bytes + 22, 32, sum);
	return traffic_sum(bytes + l4, len - l4, sum);
}

static inline void traffic_put_l4(uint8_t *l4, uint8_t protocol, uint8_t tcp_flags, size_t len)
{
	if (protocol == IPPROTO_UDP) {
		traffic_put16(l4 + 4, (uint16_t)len);
		return;
	}
	traffic_put16(l4 + 6, 1);			  /* sequence number */
	traffic_put16(l4 + 10, tcp_flags != TRAFFIC_SYN); /* and what it acknowledges */
	l4[12] = 5 << 4;
	l4[13] = tcp_flags;
	traffic_put16(l4 + 14, 64240);
}

static inline void traffic_put_ip(uint8_t *ip, bool is_v4, uint8_t protocol)
{
	if (is_v4) {
		ip[0] = 0x45;
		traffic_put16(ip + 2, BENCH_FRAME_LEN - 14);
		traffic_put16(ip + 6, 0x4000);
		ip[8] = TRAFFIC_TTL;
		ip[9] = protocol;
		return;
	}
	ip[0] = 0x60;
	traffic_put16(ip + 4, BENCH_FRAME_LEN - 54);
	ip[6] = protocol;
	ip[7] = TRAFFIC_TTL;
}

/* The near side's address without its low 16 bits, and of an IPv6 client what all have alike. */
static inline void traffic_put_addresses(uint8_t *ip, bool is_reply, const struct in6_addr *near)
{
	uint8_t *src = ip + (net_is_v4(near) ? 12 : 8), *dst = ip + (net_is_v4(near) ? 16 : 24);
	uint8_t *near_at = is_reply ? src : dst, *client_at = is_reply ? dst : src;

	if (net_is_v4(near)) {
		memcpy(near_at, &near->s6_addr[12], 2);
		return;
	}
	memcpy(near_at, near, 14);
	memcpy(client_at, (const uint8_t[4]){0x20, 0x01, 0x0d, 0xb8}, 4);
	client_at[15] = 1;
}

static inline void traffic_template(struct bench_frame *f, const struct in6_addr *near,
				    uint16_t near_port, uint8_t protocol, uint8_t tcp_flags,
				    bool is_reply)
{
	bool is_v4 = net_is_v4(near);
	size_t l4 = traffic_l4_offset(is_v4);
	struct in6_addr clients = world_addr(is_v4 ? "10.1.0.253" : "2001:db8:1::fd");

	memset(f, 0, sizeof(*f));
	f->family = is_v4 ? BENCH_IP4 : BENCH_IP6;
	f->is_reply = is_reply;
	f->is_udp = protocol == IPPROTO_UDP;
	memcpy(f->bytes, world_nic_mac, 6);
	world_mac(is_reply ? near : &clients, f->bytes + 6);
	traffic_put16(f->bytes + 12, is_v4 ? 0x0800 : 0x86dd);
	traffic_put_ip(f->bytes + 14, is_v4, protocol);
	traffic_put_addresses(f->bytes + 14, is_reply, near);
	traffic_put16(f->bytes + l4 + (is_reply ? 0 : 2), near_port);
	traffic_put_l4(f->bytes + l4, protocol, tcp_flags, BENCH_FRAME_LEN - l4);
	f->ip_sum = is_v4 ? traffic_sum(f->bytes + 14, 20, 0) : 0;
	f->l4_sum = traffic_l4_sum(f->bytes, BENCH_HEAD_LEN, is_v4, protocol);
}

static inline void traffic_request(struct traffic *t, const struct model_service *svc,
				   uint8_t tcp_flags)
{
	t->service = svc;
	traffic_template(&t->frame, &svc->vip, svc->port, svc->protocol, tcp_flags, false);
}

static inline void traffic_reply(struct traffic *t, const struct model_service *svc,
				 uint8_t tcp_flags)
{
	const struct model_backend *b = &svc->pools[0].backends[0];

	t->service = svc;
	traffic_template(&t->frame, &b->address, b->port, svc->protocol, tcp_flags, true);
	t->frame.is_to_source = svc->forwarding == SERIN_FORWARDING_FULLNAT;
}

static inline void traffic_arp(struct traffic *t)
{
	static const uint8_t request[28] = {0,	1, 8, 0,   6, 4, 0, 1, 2, 0, 0,	 0, 4,	 253,
					    10, 1, 0, 253, 0, 0, 0, 0, 0, 0, 10, 1, 255, 1};

	memset(&t->frame, 0, sizeof(t->frame));
	memset(t->frame.bytes, 0xff, 6);
	memcpy(t->frame.bytes + 6, request + 8, 6);
	traffic_put16(t->frame.bytes + 12, 0x0806);
	memcpy(t->frame.bytes + 14, request, sizeof(request));
}

/* ---- whose turn it is ---- */

/* The near side of a flow's packets. */
struct traffic_near {
	uint16_t fixed_be;	      /* everybody's, without `of` */
	uint16_t *of[BENCH_SIDE_MAX]; /* or by flow */
	uint32_t spread;	      /* or, not 0, this many addresses from .0.0 on in turn */
	uint32_t *source_of; /* of each flow what fullnat put in its client's place, or NULL */
	uint32_t flows;	     /* in source_of */
};

static inline uint16_t traffic_low_be(const struct in6_addr *a)
{
	uint16_t low;

	memcpy(&low, &a->s6_addr[14], 2);
	return low;
}

static inline void traffic_set_turn(uint32_t turn, uint32_t flow, const struct traffic_near *near)
{
	for (int side = 0; side < BENCH_SIDE_MAX; side++) {
		uint16_t low_be = near->fixed_be;

		if (near->spread)
			low_be = htons((uint16_t)(flow % near->spread));
		else if (near->of[side])
			low_be = near->of[side][flow];
		world.order[turn].near_be[side] = low_be;
	}
	world.order[turn].flow = near->source_of ? near->source_of[flow] : flow;
}

static inline uint32_t traffic_turns(uint32_t flows)
{
	return flows < TRAFFIC_TURNS_MIN ? TRAFFIC_TURNS_MIN : flows;
}

/* One flow after the other. Returns the number of turns, as the next two do. */
static inline uint32_t traffic_in_sequence(uint32_t first, uint32_t flows,
					   const struct traffic_near *near)
{
	for (uint32_t i = 0; i < traffic_turns(flows); i++)
		traffic_set_turn(i, first + i % flows, near);
	return traffic_turns(flows);
}

/* Each flow as often as any other, in an order no cache or prefetcher can know. */
static inline uint32_t traffic_permuted(uint32_t flows, const struct traffic_near *near)
{
	uint32_t turns = traffic_in_sequence(0, flows, near);

	for (uint32_t block = 0; block < turns; block += flows) {
		for (uint32_t i = flows - 1; i > 0; i--) {
			uint32_t j = (uint32_t)((traffic_random() >> 32) * (i + 1) >> 32);
			struct bench_turn swap = world.order[block + i];

			world.order[block + i] = world.order[block + j];
			world.order[block + j] = swap;
		}
	}
	return turns;
}

/* Flows drawn by Zipf's law with s = 1: the k-th most frequent with probability in 1/k. */
static inline uint32_t traffic_zipf(uint32_t flows, const struct traffic_near *near)
{
	double *below = models_alloc(flows, sizeof(*below)), sum = 0;

	for (uint32_t rank = 0; rank < flows; rank++)
		below[rank] = sum += 1.0 / (rank + 1);
	for (uint32_t i = 0; i < TRAFFIC_ZIPF_TURNS; i++) {
		double x = ldexp((double)(traffic_random() >> 11), -53) * sum;
		uint32_t low = 0, high = flows - 1;

		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (below[middle] <= x)
				low = middle + 1;
			else
				high = middle;
		}
		/* An odd factor permutes: frequent flows are no neighbours. */
		traffic_set_turn(i, low * 0x9e3779b1u & (flows - 1), near);
	}
	free(below);
	return TRAFFIC_ZIPF_TURNS;
}

/* ---- sending ---- */

static inline void traffic_prepare(const struct traffic *t, enum contender who, uint64_t start)
{
	struct bench_run *run = &world.driver->bss->run;

	world_call(world_fd(who));
	run->frame = t->frame;
	run->side = world_side(who);
	run->mask = t->turns - 1;
	run->start = start;
}

static inline void traffic_send(const struct traffic *t, enum contender who, uint64_t start,
				uint32_t packets, struct outcome *out)
{
	traffic_prepare(t, who, start);
	world_run(world.driver->progs.driver, packets, out);
}

/* The same packet of flows 0, 1, ... to both balancers, or to the one that can do it. */
static inline void traffic_send_all(const struct model_service *svc, uint8_t tcp_flags,
				    uint32_t flows, const struct traffic_near *near)
{
	struct traffic t = {.turns = traffic_in_sequence(0, flows, near)};
	struct outcome out;

	traffic_request(&t, svc, tcp_flags);
	for (enum contender who = CONTENDER_SERIN; who < CONTENDER_MAX; who++)
		if (traffic_is_for(svc, who))
			traffic_send(&t, who, 0, flows, &out);
}

/* Both balancers see how flows 0, 1, ... begin: SYN and ACK, or a datagram. */
static inline void traffic_establish_near(const struct model_service *svc, uint32_t flows,
					  const struct traffic_near *near)
{
	traffic_send_all(svc, TRAFFIC_SYN, flows, near);
	if (svc->protocol == IPPROTO_TCP)
		traffic_send_all(svc, TRAFFIC_ACK, flows, near);
}

static inline void traffic_establish(const struct model_service *svc, uint32_t flows)
{
	const struct traffic_near near = {.fixed_be = traffic_low_be(&svc->vip)};

	traffic_establish_near(svc, flows, &near);
}

/* Flows that are there send one packet more each. */
static inline void traffic_go_on(const struct model_service *svc, uint32_t flows)
{
	const struct traffic_near near = {.fixed_be = traffic_low_be(&svc->vip)};

	traffic_send_all(svc, TRAFFIC_ACK, flows, &near);
}

/* Is this the low end of a backend's address? Else the packet it is of went nowhere. */
static inline bool traffic_is_backend(const struct model_service *svc, uint16_t low_be)
{
	for (size_t p = 0; p < svc->pool_count; p++)
		for (size_t b = 0; b < svc->pools[p].backend_count; b++)
			if (traffic_low_be(&svc->pools[p].backends[b].address) == low_be)
				return true;
	return false;
}

/* Asks each of the flows where it goes: near->of gets the low 16 bits of its backend's address. */
static inline void traffic_learn(const struct model_service *svc, uint32_t flows,
				 struct traffic_near *near)
{
	struct traffic_near vip = {.fixed_be = traffic_low_be(&svc->vip)};
	struct traffic t = {};
	struct outcome out;

	traffic_request(&t, svc, TRAFFIC_ACK);
	memset(near, 0, sizeof(*near));
	for (enum contender who = CONTENDER_SERIN; who < CONTENDER_MAX; who++) {
		enum bench_side side = world_side(who);

		t.turns = traffic_in_sequence(0, flows, &vip);
		traffic_prepare(&t, who, 0);
		world_run(world.driver->progs.learner, flows + 1, &out);
		near->of[side] = models_alloc(flows, sizeof(*near->of[side]));
		for (uint32_t i = 0; i < flows; i++) {
			near->of[side][i] = world.order[i].near_be[side];
			if (!traffic_is_backend(svc, near->of[side][i]))
				die("%s: flow %u went to none of its backends", svc->name, i);
		}
	}
}

/* Sends the SYNs of flows 0, 1, ... by fullnat, which is Serin's alone, and looks at what leaves. */
static inline void traffic_learn_sources(const struct model_service *svc, uint32_t flows,
					 struct traffic_near *near)
{
	struct traffic_near vip = {.fixed_be = traffic_low_be(&svc->vip)};
	struct traffic t = {.turns = traffic_in_sequence(0, flows, &vip)};
	struct outcome out;

	traffic_request(&t, svc, TRAFFIC_SYN);
	*near = (struct traffic_near){.flows = flows};
	near->of[BENCH_SIDE_SUBJECT] = models_alloc(flows, sizeof(uint16_t));
	near->source_of = models_alloc(flows, sizeof(*near->source_of));
	for (uint32_t i = 0; i < flows; i++) {
		uint16_t *backend = &near->of[BENCH_SIDE_SUBJECT][i];
		const uint8_t *ip = out.bytes + 14;

		traffic_send(&t, CONTENDER_SERIN, i, 1, &out);
		memcpy(backend, ip + 18, sizeof(*backend));
		near->source_of[i] = (uint32_t)ip[14] << 24 | (uint32_t)ip[15] << 16 |
				     (uint32_t)ip[20] << 8 | ip[21];
		if (!traffic_is_backend(svc, *backend))
			die("%s: flow %u went to none of its backends", svc->name, i);
	}
}

/* A connection by fullnat is an established one when Serin has seen all of its handshake. */
static inline void traffic_shake_hands(const struct model_service *svc, uint32_t flows,
				       struct traffic_near *near)
{
	const struct traffic_near vip = {.fixed_be = traffic_low_be(&svc->vip)};
	struct traffic answers = {};
	struct outcome out;

	traffic_learn_sources(svc, flows, near);
	traffic_reply(&answers, svc, TRAFFIC_SYN | TRAFFIC_ACK);
	answers.turns = traffic_in_sequence(0, flows, near);
	traffic_send(&answers, CONTENDER_SERIN, 0, flows, &out);
	traffic_send_all(svc, TRAFFIC_ACK, flows, &vip);
}

static inline void traffic_forget(struct traffic_near *near)
{
	for (int side = 0; side < BENCH_SIDE_MAX; side++)
		free(near->of[side]);
	free(near->source_of);
}

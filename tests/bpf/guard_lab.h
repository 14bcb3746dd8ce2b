/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services of the tests of guards, whose canary has all of the weight, and what fails and is
 * answered there. For inclusion by one test program each.
 */
#pragma once

#include "signals_lab.h"

#include "dataplane/internal.h"
#include "lib/rtnl.h"

#define BUDGET	   3
#define WINDOW_S   10
#define RECOVER_S  30
#define BREAKER	   ", breaker: {failures: 3, window: 10, recover: 30}"
#define FAILOVER   ", syn_failover: 2"
#define EXPOSURE   ", exposure: {flows_per_second: 10}"
#define CAP	   10
#define SEATED	   ", exposure: {flows: 5}"
#define SEATS	   5
#define FAILOVER_K 2

static const struct talk_way ways[] = {
	{"b-nat4", "nat", "192.0.2.11", "10.1.0.1", "", BREAKER, IPPROTO_TCP},
	{"b-nat6", "nat", "2001:db8:ff::11", "2001:db8:1::1", "", BREAKER, IPPROTO_TCP},
	{"b-tracked4", "nat", "192.0.2.12", "10.1.0.2", "", BREAKER ", track: always", IPPROTO_TCP},
	{"b-full4", "fullnat", "192.0.2.13", "10.1.0.3", "10.8.0.13", BREAKER, IPPROTO_TCP},
	{"b-full6", "fullnat", "2001:db8:ff::13", "2001:db8:1::3", "2001:db8:8::13", BREAKER,
	 IPPROTO_TCP},
	{"b-udp4", "nat", "192.0.2.14", "10.1.0.4", "", BREAKER, IPPROTO_UDP},
	{"f-nat4", "nat", "192.0.2.21", "10.1.0.11", "", FAILOVER, IPPROTO_TCP},
	{"f-nat6", "nat", "2001:db8:ff::21", "2001:db8:1::b", "", FAILOVER, IPPROTO_TCP},
	{"f-tracked4", "nat", "192.0.2.22", "10.1.0.12", "", FAILOVER ", track: always",
	 IPPROTO_TCP},
	{"f-full4", "fullnat", "192.0.2.23", "10.1.0.13", "10.8.0.23", FAILOVER, IPPROTO_TCP},
	{"f-full6", "fullnat", "2001:db8:ff::23", "2001:db8:1::d", "2001:db8:8::23", FAILOVER,
	 IPPROTO_TCP},
	{"e-nat4", "nat", "192.0.2.31", "10.1.0.15", "", EXPOSURE, IPPROTO_TCP},
	{"e-full6", "fullnat", "2001:db8:ff::33", "2001:db8:1::f", "2001:db8:8::33", EXPOSURE,
	 IPPROTO_TCP},
	{"e-udp4", "nat", "192.0.2.34", "10.1.0.16", "", EXPOSURE, IPPROTO_UDP},
	{"s-nat4", "nat", "192.0.2.41", "10.1.0.17", "", SEATED, IPPROTO_TCP},
	{"s-nat6", "nat", "2001:db8:ff::41", "2001:db8:1::6", "", SEATED, IPPROTO_TCP},
	{"s-full4", "fullnat", "192.0.2.43", "10.1.0.18", "10.8.0.43", SEATED, IPPROTO_TCP},
	{"s-full6", "fullnat", "2001:db8:ff::43", "2001:db8:1::8", "2001:db8:8::43", SEATED,
	 IPPROTO_TCP},
	{"s-udp4", "nat", "192.0.2.44", "10.1.0.19", "", SEATED, IPPROTO_UDP},
	{"none4", "nat", "192.0.2.15", "10.1.0.5", "", "", IPPROTO_TCP},
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static struct dataplane *dp; /* open as long as a test runs */
static uint16_t next_client;

static inline unsigned int canary_of(const struct talk_way *w)
{
	return (unsigned int)strtoul(strrchr(w->backend, way_is_v4(w) ? '.' : ':') + 1, NULL,
				     way_is_v4(w) ? 10 : 16);
}

/* No two services have one: sharing it, they would remember all flows. */
static inline unsigned int primary_of(const struct talk_way *w)
{
	return canary_of(w) + 80;
}

static inline void describe(FILE *yaml, const struct talk_way *w)
{
	bool is_fullnat = !strcmp(w->forwarding, "fullnat");
	char primary[NET_ADDR_LEN];

	snprintf(primary, sizeof(primary), way_is_v4(w) ? "10.1.0.%u" : "2001:db8:1::%x",
		 primary_of(w));
	fprintf(yaml, "  - {name: %s, vip: '%s', port: 80, protocol: %s, forwarding: %s", w->name,
		w->vip, model_protocol_name(w->protocol), w->forwarding);
	if (is_fullnat)
		fprintf(yaml, ", source_addresses: ['%s'], source_ports: 20000-29999", w->source);
	fprintf(yaml,
		"%s, primary: stable, pools: [{name: canary, weight: 100, backends: [{address: "
		"'%s'}]}, {name: stable, backends: [{address: '%s'}]}]}\n",
		w->settings, w->backend, primary);
}

static inline void apply(const char *head)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(head, yaml);
	for (size_t i = 0; i < WAYS; i++)
		describe(yaml, &ways[i]);
	fclose(yaml);
	lab_apply(text);
	free(text);
}

static inline int start_with(const char *head)
{
	lab_teardown(NULL);
	apply(head);
	talk_open_samples();
	dp = lab_open(DATAPLANE_WRITE);
	return 0;
}

static inline int start(void **state)
{
	(void)state;
	return start_with(LAB_HEAD);
}

static inline int start_hasty(void **state)
{
	(void)state;
	return start_with(LAB_HASTY_HEAD(1));
}

static inline int stop(void **state)
{
	(void)state;
	dataplane_close(dp);
	munmap(talk_samples, SERIN_SAMPLES * sizeof(*talk_samples));
	return 0;
}

/* ---- flows ---- */

/* Of a client that was not there before. */
static inline struct talk new_talk(const struct talk_way *w)
{
	char client[NET_ADDR_LEN];

	next_client++;
	snprintf(client, sizeof(client), way_is_v4(w) ? "198.51.%u.%u" : "2001:db8:c::%x:%x",
		 100 + next_client / 200, 1 + next_client % 200);
	return talk_from(w, client, 4000);
}

/* Where a packet of the client's goes. */
static inline unsigned int send_to(struct talk *t, uint8_t flags, uint32_t seq)
{
	struct frame f = t->request;
	struct outcome out;

	f.tcp_flags = flags;
	talk_run(&f, seq, &out);
	talk_learn_reply(t, out.bytes);
	return lab_host_of(&out);
}

static inline unsigned int begin(struct talk *t)
{
	return send_to(t, FRAME_SYN, 7);
}

static inline void answer(struct talk *t)
{
	if (t->way->protocol == IPPROTO_UDP)
		talk_answer(t, 0, 0, 10);
	else
		talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
}

static inline void fail_flow(struct talk *t)
{
	if (t->way->protocol == IPPROTO_UDP)
		talk_unreachable(t);
	else
		talk_answer(t, FRAME_RST | FRAME_ACK, 0, 0);
}

/* A new flow, which must go to the guarded pool, fails. */
static inline void fail_one(const struct talk_way *w)
{
	struct talk t = new_talk(w);

	assert_int_equal(begin(&t), canary_of(w));
	fail_flow(&t);
}

static inline void trip(const struct talk_way *w)
{
	for (int i = 0; i < BUDGET; i++)
		fail_one(w);
}

static inline void expect_next(const struct talk_way *w, unsigned int host)
{
	struct talk t = new_talk(w);
	unsigned int went = begin(&t);

	if (went != host)
		fail_msg("%s: a new flow went to %u, not %u", w->name, went, host);
}

static inline struct serin_guard *guard_of(const struct talk_way *w, const char *pool)
{
	int64_t id = dp_service_find(dp, w->name);

	assert_true(id >= 0);
	return &dp->guards[dp_pool_index((uint32_t)id,
					 (uint32_t)dp_pool_find(dp, (uint32_t)id, pool))];
}

static inline enum serin_breaker_state state_of(const struct talk_way *w)
{
	return dp_breaker_state(guard_of(w, "canary"));
}

static inline uint64_t diverts_of(const struct talk_way *w)
{
	return dp->services[dp_service_find(dp, w->name)].diverts;
}

static inline uint64_t jiffies_of(int seconds)
{
	return (uint64_t)seconds * (uint64_t)dp_ticks_per_second();
}

/* As if all that the breaker remembers had been so long ago. */
static inline void age_breaker(const struct talk_way *w, int seconds)
{
	struct serin_guard *g = guard_of(w, "canary");

	g->phase -= jiffies_of(seconds) << SERIN_PHASE_SHIFT;
	if (g->probe)
		g->probe -= jiffies_of(seconds);
	if (g->window)
		g->window -= jiffies_of(seconds) << SERIN_WINDOW_SHIFT;
}

#define EACH_GUARDED(w)                                             \
	for (const struct talk_way *w = ways; w < ways + WAYS; w++) \
		if (!strncmp(w->settings, BREAKER, strlen(BREAKER)))

#define EACH_SEATED(w)                                              \
	for (const struct talk_way *w = ways; w < ways + WAYS; w++) \
		if (!strncmp(w->settings, SEATED, strlen(SEATED)))

#define EACH_FAILING_OVER(w)                                        \
	for (const struct talk_way *w = ways; w < ways + WAYS; w++) \
		if (!strncmp(w->settings, FAILOVER, strlen(FAILOVER)))

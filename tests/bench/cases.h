/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the cases: for each a fresh table, the flows established through the program itself as
 * clients would, and then the packets that are timed. For inclusion by packet_bench.c.
 */
#pragma once

#include "measure.h"

#define CASES_1	   1u
#define CASES_1K   1024u
#define CASES_131K 131072u
#define CASES_1M   1048576u
#define CASES_8M   8388608u

#define CASES_EMPTY_CHUNKS 8 /* new flows into an empty table: few, so that it stays so */

/* The table is the default one, or four times as large as what is in it. */
static inline uint32_t cases_limit(uint32_t flows)
{
	if (flows > CASES_1M)
		return 2 * flows;
	return flows < CASES_1M ? CASES_1M : 4 * flows;
}

/* Both balancers anew with the standard model, and where `flows` of a service are established. */
struct scene {
	struct model *model;
	const struct model_service *service;
	struct traffic_near vip;
	uint32_t flows;
};

static inline void scene_begin_with(struct scene *s, struct model *m, const char *service,
				    uint32_t flows)
{
	s->model = m;
	s->flows = flows;
	s->service = model_find_service(s->model, service);
	s->vip = (struct traffic_near){.fixed_be = traffic_low_be(&s->service->vip)};
	world_load(s->model);
}

static inline void scene_begin(struct scene *s, const char *service, uint32_t flows, uint32_t limit)
{
	scene_begin_with(s, models_standard(limit), service, flows);
}

static inline void scene_end(struct scene *s)
{
	model_free(s->model);
}

static inline struct measurement *measurement_new(void)
{
	struct measurement *m = models_alloc(1, sizeof(*m));

	m->subject_fd = -1;
	return m;
}

/* ---- flows that are there ---- */

static inline void case_established(const struct scene *s, const char *name, const char *pool)
{
	struct measurement *m = measurement_new();

	traffic_request(&m->traffic, s->service, TRAFFIC_ACK);
	m->traffic.pool = pool;
	m->traffic.turns = traffic_permuted(s->flows, &s->vip);
	measure(name, s->flows, m);
	free(m);
}

static inline void case_zipf(const struct scene *s, const char *name)
{
	struct measurement *m = measurement_new();

	traffic_request(&m->traffic, s->service, TRAFFIC_ACK);
	m->traffic.turns = traffic_zipf(s->flows, &s->vip);
	measure(name, s->flows, m);
	free(m);
}

static inline void case_reply_from(const struct scene *s, const char *name,
				   const struct traffic_near *backends)
{
	struct measurement *m = measurement_new();

	traffic_reply(&m->traffic, s->service, TRAFFIC_ACK);
	m->traffic.near = backends;
	m->traffic.turns = traffic_permuted(s->flows, backends);
	measure(name, s->flows, m);
	free(m);
}

static inline void case_reply(const struct scene *s, const char *name)
{
	struct traffic_near backends;

	traffic_learn(s->service, s->flows, &backends);
	case_reply_from(s, name, &backends);
	traffic_forget(&backends);
}

/* SYNs of flows never seen; here `flows` says how many others there are. */
static inline void case_new(const struct scene *s, const char *name, const char *pool,
			    void (*renew)(void))
{
	struct measurement *m = measurement_new();

	traffic_request(&m->traffic, s->service, TRAFFIC_SYN);
	m->traffic.pool = pool;
	m->traffic.turns = traffic_in_sequence(TRAFFIC_FRESH, BENCH_ORDER_MAX, &s->vip);
	m->is_once = true;
	m->renew = renew;
	m->warm_chunks = 1;
	if (renew && options.chunks > CASES_EMPTY_CHUNKS)
		m->chunks = CASES_EMPTY_CHUNKS;
	measure(name, s->flows, m);
	free(m);
}

static inline void scene_tcp4(uint32_t flows)
{
	bool has_zipf = (flows == CASES_131K || flows == CASES_1M) &&
			measure_wanted("tcp4-zipf", flows);
	bool has_new = (flows == CASES_1K || flows == CASES_1M) &&
		       measure_wanted("tcp4-syn-settled", flows);
	bool has_reply = flows <= CASES_1M && measure_wanted("tcp4-reply", flows);
	struct scene s;

	if (!has_zipf && !has_new && !has_reply && !measure_wanted("tcp4", flows))
		return;
	scene_begin(&s, "tcp4", flows, cases_limit(flows));
	traffic_establish(s.service, flows);
	if (measure_wanted("tcp4", flows))
		case_established(&s, "tcp4", NULL);
	if (has_zipf)
		case_zipf(&s, "tcp4-zipf");
	if (has_reply)
		case_reply(&s, "tcp4-reply");
	if (has_new)
		case_new(&s, "tcp4-syn-settled", NULL, NULL);
	scene_end(&s);
}

static inline void scene_tcp6(uint32_t flows)
{
	struct scene s;

	if (!measure_wanted("tcp6", flows) && !measure_wanted("tcp6-reply", flows))
		return;
	scene_begin(&s, "tcp6", flows, cases_limit(flows));
	traffic_establish(s.service, flows);
	if (measure_wanted("tcp6", flows))
		case_established(&s, "tcp6", NULL);
	if (measure_wanted("tcp6-reply", flows))
		case_reply(&s, "tcp6-reply");
	scene_end(&s);
}

static inline void scene_simple(const char *name, const char *service, uint32_t flows)
{
	struct scene s;

	if (!measure_wanted(name, flows))
		return;
	scene_begin(&s, service, flows, cases_limit(flows));
	traffic_establish(s.service, flows);
	case_established(&s, name, NULL);
	scene_end(&s);
}

/* Where backends answer clients themselves. */
static inline void scene_one_way(const char *name, const char *service,
				 enum serin_forwarding forwarding, uint32_t flows)
{
	struct scene s;

	if (!measure_wanted(name, flows))
		return;
	scene_begin_with(&s, models_forwarding(service, forwarding, cases_limit(flows)), service,
			 flows);
	traffic_establish(s.service, flows);
	case_established(&s, name, NULL);
	scene_end(&s);
}

static inline void scene_fullnat(uint32_t flows)
{
	bool has_reply = measure_wanted("tcp4-fullnat-reply", flows);
	struct traffic_near backends;
	struct scene s;

	if (!has_reply && !measure_wanted("tcp4-fullnat", flows))
		return;
	scene_begin_with(&s,
			 models_forwarding("tcp4", SERIN_FORWARDING_FULLNAT, cases_limit(flows)),
			 "tcp4", flows);
	traffic_shake_hands(s.service, flows, &backends);
	if (measure_wanted("tcp4-fullnat", flows))
		case_established(&s, "tcp4-fullnat", NULL);
	if (has_reply)
		case_reply_from(&s, "tcp4-fullnat-reply", &backends);
	traffic_forget(&backends);
	scene_end(&s);
}

static inline uint8_t sample_least(uint32_t pool, uint64_t flows, uint8_t shift, void *arg)
{
	(void)pool;
	(void)flows;
	(void)shift;
	(void)arg;
	return SERIN_SAMPLE_SHIFT_MAX;
}

/* As few flows of each pool are sampled as can be: what busy ones come to. */
static inline void sample_few(void)
{
	struct dataplane *dp = world_open();

	if (dataplane_set_samples(dp, sample_least, NULL))
		die("cannot set how many flows are sampled");
	dataplane_close(dp);
}

/* The same where few flows are sampled. Otherwise the canary's all are, as of any small pool. */
static inline void scene_few_sampled(uint32_t flows)
{
	bool has_new = flows <= CASES_1K && measure_wanted("tcp4-syn-few-sampled", flows);
	struct scene s;

	if (!has_new && !measure_wanted("tcp4-few-sampled", flows))
		return;
	scene_begin(&s, "tcp4", flows, cases_limit(flows));
	sample_few();
	traffic_establish(s.service, flows);
	if (measure_wanted("tcp4-few-sampled", flows))
		case_established(&s, "tcp4-few-sampled", NULL);
	if (has_new)
		case_new(&s, "tcp4-syn-few-sampled", NULL, NULL);
	scene_end(&s);
}

/* Out by another NIC than in: up to the verdict, for BPF_PROG_RUN does not carry a redirect out. */
static inline void scene_redirect(uint32_t flows)
{
	struct measurement *m;
	struct scene s;

	if (!measure_wanted("tcp4-redirect", flows))
		return;
	m = measurement_new();
	world_add_nic2();
	scene_begin_with(&s, models_two_nics(cases_limit(flows)), "redirect", flows);
	traffic_establish(s.service, flows);
	traffic_request(&m->traffic, s.service, TRAFFIC_ACK);
	m->traffic.is_redirected = true;
	m->traffic.turns = traffic_permuted(flows, &s.vip);
	measure("tcp4-redirect", flows, m);
	scene_end(&s);
	world_unload();
	world_drop_nic2();
	free(m);
}

/* Born while the canary had nothing, and then it gets everything: every place has moved, and the
 * flows have to stay where they are. */
static inline void scene_moving(uint32_t flows)
{
	bool has_reply = measure_wanted("tcp4-moving-reply", flows);
	struct scene s;

	if (!has_reply && !measure_wanted("tcp4-moving", flows))
		return;
	scene_begin(&s, "moving", flows, cases_limit(flows));
	traffic_establish(s.service, flows);
	world_shift_once("moving", MODEL_PPM_ALL);
	traffic_go_on(s.service, flows);
	if (measure_wanted("tcp4-moving", flows))
		case_established(&s, "tcp4-moving", "stable");
	if (has_reply)
		case_reply(&s, "tcp4-moving-reply");
	scene_end(&s);
}

/* ---- flows that are not there ---- */

/* Of the newest flows, how many are still where they were born when the split has gone back? A
 * table that remembers none would be a fast one. @turn: after the last one timed */
static inline void tell_remembered(const struct scene *s, const char *name, uint32_t turn)
{
	uint32_t count = 1024, stay = 0;
	struct traffic t = {.turns = BENCH_ORDER_MAX};
	struct outcome out;

	world_shift_once("moving", 0);
	traffic_request(&t, s->service, TRAFFIC_ACK);
	for (uint32_t i = 1; i <= count; i++) {
		const struct model_pool *pool;
		struct in6_addr to;

		traffic_send(&t, CONTENDER_SERIN, turn - i, 1, &out);
		to = check_addr(out.bytes, true);
		pool = models_pool_of(s->service, &to, s->service->pools[0].backends[0].port);
		stay += pool && !strcmp(pool->name, "canary");
	}
	measure_figure(name, 100.0 * stay / count, "% of the last flows remembered");
}

static inline uint32_t last_turn(void)
{
	const struct bench_run *run = &world.driver->bss->run;

	return (uint32_t)(run->start + run->packet);
}

/* A million others, in a table that has room for the new ones, or that is full. */
static inline void scene_new(const char *name, bool is_full)
{
	uint32_t news = options.runs * (options.chunks + 1) * BENCH_CHUNK, limit = 2 * CASES_1M;
	struct scene s;

	if (!measure_wanted(name, CASES_1M))
		return;
	while (limit < CASES_1M + news)
		limit *= 2;
	scene_begin(&s, "moving", CASES_1M, is_full ? CASES_1M : limit);
	world_shift_once("moving", MODEL_PPM_ALL);
	traffic_establish(s.service, CASES_1M);
	case_new(&s, name, "canary", NULL);
	tell_remembered(&s, name, last_turn());
	scene_end(&s);
}

static struct scene scene_empty; /* what renew_empty() makes anew */

static inline void renew_empty(void)
{
	world_load(scene_empty.model);
	world_shift_once("moving", MODEL_PPM_ALL);
}

static inline void scene_new_empty(void)
{
	struct scene *s = &scene_empty;

	if (!measure_wanted("tcp4-new-empty", 0))
		return;
	scene_begin(s, "moving", 0, CASES_1M);
	world_shift_once("moving", MODEL_PPM_ALL);
	case_new(s, "tcp4-new-empty", "canary", renew_empty);
	tell_remembered(s, "tcp4-new-empty", last_turn());
	scene_end(s);
}

/* ---- packets that are none of Serin's ---- */

static inline void case_pass(const struct scene *s, const char *name)
{
	struct measurement *m = measurement_new();
	struct traffic *t = &m->traffic;
	bool is_udp = !strcmp(name, "pass-udp4");

	if (!strcmp(name, "pass-arp"))
		traffic_arp(t);
	else
		traffic_template(&t->frame, &s->service->vip, 4443,
				 is_udp ? IPPROTO_UDP : IPPROTO_TCP, TRAFFIC_ACK, false);
	t->turns = traffic_permuted(s->flows, &s->vip);
	measure(name, s->flows, m);
	free(m);
}

static inline void scene_pass(uint32_t flows)
{
	static const char *const names[] = {"pass-tcp4", "pass-udp4", "pass-arp"};
	struct scene s;
	bool is_any = false;

	for (int i = 0; i < 3; i++)
		is_any |= measure_wanted(names[i], flows);
	if (!is_any)
		return;
	scene_begin(&s, "tcp4", flows, CASES_1M);
	for (int i = 0; i < 3; i++)
		if (measure_wanted(names[i], flows))
			case_pass(&s, names[i]);
	scene_end(&s);
}

/* Parse, and exchange the MAC addresses: what forwarding costs before any thought. */
static inline void scene_swap(uint32_t flows)
{
	struct measurement *m = measurement_new();
	struct scene s;

	if (measure_wanted("swap", flows)) {
		scene_begin(&s, "tcp4", flows, CASES_1M);
		traffic_request(&m->traffic, s.service, TRAFFIC_ACK);
		m->traffic.turns = traffic_permuted(flows, &s.vip);
		m->subject_fd = bpf_program__fd(world.floor->progs.swap);
		measure("swap", flows, m);
		scene_end(&s);
	}
	free(m);
}

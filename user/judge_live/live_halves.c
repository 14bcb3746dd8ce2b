// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_live/live_halves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "judge_live/live_judge.h"

#define HALVES LIVE_NEITHER

/* All of a backend that only grows. */
struct counted {
	uint64_t flows;
	struct serin_signals signals;
	struct serin_histograms latencies;
};

#define WORDS (sizeof(struct counted) / sizeof(uint64_t))

struct seen {
	uint32_t id;
	struct in6_addr address;
	uint16_t port;
	struct counted counted;
};

struct live_halves {
	bool has_looked;
	struct seen *seen; /* at the last look */
	size_t seen_count;
	struct counted sum[HALVES], past;
	struct snapshot_pool pools[HALVES];
	struct snapshot_service service;
	struct snapshot snapshot;
};

struct live_halves *live_halves_new(void)
{
	return calloc(1, sizeof(struct live_halves));
}

void live_halves_free(struct live_halves *h)
{
	if (h)
		free(h->seen);
	free(h);
}

void live_halves_adopt(struct live_halves *h, const struct live_judge *j)
{
	live_judge_counted(j, SEQ_BASELINE, &h->sum[LIVE_REST].signals,
			   &h->sum[LIVE_REST].latencies);
	live_judge_counted(j, SEQ_CANARY, &h->sum[LIVE_UPGRADED].signals,
			   &h->sum[LIVE_UPGRADED].latencies);
	h->has_looked = true;
}

/* ---- counters ---- */

static void take(const struct snapshot_backend *b, struct seen *out)
{
	out->id = b->id;
	out->address = b->address;
	out->port = b->port;
	out->counted.flows = b->counters.flows;
	out->counted.signals = b->counters.signals;
	if (b->latencies)
		out->counted.latencies = *b->latencies;
}

/* NULL: it is new, or began to count anew. */
static const struct counted *before(const struct live_halves *h, const struct seen *now)
{
	const uint64_t *is = (const void *)&now->counted, *was;
	const struct seen *s = NULL;

	for (size_t i = 0; !s && i < h->seen_count; i++)
		if (h->seen[i].id == now->id && h->seen[i].port == now->port &&
		    !memcmp(&h->seen[i].address, &now->address, sizeof(now->address)))
			s = &h->seen[i];
	was = s ? (const void *)&s->counted : NULL;
	for (size_t i = 0; s && i < WORDS; i++)
		if (is[i] < was[i])
			return NULL;
	return s ? &s->counted : NULL;
}

static void add(struct counted *sum, const struct counted *now, const struct counted *was)
{
	const uint64_t *is = (const void *)now, *from = (const void *)was;
	uint64_t *to = (void *)sum;

	for (size_t i = 0; i < WORDS; i++)
		to[i] += is[i] - from[i];
}

static void count(struct live_halves *h, const struct seen *now, enum live_half half)
{
	static const struct counted nothing;
	const struct counted *was = before(h, now);

	if (!h->has_looked && half == LIVE_REST)
		add(&h->past, &now->counted, &nothing);
	if (was && half != LIVE_NEITHER)
		add(&h->sum[half], &now->counted, was);
}

/* ---- the snapshot ---- */

static void show(struct live_halves *h, const struct snapshot_service *svc,
		 const struct snapshot_pool *pool, const uint64_t weight[HALVES])
{
	static const char *const names[HALVES] = {LIVE_HALF_REST, LIVE_HALF_UPGRADED};
	uint64_t all = weight[LIVE_REST] + weight[LIVE_UPGRADED];

	for (int half = 0; half < HALVES; half++) {
		struct snapshot_pool *p = &h->pools[half];

		*p = (struct snapshot_pool){.slot = pool->slot,
					    .sample_shift = pool->sample_shift,
					    .latencies = &h->sum[half].latencies};
		strcpy(p->name, names[half]);
		p->weight_ppm = all ? (uint32_t)(pool->weight_ppm * weight[half] / all) : 0;
		p->counters.flows = h->sum[half].flows;
		p->counters.signals = h->sum[half].signals;
	}
	h->service = *svc;
	h->service.pools = h->pools;
	h->service.pool_count = HALVES;
	h->service.primary = LIVE_REST;
	h->snapshot = (struct snapshot){.services = &h->service, .service_count = 1};
}

int live_halves_follow(struct live_halves *h, const struct snapshot_service *svc,
		       const struct snapshot_pool *pool, live_half_of *half_of, void *arg)
{
	struct seen *seen = calloc(pool->backend_count + 1, sizeof(*seen));
	uint64_t weight[HALVES + 1] = {0};

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct snapshot_backend *b = &pool->backends[i];
		enum live_half half = half_of(b, arg);

		take(b, &seen[i]);
		count(h, &seen[i], half);
		if (snapshot_backend_takes_flows(b))
			weight[half] += b->weight;
	}
	free(h->seen);
	h->seen = seen;
	h->seen_count = pool->backend_count;
	h->has_looked = true;
	show(h, svc, pool, weight);
	return 0;
}

const struct snapshot *live_halves_snapshot(const struct live_halves *h)
{
	return &h->snapshot;
}

const struct serin_signals *live_halves_past(const struct live_halves *h)
{
	return &h->past.signals;
}

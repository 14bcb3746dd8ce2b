// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/recent.h"

#include <errno.h>
#include <string.h>

void recent_keep(struct recent *r, struct snapshot *s, uint64_t now_ms)
{
	snapshot_free(r->looks[RECENT_LOOKS - 1]);
	memmove(r->looks + 1, r->looks, sizeof(r->looks) - sizeof(*r->looks));
	memmove(r->at_ms + 1, r->at_ms, sizeof(r->at_ms) - sizeof(*r->at_ms));
	r->looks[0] = s;
	r->at_ms[0] = now_ms;
}

void recent_free(struct recent *r)
{
	for (size_t i = 0; i < RECENT_LOOKS; i++)
		snapshot_free(r->looks[i]);
	memset(r, 0, sizeof(*r));
}

const struct snapshot *recent_oldest(const struct recent *r, uint64_t *at_ms)
{
	for (size_t i = RECENT_LOOKS; i-- > 0;) {
		if (!r->looks[i])
			continue;
		*at_ms = r->at_ms[i];
		return r->looks[i];
	}
	return NULL;
}

static const struct snapshot_pool *find_pool(const struct snapshot *s,
					     const struct snapshot_service *svc,
					     const struct snapshot_pool *pool)
{
	const struct snapshot_service *of = snapshot_find_service(s, svc->name);

	for (size_t i = 0; of && of->id == svc->id && i < of->pool_count; i++)
		if (of->pools[i].slot == pool->slot && !strcmp(of->pools[i].name, pool->name))
			return &of->pools[i];
	return NULL;
}

/* Of words that only grow. */
static int subtract(uint64_t *words, const uint64_t *then, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i] < then[i])
			return -ENOENT;
		words[i] -= then[i];
	}
	return 0;
}

#define WORDS(x) (sizeof(x) / sizeof(uint64_t))

int recent_gain(const struct snapshot *then, const struct snapshot_service *svc,
		const struct snapshot_pool *pool, struct recent_signals *gain)
{
	const struct snapshot_pool *was = find_pool(then, svc, pool);
	struct recent_signals of;
	int error;

	if (!was || !was->latencies || !pool->latencies)
		return -ENOENT;
	of.signals = pool->counters.signals;
	of.latencies = *pool->latencies;
	error = subtract((uint64_t *)&of.signals, (const uint64_t *)&was->counters.signals,
			 WORDS(of.signals));
	if (!error)
		error = subtract((uint64_t *)&of.latencies, (const uint64_t *)was->latencies,
				 WORDS(of.latencies));
	if (!error)
		*gain = of;
	return error;
}

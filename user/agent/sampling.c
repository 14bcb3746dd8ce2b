// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/sampling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"

struct sampling {
	uint64_t *flows; /* by pool, at the last look */
	size_t count;
	uint64_t last_ms; /* 0: there was none */
	uint64_t passed_ms;
};

uint8_t sampling_judge(uint8_t shift, uint64_t flows_per_s)
{
	if (shift > SAMPLING_SHIFT_MAX)
		shift = SAMPLING_SHIFT_MAX;
	while (shift && flows_per_s >> (shift - 1) <= SAMPLING_FEW)
		shift--;
	while (shift < SAMPLING_SHIFT_MAX && flows_per_s >> shift > SAMPLING_MOST)
		shift++;
	return shift;
}

struct sampling *sampling_new(void)
{
	return calloc(1, sizeof(struct sampling));
}

void sampling_free(struct sampling *s)
{
	if (!s)
		return;
	free(s->flows);
	free(s);
}

static uint64_t *flows_of(struct sampling *s, uint32_t pool)
{
	uint64_t *more;

	if (pool < s->count)
		return &s->flows[pool];
	more = reallocarray(s->flows, pool + 1, sizeof(*more));
	if (!more)
		return NULL;
	memset(more + s->count, 0, (pool + 1 - s->count) * sizeof(*more));
	s->flows = more;
	s->count = pool + 1;
	return &more[pool];
}

/* A counter that has fallen is another pool's, of the same number. */
static uint8_t judge(uint32_t pool, uint64_t flows, uint8_t shift, void *arg)
{
	struct sampling *s = arg;
	uint64_t *last = flows_of(s, pool), more;

	if (!last)
		return shift;
	more = flows < *last ? flows : flows - *last;
	*last = flows;
	return s->passed_ms ? sampling_judge(shift, more * 1000 / s->passed_ms) : shift;
}

int sampling_look(struct sampling *s, struct dataplane *dp, uint64_t now_ms)
{
	s->passed_ms = s->last_ms ? now_ms - s->last_ms : 0;
	s->last_ms = now_ms;
	return dataplane_set_samples(dp, judge, s);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* A seed for each release, so that not the same clients are the test subjects each time. */
#include <stdio.h>
#include <string.h>

#include "rollout/internal.h"

/* Who would be moved by another one: a pool that has a part beside the primary. */
static const struct rollout_share *find_other(const struct rollout_split *split)
{
	for (size_t i = 0; i < split->count; i++)
		if (split->of[i].ppm && strcmp(split->of[i].pool, split->primary))
			return &split->of[i];
	return NULL;
}

bool rollout_may_begin(struct course *c, char why[ROLLOUT_WHY_LEN])
{
	struct rollout_state *s = c->s;
	const struct rollout_share *other = find_other(&s->found);

	*why = '\0';
	if (!s->has_seed || s->found_seed == s->seed)
		return true;
	if (other)
		snprintf(why, ROLLOUT_WHY_LEN, ", with the seed of before: %s has %g %%",
			 other->pool, other->ppm / PPM_PER_PERCENT);
	else if (*c->look->seed_refusal)
		snprintf(why, ROLLOUT_WHY_LEN, ", with the seed of before: %.160s",
			 c->look->seed_refusal);
	if (*why)
		return true;
	s->wants_seed = true;
	rollout_wait(s, "waits for its seed");
	return false;
}

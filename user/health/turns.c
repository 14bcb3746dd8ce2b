// SPDX-License-Identifier: GPL-2.0-or-later
#include "health/turns.h"

static uint64_t time_of(const struct turns *t, uint64_t turn)
{
	return turn * t->interval_us + t->phase_us;
}

struct turns turns_begin(uint64_t hash, uint64_t interval_us, uint64_t jitter_us, uint64_t now_us)
{
	struct turns t = {
		.phase_us = hash % interval_us,
		.interval_us = interval_us,
		.jitter_us = jitter_us,
		.next = now_us / interval_us,
	};

	t.next += time_of(&t, t.next) <= now_us;
	return t;
}

uint64_t turns_take(struct turns *t, uint64_t random, uint64_t now_us)
{
	uint64_t at_us;

	if (time_of(t, t->next + 1) <= now_us)
		t->next = (now_us - t->phase_us) / t->interval_us;
	at_us = time_of(t, t->next) + (t->jitter_us ? random % t->jitter_us : 0);
	t->next++;
	return at_us > now_us ? at_us : now_us;
}

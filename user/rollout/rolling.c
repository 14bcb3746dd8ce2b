// SPDX-License-Identifier: GPL-2.0-or-later
/* Batches of the primary's backends. One that somebody else drained is left alone, and is not upgraded. */
#include <stdio.h>
#include <string.h>

#include "rollout/internal.h"

typedef char name_t[64];

static bool is_in(name_t *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static void add(name_t *list, size_t *count, const char *name)
{
	if (*count < ROLLOUT_BACKENDS_MAX && !is_in(list, *count, name))
		snprintf(list[(*count)++], sizeof(*list), "%s", name);
}

static void take_out(name_t *list, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (!strcmp(list[i], name)) {
			memmove(list[i], list[i + 1], (*count - i - 1) * sizeof(*list));
			(*count)--;
			return;
		}
}

/* NULL: it has left the pool */
static const struct rollout_backend *backend_of(const struct rollout_look *look, const char *name)
{
	for (size_t i = 0; i < look->backend_count; i++)
		if (!strcmp(look->backends[i].name, name))
			return &look->backends[i];
	return NULL;
}

static bool is_drained_by_others(struct rollout_state *s, const struct rollout_backend *b)
{
	return b->is_drained && !is_in(s->drained, s->drain_count, b->name);
}

static size_t batch_size(const struct model_strategy *plan, size_t backends)
{
	size_t size = plan->batch ? plan->batch : (backends * plan->batch_percent + 99) / 100;

	return size ? size : 1;
}

static void choose(struct course *c)
{
	struct rollout_state *s = c->s;
	size_t size = batch_size(&s->plan, c->look->backend_count);

	for (size_t i = 0; i < c->look->backend_count && s->batch_count < size; i++) {
		const struct rollout_backend *b = &c->look->backends[i];

		if (!is_in(s->done, s->done_count, b->name) && !is_drained_by_others(s, b))
			add(s->batch, &s->batch_count, b->name);
	}
}

static size_t others_that_serve(struct course *c)
{
	struct rollout_state *s = c->s;
	size_t count = 0;

	for (size_t i = 0; i < c->look->backend_count; i++) {
		const struct rollout_backend *b = &c->look->backends[i];

		count += b->is_healthy && !b->is_drained &&
			 !is_in(s->batch, s->batch_count, b->name);
	}
	return count;
}

static size_t least_that_serve(const struct rollout_state *s)
{
	return s->plan.min_healthy ? s->plan.min_healthy : 1;
}

static void drain_batch(struct rollout_state *s, bool drains)
{
	for (size_t i = 0; i < s->batch_count; i++)
		if (drains)
			add(s->drained, &s->drain_count, s->batch[i]);
		else
			take_out(s->drained, &s->drain_count, s->batch[i]);
}

static bool end_batches(struct course *c)
{
	c->s->step -= c->s->step > 0; /* the last one was the last */
	rollout_enter(c->s, ROLLOUT_GATE);
	rollout_go(c->s, ROLLOUT_PROMOTING, c->notes, "all batches are done");
	return true;
}

static bool gate(struct course *c)
{
	struct rollout_state *s = c->s;

	rollout_pass(c, true);
	if (c->look->backend_count > ROLLOUT_BACKENDS_MAX) {
		rollout_pause(s, ROLLOUT_BY_BATCH, c->notes, "the pool has too many backends");
		return false;
	}
	if (!s->batch_count) {
		choose(c);
		if (!s->batch_count)
			return end_batches(c);
		if (s->step)
			rollout_go(s, ROLLOUT_STEPPING, c->notes, "batch %u", s->step + 1);
	}
	if (!rollout_may(c, STRATEGY_AT_STEP))
		return false;
	rollout_enter(s, ROLLOUT_SHIFT);
	return true;
}

/* Nothing was done to the batch yet: where others fail meanwhile, it serves again. */
static bool may_drain(struct course *c)
{
	struct rollout_state *s = c->s;
	size_t others = others_that_serve(c);
	size_t least = least_that_serve(s);

	drain_batch(s, others >= least);
	if (others < least)
		rollout_wait(s, "batch %u waits: %zu other backends serve, %zu have to",
			     s->step + 1, others, least);
	return others >= least;
}

static bool is_batch_idle(struct course *c, bool *is_drained)
{
	uint64_t flows = 0;

	*is_drained = true;
	for (size_t i = 0; i < c->s->batch_count; i++) {
		const struct rollout_backend *b = backend_of(c->look, c->s->batch[i]);

		*is_drained &= !b || b->is_drained;
		flows += b ? b->flows : 0;
	}
	return !flows;
}

static bool shift(struct course *c)
{
	struct rollout_state *s = c->s;
	bool is_drained, is_idle = is_batch_idle(c, &is_drained), may = may_drain(c);

	if (!may || !is_drained) {
		if (may)
			rollout_wait(s, "batch %u is being drained", s->step + 1);
		else
			s->stage_ms = 0;
		rollout_pass(c, false);
		return false;
	}
	rollout_pass(c, true);
	if (!is_idle && s->stage_ms < s->plan.drain_ms) {
		rollout_wait(s, "batch %u drains: it has flows", s->step + 1);
		return false;
	}
	rollout_enter(s, ROLLOUT_RAMP);
	return true;
}

static bool upgrade(struct course *c)
{
	struct rollout_state *s = c->s;
	char why[ROLLOUT_WHY_LEN];

	rollout_pass(c, true);
	if (s->reply == ROLLOUT_NO) {
		s->reply = ROLLOUT_NO_REPLY;
		snprintf(why, sizeof(why), "batch %u stays drained, its hook said no: %.180s",
			 s->step + 1, s->reply_why);
		rollout_pause(s, ROLLOUT_BY_BATCH, c->notes, why);
		return false;
	}
	if (!rollout_may(c, STRATEGY_AT_BATCH))
		return false;
	drain_batch(s, false);
	rollout_enter(s, ROLLOUT_HOLD);
	return true;
}

/* It is given back, and healthy unless that is waived. */
static bool is_batch_well(struct course *c, bool is_waived)
{
	for (size_t i = 0; i < c->s->batch_count; i++) {
		const struct rollout_backend *b = backend_of(c->look, c->s->batch[i]);

		if (b && (b->is_drained || (!b->is_healthy && !is_waived)))
			return false;
	}
	return true;
}

/* Only those that serve nobody anyway: others may be needed. */
static void drain_unhealthy(struct course *c)
{
	struct rollout_state *s = c->s;

	for (size_t i = 0; i < s->batch_count; i++) {
		const struct rollout_backend *b = backend_of(c->look, s->batch[i]);

		if (b && !b->is_healthy)
			add(s->drained, &s->drain_count, b->name);
	}
}

static void forget_gone(struct course *c)
{
	struct rollout_state *s = c->s;

	for (size_t i = s->done_count; i-- > 0;)
		if (!backend_of(c->look, s->done[i]))
			take_out(s->done, &s->done_count, s->done[i]);
}

void rollout_end_batch(struct rollout_state *s)
{
	for (size_t i = 0; i < s->batch_count; i++)
		add(s->done, &s->done_count, s->batch[i]);
	s->batch_count = 0;
	s->is_batch_waived = false;
}

static bool get_well(struct course *c)
{
	struct rollout_state *s = c->s;

	rollout_pass(c, true);
	drain_batch(s, false);
	if (is_batch_well(c, s->is_batch_waived)) {
		forget_gone(c);
		rollout_enter(s, ROLLOUT_ANALYSE);
		s->finding = s->metrics = ROLLOUT_UNKNOWN;
		return true;
	}
	if (s->stage_ms < s->plan.health_ms) {
		rollout_wait(s, "waits for batch %u to be healthy", s->step + 1);
		return false;
	}
	drain_unhealthy(c);
	rollout_pause(s, ROLLOUT_BY_BATCH, c->notes, "the batch did not get healthy");
	return false;
}

static bool is_batch_healthy(struct course *c)
{
	for (size_t i = 0; i < c->s->batch_count; i++) {
		const struct rollout_backend *b = backend_of(c->look, c->s->batch[i]);

		if (b && !b->is_healthy)
			return false;
	}
	return true;
}

static bool analyse(struct course *c)
{
	struct rollout_state *s = c->s;
	const struct strategy_step *after = &s->plan.after_batch;
	uint64_t limit_ms = after->hold_ms;
	bool is_good = !after->analysis_ms || s->finding == ROLLOUT_GOOD;

	rollout_pass_used(c);
	if (!s->is_batch_waived && !is_batch_healthy(c)) {
		rollout_enter(s, ROLLOUT_HOLD);
		return true;
	}
	if (s->stage_ms >= limit_ms && !is_good)
		rollout_add_ms(&limit_ms, after->analysis_ms);
	if (s->stage_ms < limit_ms) {
		rollout_wait(s, "batch %u is upgraded: waits before the next one%s", s->step + 1,
			     rollout_is_idle(s) ? ": there is no traffic" : "");
		return false;
	}
	if (!is_good && !s->plan.analysis.is_dry_run && !rollout_is_alone_and_well(s)) {
		rollout_pause(s, ROLLOUT_BY_INCONCLUSIVE, c->notes,
			      "the analysis found nothing in the time it had");
		return false;
	}
	rollout_enter(s, ROLLOUT_HALT);
	return true;
}

static bool halt(struct course *c)
{
	struct rollout_state *s = c->s;

	if (s->plan.after_batch.pauses) {
		rollout_pause(s, ROLLOUT_BY_STEP, c->notes, "waits for somebody to resume");
		return false;
	}
	rollout_next_step(c);
	return true;
}

bool rollout_is_last_batch(const struct course *c)
{
	struct rollout_state *s = c->s;

	if (rollout_phase_of(s) != ROLLOUT_STEPPING || s->stage < ROLLOUT_HOLD)
		return false;
	for (size_t i = 0; i < c->look->backend_count; i++) {
		const struct rollout_backend *b = &c->look->backends[i];

		if (!b->is_drained && !is_in(s->batch, s->batch_count, b->name) &&
		    !is_in(s->done, s->done_count, b->name))
			return false;
	}
	return true;
}

/* ---- found bad ---- */

void rollout_roll_stop(struct course *c)
{
	struct rollout_state *s = c->s;

	if (s->stage == ROLLOUT_SHIFT) {
		drain_batch(s, false);
		s->stage_ms = 0;
	}
	if (s->stage < ROLLOUT_HOLD || others_that_serve(c) < least_that_serve(s))
		return;
	s->is_batch_bad = s->batch_count > 0;
	drain_batch(s, true);
}

/* Its health is waited for and its analysis begins anew. */
void rollout_roll_again(struct rollout_state *s)
{
	s->is_batch_bad = false;
	if (s->stage >= ROLLOUT_HOLD && s->batch_count)
		rollout_enter(s, ROLLOUT_HOLD);
}

/* ---- the course ---- */

bool rollout_roll_on(struct course *c)
{
	switch (c->s->stage) {
	case ROLLOUT_GATE:
		return gate(c);
	case ROLLOUT_SHIFT:
		return shift(c);
	case ROLLOUT_RAMP:
		return upgrade(c);
	case ROLLOUT_HOLD:
		return get_well(c);
	case ROLLOUT_ANALYSE:
		return analyse(c);
	default:
		return halt(c);
	}
}

static void give_back(struct course *c)
{
	struct rollout_state *s = c->s;

	for (size_t i = s->drain_count; i-- > 0;) {
		const struct rollout_backend *b = backend_of(c->look, s->drained[i]);
		bool is_bad = s->is_batch_bad && is_in(s->batch, s->batch_count, s->drained[i]);

		add(s->batch, &s->batch_count, s->drained[i]);
		if (!b || (b->is_healthy && !is_bad))
			take_out(s->drained, &s->drain_count, s->drained[i]);
	}
}

bool rollout_roll_back(struct course *c)
{
	struct rollout_state *s = c->s;

	if (s->stage != ROLLOUT_HOLD) {
		give_back(c);
		rollout_enter(s, ROLLOUT_HOLD);
	}
	for (size_t i = 0; i < s->batch_count; i++) {
		const struct rollout_backend *b = backend_of(c->look, s->batch[i]);

		if (b && is_drained_by_others(s, b))
			return false;
	}
	rollout_go(s, s->ends_as, c->notes, "%s: %zu backends stay drained, as they are not well",
		   rollout_phase_name(s->ends_as), s->drain_count);
	return false;
}

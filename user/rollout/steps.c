// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps of canary and blue-green. */
#include <stdio.h>

#include "rollout/internal.h"

static const struct strategy_step *step_of(const struct rollout_state *s)
{
	return &s->plan.steps[s->step];
}

static const char *wait_text(const struct rollout_state *s)
{
	return rollout_is_idle(s) ? ": there is no traffic" : "";
}

static void pass_used(struct course *c)
{
	if (c->s->is_want_made)
		rollout_pass_used(c);
	else
		rollout_pass(c, false);
}

bool rollout_step_takes_all(const struct rollout_state *s)
{
	const struct strategy_step *step = step_of(s);

	return step->has_weight && rollout_leaves_nothing(s, step->weight_ppm);
}

static bool gate(struct course *c)
{
	rollout_pass(c, true);
	if (rollout_step_takes_all(c->s) && rollout_lacks_candidate(c->s))
		return false;
	if (!c->s->is_want_made || !rollout_may(c, STRATEGY_AT_STEP))
		return false;
	rollout_enter(c->s, ROLLOUT_SHIFT);
	return true;
}

static bool shift(struct course *c)
{
	struct rollout_state *s = c->s;
	const struct strategy_step *step = step_of(s);

	rollout_pass(c, false); /* nobody knows since when it is as wanted */
	if (!s->is_want_made) {
		rollout_wait(s, "waits for the split to be as wanted");
		return false;
	}
	rollout_enter(s, step->has_weight && step->ramp_ms ? ROLLOUT_RAMP : ROLLOUT_HOLD);
	return true;
}

static bool ramp(struct course *c)
{
	struct rollout_state *s = c->s;

	pass_used(c);
	rollout_aim(s);
	if (!s->is_want_made || s->stage_ms < step_of(s)->ramp_ms) {
		rollout_wait(s, "ramps to %g %%%s", step_of(s)->weight_ppm / PPM_PER_PERCENT,
			     wait_text(s));
		return false;
	}
	rollout_enter(s, ROLLOUT_HOLD);
	return true;
}

static bool hold(struct course *c)
{
	struct rollout_state *s = c->s;

	pass_used(c);
	if (!s->is_want_made || s->stage_ms < step_of(s)->hold_ms) {
		rollout_wait(s, "holds%s", wait_text(s));
		return false;
	}
	rollout_enter(s, ROLLOUT_ANALYSE);
	if (step_of(s)->analysis_ms) /* of this step: what metrics said before is of another */
		s->finding = s->metrics = ROLLOUT_UNKNOWN;
	return true;
}

static bool analyse(struct course *c)
{
	struct rollout_state *s = c->s;
	uint64_t limit_ms = step_of(s)->analysis_ms;

	pass_used(c);
	if (limit_ms && s->finding != ROLLOUT_GOOD && s->stage_ms < limit_ms) {
		rollout_wait(s, "waits for a good finding%s", wait_text(s));
		return false;
	}
	if (limit_ms && s->finding != ROLLOUT_GOOD && !s->plan.analysis.is_dry_run) {
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

	if (!s->is_want_made)
		return false;
	if (step_of(s)->pauses) {
		rollout_pause(s, ROLLOUT_BY_STEP, c->notes,
			      "the step waits for somebody to resume");
		return false;
	}
	rollout_next_step(c);
	return true;
}

void rollout_next_step(struct course *c)
{
	struct rollout_state *s = c->s;

	s->step++;
	rollout_enter(s, ROLLOUT_GATE);
	if (s->plan.type == STRATEGY_ROLLING) {
		rollout_end_batch(s);
		return; /* its gate knows whether there is one more */
	}
	if (s->step >= s->plan.step_count)
		rollout_go(s, ROLLOUT_PROMOTING, c->notes, "all steps are done");
	else
		rollout_go(s, ROLLOUT_STEPPING, c->notes, "step %u of %zu", s->step + 1,
			   s->plan.step_count);
}

bool rollout_step_on(struct course *c)
{
	switch (c->s->stage) {
	case ROLLOUT_GATE:
		return gate(c);
	case ROLLOUT_SHIFT:
		return shift(c);
	case ROLLOUT_RAMP:
		return ramp(c);
	case ROLLOUT_HOLD:
		return hold(c);
	case ROLLOUT_ANALYSE:
		return analyse(c);
	default:
		return halt(c);
	}
}

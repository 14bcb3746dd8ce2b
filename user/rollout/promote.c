// SPDX-License-Identifier: GPL-2.0-or-later
/* What comes after the steps: everything to the candidate, standby; and the way back. */
#include "rollout/internal.h"

#include <string.h>

static bool end_promotion(struct course *c)
{
	struct rollout_state *s = c->s;

	if (s->plan.finish == STRATEGY_SWAP && s->plan.standby_ms) {
		rollout_enter(s, ROLLOUT_HOLD);
		rollout_go(s, ROLLOUT_STANDBY, c->notes, "%s is the primary; %s stays warm",
			   s->candidate, s->production);
		return true;
	}
	rollout_go(s, ROLLOUT_PROMOTED, c->notes, "%s",
		   s->plan.finish == STRATEGY_SWAP ? "the candidate is the primary"
						   : "the primary is upgraded");
	return false;
}

static bool gate(struct course *c)
{
	struct rollout_state *s = c->s;

	rollout_pass(c, true);
	if (rollout_lacks_candidate(s))
		return false;
	if (!s->is_want_made || !rollout_may(c, STRATEGY_AT_PROMOTION))
		return false;
	if (s->plan.type == STRATEGY_ROLLING) {
		rollout_go(s, ROLLOUT_PROMOTED, c->notes, "%zu backends are upgraded",
			   s->done_count);
		return false;
	}
	rollout_enter(s, ROLLOUT_SHIFT);
	return true;
}

/* A primary changes only where that moves no flow: the candidate has everything already. */
static bool finish(struct course *c)
{
	struct rollout_state *s = c->s;

	rollout_pass(c, true);
	if (!s->is_want_made)
		return false;
	if (s->plan.finish == STRATEGY_SWAP)
		return end_promotion(c);
	if (!rollout_may(c, STRATEGY_AT_UPGRADE))
		return false;
	rollout_enter(s, ROLLOUT_ANALYSE);
	return true;
}

bool rollout_promote_on(struct course *c)
{
	struct rollout_state *s = c->s;

	if (s->stage == ROLLOUT_GATE)
		return gate(c);
	if (s->stage == ROLLOUT_HOLD)
		return finish(c);
	if (!s->is_want_made) {
		rollout_wait(s, "waits for the split to be as wanted");
		return false;
	}
	if (s->stage >= ROLLOUT_ANALYSE)
		return end_promotion(c);
	rollout_enter(s, s->stage == ROLLOUT_SHIFT ? ROLLOUT_RAMP : ROLLOUT_HOLD);
	return true;
}

bool rollout_stand_by(struct course *c)
{
	struct rollout_state *s = c->s;

	rollout_pass(c, s->is_want_made);
	if (!s->is_want_made || s->stage_ms < s->plan.standby_ms)
		return false;
	rollout_go(s, ROLLOUT_PROMOTED, c->notes, "nothing was found in standby");
	return false;
}

static bool are_flows_done(const struct rollout_state *s, const struct rollout_look *look)
{
	return s->ends_as == ROLLOUT_SUPERSEDED || s->plan.flows == STRATEGY_FLOWS_LEAVE ||
	       !look->has_flows;
}

bool rollout_back_on(struct course *c)
{
	struct rollout_state *s = c->s;

	s->wants_reset = false;
	rollout_pass(c, s->is_want_made && s->stage == ROLLOUT_HOLD);
	if (!s->is_want_made)
		return false;
	if (s->stage != ROLLOUT_HOLD) {
		rollout_enter(s, ROLLOUT_HOLD);
		return true;
	}
	if (are_flows_done(s, c->look)) {
		char why[ROLLOUT_WHY_LEN]; /* it was taken back for: that is what people ask then */

		memcpy(why, s->why, sizeof(why));
		rollout_go(s, s->ends_as, c->notes, "%s", why);
		return false;
	}
	s->wants_reset = s->plan.flows == STRATEGY_FLOWS_RESET || s->stage_ms >= s->plan.drain_ms;
	return false;
}

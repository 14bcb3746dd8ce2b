// SPDX-License-Identifier: GPL-2.0-or-later
/* One look, from what is found to what is wanted. */
#include <string.h>

#include "rollout/internal.h"

static void take_reply(struct rollout_state *s, const struct rollout_look *look)
{
	if (!s->question.number || look->answered != s->question.number)
		return;
	s->reply = look->is_yes ? ROLLOUT_YES : ROLLOUT_NO;
	memcpy(s->reply_why, look->answer_why, sizeof(s->reply_why));
	s->reply_why[sizeof(s->reply_why) - 1] = '\0';
	rollout_tidy(s->reply_why);
	s->question = (struct rollout_question){0};
}

static bool start(struct course *c)
{
	struct rollout_state *s = c->s;
	char seed[ROLLOUT_WHY_LEN];

	rollout_pass(c, true);
	if (!s->is_want_made || !rollout_may(c, STRATEGY_AT_START) || !rollout_may_begin(c, seed))
		return false;
	rollout_enter(s, ROLLOUT_GATE);
	if (s->plan.type == STRATEGY_ROLLING)
		rollout_go(s, ROLLOUT_STEPPING, c->notes, "batch 1");
	else if (s->plan.step_count)
		rollout_go(s, ROLLOUT_STEPPING, c->notes, "step 1 of %zu%s", s->plan.step_count,
			   seed);
	else
		rollout_go(s, ROLLOUT_PROMOTING, c->notes, "there are no steps");
	return true;
}

static bool advance(struct course *c)
{
	bool is_rolling = c->s->plan.type == STRATEGY_ROLLING;

	switch (c->s->phase) {
	case ROLLOUT_STARTING:
		return start(c);
	case ROLLOUT_STEPPING:
		return is_rolling ? rollout_roll_on(c) : rollout_step_on(c);
	case ROLLOUT_PROMOTING:
		return rollout_promote_on(c);
	case ROLLOUT_STANDBY:
		return rollout_stand_by(c);
	case ROLLOUT_ROLLING_BACK:
		return is_rolling ? rollout_roll_back(c) : rollout_back_on(c);
	default:
		return false;
	}
}

/* As far as it gets without another look, but no further than can be told. */
static void go_on(struct course *c)
{
	bool is_moving = true;

	while (is_moving && !rollout_has_ended(c->s->phase)) {
		rollout_aim(c->s);
		is_moving = c->notes->count < ROLLOUT_NOTES_MAX - 2 && advance(c);
	}
	if (!rollout_has_ended(c->s->phase))
		rollout_aim(c->s);
}

void rollout_step(struct rollout_state *s, const struct rollout_look *look,
		  struct rollout_notes *notes)
{
	struct course c = {s, look, look->passed_ms, notes};

	notes->count = 0;
	s->wants_seed = false;
	if (rollout_has_ended(s->phase))
		return;
	take_reply(s, look);
	if (!look->is_loaded) {
		/* what a pause or a way back is for is what people ask then */
		if (s->phase != ROLLOUT_PAUSED && s->phase != ROLLOUT_ROLLING_BACK)
			rollout_wait(s, "waits: nothing runs here");
		return;
	}
	rollout_see(&c);
	rollout_watch(&c);
	go_on(&c);
	rollout_ask_for_analysis(s);
	if (s->plan.type == STRATEGY_ROLLING)
		s->wants_promoted = s->wants_analysis && rollout_is_last_batch(&c);
	s->wants_reset &= s->phase == ROLLOUT_ROLLING_BACK && s->is_want_made;
}

uint64_t rollout_left_ms(const struct rollout_state *s)
{
	const struct strategy_step *step = s->step < s->plan.step_count &&
							   s->plan.type != STRATEGY_ROLLING
						   ? &s->plan.steps[s->step]
						   : NULL;
	uint64_t of[ROLLOUT_STAGE_MAX] = {0}, all;

	if (s->phase == ROLLOUT_STEPPING && step) {
		of[ROLLOUT_RAMP] = step->ramp_ms;
		of[ROLLOUT_HOLD] = step->hold_ms;
		of[ROLLOUT_ANALYSE] = step->analysis_ms;
	} else if (s->phase == ROLLOUT_STEPPING && s->plan.type == STRATEGY_ROLLING) {
		of[ROLLOUT_SHIFT] = s->plan.drain_ms;
		of[ROLLOUT_HOLD] = s->plan.health_ms;
		of[ROLLOUT_ANALYSE] = s->plan.after_batch.hold_ms;
		rollout_add_ms(&of[ROLLOUT_ANALYSE], s->plan.after_batch.analysis_ms);
	} else if (s->phase == ROLLOUT_STANDBY) {
		of[ROLLOUT_HOLD] = s->plan.standby_ms;
	} else if (s->phase == ROLLOUT_ROLLING_BACK && s->plan.flows == STRATEGY_FLOWS_DRAIN) {
		of[ROLLOUT_HOLD] = s->plan.drain_ms;
	}
	all = of[s->stage];
	return all > s->stage_ms ? all - s->stage_ms : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What persons say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rollout/internal.h"

struct order {
	struct rollout_state *s;
	struct rollout_notes *notes;
	char text[ROLLOUT_WHY_LEN]; /* for notes */
	char *why;		    /* of a refusal */
};

static int refuse(const struct order *o, const char *what)
{
	snprintf(o->why, ROLLOUT_WHY_LEN, "it is %s: %s", rollout_phase_name(o->s->phase), what);
	return -EINVAL;
}

static int pause_it(struct order *o)
{
	struct rollout_state *s = o->s;

	if (s->phase == ROLLOUT_PAUSED || s->phase == ROLLOUT_ROLLING_BACK ||
	    rollout_has_ended(s->phase))
		return refuse(o, "there is nothing to pause");
	rollout_pause(s, ROLLOUT_BY_PERSON, o->notes, o->text);
	return 0;
}

/* The kernel's judge does not take back what it said. */
static void overrule(struct rollout_state *s)
{
	if (s->kernel == ROLLOUT_BAD || s->kernel == ROLLOUT_INCONCLUSIVE) {
		s->overruled = s->kernel;
		s->analyses++;
	}
	rollout_forget_findings(s);
}

static int unpause(struct order *o)
{
	struct rollout_state *s = o->s;

	if (s->cause == ROLLOUT_BY_FOREIGN && rollout_check_split(s, &s->found, o->why))
		return -EINVAL;
	if (s->cause == ROLLOUT_BY_ANALYSIS || s->cause == ROLLOUT_BY_INCONCLUSIVE)
		overrule(s);
	if (s->cause == ROLLOUT_BY_DEADLINE) {
		s->idle_ms = 0;
		s->finding = ROLLOUT_UNKNOWN;
	}
	if (s->cause == ROLLOUT_BY_BATCH ||
	    (s->cause == ROLLOUT_BY_INCONCLUSIVE && s->stage == ROLLOUT_ANALYSE))
		s->stage_ms = 0;
	if (s->cause == ROLLOUT_BY_ANALYSIS && s->plan.type == STRATEGY_ROLLING)
		rollout_roll_again(s);
	rollout_go(s, s->resumes_to, o->notes, "%s", o->text);
	return 0;
}

static int resume(struct order *o)
{
	struct course c = {.s = o->s, .notes = o->notes};
	enum rollout_cause cause = o->s->cause;
	int error;

	if (o->s->phase != ROLLOUT_PAUSED)
		return refuse(o, "it does not wait for that");
	error = unpause(o);
	if (!error && cause == ROLLOUT_BY_STEP && o->s->stage == ROLLOUT_HALT)
		rollout_next_step(&c);
	return error;
}

/* ---- promote ---- */

static void say_yes(struct rollout_state *s)
{
	s->question = (struct rollout_question){0};
	s->reply = ROLLOUT_YES;
}

static int skip_of_batch(struct order *o)
{
	struct rollout_state *s = o->s;

	switch (s->stage) {
	case ROLLOUT_SHIFT:
		if (!s->drain_count)
			return refuse(o, "it waits for other backends to serve");
		s->stage_ms = s->plan.drain_ms;
		return 0;
	case ROLLOUT_HOLD:
		s->is_batch_waived = true;
		return 0;
	case ROLLOUT_ANALYSE:
		rollout_enter(s, ROLLOUT_HALT);
		return 0;
	default:
		say_yes(s);
		return 0;
	}
}

static int refuse_down(const struct order *o)
{
	return refuse(o, "the candidate has no healthy backend to give everything to");
}

static int skip_of_step(struct order *o)
{
	struct rollout_state *s = o->s;
	const struct strategy_step *step = &s->plan.steps[s->step];

	switch (s->stage) {
	case ROLLOUT_GATE:
		if (s->is_candidate_down && rollout_step_takes_all(s))
			return refuse_down(o);
		say_yes(s);
		return 0;
	case ROLLOUT_RAMP:
		s->stage_ms = step->ramp_ms;
		return 0;
	case ROLLOUT_HOLD:
		s->stage_ms = step->hold_ms;
		return 0;
	case ROLLOUT_ANALYSE:
		rollout_enter(s, ROLLOUT_HALT);
		return 0;
	default:
		return refuse(o, "it waits for the split, which is made before anything else");
	}
}

static int skip_of_promotion(struct order *o)
{
	struct rollout_state *s = o->s;

	if (s->stage != ROLLOUT_GATE &&
	    !(s->stage == ROLLOUT_HOLD && s->plan.finish == STRATEGY_RETURN))
		return refuse(o, "it waits for the split, which is made before anything else");
	if (s->stage == ROLLOUT_GATE && s->is_candidate_down)
		return refuse_down(o);
	say_yes(s);
	return 0;
}

static int skip(struct order *o)
{
	struct rollout_state *s = o->s;

	switch (s->phase) {
	case ROLLOUT_STARTING:
		say_yes(s);
		return 0;
	case ROLLOUT_STEPPING:
		return s->plan.type == STRATEGY_ROLLING ? skip_of_batch(o) : skip_of_step(o);
	case ROLLOUT_PROMOTING:
		return skip_of_promotion(o);
	case ROLLOUT_STANDBY:
		rollout_go(s, ROLLOUT_PROMOTED, o->notes, "%s", o->text);
		return 0;
	default:
		return refuse(o, "there is nothing to promote");
	}
}

static int promote(struct order *o)
{
	enum rollout_cause cause = o->s->cause;
	int error;

	if (o->s->phase != ROLLOUT_PAUSED) {
		error = skip(o);
		if (!error && o->s->phase != ROLLOUT_PROMOTED)
			rollout_go(o->s, o->s->phase, o->notes, "%s", o->text);
		return error;
	}
	error = resume(o);
	if (!error && (cause == ROLLOUT_BY_ANALYSIS || cause == ROLLOUT_BY_INCONCLUSIVE ||
		       cause == ROLLOUT_BY_DEADLINE || cause == ROLLOUT_BY_BATCH))
		skip(o); /* what cannot be skipped is waited for */
	return error;
}

/* Those that were not begun. */
static uint32_t steps_left_out(const struct rollout_state *s)
{
	bool is_begun = s->phase == ROLLOUT_STEPPING && s->stage != ROLLOUT_GATE;

	return (uint32_t)s->plan.step_count - s->step - is_begun;
}

static int promote_full(struct order *o)
{
	struct rollout_state *s = o->s;
	enum rollout_phase phase = rollout_phase_of(s);
	bool can = phase == ROLLOUT_STARTING || phase == ROLLOUT_STEPPING ||
		   (phase == ROLLOUT_PROMOTING && s->stage == ROLLOUT_GATE);

	if (s->phase == ROLLOUT_STANDBY)
		return skip(o);
	if (!can)
		return refuse(o, "there is nothing to promote");
	if (s->plan.type == STRATEGY_ROLLING)
		return refuse(o, "a rolling one does not leave out batches");
	if (s->is_candidate_down)
		return refuse_down(o);
	if (s->phase == ROLLOUT_PAUSED && unpause(o))
		return -EINVAL;
	s->skipped = steps_left_out(s);
	s->step = (uint32_t)s->plan.step_count;
	rollout_enter(s, *s->baseline ? ROLLOUT_SHIFT : ROLLOUT_RAMP);
	rollout_go(s, ROLLOUT_PROMOTING, o->notes, "%s", o->text);
	return 0;
}

/* ---- back ---- */

static int abort_it(struct order *o)
{
	if (o->s->phase == ROLLOUT_ROLLING_BACK || rollout_has_ended(o->s->phase))
		return refuse(o, "there is nothing to abort");
	rollout_back(o->s, ROLLOUT_ABORTED, o->notes, o->text);
	return 0;
}

static int undo(struct order *o)
{
	struct rollout_state *s = o->s;

	if (rollout_phase_of(s) != ROLLOUT_STANDBY && s->phase != ROLLOUT_PROMOTED)
		return refuse(o, "only what is promoted can be undone");
	if (s->plan.type == STRATEGY_ROLLING || s->plan.finish == STRATEGY_RETURN)
		return refuse(o, "what its hook upgraded has to be put back by other means");
	rollout_back(s, ROLLOUT_UNDONE, o->notes, o->text);
	return 0;
}

static int supersede(struct order *o)
{
	struct rollout_state *s = o->s;

	if (rollout_has_ended(s->phase))
		return refuse(o, "there is nothing to supersede");
	if (rollout_phase_of(s) == ROLLOUT_STANDBY)
		rollout_go(s, ROLLOUT_PROMOTED, o->notes, "%s", o->text);
	else
		rollout_back(s, ROLLOUT_SUPERSEDED, o->notes, o->text);
	return 0;
}

static int retry(struct order *o)
{
	struct rollout_state *s = o->s;

	if (s->phase != ROLLOUT_ABORTED)
		return refuse(o, "only what was aborted can be tried again");
	s->ended_ms = 0;
	s->step = s->skipped = 0;
	s->analysed_ms = 0;
	s->kernel = s->overruled = ROLLOUT_UNKNOWN;
	s->analyses++;
	s->batch_count = s->done_count = 0;
	s->is_batch_waived = s->is_batch_bad = false;
	s->is_adopting = s->plan.type != STRATEGY_ROLLING;
	rollout_forget_findings(s);
	rollout_enter(s, ROLLOUT_GATE);
	rollout_go(s, ROLLOUT_STARTING, o->notes, "%s", o->text);
	return 0;
}

int rollout_obey(struct rollout_state *s, enum rollout_command c, const char *who,
		 const char *reason, struct rollout_notes *notes, char why[ROLLOUT_WHY_LEN])
{
	static int (*const obey[])(struct order *) = {
		[ROLLOUT_PAUSE] = pause_it,  [ROLLOUT_RESUME] = resume,
		[ROLLOUT_PROMOTE] = promote, [ROLLOUT_PROMOTE_FULL] = promote_full,
		[ROLLOUT_ABORT] = abort_it,  [ROLLOUT_RETRY] = retry,
		[ROLLOUT_UNDO] = undo,	     [ROLLOUT_SUPERSEDE] = supersede,
	};
	struct order o = {.s = s, .notes = notes, .why = why};
	bool has_reason = reason && *reason;
	int error;

	notes->count = 0;
	notes->is_ordered = true;
	if ((size_t)c >= ROLLOUT_COMMAND_MAX)
		return -EINVAL;
	snprintf(o.text, sizeof(o.text), "%s by %.100s%s%.120s", rollout_command_name(c),
		 who ? who : "somebody", has_reason ? ": " : "", has_reason ? reason : "");
	error = obey[c](&o);
	if (error)
		return error;
	rollout_ask_for_analysis(s);
	s->wants_reset = s->wants_seed = false;
	return 0;
}

/* Tried on a copy, which takes over nothing that it would have to free. */
unsigned int rollout_can(const struct rollout_state *s)
{
	struct rollout_state *copy = malloc(sizeof(*copy));
	char why[ROLLOUT_WHY_LEN];
	struct rollout_notes notes;
	unsigned int can = 0;

	for (int c = 0; copy && c < ROLLOUT_COMMAND_MAX; c++) {
		*copy = *s;
		if (!rollout_obey(copy, (enum rollout_command)c, NULL, NULL, &notes, why))
			can |= 1u << c;
	}
	free(copy);
	return can;
}

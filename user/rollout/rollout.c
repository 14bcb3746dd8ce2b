// SPDX-License-Identifier: GPL-2.0-or-later
/* Phases, stages, and what is asked of hooks. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rollout/internal.h"

/* Sums stay within what JSON's integers hold. */
void rollout_add_ms(uint64_t *sum, uint64_t ms)
{
	*sum = ms > INT64_MAX || *sum > INT64_MAX - ms ? INT64_MAX : *sum + ms;
}

enum rollout_phase rollout_phase_of(const struct rollout_state *s)
{
	return s->phase == ROLLOUT_PAUSED ? s->resumes_to : s->phase;
}

void rollout_enter(struct rollout_state *s, enum rollout_stage stage)
{
	s->stage = stage;
	s->stage_ms = s->unseen_ms = 0;
	s->question = (struct rollout_question){0};
	s->reply = ROLLOUT_NO_REPLY;
	s->is_refused = false;
}

/* What others said may be cut within a letter, or be no text: JSON would not take it. */
void rollout_tidy(char *text)
{
	while (*text) {
		unsigned char c = (unsigned char)*text;
		int more = c < 0x80		   ? 0
			   : c >= 0xc2 && c < 0xe0 ? 1
			   : c >= 0xe1 && c < 0xed ? 2
						   : -1;

		for (int i = 1; i <= more; i++)
			if (((unsigned char)text[i] & 0xc0) != 0x80)
				more = -1;
		if (more < 0)
			*text = '?';
		text += more < 0 ? 1 : more + 1;
	}
}

uint32_t rollout_step_number(const struct rollout_state *s)
{
	if (rollout_phase_of(s) == ROLLOUT_STARTING)
		return 0;
	if (s->plan.type == STRATEGY_ROLLING || s->step < s->plan.step_count)
		return s->step + 1;
	return (uint32_t)s->plan.step_count;
}

static void note(struct rollout_state *s, enum rollout_phase from, struct rollout_notes *notes)
{
	struct rollout_note *n;

	if (notes->count == ROLLOUT_NOTES_MAX)
		return;
	n = &notes->of[notes->count++];
	n->from = from;
	n->to = s->phase;
	n->step = rollout_step_number(s);
	n->step -= n->step > 0;
	memcpy(n->why, s->why, sizeof(n->why));
}

void rollout_go(struct rollout_state *s, enum rollout_phase to, struct rollout_notes *notes,
		const char *format, ...)
{
	enum rollout_phase from = s->phase;
	va_list args;

	va_start(args, format);
	vsnprintf(s->why, sizeof(s->why), format, args);
	va_end(args);
	rollout_tidy(s->why);
	s->phase = to;
	if (to != ROLLOUT_PAUSED)
		s->cause = ROLLOUT_NO_CAUSE;
	if (rollout_has_ended(to))
		rollout_enter(s, ROLLOUT_GATE);
	note(s, from, notes);
}

void rollout_pause(struct rollout_state *s, enum rollout_cause cause, struct rollout_notes *notes,
		   const char *why)
{
	s->resumes_to = rollout_phase_of(s);
	s->cause = cause;
	rollout_go(s, ROLLOUT_PAUSED, notes, "%s", why);
}

void rollout_back(struct rollout_state *s, enum rollout_phase ends_as, struct rollout_notes *notes,
		  const char *why)
{
	s->ends_as = ends_as == ROLLOUT_ABORTED && rollout_phase_of(s) == ROLLOUT_STANDBY
			     ? ROLLOUT_UNDONE
			     : ends_as;
	s->is_adopting = false;
	rollout_go(s, ROLLOUT_ROLLING_BACK, notes, "%s", why);
	rollout_enter(s, ROLLOUT_SHIFT);
	rollout_aim(s);
}

void rollout_wait(struct rollout_state *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->why, sizeof(s->why), format, args);
	va_end(args);
	rollout_tidy(s->why);
}

void rollout_pass(struct course *c, bool counts)
{
	if (counts)
		rollout_add_ms(&c->s->stage_ms, c->passed_ms);
	c->passed_ms = 0;
}

bool rollout_lacks_candidate(struct rollout_state *s)
{
	if (s->is_candidate_down && *s->candidate)
		rollout_wait(s, "waits for a healthy backend of %s", s->candidate);
	return s->is_candidate_down && *s->candidate;
}

bool rollout_has_hook(const struct model_strategy *plan, enum strategy_moment at)
{
	for (size_t i = 0; i < plan->hook_count; i++)
		if (plan->hooks[i].at == at)
			return true;
	return false;
}

static void refuse(struct course *c, enum strategy_moment at)
{
	struct rollout_state *s = c->s;

	s->reply = ROLLOUT_NO_REPLY;
	s->stage_ms = 0;
	rollout_wait(s, "the hook at %s said no: %.200s", strategy_moment_name(at), s->reply_why);
	if (!s->is_refused)
		note(s, s->phase, c->notes);
	s->is_refused = true;
}

static void ask(struct rollout_state *s, enum strategy_moment at)
{
	s->question.number = ++s->questions;
	s->question.at = at;
	if (!s->is_refused)
		rollout_wait(s, "waits for the hook at %s", strategy_moment_name(at));
}

bool rollout_may(struct course *c, enum strategy_moment at)
{
	struct rollout_state *s = c->s;

	if (!rollout_has_hook(&s->plan, at))
		return true;
	if (s->reply == ROLLOUT_YES)
		return true;
	if (s->reply == ROLLOUT_NO)
		refuse(c, at);
	if (!s->question.number && (!s->is_refused || s->stage_ms >= ROLLOUT_ASK_AGAIN_MS))
		ask(s, at);
	return false;
}

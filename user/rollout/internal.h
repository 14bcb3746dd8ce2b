/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share: where a look is under way, and the steps it takes. */
#pragma once

#include "model/model.h"
#include "rollout/rollout.h"

#define PPM_PER_PERCENT 1e4

struct course {
	struct rollout_state *s;
	const struct rollout_look *look;
	uint64_t passed_ms; /* not yet counted by a stage */
	struct rollout_notes *notes;
};

/* ---- phases and stages: rollout.c ---- */

/* Of a pause, the phase that it interrupts. */
enum rollout_phase rollout_phase_of(const struct rollout_state *s);
void rollout_enter(struct rollout_state *s, enum rollout_stage stage);
/* A transition, with a note; why is s->why then, too. */
__attribute__((format(printf, 4, 5))) void rollout_go(struct rollout_state *s,
						      enum rollout_phase to,
						      struct rollout_notes *notes,
						      const char *format, ...);
void rollout_pause(struct rollout_state *s, enum rollout_cause cause, struct rollout_notes *notes,
		   const char *why);
/* Takes the candidate back: STANDBY is undone. What is wanted is so when it returns. */
void rollout_back(struct rollout_state *s, enum rollout_phase ends_as, struct rollout_notes *notes,
		  const char *why);
__attribute__((format(printf, 2, 3))) void rollout_wait(struct rollout_state *s, const char *format,
							...);
/* The stage has lasted longer by what has passed; once for each look. */
void rollout_pass(struct course *c, bool counts);
bool rollout_has_hook(const struct model_strategy *plan, enum strategy_moment at);
/* The moment's hook said yes, or there is none. Asks it, and again some time after a no. */
bool rollout_may(struct course *c, enum strategy_moment at);
/* Nobody of the candidate's could take all that comes; says so. */
bool rollout_lacks_candidate(struct rollout_state *s);
void rollout_tidy(char *text);
void rollout_add_ms(uint64_t *sum, uint64_t ms);

/* ---- the split: split.c ---- */

const struct rollout_share *rollout_find(const struct rollout_split *split, const char *pool);
bool rollout_split_equal(const struct rollout_split *a, const struct rollout_split *b);
/* Could all of this rollout's weights be made of it? 0 or -EINVAL and why. */
int rollout_check_split(const struct rollout_state *s, const struct rollout_split *split,
			char *why);
/* Wants of the split what the state says, other pools as found. */
void rollout_aim(struct rollout_state *s);
/* With such a weight production has nothing left. */
bool rollout_leaves_nothing(const struct rollout_state *s, uint32_t weight_ppm);
/* Somebody else's split pauses it. */
void rollout_see(struct course *c);

/* ---- seed.c ---- */

/* The service has the release's seed, or is not to: then why, to be added to what is said, or "".
 * Otherwise it wants it. */
bool rollout_may_begin(struct course *c, char why[ROLLOUT_WHY_LEN]);

/* ---- analysis.c ---- */

bool rollout_has_analysis(const struct model_strategy *plan);
void rollout_watch(struct course *c);
/* Says so in what is wanted. */
void rollout_ask_for_analysis(struct rollout_state *s);
/* There is nobody to hold for: time does not count. */
bool rollout_is_idle(const struct rollout_state *s);
/* As rollout_pass(), of time that counts where the candidate is used. */
void rollout_pass_used(struct course *c);
void rollout_forget_findings(struct rollout_state *s);
/* The last batch has nobody beside it: it is not found good, only not bad. */
bool rollout_is_alone_and_well(const struct rollout_state *s);

/* ---- the course; true: it went on, look again ---- */

bool rollout_step_on(struct course *c); /* steps.c */
void rollout_next_step(struct course *c);
/* The step that is now gives all that production has. */
bool rollout_step_takes_all(const struct rollout_state *s);
bool rollout_promote_on(struct course *c); /* promote.c */
bool rollout_stand_by(struct course *c);
bool rollout_back_on(struct course *c);
bool rollout_roll_on(struct course *c); /* rolling.c */
bool rollout_roll_back(struct course *c);
/* The batch that was found bad serves nobody, if enough others do; one that nothing was done to serves. */
void rollout_roll_stop(struct course *c);
void rollout_roll_again(struct rollout_state *s);
void rollout_end_batch(struct rollout_state *s);
/* There is nobody left to compare those with that are upgraded. */
bool rollout_is_last_batch(const struct course *c);

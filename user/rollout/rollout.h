/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the course of a release: a state, and what becomes of it with each look at what runs and each
 * command. Pure: no I/O, no clock, no memory but the state's own. What it wants of the world is in the
 * state, so a driver that was killed has nothing to remember: it makes things as they are wanted.
 *
 * Invariants:
 *   - the candidate's weight is 0, what a step or ramp says, or 100 %: nobody else's choice is ever made.
 *     100 % is all that production has: pools that are not of this rollout keep their weights
 *   - once aborting, the candidate is wanted at exactly 0 (the primary has everything), whatever comes
 *   - no step is skipped or done twice, and hold times do not count while nobody looked, nor before the
 *     candidate has got a flow: what passes between two flows counts with the second, ROLLOUT_NOBODY_MS
 *     of it at most
 *   - a split that this rollout did not make pauses it and is left alone; abort and resume then act
 *     upon it knowingly
 *   - a candidate without a backend that takes flows is not given all of them: that waits for one
 *   - an ended rollout wants nothing any more
 * A rolling one wants nothing of the split, and whoever changes it does not stop it. Nobody can take an
 * upgrade back: where its analysis finds harm it stops, with the batch drained if others can spare it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

#include "model/strategy.h"

#define ROLLOUT_RELEASE_LEN  64
#define ROLLOUT_WHY_LEN	     256
#define ROLLOUT_ACTOR_LEN    64
#define ROLLOUT_BACKENDS_MAX 256 /* rolling: of the primary */
#define ROLLOUT_ASK_AGAIN_MS 10000
#define ROLLOUT_NOBODY_MS    10000 /* without a flow on the candidate: no traffic */

enum rollout_phase {
	ROLLOUT_STARTING,     /* the hook before anything */
	ROLLOUT_STEPPING,     /* its steps */
	ROLLOUT_PAUSED,	      /* by a step, a person, a foreign split, an analysis */
	ROLLOUT_PROMOTING,    /* everything to the candidate; upgrade of the primary */
	ROLLOUT_STANDBY,      /* promoted; the old one is warm */
	ROLLOUT_ROLLING_BACK, /* at 0 %; flows drain, hooks hear of it */
	ROLLOUT_PROMOTED,     /* ended well */
	ROLLOUT_ABORTED,
	ROLLOUT_UNDONE, /* promoted, then taken back */
	ROLLOUT_SUPERSEDED,
	ROLLOUT_PHASE_MAX,
};
const char *
rollout_phase_name(enum rollout_phase p); /* "starting", "stepping", ..., "rolling back" */
bool rollout_has_ended(enum rollout_phase p);

/* Within a step (or batch), in this order. */
enum rollout_stage {
	ROLLOUT_GATE,  /* its hook is asked */
	ROLLOUT_SHIFT, /* the weight is wanted; rolling: the batch drains */
	ROLLOUT_RAMP,  /* moves to its end; rolling: the batch's hook upgrades it */
	ROLLOUT_HOLD,  /* rolling: waits for health */
	ROLLOUT_ANALYSE,
	ROLLOUT_HALT, /* the step pauses */
	ROLLOUT_STAGE_MAX,
};
const char *rollout_stage_name(enum rollout_stage s);

enum rollout_cause { /* of a pause */
		     ROLLOUT_NO_CAUSE,
		     ROLLOUT_BY_STEP,
		     ROLLOUT_BY_PERSON,
		     ROLLOUT_BY_FOREIGN,      /* somebody else shifted */
		     ROLLOUT_BY_ANALYSIS,     /* failed, and on_failure is pause */
		     ROLLOUT_BY_INCONCLUSIVE, /* A/A alarm, or too many looks without an answer */
		     ROLLOUT_BY_DEADLINE,     /* no traffic for so long */
		     ROLLOUT_BY_BATCH, /* rolling: a batch did not get well, or its hook failed */
		     ROLLOUT_CAUSE_MAX,
};
const char *rollout_cause_name(enum rollout_cause c);

enum rollout_finding {
	ROLLOUT_UNKNOWN, /* not enough is known */
	ROLLOUT_GOOD,	 /* not worse; within bounds */
	ROLLOUT_BAD,
	ROLLOUT_INCONCLUSIVE,
	ROLLOUT_NO_TRAFFIC,
	ROLLOUT_FINDING_MAX,
};
const char *rollout_finding_name(enum rollout_finding f);

struct rollout_share {
	char pool[SERIN_NAME_LEN];
	uint32_t ppm; /* of the primary, too */
};

struct rollout_split {
	size_t count;
	struct rollout_share of[SERIN_MAX_POOLS]; /* in the order of the file */
	char primary[SERIN_NAME_LEN];
};

struct rollout_backend {
	char name[64]; /* "10.0.0.11:8080", "[2001:db8::1]:80" */
	bool is_healthy;
	bool is_drained;
	uint64_t flows; /* living ones, an estimate */
};

enum rollout_reply { ROLLOUT_NO_REPLY, ROLLOUT_YES, ROLLOUT_NO, ROLLOUT_REPLY_MAX };

/* Which hook is asked, once for each number; a driver that does not know whether it did asks again. */
struct rollout_question {
	uint64_t number; /* 0: none */
	enum strategy_moment at;
};

struct rollout_state {
	char service[SERIN_NAME_LEN], release[ROLLOUT_RELEASE_LEN];
	uint64_t id; /* the store's */
	/* Unix time, for people only; ended 0: not yet, and it is the driver who sets it. */
	int64_t started_ms, ended_ms;
	struct model_strategy plan; /* a copy: a file that changes later changes no rollout */
	/* Resolved at the start: after a swap the names of the file have changed roles. */
	char candidate[SERIN_NAME_LEN], production[SERIN_NAME_LEN], baseline[SERIN_NAME_LEN];
	enum rollout_phase phase, resumes_to; /* of a pause */
	enum rollout_phase ends_as;	      /* rolling back: what it is then */
	enum rollout_cause cause;
	char why[ROLLOUT_WHY_LEN]; /* of the last transition, or why it waits */
	uint32_t step;		   /* rolling: batch */
	uint32_t skipped;	   /* the last so many steps were left out: nobody began them */
	enum rollout_stage stage;
	uint64_t stage_ms; /* looked at so far; survives a restart */
	/* Since the candidate's last flow, and not in stage_ms. */
	uint64_t unseen_ms;
	/* Since analysis could begin, its initial delay included; without traffic since. */
	uint64_t analysed_ms, idle_ms;
	uint32_t bad_looks, unanswered_looks;
	enum rollout_finding finding; /* the latest, of all kinds together */
	enum rollout_finding kernel;  /* the judge's latest */
	enum rollout_finding metrics; /* of the latest look at them in this step */
	/* What the kernel's judge said when a person went on all the same: it counts for nothing until
	 * it says something else. A greater `analyses` than before: that judge is to begin anew. */
	enum rollout_finding overruled;
	uint64_t analyses;
	struct rollout_split
		before; /* of the start: what abort and undo go back to, candidate at 0 */
	struct rollout_split want;  /* now */
	struct rollout_split found; /* as last looked at; equal to want: ours */
	uint32_t epoch;		    /* of `found` */
	uint64_t wants;		    /* counts changes of want: a store's intent has this number */
	bool is_want_made;	    /* the split was seen as wanted since */
	bool is_adopting;	    /* after a retry: begins with what the next look finds */
	/* Its clients are drawn with a seed of its own from before the first step on, if that moves nobody;
	 * a retry has the same. */
	bool has_seed; /* false: with whatever the service has */
	uint64_t seed;
	bool wants_seed;	/* the service is to have it now */
	uint64_t found_seed;	/* the service's, as last looked at */
	bool is_candidate_down; /* as last looked at; not kept */
	struct rollout_question question;
	uint64_t questions;	  /* so far */
	enum rollout_reply reply; /* to the last one, not acted upon yet (in a pause, say) */
	char reply_why[ROLLOUT_WHY_LEN];
	bool is_refused;     /* it was no: asked again when the stage is ROLLOUT_ASK_AGAIN_MS old */
	bool wants_analysis; /* the judge is to be fed */
	/* The judge looks for a change since promotion (seq_promote); rolling: since the last backend was
	 * upgraded, beside which there is none to compare with. */
	bool wants_promoted;
	bool wants_reset; /* flows of this rollout on the candidate are to be reset */
	/* rolling */
	size_t batch_count;
	char batch[ROLLOUT_BACKENDS_MAX][64]; /* the one under way */
	bool is_batch_waived;		      /* somebody said not to wait for its health */
	bool is_batch_bad;		      /* its analysis said so: it is to stay drained */
	size_t drain_count;
	char drained[ROLLOUT_BACKENDS_MAX][64]; /* wanted drained */
	size_t done_count;
	char done[ROLLOUT_BACKENDS_MAX][64]; /* upgraded, and their batch was passed */
};

/* What is known at a look. */
struct rollout_look {
	uint64_t
		passed_ms; /* since the look before, by a clock that nobody sets; 0 after a restart */
	bool is_loaded;	   /* false: nothing runs; then nothing below is known and it waits */
	struct rollout_split split;
	uint32_t epoch;
	char actor[ROLLOUT_ACTOR_LEN]; /* who made it, for people: "weight by root (reason)" */
	bool is_candidate_down;	       /* none of its backends takes new flows */
	bool has_traffic; /* new flows of the candidate since the look before; for kernel analyses */
	uint64_t seed;
	char seed_refusal[ROLLOUT_WHY_LEN]; /* why it is not the one wanted; "": nobody said no */
	enum rollout_finding kernel;	    /* ROLLOUT_UNKNOWN where no analysis runs */
	char kernel_why[ROLLOUT_WHY_LEN];
	/* A look at metrics that was finished since the look before. */
	bool has_metrics;
	enum rollout_finding metrics;
	char metrics_why[ROLLOUT_WHY_LEN];
	/* The answer to state->question; number 0: none yet. */
	uint64_t answered;
	bool is_yes;
	char answer_why[ROLLOUT_WHY_LEN];
	bool has_flows; /* living flows of this rollout on the candidate are left (draining) */
	const struct rollout_backend *backends; /* rolling: the production pool's */
	size_t backend_count;
};

enum rollout_command {
	ROLLOUT_PAUSE,
	ROLLOUT_RESUME,	      /* also past a step that pauses */
	ROLLOUT_PROMOTE,      /* past what it waits for now */
	ROLLOUT_PROMOTE_FULL, /* past everything: to 100 % */
	/* In STANDBY: undo. Rolling: those drained get flows again where they are healthy; others stay drained,
	 * for nobody knows what a half-done upgrade left there, and so do those that were found bad. */
	ROLLOUT_ABORT,
	ROLLOUT_RETRY, /* an aborted one, from the start */
	ROLLOUT_UNDO,  /* of STANDBY or PROMOTED: back to before; what a hook upgraded stays so */
	/* Another release takes its place: back to 0 %, at once. One in STANDBY is promoted, at once. */
	ROLLOUT_SUPERSEDE,
	ROLLOUT_COMMAND_MAX,
};
const char *rollout_command_name(enum rollout_command c);

/* A transition, to be kept with its reason. */
struct rollout_note {
	enum rollout_phase from, to;
	uint32_t step; /* from 0; behind the last one it is the last one */
	char why[ROLLOUT_WHY_LEN];
};

#define ROLLOUT_NOTES_MAX 8

struct rollout_notes {
	size_t count;
	bool is_ordered; /* of rollout_obey(): a person, or another release */
	struct rollout_note of[ROLLOUT_NOTES_MAX];
};

struct rollout_begin {
	const char *service, *release;
	const char *primary; /* the file's; NULL: the split's, or the only other pool */
	const struct model_strategy *strategy;
	struct rollout_split split; /* what runs now */
	uint32_t epoch;
	uint64_t seed; /* for this release: model_release_seed() */
	int64_t now_unix_ms;
};

/*
 * rollout_begin() - a new one. Of strategy->candidate and the file's primary, whichever has the traffic
 * is production and the other one is the candidate (they change places with each swap).
 * @why: of a refusal: no such pool, the candidate has weight already, steps that leave no room for the
 * baseline or for other pools' weights, ...
 * Returns 0, -EINVAL, or -ENOMEM.
 */
int rollout_begin(struct rollout_state *s, const struct rollout_begin *b,
		  char why[ROLLOUT_WHY_LEN]);
void rollout_fini(struct rollout_state *s);

/* One look; called each second, and at once when something was answered or changed. What is wanted of
 * the split changes here, and in rollout_obey() where it takes the candidate back. */
void rollout_step(struct rollout_state *s, const struct rollout_look *look,
		  struct rollout_notes *notes);

/* @who: for people: "root by serin rollout abort". Returns 0, or -EINVAL with why: not in this phase. */
int rollout_obey(struct rollout_state *s, enum rollout_command c, const char *who,
		 const char *reason, struct rollout_notes *notes, char why[ROLLOUT_WHY_LEN]);

/* The commands that rollout_obey() would take now: 1 << each. Out of memory there are none. */
unsigned int rollout_can(const struct rollout_state *s);

/* For people: its step or batch, from 1 on and never more than there are; 0: none yet, or none at all. */
uint32_t rollout_step_number(const struct rollout_state *s);

/* How long what it waits for (ramp, hold, analysis, standby, drain) takes yet, at most; 0: not a matter of
 * time. */
uint64_t rollout_left_ms(const struct rollout_state *s);

/* ---- to keep ---- */

struct json_t;
/* All of it, exact if written with 17 digits, as jansson does by default; NULL when out of memory. */
struct json_t *rollout_to_json(const struct rollout_state *s);
/* 0, -EINVAL (not such a state), -ENOMEM. */
int rollout_from_json(const struct json_t *json, struct rollout_state *out);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of the agent's rollouts share. */
#pragma once

#include "agent/keeper.h"
#include "agent/rollout_asks.h"
#include "agent/rollouts.h"
#include "dataplane/dataplane.h"
#include "judge/seq_judge.h"
#include "observe/metrics_rollouts.h"
#include "store/rollouts.h"

#define ROLLOUT_ACTOR "rollout"
#define ROLLOUT_BACK  "back to 0 %"

/* What is asked of others for one moment: its hooks, one after the other. */
struct rollout_hooks {
	struct rollout_run *run;
	struct rollout_question of;
	size_t next; /* index of the hook that is asked, or is to be */
	struct rollout_ask *ask;
	int64_t asked_ms;
	char why[ROLLOUT_WHY_LEN]; /* of the last answer */
	uint32_t tries;
	bool is_answered, is_yes;
};

struct rollbacks;     /* see rollout_metrics.c */
struct telling;	      /* see rollout_hooks.c */
struct rollout_judge; /* the kernel's signals: see rollout_judge.c */
struct live_halves;
struct live_judge;

struct rollout_run {
	struct rollouts *all;
	struct rollout_run *next; /* the newest first */
	struct rollout_state state;
	char who[ROLLOUT_ACTOR_LEN];
	char reason[ROLLOUT_WHY_LEN];
	char production_release[ROLLOUT_RELEASE_LEN]; /* what it had at the start; "": not known */
	uint32_t first_epoch;	     /* flows with an earlier one are not of this rollout */
	struct rollout_judge *judge; /* NULL: was never wanted */
	struct live_halves *halves;  /* rolling: what it is fed with; NULL: nothing yet */
	json_t *transitions;	     /* all there were */
	json_t *counted;	     /* counters of each pool at the start; NULL: not looked yet */
	json_t *ended_pools;	     /* as they were when it ended; NULL: not kept */
	/* What the judge had found when the release was promoted, after which it looks for something else;
	 * NULL: nothing, or not yet. */
	json_t *kernel_steps;
	/* ---- not kept yet ---- */
	json_t *news[STORE_PART_MAX];
	bool is_dirty;
	uint64_t kept_wants; /* the intent that is kept, or cannot be */
	/* ---- looking ---- */
	uint64_t looked_ms;	  /* CLOCK_BOOTTIME; 0: not yet */
	uint64_t candidate_flows; /* at the last look */
	bool has_counted_flows;
	struct rollout_look look;
	struct rollout_backend *backends; /* of the look */
	char trouble[ROLLOUT_WHY_LEN]; /* what keeps the world from being as wanted; "": nothing */
	bool is_reset_refused;	       /* flows of such a service cannot be reset: they are left */
	bool is_taken_up;	       /* of an agent before this one, and not looked at yet */
	uint64_t remembered_ms; /* CLOCK_BOOTTIME: its flows are for some time from then on */
	bool has_left;		/* its service was not there at the last look */
	/* ---- asking ---- */
	struct rollout_hooks question;
	struct rollout_ask *metrics; /* under way */
	uint64_t metrics_due_ms;     /* of analysed_ms */
	json_t *metrics_json;	     /* the last look's */
};

struct rollouts {
	const char *dir;
	sd_event *event;
	sd_event_source *timer;
	struct keeper *keeper;
	struct rollout_run *runs;
	struct telling *tellings; /* hooks that nobody waits for */
	int64_t last_id;
	bool is_turning;
	uint64_t
		retry_ms; /* CLOCK_BOOTTIME: the database is not tried before; 0: it can be written */
	/* what the file says */
	struct model_strategy *strategies;
	size_t strategy_count;
	struct rollouts_service {
		char name[SERIN_NAME_LEN];
		char primary[SERIN_NAME_LEN];
		char strategy[SERIN_NAME_LEN]; /* "": none */
	} * services;
	size_t service_count;
	struct rollbacks *rollbacks;
};

static inline bool rollout_run_has_ended(const struct rollout_run *run)
{
	return rollout_has_ended(run->state.phase);
}

int64_t rollout_now_unix_ms(void);
uint64_t rollout_now_ms(void); /* CLOCK_BOOTTIME */

/* ---- rollouts.c ---- */

/* The next look comes after so long, or sooner. */
void rollouts_look_in(struct rollouts *r, uint64_t in_us);
/* Looks, makes things as they are wanted, keeps it. */
void rollouts_turn(struct rollouts *r);
/* NULL: nothing is loaded, or it cannot be read. */
struct snapshot *rollouts_snapshot(const struct rollouts *r);
/* The one under way, else the newest; NULL: there is none. @id: 0, or that one */
struct rollout_run *rollouts_find(struct rollouts *r, const char *service, int64_t id);
void rollouts_add(struct rollouts *r, struct rollout_run *run);
/* Takes it out and frees it. */
void rollouts_remove(struct rollouts *r, struct rollout_run *run);

/* ---- rollout_metrics.c ---- */

/* Counts one of a service. */
void rollouts_count_rollback(struct rollouts *r, const char *service, enum metrics_rollback why);
void rollouts_rollbacks_free(struct rollouts *r);

/* ---- rollout_run.c ---- */

struct rollout_run *rollout_run_new(struct rollouts *all);
void rollout_run_free(struct rollout_run *run);
/* One look, with all that was learnt since the one before. @s: NULL: nothing is loaded */
void rollout_run_look(struct rollout_run *run, const struct snapshot *s);
/* Of an agent before this one: what it did at the last and could not keep. Once. */
void rollout_run_take_up(struct rollout_run *run, const struct snapshot *s);
/* What a state told of itself: into the record, the log and to those who want to hear of it. */
void rollout_run_note(struct rollout_run *run, const struct rollout_notes *notes);
void rollout_split_of(const struct snapshot_service *svc, struct rollout_split *out);
/* "weight by root (reason)" */
void rollout_actor_of(const struct serin_change *last, char out[ROLLOUT_ACTOR_LEN]);
void rollout_user_of(uint32_t uid, char *out, size_t size);
/* Once for each trouble. */
void rollout_run_trouble(struct rollout_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- rollout_world.c ---- */

/* Is something other wanted than what was seen? */
bool rollout_wants_shift(const struct rollout_run *run);
/* Does it take the candidate back? That waits for nothing. */
bool rollout_wants_back(const struct rollout_run *run);
/* What the data plane is told of who made a split: the release, and what for. */
void rollout_shift_reason(const struct rollout_run *run, const char *what, char *out, size_t size);
/* 0; 1: it was made so; -EAGAIN: soon again. */
int rollout_make_split(struct rollout_run *run);
/* Is another seed wanted than the service has? */
bool rollout_wants_seed(const struct rollout_run *run);
/* What became of it the next look tells, soon. */
int rollout_make_seed(struct rollout_run *run);
/* Drains, and flows that are to end. */
int rollout_make_rest(struct rollout_run *run, const struct snapshot *s);

/* ---- rollout_pools.c ---- */

/* Since the start. */
struct rollout_counts {
	uint64_t flows, failures;
};
struct rollout_counts rollout_counts_of(const struct rollout_run *run,
					const struct snapshot_pool *pool);
/* Each time: the first is the start. */
void rollout_counts_look(struct rollout_run *run, const struct snapshot_service *svc);
/* It has ended: its pools are told as they are now from now on. */
void rollout_pools_freeze(struct rollout_run *run);
json_t *rollout_pools_json(const struct rollout_run *run, const struct snapshot *s);

/* ---- rollout_versions.c ---- */

/* The last one that was promoted and is what the pool has since; "": none is known. */
void rollouts_release_of(struct rollouts *r, const char *service, const char *pool,
			 char out[ROLLOUT_RELEASE_LEN]);

/* ---- rollout_flows.c ---- */

/* Into the look, where it matters. */
void rollout_flows_look(struct rollout_run *run);
/* Sees to it that they can be told. 0, or -EAGAIN: soon again. */
int rollout_flows_remember(struct rollout_run *run);
/* Ends those that are to end. */
int rollout_flows_reset(struct rollout_run *run);

/* ---- rollout_keep.c ---- */

/* A row for the record; takes the reference. */
void rollout_run_tell(struct rollout_run *run, enum store_rollout_part part, json_t *row);
/* All that is new of all of them. */
void rollouts_keep(struct rollouts *r);
/* Can the database be written? Yes, too, where nobody wants one. */
bool rollouts_can_keep(struct rollouts *r);
/* Those of before. */
int rollouts_load(struct rollouts *r);
/* One that is kept, as it is kept; NULL: there is none such. */
struct rollout_run *rollouts_read(struct rollouts *r, const char *service, int64_t id);
/* Rows of a part, those kept and those that wait. */
json_t *rollout_run_rows(struct rollout_run *run, enum store_rollout_part part);

/* ---- rollout_hooks.c ---- */

/* Asks what is to be asked, or drops what nobody wants to know any more. */
void rollout_hooks_follow(struct rollout_run *run);
/* Tells hooks that nobody waits for. */
void rollout_hooks_tell(struct rollout_run *run, enum strategy_moment at, const char *why);
void rollout_hooks_cancel(struct rollout_run *run);
void rollout_tellings_cancel(struct rollouts *r);
json_t *rollout_question_json(const struct rollout_run *run); /* null: none */

/* ---- rollout_looks.c ---- */

void rollout_looks_follow(struct rollout_run *run);
void rollout_looks_cancel(struct rollout_run *run);

/* ---- rollout_judge.c ---- */

/* Feeds it what was counted, and says what it finds. */
void rollout_judge_follow(struct rollout_run *run, const struct snapshot *s);
void rollout_judge_free(struct rollout_judge *j);
size_t rollout_judge_size(void);
/* Evidence as bytes, and back. 0 or -errno. */
void rollout_judge_put(const struct rollout_judge *j, uint8_t *bytes);
int rollout_judge_get(struct rollout_run *run, const void *bytes, size_t size);
json_t *rollout_judge_json(const struct rollout_run *run); /* null: none */
/* NULL: none. */
const struct seq_state *rollout_judge_state(const struct rollout_run *run);

/* ---- rollout_halves.c ---- */

/* The pool that is upgraded as a service of two. Where it has left, or there is no memory, the snapshot as
 * it is: it has no such pools, and the judge waits. */
const struct snapshot *rollout_halves_see(struct rollout_run *run, const struct snapshot *s);
/* Those of a judge that was kept. 0 or -ENOMEM. */
int rollout_halves_adopt(struct rollout_run *run, const struct live_judge *j);

/* ---- rollout_view.c ---- */

json_t *rollout_summary_json(const struct rollout_run *run);
json_t *rollout_view_json(struct rollout_run *run, const struct snapshot *s);
json_t *rollout_pools_now_json(const struct rollout_run *run, const struct snapshot *s);
/* A pool of which nothing but its share is known. */
json_t *rollout_share_json(const struct rollout_run *run, const struct rollout_share *share);

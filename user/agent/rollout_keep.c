// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rollouts to the database and from it. Where there is none, or it cannot be written, what would be kept
 * stays in memory, within bounds, and the rollout goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "lib/log.h"

#define RETRY_MS 5000 /* each try may wait for a lock */
#define NEWS_MAX 4096 /* rows of a part that wait */

void rollout_run_tell(struct rollout_run *run, enum store_rollout_part part, json_t *row)
{
	json_array_append_new(run->news[part], row);
	run->is_dirty = true;
	if (json_array_size(run->news[part]) <= NEWS_MAX)
		return;
	json_array_remove(run->news[part], 0);
	if (keeper_keeps(run->all->keeper))
		store_lose(keeper_store(run->all->keeper), 1);
}

/* ---- to it ---- */

static json_t *state_json(const struct rollout_run *run)
{
	json_t *state = rollout_to_json(&run->state);

	return state ? json_pack("{s:o, s:s, s:I, s:O?, s:O?, s:O?}", "rollout", state,
				 "production_release", run->production_release, "first_epoch",
				 (json_int_t)run->first_epoch, "counted", run->counted,
				 "ended_pools", run->ended_pools, "kernel_steps", run->kernel_steps)
		     : NULL;
}

struct batch {
	struct store_rollout *list;
	struct rollout_run **runs;
	size_t count;
};

static int add(struct batch *b, struct rollout_run *run)
{
	struct store_rollout *out = &b->list[b->count];
	json_t *state = state_json(run);
	uint8_t *evidence = run->judge ? malloc(rollout_judge_size()) : NULL;

	if (!state || (run->judge && !evidence)) {
		json_decref(state);
		free(evidence);
		return -ENOMEM;
	}
	if (evidence)
		rollout_judge_put(run->judge, evidence);
	*out = (struct store_rollout){
		.id = (int64_t)run->state.id,
		.service = run->state.service,
		.release = run->state.release,
		.state = state,
		.evidence = evidence,
		.evidence_size = evidence ? rollout_judge_size() : 0,
		.started_ms = run->state.started_ms,
		.ended_ms = run->state.ended_ms,
		.who = run->who,
		.reason = run->reason,
	};
	for (int part = 0; part < STORE_PART_MAX; part++)
		out->more[part] = run->news[part];
	b->runs[b->count++] = run;
	return 0;
}

static void batch_fini(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		json_decref((json_t *)b->list[i].state);
		free((void *)b->list[i].evidence);
	}
	free(b->list);
	free(b->runs);
}

static int batch_make(struct rollouts *r, struct batch *b)
{
	size_t room = 1;
	int err = 0;

	for (const struct rollout_run *run = r->runs; run; run = run->next)
		room++;
	b->list = calloc(room, sizeof(*b->list));
	b->runs = calloc(room, sizeof(*b->runs));
	if (!b->list || !b->runs)
		return -ENOMEM;
	for (struct rollout_run *run = r->runs; !err && run; run = run->next)
		if (run->is_dirty)
			err = add(b, run);
	return err;
}

/* An intent that cannot be kept is carried out all the same. */
static void settle(struct rollouts *r, bool is_kept)
{
	for (struct rollout_run *run = r->runs; run; run = run->next) {
		run->kept_wants = run->state.wants;
		if (!is_kept || !run->is_dirty)
			continue;
		run->is_dirty = false;
		for (int part = 0; part < STORE_PART_MAX; part++)
			json_array_clear(run->news[part]);
	}
}

/* While it cannot be written it is not tried each second, for that would hold up the loop. */
static bool is_to_be_tried(struct rollouts *r)
{
	return keeper_keeps(r->keeper) && rollout_now_ms() >= r->retry_ms;
}

void rollouts_keep(struct rollouts *r)
{
	struct batch b = {};
	int err = -EAGAIN;

	if (is_to_be_tried(r)) {
		err = batch_make(r, &b);
		if (!err)
			err = keeper_keep_rollouts(r->keeper, b.list, b.count);
		r->retry_ms = err ? rollout_now_ms() + RETRY_MS : 0;
		batch_fini(&b);
	}
	settle(r, !err);
}

bool rollouts_can_keep(struct rollouts *r)
{
	if (!keeper_keeps(r->keeper))
		return true;
	r->retry_ms = 0;
	rollouts_keep(r); /* what waits needs more room than a probe */
	return !r->retry_ms && !store_probe(keeper_store(r->keeper));
}

/* ---- from it ---- */

/* NULL where it is not of that kind: a row of an older version has none. */
static json_t *kept_json(const struct store_rollout *kept, const char *key, json_type type)
{
	json_t *json = json_object_get(kept->state, key);

	return json && json_typeof(json) == type ? json_incref(json) : NULL;
}

/* Without what was found so far a release is judged anew, which is better than by nobody. */
static int take_evidence(struct rollout_run *run, const struct store_rollout *kept)
{
	int err = rollout_judge_get(run, kept->evidence, kept->evidence_size);

	if (!err || err == -ENOMEM)
		return err;
	log_warning("service %s: the evidence of rollout %lld cannot be read: it is gathered anew",
		    kept->service, (long long)kept->id);
	return 0;
}

static struct rollout_run *run_of(struct rollouts *r, const struct store_rollout *kept)
{
	struct rollout_run *run = rollout_run_new(r);
	const json_t *state = json_object_get(kept->state, "rollout");
	const char *release;
	int err = run ? rollout_from_json(state, &run->state) : -ENOMEM;

	if (!err && kept->evidence)
		err = take_evidence(run, kept);
	if (err) {
		log_warning("rollout %lld of service %s cannot be taken up: %s",
			    (long long)kept->id, kept->service, strerror(-err));
		rollout_run_free(run);
		return NULL;
	}
	run->state.id = (uint64_t)kept->id;
	release = json_string_value(json_object_get(kept->state, "production_release"));
	snprintf(run->production_release, ROLLOUT_RELEASE_LEN, "%s", release ? release : "");
	run->first_epoch =
		(uint32_t)json_integer_value(json_object_get(kept->state, "first_epoch"));
	run->counted = kept_json(kept, "counted", JSON_OBJECT);
	run->ended_pools = kept_json(kept, "ended_pools", JSON_ARRAY);
	run->kernel_steps = kept_json(kept, "kernel_steps", JSON_OBJECT);
	snprintf(run->who, sizeof(run->who), "%s", kept->who);
	snprintf(run->reason, sizeof(run->reason), "%s", kept->reason);
	run->kept_wants = run->state.wants;
	return run;
}

static int take_up(const struct store_rollout *kept, void *arg)
{
	struct rollouts *r = arg;
	struct rollout_run *run = run_of(r, kept);

	if (!run)
		return 0;
	run->is_taken_up = true;
	rollouts_add(r, run);
	return 0;
}

static void read_transitions(struct rollouts *r)
{
	for (struct rollout_run *run = r->runs; run; run = run->next)
		store_rollout_rows(keeper_store(r->keeper), (int64_t)run->state.id,
				   STORE_TRANSITIONS, run->transitions);
}

int rollouts_load(struct rollouts *r)
{
	const struct store_rollouts_query query = {.limit = -1, .is_current = true};

	if (!keeper_keeps(r->keeper)) {
		log_info("there is no state database: rollouts are not kept, and end with the "
			 "agent");
		return 0;
	}
	store_rollouts_read(keeper_store(r->keeper), &query, take_up, r);
	read_transitions(r);
	for (const struct rollout_run *run = r->runs; run; run = run->next)
		if (!rollout_run_has_ended(run))
			log_info("service %s: the rollout of %s goes on (%s)", run->state.service,
				 run->state.release, rollout_phase_name(run->state.phase));
	return 0;
}

struct one {
	struct rollouts *all;
	struct rollout_run *found;
};

static int take_one(const struct store_rollout *kept, void *arg)
{
	struct one *one = arg;

	one->found = run_of(one->all, kept);
	return 1;
}

struct rollout_run *rollouts_read(struct rollouts *r, const char *service, int64_t id)
{
	const struct store_rollouts_query query = {.service = service, .id = id, .limit = 1};
	struct one one = {.all = r};

	if (keeper_keeps(r->keeper))
		store_rollouts_read(keeper_store(r->keeper), &query, take_one, &one);
	if (one.found)
		store_rollout_rows(keeper_store(r->keeper), id, STORE_TRANSITIONS,
				   one.found->transitions);
	return one.found;
}

json_t *rollout_run_rows(struct rollout_run *run, enum store_rollout_part part)
{
	json_t *rows = json_array();

	if (keeper_keeps(run->all->keeper))
		store_rollout_rows(keeper_store(run->all->keeper), (int64_t)run->state.id, part,
				   rows);
	json_array_extend(rows, run->news[part]);
	return rows;
}

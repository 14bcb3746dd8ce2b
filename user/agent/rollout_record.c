// SPDX-License-Identifier: GPL-2.0-or-later
/* What is read of rollouts: lists, one as it is, and its whole record. */
#include <errno.h>
#include <string.h>

#include "agent/rollout_internal.h"

/* ---- one ---- */

/* One in memory, or as it is kept: @is_own says that the caller frees it. NULL: there is none. */
static struct rollout_run *get(struct rollouts *r, const char *service, int64_t id, bool *is_own)
{
	struct rollout_run *run = rollouts_find(r, service, id);

	*is_own = !run && id;
	return *is_own ? rollouts_read(r, service, id) : run;
}

static json_t *view(struct rollouts *r, struct rollout_run *run)
{
	struct snapshot *s = rollouts_snapshot(r);
	json_t *json = rollout_view_json(run, s);

	snapshot_free(s);
	return json;
}

int rollouts_view(struct rollouts *r, const char *service, int64_t id, json_t **out)
{
	bool is_own;
	struct rollout_run *run = get(r, service, id, &is_own);

	if (!run)
		return -ENOENT;
	*out = view(r, run);
	if (is_own)
		rollout_run_free(run);
	return *out ? 0 : -ENOMEM;
}

/* ---- the record ---- */

struct shifts {
	json_t *list;
	int64_t first, last; /* epochs of this rollout's time; last -1: it has not ended */
};

static json_t *weights_of(const char *live)
{
	json_t *json = json_loads(live, 0, NULL);
	json_t *weights = json_incref(json_object_get(json, "weights"));

	json_decref(json);
	return weights ? weights : json_null();
}

static int add_shift(const struct history_entry *e, void *arg)
{
	struct shifts *shifts = arg;
	char who[128];
	json_t *before, *after;

	if (e->epoch >= 0 &&
	    (e->epoch < shifts->first || (shifts->last >= 0 && e->epoch > shifts->last)))
		return 0;
	before = weights_of(e->before);
	after = weights_of(e->after);
	snprintf(who, sizeof(who), "%s by %s", e->actor, *e->user ? e->user : "nobody known");
	if (json_equal(before, after)) {
		json_decref(before);
		json_decref(after);
	} else {
		json_array_append_new(shifts->list,
				      json_pack("{s:I, s:s, s:o, s:o, s:s}", "at_ms",
						(json_int_t)e->at_ms, "who", who, "before", before,
						"after", after, "reason", e->reason));
	}
	return 0;
}

static json_t *shifts_json(const struct rollout_run *run)
{
	const struct history_query query = {
		.service = run->state.service, .since_ms = run->state.started_ms, .limit = -1};
	struct shifts shifts = {.list = json_array(),
				.first = run->first_epoch,
				.last = rollout_run_has_ended(run) ? (int64_t)run->state.epoch
								   : -1};

	if (keeper_keeps(run->all->keeper))
		store_history(keeper_store(run->all->keeper), &query, add_shift, &shifts);
	return shifts.list;
}

int rollouts_record(struct rollouts *r, const char *service, int64_t id, json_t **out)
{
	static const enum store_rollout_part parts[] = {STORE_SAMPLES, STORE_LOOKS, STORE_HOOKS};
	bool is_own;
	struct rollout_run *run = get(r, service, id, &is_own);

	if (!run)
		return -ENOENT;
	*out = view(r, run);
	for (size_t i = 0; *out && i < sizeof(parts) / sizeof(*parts); i++)
		json_object_set_new(*out, store_part_name(parts[i]),
				    rollout_run_rows(run, parts[i]));
	if (*out)
		json_object_set_new(*out, "shifts", shifts_json(run));
	if (is_own)
		rollout_run_free(run);
	return *out ? 0 : -ENOMEM;
}

/* ---- all ---- */

struct listing {
	struct rollouts *all;
	json_t *list;
};

static bool is_in_memory(struct rollouts *r, int64_t id)
{
	for (const struct rollout_run *run = r->runs; run; run = run->next)
		if ((int64_t)run->state.id == id)
			return true;
	return false;
}

static int add_kept(const struct store_rollout *kept, void *arg)
{
	struct listing *l = arg;
	struct rollout_run *run;

	if (is_in_memory(l->all, kept->id))
		return 0;
	run = rollout_run_new(l->all);
	if (run && !rollout_from_json(json_object_get(kept->state, "rollout"), &run->state)) {
		run->state.id = (uint64_t)kept->id;
		json_array_append_new(l->list, rollout_summary_json(run));
	}
	rollout_run_free(run);
	return 0;
}

static int64_t id_of(const json_t *summary)
{
	return json_integer_value(json_object_get(summary, "id"));
}

/* By id, the newest first; few are out of place. */
static void sort(json_t *list)
{
	for (size_t i = 1; i < json_array_size(list); i++) {
		json_t *moved = json_incref(json_array_get(list, i));
		size_t at = i;

		while (at && id_of(json_array_get(list, at - 1)) < id_of(moved))
			at--;
		if (at != i) {
			json_array_remove(list, i);
			json_array_insert(list, at, moved);
		}
		json_decref(moved);
	}
}

json_t *rollouts_list(struct rollouts *r, const char *service, int64_t limit)
{
	const struct store_rollouts_query query = {.service = service, .limit = limit};
	struct listing l = {r, json_array()};

	for (const struct rollout_run *run = r->runs; run; run = run->next)
		if (!service || !strcmp(run->state.service, service))
			json_array_append_new(l.list, rollout_summary_json(run));
	if (keeper_keeps(r->keeper))
		store_rollouts_read(keeper_store(r->keeper), &query, add_kept, &l);
	sort(l.list);
	while (limit >= 0 && json_array_size(l.list) > (size_t)limit)
		json_array_remove(l.list, json_array_size(l.list) - 1);
	return l.list ? json_pack("{s:o}", "rollouts", l.list) : NULL;
}

json_t *rollouts_brief(struct rollouts *r, const char *service)
{
	struct rollout_run *run = rollouts_find(r, service, 0);

	return run && !rollout_run_has_ended(run) ? rollout_summary_json(run) : NULL;
}

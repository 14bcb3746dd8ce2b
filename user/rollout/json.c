// SPDX-License-Identifier: GPL-2.0-or-later
/* A rollout's state as it is kept. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "rollout/fields.h"
#include "rollout/internal.h"
#include "rollout/plan_json.h"
#include "lib/count_of.h"

#define VERSION 1

static const struct field state_fields[] = {
	FIELD_OF_NAME(rollout_state, service),
	FIELD_OF_NAME(rollout_state, release),
	FIELD(rollout_state, id, FIELD_U64),
	FIELD(rollout_state, started_ms, FIELD_I64),
	FIELD(rollout_state, ended_ms, FIELD_I64),
	FIELD_OF_NAME(rollout_state, candidate),
	FIELD_OF_NAME(rollout_state, production),
	FIELD_OF_NAME(rollout_state, baseline),
	FIELD_OF_ENUM(rollout_state, phase, ROLLOUT_PHASE_MAX),
	FIELD_OF_ENUM(rollout_state, resumes_to, ROLLOUT_PHASE_MAX),
	FIELD_OF_ENUM(rollout_state, ends_as, ROLLOUT_PHASE_MAX),
	FIELD_OF_ENUM(rollout_state, cause, ROLLOUT_CAUSE_MAX),
	FIELD_OF_NAME(rollout_state, why),
	FIELD(rollout_state, step, FIELD_U32),
	FIELD_OF_ENUM(rollout_state, stage, ROLLOUT_STAGE_MAX),
	FIELD(rollout_state, stage_ms, FIELD_U64),
	FIELD(rollout_state, analysed_ms, FIELD_U64),
	FIELD(rollout_state, idle_ms, FIELD_U64),
	FIELD(rollout_state, bad_looks, FIELD_U32),
	FIELD(rollout_state, unanswered_looks, FIELD_U32),
	FIELD_OF_ENUM(rollout_state, finding, ROLLOUT_FINDING_MAX),
	FIELD_OF_ENUM(rollout_state, kernel, ROLLOUT_FINDING_MAX),
	FIELD_OF_ENUM(rollout_state, metrics, ROLLOUT_FINDING_MAX),
	FIELD_OF_ENUM(rollout_state, overruled, ROLLOUT_FINDING_MAX),
	FIELD(rollout_state, analyses, FIELD_U64),
	FIELD(rollout_state, epoch, FIELD_U32),
	FIELD(rollout_state, wants, FIELD_U64),
	FIELD(rollout_state, is_want_made, FIELD_BOOL),
	FIELD(rollout_state, is_adopting, FIELD_BOOL),
	FIELD(rollout_state, questions, FIELD_U64),
	FIELD_OF_ENUM(rollout_state, reply, ROLLOUT_REPLY_MAX),
	FIELD_OF_NAME(rollout_state, reply_why),
	FIELD(rollout_state, is_refused, FIELD_BOOL),
	FIELD(rollout_state, wants_analysis, FIELD_BOOL),
	FIELD(rollout_state, wants_promoted, FIELD_BOOL),
	FIELD(rollout_state, wants_reset, FIELD_BOOL),
	FIELD(rollout_state, is_batch_waived, FIELD_BOOL),
};

/* Those of before have none: nothing of it is lost with them. */
static const struct field unseen_fields[] = {FIELD(rollout_state, unseen_ms, FIELD_U64)};

/* Not in what was kept before there were any. */
static const struct field seed_fields[] = {
	FIELD(rollout_state, has_seed, FIELD_BOOL),
	FIELD(rollout_state, seed, FIELD_U64),
	FIELD(rollout_state, wants_seed, FIELD_BOOL),
	FIELD(rollout_state, found_seed, FIELD_U64),
};

/* Those of before have none. */
static const struct field batch_fields[] = {FIELD(rollout_state, is_batch_bad, FIELD_BOOL)};

static const struct field skip_fields[] = {FIELD(rollout_state, skipped, FIELD_U32)};

static const struct field question_fields[] = {
	FIELD(rollout_question, number, FIELD_U64),
	FIELD_OF_ENUM(rollout_question, at, STRATEGY_MOMENT_MAX),
};

static const struct field split_fields[] = {FIELD_OF_NAME(rollout_split, primary)};

static const struct field share_fields[] = {
	FIELD_OF_NAME(rollout_share, pool),
	FIELD(rollout_share, ppm, FIELD_U32),
};

static const struct {
	const char *key;
	size_t at;
} splits[] = {
	{"before", offsetof(struct rollout_state, before)},
	{"want", offsetof(struct rollout_state, want)},
	{"found", offsetof(struct rollout_state, found)},
};

#define NAME_SIZE sizeof(((struct rollout_state *)NULL)->drained[0])

static const struct {
	const char *key;
	size_t at, count_at;
} lists[] = {
	{"batch", offsetof(struct rollout_state, batch),
	 offsetof(struct rollout_state, batch_count)},
	{"drained", offsetof(struct rollout_state, drained),
	 offsetof(struct rollout_state, drain_count)},
	{"done", offsetof(struct rollout_state, done), offsetof(struct rollout_state, done_count)},
};

static json_t *split_to_json(const struct rollout_split *split)
{
	json_t *object = fields_put(FIELDS(split_fields), split);

	if (json_object_set_new(object, "of",
				fields_put_all(FIELDS(share_fields), split->of, sizeof(*split->of),
					       split->count))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

struct json_t *rollout_to_json(const struct rollout_state *s)
{
	const char *bytes = (const char *)s;
	json_t *json = fields_put(FIELDS(state_fields), s);
	int error = json_object_set_new(json, "version", json_integer(VERSION));

	error |= json_object_set_new(json, "traffic", fields_put(FIELDS(unseen_fields), s));
	error |= json_object_update_new(json, fields_put(FIELDS(seed_fields), s));
	error |= json_object_set_new(json, "batch_found", fields_put(FIELDS(batch_fields), s));
	error |= json_object_update_new(json, fields_put(FIELDS(skip_fields), s));
	error |= json_object_set_new(json, "plan", plan_to_json(&s->plan));
	error |= json_object_set_new(json, "question",
				     fields_put(FIELDS(question_fields), &s->question));
	for (size_t i = 0; i < COUNT_OF(splits); i++)
		error |= json_object_set_new(json, splits[i].key,
					     split_to_json((const void *)(bytes + splits[i].at)));
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		size_t count = *(const size_t *)(const void *)(bytes + lists[i].count_at);

		error |= json_object_set_new(
			json, lists[i].key,
			fields_put_names(bytes + lists[i].at, NAME_SIZE, count));
	}
	if (!error)
		return json;
	json_decref(json);
	return NULL;
}

/* All of it is shared out, once. */
static int check_split(const struct rollout_split *split)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < split->count; i++) {
		sum += split->of[i].ppm;
		if (rollout_find(split, split->of[i].pool) != &split->of[i])
			return -EINVAL;
	}
	return sum == MODEL_PPM_ALL && rollout_find(split, split->primary) ? 0 : -EINVAL;
}

static int read_split(const json_t *json, struct rollout_split *out)
{
	const json_t *shares = json_object_get(json, "of");

	if (!json_is_array(shares) || json_array_size(shares) > SERIN_MAX_POOLS)
		return -EINVAL;
	out->count = json_array_size(shares);
	return fields_get(FIELDS(split_fields), json, out) ||
			       fields_get_all(FIELDS(share_fields), shares, out->of,
					      sizeof(*out->of)) ||
			       check_split(out)
		       ? -EINVAL
		       : 0;
}

static bool can_resume(enum rollout_phase p)
{
	return p == ROLLOUT_STARTING || p == ROLLOUT_STEPPING || p == ROLLOUT_PROMOTING ||
	       p == ROLLOUT_STANDBY;
}

/* Nothing that the course relies on is amiss. */
static int check_state(const struct rollout_state *s)
{
	bool is_paused = s->phase == ROLLOUT_PAUSED, has_steps = s->plan.type != STRATEGY_ROLLING;
	enum rollout_phase phase = is_paused ? s->resumes_to : s->phase;

	if (is_paused != (s->cause != ROLLOUT_NO_CAUSE) || (is_paused && !can_resume(phase)))
		return -EINVAL;
	if (!rollout_has_ended(s->ends_as) || s->ends_as == ROLLOUT_PROMOTED)
		return -EINVAL;
	if (has_steps && (s->step > s->plan.step_count || s->skipped > s->plan.step_count ||
			  (phase == ROLLOUT_STEPPING && s->step == s->plan.step_count)))
		return -EINVAL;
	if (s->cause == ROLLOUT_BY_STEP && phase != ROLLOUT_STEPPING)
		return -EINVAL;
	if ((phase == ROLLOUT_STARTING && s->step) || s->unseen_ms > ROLLOUT_NOBODY_MS)
		return -EINVAL;
	return has_steps == !*s->candidate || !*s->production ? -EINVAL : 0;
}

static int read_state(const json_t *json, struct rollout_state *out)
{
	char *bytes = (char *)out;
	int error = fields_get(FIELDS(state_fields), json, out);

	if (!error && json_object_get(json, "traffic"))
		error = fields_get(FIELDS(unseen_fields), json_object_get(json, "traffic"), out);
	if (!error && json_object_get(json, "has_seed"))
		error = fields_get(FIELDS(seed_fields), json, out);
	if (!error && json_object_get(json, "batch_found"))
		error = fields_get(FIELDS(batch_fields), json_object_get(json, "batch_found"), out);
	if (!error && json_object_get(json, "skipped"))
		error = fields_get(FIELDS(skip_fields), json, out);
	if (!error)
		error = fields_get(FIELDS(question_fields), json_object_get(json, "question"),
				   &out->question);
	for (size_t i = 0; !error && i < COUNT_OF(splits); i++)
		error = read_split(json_object_get(json, splits[i].key),
				   (void *)(bytes + splits[i].at));
	for (size_t i = 0; !error && i < COUNT_OF(lists); i++)
		error = fields_get_names(json_object_get(json, lists[i].key), bytes + lists[i].at,
					 NAME_SIZE, ROLLOUT_BACKENDS_MAX,
					 (size_t *)(void *)(bytes + lists[i].count_at));
	if (!error)
		error = plan_from_json(json_object_get(json, "plan"), &out->plan);
	return error ? error : check_state(out);
}

int rollout_from_json(const struct json_t *json, struct rollout_state *out)
{
	struct rollout_state *s;
	int error;

	if (json_integer_value(json_object_get(json, "version")) != VERSION)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	error = read_state(json, s);
	if (error)
		rollout_fini(s);
	else
		*out = *s;
	free(s);
	return error;
}

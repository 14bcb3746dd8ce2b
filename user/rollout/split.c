// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wanted of the split in each state, and whether what is found is of this rollout. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rollout/internal.h"

const struct rollout_share *rollout_find(const struct rollout_split *split, const char *pool)
{
	for (size_t i = 0; i < split->count; i++)
		if (!strcmp(split->of[i].pool, pool))
			return &split->of[i];
	return NULL;
}

static void set_share(struct rollout_split *split, const char *pool, uint32_t ppm)
{
	for (size_t i = 0; i < split->count; i++)
		if (!strcmp(split->of[i].pool, pool))
			split->of[i].ppm = ppm;
}

static uint32_t share_of(const struct rollout_split *split, const char *pool)
{
	const struct rollout_share *share = rollout_find(split, pool);

	return share ? share->ppm : 0;
}

bool rollout_split_equal(const struct rollout_split *a, const struct rollout_split *b)
{
	if (a->count != b->count || strcmp(a->primary, b->primary))
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct rollout_share *other = rollout_find(b, a->of[i].pool);

		if (!other || other->ppm != a->of[i].ppm)
			return false;
	}
	return true;
}

static bool is_ours(const struct rollout_state *s, const char *pool)
{
	return !strcmp(pool, s->candidate) || !strcmp(pool, s->production) ||
	       (*s->baseline && !strcmp(pool, s->baseline));
}

/* What pools that are not of this rollout leave of the whole. */
static uint32_t room_in(const struct rollout_state *s, const struct rollout_split *split)
{
	uint64_t others = 0;

	for (size_t i = 0; i < split->count; i++)
		if (!is_ours(s, split->of[i].pool))
			others += split->of[i].ppm;
	return others < MODEL_PPM_ALL ? MODEL_PPM_ALL - (uint32_t)others : 0;
}

static uint32_t baseline_before(const struct rollout_state *s)
{
	return *s->baseline ? share_of(&s->before, s->baseline) : 0;
}

bool rollout_leaves_nothing(const struct rollout_state *s, uint32_t weight_ppm)
{
	uint64_t taken = (uint64_t)weight_ppm * (*s->baseline ? 2 : 1);

	return taken >= room_in(s, &s->found);
}

static bool is_one_of_two(const struct rollout_state *s, const char *pool)
{
	return !strcmp(pool, s->candidate) || !strcmp(pool, s->production);
}

int rollout_check_split(const struct rollout_state *s, const struct rollout_split *split, char *why)
{
	const char *const needed[] = {s->candidate, s->production, s->baseline};
	uint32_t room = room_in(s, split), before = baseline_before(s);

	for (int i = 0; i < 3; i++)
		if (*needed[i] && !rollout_find(split, needed[i])) {
			snprintf(why, ROLLOUT_WHY_LEN, "there is no pool %s", needed[i]);
			return -EINVAL;
		}
	if (!is_one_of_two(s, split->primary)) {
		snprintf(why, ROLLOUT_WHY_LEN, "the primary is %s, neither %s nor %s",
			 split->primary, s->candidate, s->production);
		return -EINVAL;
	}
	for (size_t i = 0; i < s->plan.step_count; i++) {
		const struct strategy_step *step = &s->plan.steps[i];
		uint32_t beside = *s->baseline && step->weight_ppm > before ? step->weight_ppm
									    : before;

		if (step->has_weight && (uint64_t)step->weight_ppm + beside > room) {
			snprintf(why, ROLLOUT_WHY_LEN,
				 "step %zu: %g %%%s do not fit in the %g %% that other pools leave",
				 i + 1, step->weight_ppm / PPM_PER_PERCENT,
				 *s->baseline ? " and as much for the baseline" : "",
				 room / PPM_PER_PERCENT);
			return -EINVAL;
		}
	}
	if (before >= room) {
		snprintf(why, ROLLOUT_WHY_LEN, "other pools have everything");
		return -EINVAL;
	}
	return 0;
}

/* Weights of the pools that are ours; production has the rest, or nothing beside a primary candidate. */
struct aim {
	uint32_t candidate, baseline;
	bool is_all;	 /* the candidate has all that production had */
	bool is_primary; /* the candidate is */
};

/* The last weight that steps before `end` have set. False: none has. */
static bool weight_before(const struct model_strategy *plan, uint32_t end, uint32_t *out)
{
	*out = 0;
	for (uint32_t i = end; i-- > 0;)
		if (plan->steps[i].has_weight) {
			*out = plan->steps[i].weight_ppm;
			return true;
		}
	return false;
}

static uint32_t on_ramp(const struct strategy_step *step, uint32_t from, uint64_t passed_ms)
{
	uint32_t to = step->weight_ppm;
	uint32_t way = to > from ? to - from : from - to, part;

	if (passed_ms >= step->ramp_ms)
		return to;
	part = (uint32_t)((unsigned __int128)way * passed_ms / step->ramp_ms);
	return to > from ? from + part : from - part;
}

static bool step_weight(const struct rollout_state *s, uint32_t *out)
{
	const struct strategy_step *step;
	bool is_set = weight_before(&s->plan, s->step, out);

	if (s->step >= s->plan.step_count)
		return is_set;
	step = &s->plan.steps[s->step];
	if (!step->has_weight || s->stage == ROLLOUT_GATE)
		return is_set;
	if (s->stage > ROLLOUT_RAMP || (s->stage == ROLLOUT_SHIFT && !step->ramp_ms))
		*out = step->weight_ppm;
	else if (s->stage == ROLLOUT_RAMP)
		*out = on_ramp(step, *out, s->stage_ms);
	else
		return is_set;
	return true;
}

static struct aim aim_of(const struct rollout_state *s)
{
	struct aim a = {.baseline = baseline_before(s)};
	uint32_t weight;

	switch (rollout_phase_of(s)) {
	case ROLLOUT_STEPPING:
		if (step_weight(s, &weight))
			a.candidate = a.baseline = weight;
		break;
	case ROLLOUT_PROMOTING:
		if (s->stage <= ROLLOUT_SHIFT && weight_before(&s->plan, s->step, &weight)) {
			a.candidate = weight;
			a.baseline = s->stage == ROLLOUT_GATE ? weight : a.baseline;
		}
		a.is_all = s->stage == ROLLOUT_RAMP || s->stage == ROLLOUT_HOLD;
		a.is_primary = s->stage == ROLLOUT_HOLD && s->plan.finish == STRATEGY_SWAP;
		break;
	case ROLLOUT_STANDBY:
		a.is_primary = true;
		break;
	default:
		break;
	}
	return a;
}

static int give_rest(struct rollout_split *split)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < split->count; i++)
		if (strcmp(split->of[i].pool, split->primary))
			sum += split->of[i].ppm;
	if (sum > MODEL_PPM_ALL || !rollout_find(split, split->primary))
		return -EINVAL;
	set_share(split, split->primary, MODEL_PPM_ALL - (uint32_t)sum);
	return 0;
}

static int make_split(const struct rollout_state *s, const struct aim *a, struct rollout_split *out)
{
	uint32_t room = room_in(s, &s->found);

	*out = s->found;
	if (*s->baseline)
		set_share(out, s->baseline, a->baseline);
	memcpy(out->primary, a->is_primary ? s->candidate : s->production, sizeof(out->primary));
	set_share(out, s->candidate, a->is_all ? room - a->baseline : a->candidate);
	if (a->is_primary)
		set_share(out, s->production, 0);
	return a->is_all && a->baseline > room ? -EINVAL : give_rest(out);
}

/* Whatever others made of the split meanwhile: the candidate has nothing. */
static int make_back(const struct rollout_state *s, struct rollout_split *out)
{
	bool is_third = !is_one_of_two(s, s->found.primary);
	uint32_t room = room_in(s, &s->found), before = baseline_before(s);

	*out = s->found;
	set_share(out, s->candidate, 0);
	if (is_third)
		return give_rest(out);
	memcpy(out->primary, s->production, sizeof(out->primary));
	if (*s->baseline)
		set_share(out, s->baseline, before < room ? before : room);
	return give_rest(out);
}

static void want(struct rollout_state *s, const struct rollout_split *split)
{
	if (!rollout_split_equal(&s->want, split))
		s->wants++;
	s->want = *split;
	s->is_want_made = rollout_split_equal(split, &s->found);
}

static bool wants_nothing(const struct rollout_state *s)
{
	return s->plan.type == STRATEGY_ROLLING || rollout_phase_of(s) == ROLLOUT_STARTING ||
	       (s->phase == ROLLOUT_PAUSED && s->cause == ROLLOUT_BY_FOREIGN);
}

void rollout_aim(struct rollout_state *s)
{
	struct rollout_split split;
	struct aim a;
	int error;

	if (wants_nothing(s)) { /* a rolling one's step is no index of the plan's */
		want(s, &s->found);
		return;
	}
	a = aim_of(s);
	error = s->phase == ROLLOUT_ROLLING_BACK ? make_back(s, &split) : make_split(s, &a, &split);
	if (!error) {
		want(s, &split);
		return;
	}
	s->is_want_made = false;
	rollout_wait(s,
		     "there is no way to give %s its weight: pools or their weights have changed",
		     *s->candidate ? s->candidate : s->production);
}

static void somebody_shifted(struct course *c)
{
	struct rollout_state *s = c->s;
	char why[ROLLOUT_WHY_LEN];

	snprintf(why, sizeof(why), "the split was changed: %s",
		 *c->look->actor ? c->look->actor : "nobody knows by whom");
	rollout_pause(s, ROLLOUT_BY_FOREIGN, c->notes, why);
}

/* A rollout that begins once more takes the split as it is, if it can. */
static void adopt(struct course *c)
{
	struct rollout_state *s = c->s;
	const struct rollout_share *candidate = rollout_find(&s->found, s->candidate);
	char why[ROLLOUT_WHY_LEN];

	s->is_adopting = false;
	if (rollout_check_split(s, &s->found, why))
		rollout_pause(s, ROLLOUT_BY_FOREIGN, c->notes, why);
	else if (candidate->ppm || strcmp(s->found.primary, s->production))
		somebody_shifted(c);
	else
		s->before = s->found;
}

void rollout_see(struct course *c)
{
	struct rollout_state *s = c->s;
	const struct rollout_split *is = &c->look->split;
	bool is_wanted = rollout_split_equal(is, &s->want);
	bool is_foreign = !is_wanted && (s->is_want_made || !rollout_split_equal(is, &s->found));

	s->found = *is;
	s->epoch = c->look->epoch;
	s->is_candidate_down = c->look->is_candidate_down;
	s->found_seed = c->look->seed;
	s->is_want_made = is_wanted;
	if (s->plan.type == STRATEGY_ROLLING)
		return;
	if (s->is_adopting)
		adopt(c);
	else if (is_foreign && s->phase != ROLLOUT_ROLLING_BACK &&
		 !(s->phase == ROLLOUT_PAUSED && s->cause == ROLLOUT_BY_FOREIGN))
		somebody_shifted(c);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rollout/internal.h"

__attribute__((format(printf, 2, 3))) static int refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, ROLLOUT_WHY_LEN, format, args);
	va_end(args);
	return -EINVAL;
}

static bool copy_name(char *to, size_t size, const char *from)
{
	return (size_t)snprintf(to, size, "%s", from ? from : "") < size;
}

static int check_plan(const struct model_strategy *plan, char *why)
{
	if (plan->type == STRATEGY_CANARY && !plan->step_count)
		return refuse(why, "strategy %s has no steps", plan->name);
	if (plan->type == STRATEGY_ROLLING && !rollout_has_hook(plan, STRATEGY_AT_BATCH))
		return refuse(why,
			      "strategy %s has no hook at batch: nothing would upgrade a batch",
			      plan->name);
	if (plan->type != STRATEGY_ROLLING && plan->finish == STRATEGY_RETURN &&
	    !rollout_has_hook(plan, STRATEGY_AT_UPGRADE))
		return refuse(why,
			      "strategy %s has no hook at upgrade: nothing would upgrade the "
			      "primary before the candidate goes back to 0 %%",
			      plan->name);
	if (plan->after_batch.analysis_ms && !rollout_has_analysis(plan))
		return refuse(why, "each batch waits for an analysis and there is none");
	for (size_t i = 0; i < plan->step_count; i++)
		if (plan->steps[i].analysis_ms && !rollout_has_analysis(plan))
			return refuse(why, "step %zu waits for an analysis and there is none",
				      i + 1);
	return 0;
}

/* The only pool that is neither of these; NULL: there are several, or none. */
static const char *only_other(const struct rollout_split *split, const char *a, const char *b)
{
	const char *found = NULL;

	for (size_t i = 0; i < split->count; i++) {
		if (!strcmp(split->of[i].pool, a) || !strcmp(split->of[i].pool, b))
			continue;
		if (found)
			return NULL;
		found = split->of[i].pool;
	}
	return found;
}

/* After a swap the file's candidate has the traffic: then it is the file's primary's turn. */
static int take_roles(struct rollout_state *s, const struct rollout_begin *b, char *why)
{
	const struct model_strategy *plan = b->strategy;
	const char *candidate = plan->candidate, *primary = b->primary;

	if (plan->type == STRATEGY_ROLLING)
		candidate = "";
	else if (!strcmp(candidate, b->split.primary)) {
		if (!primary || !strcmp(primary, candidate))
			primary = only_other(&b->split, candidate, plan->baseline);
		if (!primary)
			return refuse(why, "%s is the primary: which pool is the candidate?",
				      candidate);
		candidate = primary;
	}
	if (!copy_name(s->candidate, sizeof(s->candidate), candidate) ||
	    !copy_name(s->production, sizeof(s->production), b->split.primary) ||
	    !copy_name(s->baseline, sizeof(s->baseline),
		       plan->type == STRATEGY_ROLLING ? "" : plan->baseline))
		return refuse(why, "a name is too long");
	return 0;
}

static int check_roles(const struct rollout_state *s, const struct rollout_begin *b, char *why)
{
	const struct rollout_share *candidate = rollout_find(&b->split, s->candidate);

	if (s->plan.type == STRATEGY_ROLLING)
		return rollout_find(&b->split, s->production)
			       ? 0
			       : refuse(why, "there is no pool %s", s->production);
	if (b->primary && strcmp(b->primary, s->production) && strcmp(b->primary, s->candidate))
		return refuse(why, "the primary is %s, neither %s nor %s", s->production,
			      s->candidate, b->primary);
	if (*s->baseline &&
	    (!strcmp(s->baseline, s->candidate) || !strcmp(s->baseline, s->production)))
		return refuse(why, "%s cannot be the baseline, too", s->baseline);
	if (rollout_check_split(s, &b->split, why))
		return -EINVAL;
	if (candidate->ppm)
		return refuse(why, "%s has %g %% already; give it 0 %% first", s->candidate,
			      candidate->ppm / PPM_PER_PERCENT);
	return 0;
}

int rollout_begin(struct rollout_state *s, const struct rollout_begin *b, char why[ROLLOUT_WHY_LEN])
{
	*s = (struct rollout_state){
		.started_ms = b->now_unix_ms,
		.phase = ROLLOUT_STARTING,
		.resumes_to = ROLLOUT_STARTING,
		.ends_as = ROLLOUT_ABORTED,
		.before = b->split,
		.want = b->split,
		.found = b->split,
		.epoch = b->epoch,
		.is_want_made = true,
	};
	if (!copy_name(s->service, sizeof(s->service), b->service) ||
	    !copy_name(s->release, sizeof(s->release), b->release))
		return refuse(why, "a name is too long");
	if (check_plan(b->strategy, why) || take_roles(s, b, why))
		return -EINVAL;
	if (strategy_copy(b->strategy, &s->plan)) {
		snprintf(why, ROLLOUT_WHY_LEN, "out of memory");
		return -ENOMEM;
	}
	s->has_seed = s->plan.type != STRATEGY_ROLLING && s->plan.step_count;
	s->seed = b->seed;
	if (check_roles(s, b, why)) {
		rollout_fini(s);
		return -EINVAL;
	}
	snprintf(s->why, sizeof(s->why), "begun");
	return 0;
}

void rollout_fini(struct rollout_state *s)
{
	strategy_fini(&s->plan);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What findings do to a rollout. */
#include <stdio.h>

#include "rollout/internal.h"

bool rollout_has_analysis(const struct model_strategy *plan)
{
	const struct strategy_analysis *a = &plan->analysis;

	return a->has_kernel || a->metric_count || a->kayenta_config;
}

static bool has_metrics(const struct rollout_state *s)
{
	return s->plan.analysis.metric_count || s->plan.analysis.kayenta_config;
}

static bool is_rolling(const struct rollout_state *s)
{
	return s->plan.type == STRATEGY_ROLLING;
}

/* While the candidate has, or had, what this rollout gave it. */
static bool is_watched(const struct rollout_state *s)
{
	if (!rollout_has_analysis(&s->plan) || s->cause == ROLLOUT_BY_FOREIGN)
		return false;
	switch (rollout_phase_of(s)) {
	case ROLLOUT_STEPPING:
		if (is_rolling(s))
			return s->done_count || s->stage >= ROLLOUT_HOLD;
		return s->step || s->stage > ROLLOUT_SHIFT;
	case ROLLOUT_PROMOTING:
	case ROLLOUT_STANDBY:
		return true;
	default:
		return false;
	}
}

/* At 0 % nobody is expected; an analysis needs somebody all the same (targets). */
static bool is_traffic_expected(const struct rollout_state *s)
{
	const struct rollout_share *candidate = rollout_find(&s->found, s->candidate);

	if (s->plan.analysis.is_dry_run)
		return false;
	return s->stage == ROLLOUT_ANALYSE || is_rolling(s) || (candidate && candidate->ppm);
}

bool rollout_is_idle(const struct rollout_state *s)
{
	return is_traffic_expected(s) &&
	       (s->finding == ROLLOUT_NO_TRAFFIC || s->unseen_ms == ROLLOUT_NOBODY_MS);
}

/* Of what nobody used nothing was learnt; it is known only afterwards, so it waits. */
void rollout_pass_used(struct course *c)
{
	struct rollout_state *s = c->s;

	if (is_rolling(s) || !s->plan.analysis.has_kernel || !is_traffic_expected(s)) {
		rollout_pass(c, !rollout_is_idle(s));
		return;
	}
	if (s->finding != ROLLOUT_NO_TRAFFIC)
		rollout_add_ms(&s->unseen_ms, c->passed_ms);
	if (s->unseen_ms > ROLLOUT_NOBODY_MS)
		s->unseen_ms = ROLLOUT_NOBODY_MS;
	if (c->look->has_traffic && s->finding != ROLLOUT_NO_TRAFFIC) {
		rollout_add_ms(&s->stage_ms, s->unseen_ms);
		s->unseen_ms = 0;
	}
	rollout_pass(c, false);
}

void rollout_forget_findings(struct rollout_state *s)
{
	s->bad_looks = s->unanswered_looks = 0;
	s->idle_ms = 0;
	s->finding = s->metrics = ROLLOUT_UNKNOWN;
}

/* What counts of what the judge says. */
static enum rollout_finding kernel_finding(struct rollout_state *s)
{
	if (s->overruled && s->kernel == s->overruled)
		return ROLLOUT_UNKNOWN;
	s->overruled = ROLLOUT_UNKNOWN;
	return s->kernel;
}

static void take_metrics(struct rollout_state *s, const struct rollout_look *look)
{
	if (!look->has_metrics || !has_metrics(s))
		return;
	s->metrics = look->metrics;
	if (look->metrics == ROLLOUT_BAD && s->bad_looks < UINT32_MAX)
		s->bad_looks++;
	if ((look->metrics == ROLLOUT_INCONCLUSIVE || look->metrics == ROLLOUT_UNKNOWN) &&
	    s->unanswered_looks < UINT32_MAX)
		s->unanswered_looks++;
}

/* The worse one; good is what both say. */
static enum rollout_finding both(const struct rollout_state *s, enum rollout_finding kernel)
{
	static const enum rollout_finding worst_first[] = {ROLLOUT_BAD, ROLLOUT_INCONCLUSIVE,
							   ROLLOUT_NO_TRAFFIC, ROLLOUT_UNKNOWN};

	if (!has_metrics(s))
		return kernel;
	if (!s->plan.analysis.has_kernel)
		return s->metrics;
	for (size_t i = 0; i < sizeof(worst_first) / sizeof(*worst_first); i++)
		if (kernel == worst_first[i] || s->metrics == worst_first[i])
			return worst_first[i];
	return ROLLOUT_GOOD;
}

static void fail(struct course *c, const char *who, const char *what)
{
	struct rollout_state *s = c->s;
	char why[ROLLOUT_WHY_LEN];

	snprintf(why, sizeof(why), "%s: %.220s", who, what);
	if (s->plan.analysis.on_failure == STRATEGY_ROLLBACK && !is_rolling(s)) {
		rollout_back(s, ROLLOUT_ABORTED, c->notes, why);
	} else if (s->cause != ROLLOUT_BY_ANALYSIS) {
		if (is_rolling(s))
			rollout_roll_stop(c);
		rollout_pause(s, ROLLOUT_BY_ANALYSIS, c->notes, why);
	}
}

static void give_up(struct course *c, const char *who, const char *what)
{
	struct rollout_state *s = c->s;
	char why[ROLLOUT_WHY_LEN];

	if (s->cause == ROLLOUT_BY_ANALYSIS || s->cause == ROLLOUT_BY_INCONCLUSIVE)
		return;
	snprintf(why, sizeof(why), "%s: no answer: %.200s", who, what);
	rollout_pause(s, ROLLOUT_BY_INCONCLUSIVE, c->notes, why);
}

static void act(struct course *c, enum rollout_finding kernel)
{
	struct rollout_state *s = c->s;
	const struct strategy_analysis *a = &s->plan.analysis;

	if (kernel == ROLLOUT_BAD)
		fail(c, "kernel", c->look->kernel_why);
	else if (s->bad_looks > a->failure_limit)
		fail(c, "metrics", c->look->metrics_why);
	else if (kernel == ROLLOUT_INCONCLUSIVE)
		give_up(c, "kernel", c->look->kernel_why);
	else if (s->unanswered_looks > a->inconclusive_limit)
		give_up(c, "metrics", c->look->metrics_why);
}

static bool is_waiting_for_traffic(const struct rollout_state *s)
{
	enum rollout_stage first = is_rolling(s) ? ROLLOUT_ANALYSE : ROLLOUT_RAMP;

	return s->phase == ROLLOUT_STEPPING && s->stage >= first && s->stage <= ROLLOUT_ANALYSE &&
	       rollout_is_idle(s);
}

static void count_idle(struct course *c)
{
	struct rollout_state *s = c->s;
	uint64_t deadline_ms = s->plan.analysis.deadline_ms;

	if (s->finding != ROLLOUT_NO_TRAFFIC && !rollout_is_idle(s))
		s->idle_ms = 0;
	if (!is_waiting_for_traffic(s))
		return;
	rollout_add_ms(&s->idle_ms, c->passed_ms);
	if (deadline_ms && s->idle_ms >= deadline_ms)
		rollout_pause(s, ROLLOUT_BY_DEADLINE, c->notes, "there is no traffic");
}

bool rollout_is_alone_and_well(const struct rollout_state *s)
{
	return s->wants_promoted && s->plan.analysis.has_kernel && s->kernel == ROLLOUT_UNKNOWN &&
	       (!has_metrics(s) || s->metrics == ROLLOUT_GOOD);
}

void rollout_ask_for_analysis(struct rollout_state *s)
{
	s->wants_analysis = is_watched(s) && s->analysed_ms >= s->plan.analysis.initial_delay_ms;
	s->wants_promoted = s->wants_analysis && rollout_phase_of(s) == ROLLOUT_STANDBY;
}

void rollout_watch(struct course *c)
{
	struct rollout_state *s = c->s;
	enum rollout_finding kernel;

	if (!is_watched(s))
		return;
	rollout_add_ms(&s->analysed_ms, c->passed_ms);
	if (s->analysed_ms < s->plan.analysis.initial_delay_ms)
		return;
	s->kernel = s->plan.analysis.has_kernel ? c->look->kernel : ROLLOUT_UNKNOWN;
	kernel = kernel_finding(s);
	take_metrics(s, c->look);
	s->finding = both(s, kernel);
	if (!s->plan.analysis.is_dry_run)
		act(c, kernel);
	count_idle(c);
}

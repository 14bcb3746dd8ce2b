// SPDX-License-Identifier: GPL-2.0-or-later
/* A rollout's looks at metrics: one at a time, each so long after the one before. */
#include <string.h>

#include "agent/rollout_internal.h"
#include "lib/log.h"

/* Kayenta's, where it was asked. */
static json_t *score_of(const json_t *details)
{
	const json_t *detail;
	size_t i;

	json_array_foreach(details, i, detail)
	{
		json_t *score = json_object_get(detail, "score");

		if (json_is_number(score))
			return json_incref(score);
	}
	return json_null();
}

static void on_answer(const struct rollout_answer *a, void *arg)
{
	struct rollout_run *run = arg;
	json_int_t now_ms = (json_int_t)rollout_now_unix_ms();
	const char *finding = rollout_finding_name(a->finding);

	run->metrics = NULL;
	run->look.has_metrics = true;
	run->look.metrics = a->finding;
	snprintf(run->look.metrics_why, sizeof(run->look.metrics_why), "%s", a->why);
	json_decref(run->metrics_json);
	run->metrics_json = json_pack("{s:I, s:s, s:s, s:o, s:O?}", "at_ms", now_ms, "finding",
				      finding, "why", a->why, "score", score_of(a->details),
				      "details", a->details);
	rollout_run_tell(run, STORE_LOOKS,
			 json_pack("{s:I, s:s, s:s, s:O?}", "at_ms", now_ms, "finding", finding,
				   "why", a->why, "details", a->details));
	rollouts_look_in(run->all, 0);
}

static bool has_metrics(const struct strategy_analysis *a)
{
	return a->metric_count || a->kayenta_config;
}

static void ask(struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;
	const struct strategy_analysis *a = &s->plan.analysis;
	int64_t now_ms = rollout_now_unix_ms();
	int64_t since_ms = a->lookback_ms ? now_ms - (int64_t)a->lookback_ms : s->started_ms;
	const struct rollout_look_ask look = {
		.analysis = a,
		.service = s->service,
		.candidate = *s->candidate ? s->candidate : s->production,
		.control = *s->baseline ? s->baseline : s->production,
		.start_s = (since_ms > s->started_ms ? since_ms : s->started_ms) / 1000,
		.end_s = now_ms / 1000,
	};
	int err = rollout_ask_look(run->all->event, &look, on_answer, run, &run->metrics);

	run->metrics_due_ms = s->analysed_ms + a->interval_ms;
	if (err)
		log_warning("service %s: metrics cannot be looked at: %s", s->service,
			    strerror(-err));
}

void rollout_looks_follow(struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;

	if (!has_metrics(&s->plan.analysis) || run->metrics || !s->wants_analysis)
		return;
	/* of an analysis that began anew */
	if (run->metrics_due_ms > s->analysed_ms + s->plan.analysis.interval_ms)
		run->metrics_due_ms = s->analysed_ms;
	if (s->analysed_ms >= run->metrics_due_ms)
		ask(run);
}

void rollout_looks_cancel(struct rollout_run *run)
{
	rollout_ask_cancel(run->metrics);
	run->metrics = NULL;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* A rollout as JSON, for the command line, reports and whoever asks the API. */
#include <errno.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "lib/net.h"

#define PPM_PER_PERCENT 1e4

static const struct rollout_share *find(const struct rollout_split *split, const char *pool)
{
	for (size_t i = 0; i < split->count; i++)
		if (!strcmp(split->of[i].pool, pool))
			return &split->of[i];
	return NULL;
}

static json_t *percent(const struct rollout_share *share)
{
	return share ? json_real(share->ppm / PPM_PER_PERCENT) : json_null();
}

static bool is_rolling(const struct rollout_run *run)
{
	return run->state.plan.type == STRATEGY_ROLLING;
}

json_t *rollout_summary_json(const struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;

	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:s}", "id",
			 (json_int_t)s->id, "service", s->service, "release", s->release,
			 "strategy", s->plan.name, "type", strategy_type_name(s->plan.type),
			 "phase", rollout_phase_name(s->phase), "cause",
			 s->cause ? rollout_cause_name(s->cause) : "", "step", (json_int_t)s->step,
			 "step_count", (json_int_t)s->plan.step_count, "started_ms",
			 (json_int_t)s->started_ms, "ended_ms",
			 s->ended_ms ? json_integer(s->ended_ms) : json_null(), "weight",
			 percent(find(&s->found, s->candidate)), "why",
			 *run->trouble ? run->trouble : s->why);
}

static json_t *steps_json(const struct rollout_state *state)
{
	const struct model_strategy *plan = &state->plan;
	json_t *steps = json_array();

	for (size_t i = 0; i < plan->step_count; i++) {
		const struct strategy_step *step = &plan->steps[i];
		bool is_skipped = i + state->skipped >= plan->step_count;

		json_array_append_new(
			steps,
			json_pack("{s:o, s:I, s:I, s:I, s:b, s:b}", "weight",
				  step->has_weight ? json_real(step->weight_ppm / PPM_PER_PERCENT)
						   : json_null(),
				  "ramp_ms", (json_int_t)step->ramp_ms, "hold_ms",
				  (json_int_t)step->hold_ms, "analysis_ms",
				  (json_int_t)step->analysis_ms, "pauses", step->pauses,
				  "is_skipped", is_skipped));
	}
	return steps;
}

static json_t *names_json(const char (*list)[64], size_t count)
{
	json_t *names = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_string(list[i]));
	return names;
}

/* ---- pools ---- */

static const char *role_of(const struct rollout_state *s, const char *pool)
{
	if (*s->candidate && !strcmp(pool, s->candidate))
		return "candidate";
	if (!strcmp(pool, s->production))
		return "production";
	return *s->baseline && !strcmp(pool, s->baseline) ? "baseline" : "other";
}

static json_t *backends_json(const struct snapshot_pool *pool)
{
	json_t *backends = json_array();

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct snapshot_backend *b = &pool->backends[i];
		char address[NET_ADDR_LEN];

		json_array_append_new(backends, json_pack("{s:s, s:i, s:s}", "address",
							  net_format_addr(&b->address, address),
							  "port", (int)b->port, "state",
							  snapshot_backend_state_name(b)));
	}
	return backends;
}

/* What it can be called a share of; fewer flows tell nothing. */
#define SHARE_FLOWS_MIN 100

static json_t *share_json(const struct snapshot_pool *pool, uint64_t all_flows)
{
	double flows = (double)pool->counters.epoch_flows;

	return all_flows >= SHARE_FLOWS_MIN ? json_real(100 * flows / (double)all_flows)
					    : json_null();
}

static json_t *pool_json(const struct rollout_run *run, const struct snapshot_pool *pool,
			 uint64_t all_flows)
{
	const struct rollout_state *s = &run->state;
	struct rollout_counts counts = rollout_counts_of(run, pool);

	return json_pack(
		"{s:s, s:s, s:o, s:f, s:o, s:I, s:I, s:I, s:o}", "name", pool->name, "role",
		role_of(s, pool->name), "wanted", percent(find(&s->want, pool->name)), "weight",
		pool->weight_ppm / PPM_PER_PERCENT, "actual_share", share_json(pool, all_flows),
		"share_of", (json_int_t)all_flows, "flows", (json_int_t)counts.flows, "failures",
		(json_int_t)counts.failures, "backends", backends_json(pool));
}

json_t *rollout_pools_now_json(const struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = s ? snapshot_find_service(s, run->state.service)
					       : NULL;
	json_t *pools = json_array();
	uint64_t flows = 0;

	for (size_t i = 0; svc && i < svc->pool_count; i++)
		flows += svc->pools[i].counters.epoch_flows;
	for (size_t i = 0; svc && i < svc->pool_count; i++)
		json_array_append_new(pools, pool_json(run, &svc->pools[i], flows));
	return pools;
}

json_t *rollout_share_json(const struct rollout_run *run, const struct rollout_share *share)
{
	const struct rollout_state *s = &run->state;

	return json_pack("{s:s, s:s, s:o, s:o, s:n, s:n, s:n, s:[]}", "name", share->pool, "role",
			 role_of(s, share->pool), "wanted", percent(find(&s->want, share->pool)),
			 "weight", percent(share), "actual_share", "flows", "failures", "backends");
}

/* ---- what it found ---- */

static json_t *metrics_json(const struct rollout_run *run)
{
	json_t *out;

	if (!run->metrics_json)
		return json_null();
	out = json_copy(run->metrics_json);
	json_object_set_new(out, "bad_looks", json_integer(run->state.bad_looks));
	json_object_set_new(out, "failure_limit",
			    json_integer(run->state.plan.analysis.failure_limit));
	return out;
}

static json_t *left_json(const struct rollout_state *s)
{
	uint64_t left_ms = rollout_left_ms(s);

	return left_ms ? json_integer((json_int_t)left_ms) : json_null();
}

/* How many there are to upgrade. */
static size_t backends_of(const struct rollout_state *state, const struct snapshot *s)
{
	const struct snapshot_service *svc = s ? snapshot_find_service(s, state->service) : NULL;

	for (size_t i = 0; svc && i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, state->production))
			return svc->pools[i].backend_count;
	return state->done_count;
}

/* As text: numbers of JSON readers may have 53 bits. */
static int add_seed(json_t *view, const struct rollout_state *s)
{
	bool is_own = s->has_seed && s->found_seed == s->seed;

	return json_object_update_new(
		view, json_pack("{s:o, s:b}", "seed",
				json_sprintf("%llu", (unsigned long long)s->found_seed),
				"is_own_seed", is_own));
}

/* Of the one that commands are for. */
static json_t *can_json(const struct rollout_run *run)
{
	const struct rollout_run *meant = rollouts_find(run->all, run->state.service, 0);
	unsigned int can = run == meant ? rollout_can(&run->state) : 0;
	json_t *names = json_array();

	for (int c = 0; c < ROLLOUT_COMMAND_MAX; c++)
		if (c != ROLLOUT_SUPERSEDE && can >> c & 1)
			json_array_append_new(names, json_string(rollout_command_name(c)));
	return names;
}

json_t *rollout_view_json(struct rollout_run *run, const struct snapshot *s)
{
	const struct rollout_state *state = &run->state;
	json_t *view = rollout_summary_json(run);
	json_t *more = json_pack(
		"{s:I, s:s, s:o, s:s, s:s, s:s, s:s, s:s?, s:s?, s:s, s:o, s:o, s:s, s:o, "
		"s:O?, s:o, s:o, s:O}",
		"now_ms", (json_int_t)rollout_now_unix_ms(), "stage",
		rollout_stage_name(state->stage), "left_ms", left_json(state), "reason",
		run->reason, "who", run->who, "candidate", state->candidate, "production",
		state->production, "production_release",
		*run->production_release ? run->production_release : NULL, "baseline",
		*state->baseline ? state->baseline : NULL, "finish",
		strategy_finish_name(state->plan.finish), "steps", steps_json(state), "pools",
		rollout_pools_json(run, s), "finding", rollout_finding_name(state->finding),
		"kernel", rollout_judge_json(run), "kernel_steps", run->kernel_steps, "metrics",
		metrics_json(run), "question", rollout_question_json(run), "transitions",
		run->transitions);

	if (!view || !more || json_object_update(view, more) || add_seed(view, state) ||
	    json_object_set_new(view, "can", can_json(run))) {
		json_decref(view);
		view = NULL;
	}
	json_decref(more);
	if (view && is_rolling(run))
		json_object_set_new(view, "batches",
				    json_pack("{s:o, s:o, s:I}", "done",
					      names_json(state->done, state->done_count), "drained",
					      names_json(state->drained, state->drain_count), "of",
					      (json_int_t)backends_of(state, s)));
	return view;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>

#include "config/strategy_parts.h"
#include "config/values.h"
#include "model/model.h"
#include "lib/count_of.h"

#define HOLD_MS 30000 /* after a batch */

static const struct schema_field ramp_fields[] = {
	{"to", value_read_percent, offsetof(struct strategy_step, weight_ppm), true, NULL},
	{"over", duration_read_wide, offsetof(struct strategy_step, ramp_ms), true,
	 STRATEGY_TIME(STRATEGY_TIME_MIN_MS)},
};
static const struct schema ramp_schema = {"'ramp'", ramp_fields, COUNT_OF(ramp_fields)};

static const struct value_words pause_words = {
	.list = (const struct value_word[]){{"manual", true}},
	.count = 1,
	.size = sizeof(bool),
};

static void read_pause(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object)
{
	uint32_t ms;

	if (value->kind == NODE_TEXT && !duration_parse(value->text, &ms))
		errors_add(&r->errors, value->at,
			   "'pause: manual' waits for somebody; a step waits for a time by "
			   "'hold: %.40s'",
			   value->text);
	else
		value_read_word(r, value, f, object);
}

static const struct schema_field step_fields[] = {
	{"weight", value_read_percent, offsetof(struct strategy_step, weight_ppm), false, NULL},
	{"ramp", schema_read_submap, 0, false, &ramp_schema},
	{"hold", duration_read_wide, offsetof(struct strategy_step, hold_ms), false,
	 STRATEGY_TIME(STRATEGY_TIME_MIN_MS)},
	{"analysis", duration_read_wide, offsetof(struct strategy_step, analysis_ms), false,
	 STRATEGY_TIME(STRATEGY_TIME_MIN_MS)},
	{"pause", read_pause, offsetof(struct strategy_step, pauses), false, &pause_words},
};
static const struct schema step_schema = {"a step", step_fields, COUNT_OF(step_fields)};

#define AFTER(member) \
	(offsetof(struct model_strategy, after_batch) + offsetof(struct strategy_step, member))

static const struct schema_field after_fields[] = {
	{"hold", duration_read_wide, AFTER(hold_ms), false, STRATEGY_TIME(STRATEGY_TIME_MIN_MS)},
	{"analysis", duration_read_wide, AFTER(analysis_ms), false,
	 STRATEGY_TIME(STRATEGY_TIME_MIN_MS)},
	{"pause", read_pause, AFTER(pauses), false, &pause_words},
};
const struct schema strategy_after_batch = {"'after_batch'", after_fields, COUNT_OF(after_fields)};

static void read_step(struct reader *r, const struct node *value, void *item)
{
	struct strategy_step *step = item;
	const struct node *weight = node_find(value, "weight"), *ramp = node_find(value, "ramp");

	schema_read_map(r, value, &step_schema, step);
	step->has_weight = weight || ramp;
	if (weight && ramp)
		errors_add(&r->errors, ramp->at,
			   "a step has 'weight' or 'ramp', not both: a ramp begins at the weight "
			   "of the step before");
	if (value->kind == NODE_MAP && !value->first)
		errors_add(&r->errors, value->at,
			   "this step does nothing: it needs 'weight', 'ramp', 'hold', 'analysis' "
			   "or 'pause'");
}

const struct schema_list strategy_step_list = {
	.item = "step",
	.item_size = sizeof(struct strategy_step),
	.count_offset = offsetof(struct model_strategy, step_count),
	.max = STRATEGY_STEPS_MAX,
	.read_item = read_step,
};

static struct place weight_place(const struct node *step)
{
	const struct node *ramp = node_find(step, "ramp");

	return ramp ? node_place(ramp, "to") : node_place(step, "weight");
}

static void check_weight(struct reader *r, const struct node *node, const struct model_strategy *s,
			 uint32_t ppm, uint32_t before_ppm)
{
	if (ppm <= before_ppm && !before_ppm)
		errors_add(&r->errors, weight_place(node),
			   "a step's weight has to be above 0: at 0 the candidate gets nobody");
	else if (ppm <= before_ppm)
		errors_add(&r->errors, weight_place(node),
			   "%g %% is not above the %g %% of the steps before: weights rise from "
			   "step to step, and only an abort takes clients back",
			   ppm / 1e4, before_ppm / 1e4);
	else if (*s->baseline && ppm > MODEL_PPM_ALL / 2)
		errors_add(&r->errors, weight_place(node),
			   "at %g %% there is no room for the baseline '%s', which gets as much: "
			   "50 %% at most",
			   ppm / 1e4, s->baseline);
}

static bool is_analysed(const struct strategy_analysis *a)
{
	return !a->is_dry_run && (a->has_kernel || a->metric_count || a->kayenta_config);
}

static void check_wait(struct reader *r, const struct node *step, uint64_t analysis_ms,
		       const struct strategy_analysis *a)
{
	if (analysis_ms && !is_analysed(a))
		errors_add(&r->errors, node_place(step, "analysis"),
			   "there would be no finding to wait for: 'analysis' of this strategy has "
			   "neither the kernel's signals nor metrics, or is a dry run");
}

void strategy_check_rolling(struct reader *r, const struct node *node,
			    const struct model_strategy *s)
{
	const struct node *analysis = node_find(node, "analysis");
	const struct node *failure = analysis ? node_find(analysis, "on_failure") : NULL;

	if (s->type != STRATEGY_ROLLING)
		return;
	check_wait(r, node_find(node, "after_batch"), s->after_batch.analysis_ms, &s->analysis);
	if (failure && s->analysis.on_failure == STRATEGY_ROLLBACK)
		errors_add(&r->errors, failure->at,
			   "nobody can take back what a hook upgraded: a strategy of type rolling "
			   "stops and drains the batch ('on_failure: pause')");
}

void strategy_set_hold(struct model_strategy *s)
{
	if (s->type == STRATEGY_ROLLING && is_analysed(&s->analysis) && !s->after_batch.hold_ms &&
	    !s->after_batch.analysis_ms)
		s->after_batch.hold_ms = HOLD_MS;
}

void strategy_check_steps(struct reader *r, const struct node *node, const struct model_strategy *s)
{
	const struct node *step = node_items(node, "steps");
	uint32_t before_ppm = 0;

	for (size_t i = 0; i < s->step_count; i++, step = step->next) {
		check_wait(r, step, s->steps[i].analysis_ms, &s->analysis);
		if (!s->steps[i].has_weight)
			continue;
		check_weight(r, step, s, s->steps[i].weight_ppm, before_ppm);
		before_ppm = s->steps[i].weight_ppm;
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What the metrics tell of each service's newest rollout. */
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"

static bool is_newest(const struct rollouts *r, const struct rollout_run *run)
{
	for (const struct rollout_run *other = r->runs; other != run; other = other->next)
		if (!strcmp(other->state.service, run->state.service))
			return false;
	return true;
}

static uint32_t candidate_ppm(const struct rollout_state *s)
{
	for (size_t i = 0; i < s->found.count; i++)
		if (*s->candidate && !strcmp(s->found.of[i].pool, s->candidate))
			return s->found.of[i].ppm;
	return 0;
}

struct rollbacks {
	struct rollbacks *next;
	char service[SERIN_NAME_LEN];
	uint64_t counts[METRICS_ROLLBACK_MAX];
};

static struct rollbacks *rollbacks_of(const struct rollouts *r, const char *service)
{
	struct rollbacks *b = r->rollbacks;

	while (b && strcmp(b->service, service))
		b = b->next;
	return b;
}

static struct metrics_rollout metrics_of(const struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;
	const struct seq_state *seq = rollout_judge_state(run);
	const json_t *score = json_object_get(run->metrics_json, "score");
	const struct rollbacks *b = rollbacks_of(run->all, s->service);
	struct metrics_rollout out = {
		.service = s->service,
		.release = s->release,
		.strategy = s->plan.name,
		.phase = rollout_phase_name(s->phase),
		.step = rollout_step_number(s),
		.steps = (uint32_t)s->plan.step_count,
		.weight_ppm = candidate_ppm(s),
		.has_score = json_is_number(score),
		.score = json_number_value(score),
		.has_evidence = seq,
		.log_e = seq ? seq_line_log_e(seq, SEQ_LINE_HARM) : 0,
		.fine_log_e = seq ? seq_line_log_e(seq, SEQ_LINE_FINE) : 0,
	};

	if (b)
		memcpy(out.rollbacks, b->counts, sizeof(out.rollbacks));
	return out;
}

void rollouts_write_metrics(struct rollouts *r, FILE *out)
{
	const char *phases[ROLLOUT_PHASE_MAX + 1] = {};
	struct metrics_rollout *list;
	size_t count = 0;

	for (const struct rollout_run *run = r->runs; run; run = run->next)
		count++;
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return;
	count = 0;
	for (const struct rollout_run *run = r->runs; run; run = run->next)
		if (is_newest(r, run))
			list[count++] = metrics_of(run);
	for (int p = 0; p < ROLLOUT_PHASE_MAX; p++)
		phases[p] = rollout_phase_name(p);
	metrics_write_rollouts(list, count, phases, out);
	free(list);
}

/* ---- rollbacks ---- */

void rollouts_count_rollback(struct rollouts *r, const char *service, enum metrics_rollback why)
{
	struct rollbacks *b = rollbacks_of(r, service);

	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return;
		snprintf(b->service, sizeof(b->service), "%s", service);
		b->next = r->rollbacks;
		r->rollbacks = b;
	}
	b->counts[why]++;
}

void rollouts_rollbacks_free(struct rollouts *r)
{
	while (r->rollbacks) {
		struct rollbacks *b = r->rollbacks;

		r->rollbacks = b->next;
		free(b);
	}
}

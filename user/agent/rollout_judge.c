// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel's signals say of a rollout: its sequential judge, fed each second. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "judge_live/live_codec.h"
#include "judge_live/live_halves.h"
#include "judge_live/live_judge.h"
#include "lib/log.h"
#include "observe/latency.h"

#define TICK_MS 900  /* looks come oftener where something was answered or changed */
#define MISS	0.01 /* of each band that is told */

struct rollout_judge {
	struct live_judge live;
	uint64_t analyses;   /* which of the state's this is */
	uint64_t ticked_ms;  /* CLOCK_BOOTTIME */
	uint64_t traffic_ms; /* the last look that saw a flow on the candidate, likewise */
};

static bool is_rolling(const struct rollout_run *run)
{
	return run->state.plan.type == STRATEGY_ROLLING;
}

void rollout_judge_free(struct rollout_judge *j)
{
	free(j);
}

size_t rollout_judge_size(void)
{
	return live_codec_size();
}

void rollout_judge_put(const struct rollout_judge *j, uint8_t *bytes)
{
	live_codec_put(&j->live, bytes);
}

int rollout_judge_get(struct rollout_run *run, const void *bytes, size_t size)
{
	struct rollout_judge *j = calloc(1, sizeof(*j));
	int err = j ? live_codec_get(bytes, size, &j->live) : -ENOMEM;

	if (!err && is_rolling(run))
		err = rollout_halves_adopt(run, &j->live);
	if (err) {
		free(j);
		return err;
	}
	j->analyses = run->state.analyses;
	j->traffic_ms = rollout_now_ms();
	run->judge = j;
	return 0;
}

const struct seq_state *rollout_judge_state(const struct rollout_run *run)
{
	return run->judge ? &run->judge->live.seq : NULL;
}

/* ---- feeding ---- */

static void set_options(const struct strategy_analysis *a, struct seq_options *o)
{
	live_options_init(o);
	o->alpha = a->alpha;
	o->beta = a->beta;
	o->alpha_alarm = a->alpha < .5 ? 2 * a->alpha : a->alpha;
	o->harm.ratio = a->harm_ratio;
	o->fine.ratio = a->fine_ratio;
}

/* The pool that is judged; of a rolling one there is none, but half of one. */
static const char *judged(const struct rollout_run *run)
{
	return is_rolling(run) ? LIVE_HALF_UPGRADED : run->state.candidate;
}

static int find_roles(const struct rollout_run *run, const struct snapshot *s,
		      struct live_roles *out)
{
	const struct rollout_state *state = &run->state;

	if (state->wants_promoted && !is_rolling(run))
		return live_roles_init_promoted(out, s, state->service, state->production);
	return live_roles_init(out, s, state->service, judged(run), state->baseline);
}

static struct rollout_judge *begin(struct rollout_run *run, const struct snapshot *s)
{
	const struct rollout_state *state = &run->state;
	struct rollout_judge *j = calloc(1, sizeof(*j));
	struct seq_options options;
	struct live_roles roles;
	const char *wrong;
	int err = j ? find_roles(run, s, &roles) : -ENOMEM;

	set_options(&state->plan.analysis, &options);
	wrong = seq_options_check(&options);
	if (!err && wrong)
		err = -EINVAL;
	if (!err)
		err = live_judge_begin(&j->live, &roles, s, &options, rollout_now_ms());
	if (err) {
		snprintf(run->look.kernel_why, sizeof(run->look.kernel_why),
			 "the kernel's signals cannot be judged: %s",
			 wrong ? wrong : strerror(-err));
		free(j);
		return NULL;
	}
	j->analyses = state->analyses;
	j->traffic_ms = j->ticked_ms = rollout_now_ms();
	return j;
}

static json_t *latency_json(const struct serin_histogram *h, unsigned int permille)
{
	return latency_count(h) ? json_integer((json_int_t)latency_quantile_us(h, permille))
				: json_null();
}

static json_t *pool_json(const struct live_gain *p)
{
	const struct serin_histogram *first_byte = &p->latency[SEQ_FIRST_BYTE];

	return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "flows", (json_int_t)p->flows,
			 "failures", (json_int_t)p->failures, "resets", (json_int_t)p->resets,
			 "handshake_p50_us", latency_json(&p->latency[SEQ_HANDSHAKE], 500),
			 "first_byte_p50_us", latency_json(first_byte, 500), "first_byte_p99_us",
			 latency_json(first_byte, 990));
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Without a baseline production is what the canary is compared with, and has that role. */
static json_t *pools_json(const struct rollout_run *run, const struct live_tick *tick)
{
	json_t *pools = json_object();

	json_object_set_new(pools, "canary", pool_json(&tick->of[SEQ_CANARY]));
	json_object_set_new(pools, *run->state.baseline ? "baseline" : "production",
			    pool_json(&tick->of[SEQ_BASELINE]));
	if (*run->state.baseline)
		json_object_set_new(pools, "production", pool_json(&tick->of[SEQ_STABLE]));
	return pools;
}

static void sample(struct rollout_run *run, const struct live_tick *tick)
{
	const struct seq_state *seq = &run->judge->live.seq;

	rollout_run_tell(
		run, STORE_SAMPLES,
		json_pack("{s:I, s:I, s:s, s:f, s:o, s:o, s:o, s:o, s:o}", "at_ms",
			  (json_int_t)rollout_now_unix_ms(), "step", (json_int_t)run->state.step,
			  "phase", rollout_phase_name(run->state.phase), "weight",
			  tick->of[SEQ_CANARY].weight_ppm / 1e4, "log_e",
			  number_or_null(seq_line_log_e(seq, SEQ_LINE_HARM)), "log_bound",
			  number_or_null(seq_line_log_bound(seq, SEQ_LINE_HARM)), "fine_log_e",
			  number_or_null(seq_line_log_e(seq, SEQ_LINE_FINE)), "fine_log_bound",
			  number_or_null(seq_line_log_bound(seq, SEQ_LINE_FINE)), "pools",
			  pools_json(run, tick)));
}

/* At once: what was found before is no finding about what is looked for from now on. */
static void promote(struct rollout_run *run)
{
	struct live_judge *live = &run->judge->live;

	if (!run->state.wants_promoted || live->seq.is_promoted)
		return;
	json_decref(run->kernel_steps);
	run->kernel_steps = live->seq.ticks ? rollout_judge_json(run) : NULL;
	run->is_dirty = true;
	if (is_rolling(run))
		live_judge_outlive(live, live_halves_past(run->halves));
	else
		live_judge_promote(live, run->state.production);
}

static void tick(struct rollout_run *run, const struct snapshot *s)
{
	struct rollout_judge *j = run->judge;
	uint64_t now_ms = rollout_now_ms();
	struct live_tick *told;

	if (now_ms - j->ticked_ms < TICK_MS)
		return;
	told = calloc(1, sizeof(*told));
	if (!told)
		return;
	j->ticked_ms = now_ms;
	live_judge_tick(&j->live, s, now_ms, told);
	if (told->skip == LIVE_TOLD)
		sample(run, told);
	free(told);
}

/* ---- finding ---- */

static enum rollout_finding finding_of(const struct rollout_judge *j)
{
	switch (j->live.seq.verdict) {
	case SEQ_ABORT:
		return ROLLOUT_BAD;
	case SEQ_INCONCLUSIVE:
		return ROLLOUT_INCONCLUSIVE;
	default:
		if (rollout_now_ms() - j->traffic_ms >= ROLLOUT_NOBODY_MS)
			return ROLLOUT_NO_TRAFFIC;
		return j->live.seq.verdict == SEQ_NOT_WORSE ? ROLLOUT_GOOD : ROLLOUT_UNKNOWN;
	}
}

/* What its failures are held against. */
static void explain_reference(const struct seq_state *s, char *out, size_t size)
{
	const struct seq_totals *base = &s->totals[SEQ_BASELINE];

	if (s->is_promoted && !base->flows)
		snprintf(out, size, "where %.2g %% are allowed by what the old version had",
			 100 * s->options.floor);
	else
		snprintf(out, size, "and %llu of %llu where it is compared with",
			 (unsigned long long)base->failures, (unsigned long long)base->flows);
}

static void explain(const struct seq_state *s, char *why, size_t size)
{
	const struct seq_totals *canary = &s->totals[SEQ_CANARY];
	const char *decider = s->decider < SEQ_TEST_MAX ? seq_test_name(s->decider) : "all tests";
	enum seq_line line = s->verdict == SEQ_NOT_WORSE ? SEQ_LINE_FINE : SEQ_LINE_HARM;
	char reference[80];

	explain_reference(s, reference, sizeof(reference));
	snprintf(why, size, "%s%s%s (%s): log e %.2f of %.2f; failures %llu of %llu flows, %s",
		 seq_verdict_name(s->verdict), s->reason ? ": " : "", seq_reason_name(s->reason),
		 decider, seq_line_log_e(s, line), seq_line_log_bound(s, line),
		 (unsigned long long)canary->failures, (unsigned long long)canary->flows,
		 reference);
}

/* It begins before the candidate gets traffic: what is usual for production is of that time. */
static bool is_to_begin(const struct rollout_run *run)
{
	return run->state.wants_analysis || run->state.phase == ROLLOUT_STARTING;
}

/* At each look, whether the judge is fed or not. */
static bool has_traffic(struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = snapshot_find_service(s, run->state.service);
	uint64_t before = run->candidate_flows;
	bool has_before = run->has_counted_flows;

	run->has_counted_flows = true;
	for (size_t i = 0; svc && i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, judged(run)))
			run->candidate_flows = svc->pools[i].counters.flows;
	return has_before && run->candidate_flows > before;
}

void rollout_judge_follow(struct rollout_run *run, const struct snapshot *s)
{
	const struct rollout_state *state = &run->state;

	if (!state->plan.analysis.has_kernel)
		return;
	if (is_rolling(run))
		s = rollout_halves_see(run, s);
	run->look.has_traffic = has_traffic(run, s);
	if (run->judge && run->judge->analyses != state->analyses) {
		rollout_judge_free(run->judge);
		run->judge = NULL;
		json_decref(run->kernel_steps);
		run->kernel_steps = NULL;
	}
	if (!run->judge && is_to_begin(run))
		run->judge = begin(run, s);
	if (!run->judge)
		return;
	if (!state->wants_analysis) {
		run->judge->traffic_ms = rollout_now_ms();
		return;
	}
	if (run->look.has_traffic)
		run->judge->traffic_ms = rollout_now_ms();
	promote(run);
	tick(run, s);
	run->look.kernel = finding_of(run->judge);
	explain(&run->judge->live.seq, run->look.kernel_why, sizeof(run->look.kernel_why));
}

/* ---- telling ---- */

static json_t *test_json(const struct seq_report *r, enum seq_test t)
{
	const struct seq_test_report *test = &r->test[t];

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", seq_test_name(t),
			 "log_e", number_or_null(test->log_e[SEQ_LINE_HARM]), "log_bound",
			 number_or_null(test->log_bound[SEQ_LINE_HARM]), "fine_log_e",
			 number_or_null(test->log_e[SEQ_LINE_FINE]), "fine_log_bound",
			 number_or_null(test->log_bound[SEQ_LINE_FINE]), "canary",
			 number_or_null(test->of[SEQ_CANARY].value), "baseline",
			 number_or_null(test->of[SEQ_BASELINE].value), "effect",
			 number_or_null(test->effect.value));
}

static json_t *totals_json(const struct seq_totals *t)
{
	return json_pack("{s:I, s:I, s:I}", "flows", (json_int_t)t->flows, "failures",
			 (json_int_t)t->failures, "resets", (json_int_t)t->resets);
}

json_t *rollout_judge_json(const struct rollout_run *run)
{
	const struct seq_state *s = rollout_judge_state(run);
	json_t *tests = json_array();
	struct seq_report *r = s ? calloc(1, sizeof(*r)) : NULL;
	json_t *out;

	if (!r) {
		json_decref(tests);
		return json_null();
	}
	seq_report_make(s, MISS, r);
	for (int t = 0; t < SEQ_TEST_MAX; t++) {
		json_t *test = test_json(r, t);

		json_object_set_new(test, "is_proven", json_boolean(s->proven >> t & 1));
		json_array_append_new(tests, test);
	}
	out = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}}", "verdict",
			seq_verdict_name(r->verdict), "reason", seq_reason_name(r->reason),
			"decider", r->decider < SEQ_TEST_MAX ? seq_test_name(r->decider) : "",
			"ticks", (json_int_t)s->ticks, "log_e",
			number_or_null(r->log_e[SEQ_LINE_HARM]), "log_bound",
			number_or_null(r->log_bound[SEQ_LINE_HARM]), "fine_log_e",
			number_or_null(r->log_e[SEQ_LINE_FINE]), "fine_log_bound",
			number_or_null(r->log_bound[SEQ_LINE_FINE]), "tests", tests, "totals",
			"canary", totals_json(&s->totals[SEQ_CANARY]), "baseline",
			totals_json(&s->totals[SEQ_BASELINE]));
	free(r);
	return out;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Owns what a verdict is explained by. */
#include <math.h>
#include <string.h>

#include "judge/seq_internal.h"

static const struct seq_estimate nothing_seen = {NAN, {0, INFINITY}};

static uint64_t exposed(const struct seq_totals *t, enum seq_test test)
{
	return seq_test_is_of_latency(test) ? t->samples[seq_test_latency(test)] : t->flows;
}

static uint64_t failed(const struct seq_totals *t, enum seq_test test)
{
	if (seq_test_is_of_latency(test))
		return t->above[seq_test_latency(test)][seq_test_tail(test)];
	return test == SEQ_FAILURES ? t->failures : t->resets;
}

static struct seq_estimate probability(const struct seq_totals *t, enum seq_test test, double miss)
{
	uint64_t of = exposed(t, test), bad = failed(t, test);

	if (!of)
		return (struct seq_estimate){NAN, {0, 1}};
	return (struct seq_estimate){(double)bad / (double)of, seq_band_proportion(of, bad, miss)};
}

static void estimate_rates(const struct seq_state *s, enum seq_test t, double miss,
			   struct seq_test_report *out)
{
	const struct seq_estimate *canary = &out->of[SEQ_CANARY], *base = &out->of[SEQ_BASELINE];

	/* for the ratio, half of what may be missed each; so the single ones hold all the more */
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		out->of[role] = probability(&s->totals[role], t, miss / 2);
	out->effect.band = seq_band_ratio(canary->band, base->band);
	out->effect.value = base->value > 0 ? canary->value / base->value : NAN;
}

static void estimate_ranks(const struct seq_state *s, enum seq_latency which,
			   struct seq_test_report *out)
{
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		out->of[role] = nothing_seen;
	out->effect = nothing_seen;
	out->effect.band = (struct seq_interval){0, 1};
	if (s->pairs[which] > 0)
		out->effect.value = s->superior[which] / s->pairs[which];
}

static double bound_alone(const struct seq_state *s, enum seq_line line, enum seq_test t)
{
	double weight = s->options.weight[t], bound = seq_line_log_bound(s, line);

	if (line == SEQ_LINE_FINE)
		return seq_is_required(&s->options, t) ? bound : INFINITY;
	if (line != SEQ_LINE_HARM)
		weight /= 2; /* of both directions */
	return weight > 0 ? bound - log(weight) : INFINITY;
}

static void report_test(const struct seq_state *s, enum seq_test t, double miss,
			struct seq_test_report *out)
{
	for (int line = 0; line < SEQ_LINE_MAX; line++) {
		out->log_e[line] = seq_test_log_e(s, (enum seq_line)line, t);
		out->log_bound[line] = bound_alone(s, (enum seq_line)line, t);
	}
	if (seq_test_is_rank(t))
		estimate_ranks(s, seq_test_latency(t), out);
	else
		estimate_rates(s, t, miss, out);
}

void seq_report_make(const struct seq_state *s, double miss, struct seq_report *out)
{
	memset(out, 0, sizeof(*out));
	out->verdict = (enum seq_verdict)s->verdict;
	out->reason = (enum seq_reason)s->reason;
	out->decider = (enum seq_test)s->decider;
	out->log_e_floor = s->options.floor > 0 ? seq_grid_log_e(&s->floor) : -INFINITY;
	for (int line = 0; line < SEQ_LINE_MAX; line++) {
		out->log_e[line] = seq_line_log_e(s, (enum seq_line)line);
		out->log_bound[line] = seq_line_log_bound(s, (enum seq_line)line);
	}
	for (int t = 0; t < SEQ_TEST_MAX; t++)
		report_test(s, (enum seq_test)t, miss, &out->test[t]);
}

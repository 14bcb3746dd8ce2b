// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>
#include <math.h>

#include "judge_live/live_report.h"
#include "observe/latency.h"

static const char *const role_names[] = {"canary", "baseline", "stable"};
_Static_assert(sizeof(role_names) / sizeof(*role_names) == SEQ_ROLE_MAX, "a name each");

/* JSON has no infinity. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *name_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *quantiles(const struct serin_histogram *h)
{
	uint64_t count = latency_count(h);

	if (!count)
		return json_pack("{s:I}", "count", (json_int_t)0);
	return json_pack("{s:I, s:f, s:f, s:f}", "count", (json_int_t)count, "p50",
			 latency_quantile_us(h, 500), "p90", latency_quantile_us(h, 900), "p99",
			 latency_quantile_us(h, 990));
}

static json_t *pool_json(const struct live_account *a, int role)
{
	const struct seq_totals *t = &a->judge->seq.totals[role];

	return json_pack(
		"{s:s, s:s, s:f, s:I, s:I, s:I, s:o, s:o}", "role", role_names[role], "pool",
		a->judge->roles.pool[role], "weight", (double)a->weight_ppm[role] / 10000, "flows",
		(json_int_t)t->flows, "failures", (json_int_t)t->failures, "resets_after_data",
		(json_int_t)t->resets, "handshake_us", quantiles(&a->latency[role][SEQ_HANDSHAKE]),
		"first_byte_us", quantiles(&a->latency[role][SEQ_FIRST_BYTE]));
}

static json_t *pools_json(const struct live_account *a)
{
	json_t *pools = json_array();

	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		if (*a->judge->roles.pool[role])
			json_array_append_new(pools, pool_json(a, role));
	return pools;
}

/* Natural logarithms. */
static json_t *line_json(double log_e, double log_bound)
{
	return json_pack("{s:o, s:o}", "log_e", number(log_e), "log_bound", number(log_bound));
}

static json_t *lines_json(const double *log_e, const double *log_bound)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "worse",
			 line_json(log_e[SEQ_LINE_HARM], log_bound[SEQ_LINE_HARM]), "not_worse",
			 line_json(log_e[SEQ_LINE_FINE], log_bound[SEQ_LINE_FINE]), "alarm_more",
			 line_json(log_e[SEQ_LINE_ALARM_MORE], log_bound[SEQ_LINE_ALARM_MORE]),
			 "alarm_less",
			 line_json(log_e[SEQ_LINE_ALARM_LESS], log_bound[SEQ_LINE_ALARM_LESS]));
}

static json_t *estimate_json(const struct seq_estimate *e)
{
	return json_pack("{s:o, s:o, s:o}", "value", number(e->value), "low", number(e->band.low),
			 "high", number(e->band.high));
}

static json_t *test_json(const struct seq_test_report *t, enum seq_test which)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "test", seq_test_name(which), "evidence",
			 lines_json(t->log_e, t->log_bound), "canary",
			 estimate_json(&t->of[SEQ_CANARY]), "baseline",
			 estimate_json(&t->of[SEQ_BASELINE]), "effect", estimate_json(&t->effect));
}

static json_t *tests_json(const struct seq_report *r)
{
	json_t *tests = json_array();

	for (int t = 0; t < SEQ_TEST_MAX; t++)
		json_array_append_new(tests, test_json(&r->test[t], (enum seq_test)t));
	return tests;
}

static json_t *options_json(const struct seq_options *o)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "alpha", o->alpha,
			 "alpha_alarm", o->alpha_alarm, "beta", o->beta, "worse_than",
			 o->harm.ratio, "not_worse_than", o->fine.ratio, "floor", o->floor,
			 "repeats", o->repeats, "look_most", o->look_most);
}

json_t *live_report_json(const struct live_account *a)
{
	const struct seq_state *s = &a->judge->seq;
	const struct live_roles *roles = &a->judge->roles;
	bool has_decider = s->decider < SEQ_TEST_MAX;
	struct seq_report r;

	seq_report_make(s, LIVE_REPORT_MISS, &r);
	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:f, s:f, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
			 "service", roles->service, "verdict", live_account_verdict(a), "reason",
			 name_or_null(seq_reason_name((enum seq_reason)s->reason)), "decider",
			 name_or_null(has_decider ? seq_test_name((enum seq_test)s->decider) : ""),
			 "over", a->is_over, "seconds", (double)a->passed_ms / 1000,
			 "limit_seconds", (double)a->limit_ms / 1000, "ticks", (json_int_t)s->ticks,
			 "skipped", (json_int_t)a->judge->skipped, "last_skip",
			 name_or_null(live_skip_name(a->last_skip)), "options",
			 options_json(&s->options), "pools", pools_json(a), "evidence",
			 lines_json(r.log_e, r.log_bound), "tests", tests_json(&r));
}

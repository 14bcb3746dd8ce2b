// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_live/live_report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "observe/latency.h"
#include "observe/markup.h"

const char *const live_pool_columns[LIVE_POOL_COLUMNS] = {
	"POOL",
	"ROLE",
	"WEIGHT",
	"FLOWS",
	"FAILURES",
	"RESET",
	"SYN ms p50 p90 p99",
	"1ST BYTE ms p50 p90 p99",
};

const char *const live_test_columns[LIVE_TEST_COLUMNS] = {
	"TEST", "CANARY", "BASELINE", "RATIO", "WORSE", "NOT WORSE", "A/A ALARM",
};

static const char *const role_names[] = {"canary", "baseline", "stable"};
_Static_assert(sizeof(role_names) / sizeof(*role_names) == SEQ_ROLE_MAX, "a name each");

void live_account_add(struct live_account *a, const struct live_tick *tick, uint64_t passed_ms)
{
	a->passed_ms = passed_ms;
	a->last_skip = tick->skip;
	if (tick->skip != LIVE_TOLD)
		return;
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		a->weight_ppm[role] = tick->of[role].weight_ppm;
		for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
			struct serin_histogram *sum = &a->latency[role][i];
			const struct serin_histogram *more = &tick->of[role].latency[i];

			sum->sum_us += more->sum_us;
			for (uint32_t b = 0; b < SERIN_BUCKETS; b++)
				sum->bucket[b] += more->bucket[b];
		}
	}
}

const char *live_account_verdict(const struct live_account *a)
{
	if (a->is_over && a->judge->seq.verdict == SEQ_CONTINUE)
		return "undecided";
	return seq_verdict_name((enum seq_verdict)a->judge->seq.verdict);
}

/* ---- cells ---- */

/* "0.52 0.71 1.2" */
static void put_quantiles(live_cell cell, const struct serin_histogram *h)
{
	if (!latency_count(h))
		snprintf(cell, LIVE_CELL_LEN, "-");
	else
		snprintf(cell, LIVE_CELL_LEN, "%.3g %.3g %.3g", latency_quantile_us(h, 500) / 1000,
			 latency_quantile_us(h, 900) / 1000, latency_quantile_us(h, 990) / 1000);
}

bool live_pool_cells(const struct live_account *a, enum seq_role role,
		     live_cell cells[LIVE_POOL_COLUMNS])
{
	const struct seq_totals *t = &a->judge->seq.totals[role];

	if (!*a->judge->roles.pool[role])
		return false;
	snprintf(cells[LIVE_POOL_NAME], LIVE_CELL_LEN, "%s", a->judge->roles.pool[role]);
	snprintf(cells[LIVE_POOL_ROLE], LIVE_CELL_LEN, "%s", role_names[role]);
	snprintf(cells[LIVE_POOL_WEIGHT], LIVE_CELL_LEN, "%.4g %%",
		 (double)a->weight_ppm[role] / 10000);
	snprintf(cells[LIVE_POOL_FLOWS], LIVE_CELL_LEN, "%llu", (unsigned long long)t->flows);
	snprintf(cells[LIVE_POOL_FAILURES], LIVE_CELL_LEN, "%llu", (unsigned long long)t->failures);
	snprintf(cells[LIVE_POOL_RESETS], LIVE_CELL_LEN, "%llu", (unsigned long long)t->resets);
	put_quantiles(cells[LIVE_POOL_HANDSHAKE], &a->latency[role][SEQ_HANDSHAKE]);
	put_quantiles(cells[LIVE_POOL_FIRST_BYTE], &a->latency[role][SEQ_FIRST_BYTE]);
	return true;
}

static void put_share(live_cell cell, const struct seq_estimate *e)
{
	if (isnan(e->value))
		snprintf(cell, LIVE_CELL_LEN, "-");
	else
		snprintf(cell, LIVE_CELL_LEN, "%.3g %% (%.2g - %.2g)", 100 * e->value,
			 100 * e->band.low, 100 * e->band.high);
}

static void put_effect(live_cell cell, const struct seq_estimate *e, bool has_band)
{
	if (isnan(e->value))
		snprintf(cell, LIVE_CELL_LEN, "-");
	else if (!has_band)
		snprintf(cell, LIVE_CELL_LEN, "slower: %.3g", e->value);
	else
		snprintf(cell, LIVE_CELL_LEN, "%.3g (%.2g - %.2g)", e->value, e->band.low,
			 e->band.high);
}

/* "12 of 167, 49 %": e-values; how far that is in their logarithms, in which evidence grows evenly. */
static void put_evidence(live_cell cell, double log_e, double log_bound)
{
	if (isinf(log_bound))
		snprintf(cell, LIVE_CELL_LEN, "-");
	else
		snprintf(cell, LIVE_CELL_LEN, "%.3g of %.3g, %.0f %%", exp(log_e), exp(log_bound),
			 100 * fmin(1, fmax(0, log_e / log_bound)));
}

static void put_lines(live_cell cells[LIVE_TEST_COLUMNS], const double *log_e,
		      const double *log_bound, bool has_alarm)
{
	double alarm = fmax(log_e[SEQ_LINE_ALARM_MORE], log_e[SEQ_LINE_ALARM_LESS]);

	put_evidence(cells[LIVE_TEST_WORSE], log_e[SEQ_LINE_HARM], log_bound[SEQ_LINE_HARM]);
	put_evidence(cells[LIVE_TEST_FINE], log_e[SEQ_LINE_FINE], log_bound[SEQ_LINE_FINE]);
	put_evidence(cells[LIVE_TEST_ALARM], alarm,
		     has_alarm ? log_bound[SEQ_LINE_ALARM_MORE] : INFINITY);
}

static bool is_rank(int test)
{
	return test == SEQ_HANDSHAKE_RANK || test == SEQ_FIRST_BYTE_RANK;
}

bool live_test_cells(const struct live_account *a, const struct seq_report *r, int test,
		     live_cell cells[LIVE_TEST_COLUMNS])
{
	bool has_alarm = *a->judge->roles.pool[SEQ_STABLE];
	const struct seq_test_report *t;

	if (test == SEQ_TEST_MAX) {
		for (int i = LIVE_TEST_CANARY; i <= LIVE_TEST_EFFECT; i++)
			*cells[i] = '\0';
		snprintf(cells[LIVE_TEST_NAME], LIVE_CELL_LEN, "together");
		put_lines(cells, r->log_e, r->log_bound, has_alarm);
		return true;
	}
	t = &r->test[test];
	if (isinf(t->log_bound[SEQ_LINE_HARM]) && isinf(t->log_bound[SEQ_LINE_FINE]))
		return false;
	snprintf(cells[LIVE_TEST_NAME], LIVE_CELL_LEN, "%s", seq_test_name((enum seq_test)test));
	put_share(cells[LIVE_TEST_CANARY], &t->of[SEQ_CANARY]);
	put_share(cells[LIVE_TEST_BASELINE], &t->of[SEQ_BASELINE]);
	put_effect(cells[LIVE_TEST_EFFECT], &t->effect, !is_rank(test));
	put_lines(cells, t->log_e, t->log_bound, has_alarm);
	return true;
}

/* ---- lines ---- */

const char *live_headline(const struct live_account *a, char buf[LIVE_LINE_LEN])
{
	const struct live_roles *r = &a->judge->roles;
	const struct seq_state *s = &a->judge->seq;
	const char *reason = seq_reason_name((enum seq_reason)s->reason);
	int len = snprintf(buf, LIVE_LINE_LEN, "%s: %s against %s, %.0f s: %s", r->service,
			   r->pool[SEQ_CANARY], r->pool[SEQ_BASELINE], (double)a->passed_ms / 1000,
			   live_account_verdict(a));

	if (*reason)
		len += snprintf(buf + len, LIVE_LINE_LEN - (size_t)len, " (%s%s%s)", reason,
				s->decider < SEQ_TEST_MAX ? ": " : "",
				s->decider < SEQ_TEST_MAX ? seq_test_name((enum seq_test)s->decider)
							  : "");
	if (a->last_skip != LIVE_TOLD)
		snprintf(buf + len, LIVE_LINE_LEN - (size_t)len, "; not counted: %s",
			 live_skip_name(a->last_skip));
	return buf;
}

const char *live_terms(const struct live_account *a, char buf[LIVE_LINE_LEN])
{
	const struct seq_options *o = &a->judge->seq.options;

	snprintf(buf, LIVE_LINE_LEN,
		 "aborts where the canary fails more than %g times as often (wrong in %g %% at "
		 "most); "
		 "not worse: less than %g times as often, or than %g %% (wrong in %g %%); a client "
		 "counts %g times for one cause",
		 o->harm.ratio, 100 * o->alpha, o->fine.ratio, 100 * o->floor, 100 * o->beta,
		 o->repeats);
	return buf;
}

/* ---- Markdown ---- */

static void put_head(FILE *out, const char *const *columns, size_t count)
{
	fputs("\n|", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, " %s |", columns[i]);
	fputs("\n|", out);
	for (size_t i = 0; i < count; i++)
		fputs("---|", out);
	fputc('\n', out);
}

static void put_row(FILE *out, live_cell *cells, size_t count)
{
	fputc('|', out);
	for (size_t i = 0; i < count; i++) {
		fputc(' ', out);
		markup_put_md(out, cells[i]);
		fputs(" |", out);
	}
	fputc('\n', out);
}

int live_report_write_md(const struct live_account *a, FILE *out)
{
	bool is_fine = a->judge->seq.verdict == SEQ_NOT_WORSE;
	live_cell pool[LIVE_POOL_COLUMNS], test[LIVE_TEST_COLUMNS];
	char line[LIVE_LINE_LEN];
	struct seq_report r;

	seq_report_make(&a->judge->seq, LIVE_REPORT_MISS, &r);
	fprintf(out, "### %s ", is_fine ? "\u2705" : "\u274c");
	markup_put_md(out, live_headline(a, line));
	fputs("\n\n", out);
	markup_put_md(out, live_terms(a, line));
	fputc('\n', out);
	put_head(out, live_pool_columns, LIVE_POOL_COLUMNS);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		if (live_pool_cells(a, (enum seq_role)role, pool))
			put_row(out, pool, LIVE_POOL_COLUMNS);
	put_head(out, live_test_columns, LIVE_TEST_COLUMNS);
	for (int t = 0; t <= SEQ_TEST_MAX; t++)
		if (live_test_cells(a, &r, t, test))
			put_row(out, test, LIVE_TEST_COLUMNS);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

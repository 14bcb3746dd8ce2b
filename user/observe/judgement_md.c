// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/judgement.h"

#include <errno.h>
#include <math.h>

#include "judge/explain.h"
#include "observe/markup.h"

static const char *mark_of(enum judge_label label)
{
	static const char *const marks[] = {
		[JUDGE_PASS] = "\u2705",
		[JUDGE_HIGH] = "\U0001f53a",
		[JUDGE_LOW] = "\U0001f53b",
		[JUDGE_NODATA] = "\u26aa",
		[JUDGE_NODATA_FAIL_METRIC] = "\u274c",
		[JUDGE_ERROR] = "\u2757",
	};

	_Static_assert(sizeof(marks) / sizeof(*marks) == JUDGE_LABEL_MAX, "a mark each");
	return marks[label];
}

static const char *mark_of_verdict(enum judge_verdict verdict)
{
	return verdict == JUDGE_VERDICT_PASS	   ? "\u2705"
	       : verdict == JUDGE_VERDICT_MARGINAL ? "\u26a0\ufe0f"
						   : "\u274c";
}

static void put_row(FILE *out, const struct judge_result *r)
{
	char why[JUDGE_EXPLAIN_LEN];

	fputs("| ", out);
	markup_put_md(out, r->metric->name);
	fprintf(out, " | %s %s%s%s | ", mark_of(r->label), judge_label_name(r->label),
		r->is_critical ? ", critical" : "", r->metric->is_muted ? ", muted" : "");
	if (isfinite(r->ratio) && r->label != JUDGE_ERROR)
		fprintf(out, "%.4g", r->ratio);
	fputs(" | ", out);
	if (!isnan(r->why.shift.estimate))
		fprintf(out, "%.4g (%.4g .. %.4g)", r->why.shift.estimate, r->why.shift.low,
			r->why.shift.high);
	fputs(" | ", out);
	markup_put_md(out, judge_explain(r, why));
	fputs(" |\n", out);
}

static void put_groups(FILE *out, const struct judge_report *report)
{
	if (report->group_count)
		fputs("\n| group | score |\n|---|---:|\n", out);
	for (size_t i = 0; i < report->group_count; i++) {
		fputs("| ", out);
		markup_put_md(out, report->groups[i].name);
		if (report->groups[i].has_data)
			fprintf(out, " | %.4g |\n", report->groups[i].score);
		else
			fputs(" | no data |\n", out);
	}
}

int judgement_write_md(const struct judgement *j, FILE *out)
{
	const struct judge_score *s = &j->report->score;
	size_t thin = judgement_count_thin(j);

	fprintf(out, "### %s Canary: %s, score %g\n\nPasses from %g, marginal from %g.",
		mark_of_verdict(s->verdict), judge_verdict_name(s->verdict), s->score,
		j->config->pass, j->config->marginal);
	if (s->reason) {
		fputs(" **", out);
		markup_put_md(out, s->reason);
		fputs("**", out);
	}
	if (thin)
		fprintf(out,
			" %zu of %zu metrics have fewer than %d points of the baseline: low "
			"confidence.",
			thin, j->report->result_count, JUDGE_POINTS_WISH);
	fputs("\n", out);
	put_groups(out, j->report);
	fputs("\n| metric | result | mean ratio | shift (interval) | why |\n"
	      "|---|---|---:|---|---|\n",
	      out);
	for (size_t i = 0; i < j->report->result_count; i++)
		put_row(out, &j->report->results[i]);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

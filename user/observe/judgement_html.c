// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/judgement.h"

#include <errno.h>
#include <math.h>

#include "judge/explain.h"
#include "observe/judgement_svg.h"
#include "observe/markup.h"
#include "observe/page.h"

struct look {
	const char *mark;  /* a shape, for eyes and printers without colour */
	const char *class; /* of the style sheet */
};

static struct look look_of(enum judge_label label)
{
	static const struct look looks[] = {
		[JUDGE_PASS] = {"\u2714", "good"},
		[JUDGE_HIGH] = {"\u25b2", "bad"},
		[JUDGE_LOW] = {"\u25bc", "bad"},
		[JUDGE_NODATA] = {"\u25cb", "none"},
		[JUDGE_NODATA_FAIL_METRIC] = {"\u25cc", "bad"},
		[JUDGE_ERROR] = {"\u2716", "warn"},
	};

	_Static_assert(sizeof(looks) / sizeof(*looks) == JUDGE_LABEL_MAX, "a look each");
	return looks[label];
}

static struct look look_of_verdict(enum judge_verdict verdict)
{
	static const struct look looks[] = {
		[JUDGE_VERDICT_PASS] = {"\u2714", "good"},
		[JUDGE_VERDICT_MARGINAL] = {"\u25c6", "warn"},
		[JUDGE_VERDICT_FAIL] = {"\u2716", "bad"},
	};

	_Static_assert(sizeof(looks) / sizeof(*looks) == JUDGE_VERDICT_MAX, "a look each");
	return looks[verdict];
}

/* ---- the verdict ---- */

static void put_verdict(FILE *out, const struct judgement *j)
{
	const struct judge_score *s = &j->report->score;
	struct look look = look_of_verdict(s->verdict);
	size_t thin = judgement_count_thin(j);

	fprintf(out,
		"<h1>Canary judgement</h1>\n<div class=\"verdict %s\"><b>%s %s</b>"
		"<span class=\"score\">score %g</span><span>passes from %g, marginal from %g</span>"
		"</div>\n",
		look.class, look.mark, judge_verdict_name(s->verdict), s->score, j->config->pass,
		j->config->marginal);
	if (s->reason) {
		fputs("<p><strong>", out);
		markup_put_html(out, s->reason);
		fputs("</strong></p>\n", out);
	}
	fprintf(out, "<p class=\"small\">%s, mode %s, %zu metrics, intervals at %g %%</p>\n",
		JUDGE_NAME, j->config->mode == JUDGE_EXACT ? "exact" : "kayenta",
		j->report->result_count, j->config->confidence * 100.0);
	if (thin)
		fprintf(out,
			"<p>\u26a0 %zu of %zu metrics have fewer than %d points of the baseline: "
			"low "
			"confidence.</p>\n",
			thin, j->report->result_count, JUDGE_POINTS_WISH);
}

static void put_groups(FILE *out, const struct judge_report *report)
{
	if (!report->group_count)
		return;
	fputs("<table><thead><tr><th>Group</th><th class=\"n\">Score</th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < report->group_count; i++) {
		fputs("<tr><td>", out);
		markup_put_html(out, report->groups[i].name);
		if (report->groups[i].has_data)
			fprintf(out, "</td><td class=\"n\">%.4g</td></tr>\n",
				report->groups[i].score);
		else
			fputs("</td><td class=\"n\">no data</td></tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
}

/* ---- the metrics ---- */

static void put_label(FILE *out, const struct judge_result *r)
{
	struct look look = look_of(r->label);

	fprintf(out, "<span class=\"label %s\">%s %s%s%s</span>", look.class, look.mark,
		judge_label_name(r->label), r->is_critical ? ", critical" : "",
		r->metric->is_muted ? ", muted" : "");
}

static void put_shift(FILE *out, const struct judge_why *why)
{
	if (isnan(why->shift.estimate)) {
		fputs("\u2013", out);
		return;
	}
	fprintf(out, "%.4g (%.4g .. %.4g)<br>", why->shift.estimate, why->shift.low,
		why->shift.high);
	judgement_svg_shift(out, why);
}

static void put_row(FILE *out, const struct judgement *j, size_t i)
{
	const struct judge_result *r = &j->report->results[i];

	fprintf(out, "<tr><td><a href=\"#m%zu\">", i);
	markup_put_html(out, r->metric->name);
	fputs("</a></td><td>", out);
	put_label(out, r);
	fputs("</td><td class=\"n\">", out);
	if (isfinite(r->ratio) && r->label != JUDGE_ERROR)
		fprintf(out, "%.4g", r->ratio);
	else
		fputs("\u2013", out);
	fputs("</td><td>", out);
	put_shift(out, &r->why);
	fputs("</td><td>", out);
	markup_put_html(out, r->reason ? r->reason : "");
	fputs("</td></tr>\n", out);
}

static void put_table(FILE *out, const struct judgement *j)
{
	fputs("<table><thead><tr><th>Metric</th><th>Result</th><th class=\"n\">Mean ratio</th>"
	      "<th>Shift, canary less baseline "
	      "(interval)</th><th>Reason</th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < j->report->result_count; i++)
		put_row(out, j, i);
	fputs("</tbody></table>\n", out);
}

static void put_stats_row(FILE *out, const char *name, const struct judge_stats *s, double median,
			  const struct judge_dropped *d)
{
	fprintf(out,
		"<tr><td>%s</td><td class=\"n\">%zu</td><td class=\"n\">%.4g</td>"
		"<td class=\"n\">%.4g</td><td class=\"n\">%.4g</td><td class=\"n\">%.4g</td>"
		"<td class=\"n\">",
		name, s->count, s->min, s->mean, s->max, s->std);
	if (isfinite(median))
		fprintf(out, "%.4g", median);
	fprintf(out, "</td><td class=\"n\">%zu</td><td class=\"n\">%zu</td></tr>\n",
		d->nan + d->infinite, d->outliers);
}

static void put_stats(FILE *out, const struct judge_result *r)
{
	fputs("<table class=\"small\"><thead><tr><th></th><th class=\"n\">Points</th>"
	      "<th class=\"n\">Min</th><th class=\"n\">Mean</th><th class=\"n\">Max</th>"
	      "<th class=\"n\">Std</th><th class=\"n\">Median</th><th class=\"n\">Not numbers</th>"
	      "<th class=\"n\">Outliers removed</th></tr></thead><tbody>\n",
	      out);
	put_stats_row(out, "canary", &r->experiment, r->why.experiment_median,
		      &r->why.experiment_dropped);
	put_stats_row(out, "baseline", &r->control, r->why.control_median, &r->why.control_dropped);
	fputs("</tbody></table>\n", out);
}

static void put_metric(FILE *out, const struct judgement *j, size_t i)
{
	const struct judge_result *r = &j->report->results[i];
	const struct judge_pair *pair = &j->samples->pairs[i];
	char why[JUDGE_EXPLAIN_LEN];

	fprintf(out, "<section id=\"m%zu\"><h2>", i);
	markup_put_html(out, r->metric->name);
	fputs("</h2><p>", out);
	put_label(out, r);
	fputs(" ", out);
	markup_put_html(out, r->reason ? r->reason : "");
	fputs("</p><p>", out);
	markup_put_html(out, judge_explain(r, why));
	fputs("</p>\n<div class=\"pictures\">", out);
	judgement_svg_series(out, pair);
	judgement_svg_spread(out, pair, &r->why);
	fputs("</div>\n", out);
	put_stats(out, r);
	fputs("</section>\n", out);
}

int judgement_write_html(const struct judgement *j, FILE *out)
{
	page_begin(out);
	fprintf(out, "Canary: %s, %g", judge_verdict_name(j->report->score.verdict),
		j->report->score.score);
	page_title_end(out);
	put_verdict(out, j);
	put_groups(out, j->report);
	put_table(out, j);
	fputs("<p class=\"small\">Below, over time: canary a whole line, baseline a dashed one. "
	      "Spread: canary full and upwards, baseline striped and downwards, medians dotted."
	      "</p>\n",
	      out);
	for (size_t i = 0; i < j->report->result_count; i++)
		put_metric(out, j, i);
	page_end(out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/rollout_report.h"

#include <errno.h>
#include <math.h>

#include "observe/markup.h"
#include "observe/page.h"
#include "observe/rollout_svg.h"
#include "observe/rollout_view.h"

/* ---- cells ---- */

static void put_cell(FILE *out, const char *text)
{
	fputs("<td>", out);
	markup_put_html(out, text);
	fputs("</td>", out);
}

static void put_number(FILE *out, double value)
{
	if (isnan(value))
		fputs("<td class=\"n\">\u2013</td>", out);
	else
		fprintf(out, "<td class=\"n\">%.6g</td>", value);
}

static void put_evidence(FILE *out, const json_t *of, const char *line)
{
	struct view_evidence e = view_evidence(of, line);

	if (isnan(e.log_e) || isnan(e.log_bound))
		fputs("<td class=\"n\">\u2013</td>", out);
	else
		fprintf(out,
			"<td class=\"n\">%.1f of %.1f <meter min=\"0\" max=\"1\" value=\"%.3f\">"
			"</meter></td>",
			e.log_e, e.log_bound, view_evidence_part(&e));
}

/* @columns: names between "|"; one that begins with "#" is of numbers. */
static void begin_table(FILE *out, const char *title, const char *columns)
{
	fprintf(out, "<section><h2>%s</h2><table><thead><tr>", title);
	for (const char *at = columns; *at;) {
		bool is_number = *at == '#';

		fprintf(out, "<th%s>", is_number ? " class=\"n\"" : "");
		for (at += is_number; *at && *at != '|'; at++)
			fputc(*at, out);
		fputs("</th>", out);
		at += *at == '|';
	}
	fputs("</tr></thead><tbody>\n", out);
}

static void end_table(FILE *out)
{
	fputs("</tbody></table></section>\n", out);
}

/* ---- the outcome ---- */

static void put_outcome(FILE *out, const json_t *r)
{
	bool is_good = view_ended_well(r), is_bad = view_went_wrong(r);

	fprintf(out, "<div class=\"verdict %s\"><b>%s ",
		is_good	 ? "good"
		: is_bad ? "bad"
			 : "warn",
		is_good	 ? "\u2714"
		: is_bad ? "\u2716"
			 : "\u25c6");
	markup_put_html(out, view_text(r, "phase"));
	fputs("</b><span class=\"score\">", out);
	markup_put_html(out, view_text(r, "service"));
	fputs(": ", out);
	markup_put_html(out, view_text(r, "release"));
	fputs("</span></div>\n<p><strong>", out);
	markup_put_html(out, view_text(r, "why"));
	fputs("</strong></p>\n", out);
}

static void put_fact(FILE *out, const char *name, const char *value)
{
	if (!*value)
		return;
	fprintf(out, "<tr><th>%s</th>", name);
	put_cell(out, value);
	fputs("</tr>\n", out);
}

static void put_facts(FILE *out, const json_t *r)
{
	int64_t began = view_int(r, "started_ms", 0), ended = view_int(r, "ended_ms", 0);
	char text[VIEW_TEXT_LEN];

	fputs("<table><tbody>\n", out);
	snprintf(text, sizeof(text), "%lld", (long long)view_int(r, "id", 0));
	put_fact(out, "Rollout", text);
	snprintf(text, sizeof(text), "%.64s, %.32s, finish: %.32s", view_text(r, "strategy"),
		 view_text(r, "type"), view_text(r, "finish"));
	put_fact(out, "Strategy", text);
	put_fact(out, "Candidate", view_text(r, "candidate"));
	put_fact(out, "Production", view_text(r, "production"));
	put_fact(out, "Baseline", view_text(r, "baseline"));
	put_fact(out, "Seed", view_seed(r, text));
	put_fact(out, "Begun", view_time(began, text));
	put_fact(out, "By", view_text(r, "who"));
	put_fact(out, "Reason", view_text(r, "reason"));
	put_fact(out, "Ended", ended ? view_time(ended, text) : "not yet");
	put_fact(out, "Took", ended ? view_duration(ended - began, text) : "");
	fputs("</tbody></table>\n", out);
}

/* ---- tables ---- */

static void put_pools(FILE *out, const json_t *r)
{
	const json_t *pool;
	size_t i;

	begin_table(out, "Pools", "Pool|Role|#Wanted %|#Actual %|#Flows|#Failed");
	json_array_foreach(json_object_get(r, "pools"), i, pool)
	{
		char role[VIEW_TEXT_LEN], flows[VIEW_TEXT_LEN], failures[VIEW_TEXT_LEN];

		fputs("<tr>", out);
		put_cell(out, view_text(pool, "name"));
		put_cell(out, view_role(r, pool, role));
		put_number(out, view_real(pool, "wanted"));
		put_number(out, view_real(pool, "actual_share"));
		fprintf(out, "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
			view_count(pool, "flows", flows), view_count(pool, "failures", failures));
	}
	end_table(out);
}

static void put_steps(FILE *out, const json_t *r)
{
	static const char *const marks[] = {
		[VIEW_STEP_DONE] = "\u2714 done",	  [VIEW_STEP_NOW] = "\u25b6 now",
		[VIEW_STEP_FAILED] = "\u2716 ended here", [VIEW_STEP_LATER] = "\u00b7",
		[VIEW_STEP_SKIPPED] = "\u00bb skipped",
	};
	const json_t *steps = json_object_get(r, "steps"), *step;
	size_t i;

	if (!json_array_size(steps))
		return;
	begin_table(out, "Steps", "#Step|What|State");
	json_array_foreach(steps, i, step)
	{
		char text[VIEW_TEXT_LEN];

		fprintf(out, "<tr><td class=\"n\">%zu</td>", i + 1);
		put_cell(out, view_step_words(step, text));
		fprintf(out, "<td>%s</td></tr>\n", marks[view_step_state(r, i)]);
	}
	end_table(out);
}

static void put_kernel(FILE *out, const json_t *k, const char *when)
{
	char title[VIEW_TEXT_LEN];
	const json_t *test;
	size_t i;

	snprintf(title, sizeof(title), "Kernel's signals%s", when);
	begin_table(out, title,
		    "Test|#Candidate %|#Baseline %|#Effect|#Worse, log e|#Not worse, log e");
	json_array_foreach(json_object_get(k, "tests"), i, test)
	{
		fputs("<tr>", out);
		put_cell(out, view_text(test, "name"));
		put_number(out, 100.0 * view_real(test, "canary"));
		put_number(out, 100.0 * view_real(test, "baseline"));
		put_number(out, view_real(test, "effect"));
		put_evidence(out, test, "");
		put_evidence(out, test, "fine_");
		fputs("</tr>\n", out);
	}
	fputs("<tr><th colspan=\"4\">All together: ", out);
	markup_put_html(out, view_text(k, "verdict"));
	fprintf(out, " %s", *view_text(k, "reason") ? "(" : "");
	markup_put_html(out, view_text(k, "reason"));
	fprintf(out, "%s after %lld looks</th>", *view_text(k, "reason") ? ")" : "",
		(long long)view_int(k, "ticks", 0));
	put_evidence(out, k, "");
	put_evidence(out, k, "fine_");
	fputs("</tr>\n", out);
	end_table(out);
}

static void put_metrics(FILE *out, const json_t *m)
{
	const json_t *d;
	size_t i;

	begin_table(out, "Metrics, at the last look", "Metric|Value|Finding");
	json_array_foreach(json_object_get(m, "details"), i, d)
	{
		char value[VIEW_TEXT_LEN];

		fputs("<tr>", out);
		put_cell(out, view_text(d, "name"));
		put_cell(out, view_metric(d, value));
		put_cell(out, view_text(d, "finding"));
		fputs("</tr>\n", out);
	}
	end_table(out);
}

static void put_transitions(FILE *out, const json_t *r)
{
	const json_t *t;
	size_t i;

	begin_table(out, "What happened", "#No.|When|From|To|#Step|Why");
	json_array_foreach(json_object_get(r, "transitions"), i, t)
	{
		char time[VIEW_TEXT_LEN];

		fprintf(out, "<tr><td class=\"n\">%zu</td>", i + 1);
		put_cell(out, view_time(view_int(t, "at_ms", 0), time));
		put_cell(out, view_text(t, "from"));
		put_cell(out, view_text(t, "to"));
		put_number(out, (double)view_step_number(r, view_int(t, "step", 0)));
		put_cell(out, view_text(t, "why"));
		fputs("</tr>\n", out);
	}
	end_table(out);
}

static void put_hooks(FILE *out, const json_t *r)
{
	const json_t *hooks = json_object_get(r, "hooks"), *h;
	size_t i;

	if (!json_array_size(hooks))
		return;
	begin_table(out, "Hooks", "When|Hook|Moment|Answer|#Tries|#Took, ms|Why");
	json_array_foreach(hooks, i, h)
	{
		char time[VIEW_TEXT_LEN];

		fputs("<tr>", out);
		put_cell(out, view_time(view_int(h, "at_ms", 0), time));
		put_cell(out, view_text(h, "name"));
		put_cell(out, view_text(h, "at"));
		put_cell(out, json_is_true(json_object_get(h, "is_yes")) ? "yes" : "no");
		put_number(out, view_real(h, "tries"));
		put_number(out, view_real(h, "took_ms"));
		put_cell(out, view_text(h, "why"));
		fputs("</tr>\n", out);
	}
	end_table(out);
}

static void put_looks(FILE *out, const json_t *r)
{
	const json_t *looks = json_object_get(r, "looks"), *look;
	size_t i;

	if (!json_array_size(looks))
		return;
	begin_table(out, "Looks at metrics", "When|Finding|Why");
	json_array_foreach(looks, i, look)
	{
		char time[VIEW_TEXT_LEN];

		fputs("<tr>", out);
		put_cell(out, view_time(view_int(look, "at_ms", 0), time));
		put_cell(out, view_text(look, "finding"));
		put_cell(out, view_text(look, "why"));
		fputs("</tr>\n", out);
	}
	end_table(out);
}

/* ---- all of it ---- */

static int put_pictures(FILE *out, const json_t *r)
{
	int error;

	fputs("<p class=\"small\">Numbers above the pictures are those of the table \u201cWhat "
	      "happened\u201d. Candidate a whole line, baseline dashed, production dotted.</p>\n",
	      out);
	error = rollout_svg_weights(out, r);
	error = error ? error : rollout_svg_evidence(out, r);
	error = error ? error : rollout_svg_failures(out, r);
	error = error ? error
		      : rollout_svg_latency(out, r, "first_byte_p50_us",
					    "First byte, median, milliseconds");
	return error ? error
		     : rollout_svg_latency(out, r, "handshake_p50_us",
					   "Handshake, median, milliseconds");
}

int rollout_write_html(const json_t *record, FILE *out)
{
	const json_t *kernel = json_object_get(record, "kernel");
	const json_t *steps = json_object_get(record, "kernel_steps");
	const json_t *metrics = json_object_get(record, "metrics");
	int error;

	page_begin(out);
	markup_put_html(out, view_text(record, "service"));
	fputs(": ", out);
	markup_put_html(out, view_text(record, "release"));
	fputs(" ", out);
	markup_put_html(out, view_text(record, "phase"));
	page_title_end(out);
	fputs("<h1>Rollout</h1>\n", out);
	put_outcome(out, record);
	put_facts(out, record);
	error = put_pictures(out, record);
	put_transitions(out, record);
	put_pools(out, record);
	put_steps(out, record);
	if (json_is_object(steps))
		put_kernel(out, steps, view_until_promoted(record));
	if (json_is_object(kernel))
		put_kernel(out, kernel, view_since_promoted(record));
	if (json_is_object(metrics))
		put_metrics(out, metrics);
	put_looks(out, record);
	put_hooks(out, record);
	page_end(out);
	return error ? error : fflush(out) || ferror(out) ? -EIO : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/rollout_report.h"

#include <errno.h>
#include <math.h>

#include "observe/markup.h"
#include "observe/rollout_view.h"

static const char *mark_of(const json_t *r)
{
	return view_ended_well(r)	 ? "\u2705"
	       : view_went_wrong(r)	 ? "\u274c"
	       : view_is_in(r, "paused") ? "\u23f8\ufe0f"
					 : "\u23f3";
}

static void put_cell(FILE *out, const char *text)
{
	markup_put_md(out, text);
	fputs(" | ", out);
}

static void put_real(FILE *out, const json_t *of, const char *key, double times)
{
	double value = view_real(of, key);

	if (isnan(value))
		fputs("\u2013 | ", out);
	else
		fprintf(out, "%.4g | ", times * value);
}

static void put_head(FILE *out, const json_t *r)
{
	int64_t began = view_int(r, "started_ms", 0), ended = view_int(r, "ended_ms", 0);
	char text[VIEW_TEXT_LEN];

	fprintf(out, "### %s ", mark_of(r));
	markup_put_md(out, view_text(r, "service"));
	fputs(": release ", out);
	markup_put_md(out, view_text(r, "release"));
	fputs(" ", out);
	markup_put_md(out, view_text(r, "phase"));
	fputs("\n\n", out);
	if (*view_text(r, "why")) {
		fputs("**", out);
		markup_put_md(out, view_text(r, "why"));
		fputs("**\n\n", out);
	}
	fprintf(out, "Rollout %lld, strategy ", (long long)view_int(r, "id", 0));
	markup_put_md(out, view_text(r, "strategy"));
	fprintf(out, " (%s), begun %s", view_text(r, "type"), view_time(began, text));
	if (*view_text(r, "who")) {
		fputs(" by ", out);
		markup_put_md(out, view_text(r, "who"));
	}
	if (ended)
		fprintf(out, ", took %s", view_duration(ended - began, text));
	if (*view_seed(r, text)) {
		fputs(", seed ", out);
		markup_put_md(out, text);
	}
	if (*view_text(r, "reason")) {
		fputs(": ", out);
		markup_put_md(out, view_text(r, "reason"));
	}
	fputs("\n", out);
}

static void put_pools(FILE *out, const json_t *r)
{
	const json_t *pool;
	size_t i;

	fputs("\n| pool | role | wanted % | actual % | flows | failed |\n"
	      "|---|---|---:|---:|---:|---:|\n",
	      out);
	json_array_foreach(json_object_get(r, "pools"), i, pool)
	{
		char role[VIEW_TEXT_LEN], flows[VIEW_TEXT_LEN], failures[VIEW_TEXT_LEN];

		fputs("| ", out);
		put_cell(out, view_text(pool, "name"));
		put_cell(out, view_role(r, pool, role));
		put_real(out, pool, "wanted", 1.0);
		put_real(out, pool, "actual_share", 1.0);
		fprintf(out, "%s | %s |\n", view_count(pool, "flows", flows),
			view_count(pool, "failures", failures));
	}
}

static void put_evidence(FILE *out, const json_t *of, const char *line)
{
	struct view_evidence e = view_evidence(of, line);

	if (isnan(e.log_e) || isnan(e.log_bound))
		fputs("\u2013 | ", out);
	else
		fprintf(out, "%.1f of %.1f | ", e.log_e, e.log_bound);
}

static void put_kernel(FILE *out, const json_t *k, const char *when)
{
	const json_t *test;
	size_t i;

	fprintf(out, "\nKernel's signals%s: **%s", when, view_text(k, "verdict"));
	if (*view_text(k, "reason"))
		fprintf(out, ": %s", view_text(k, "reason"));
	if (*view_text(k, "decider"))
		fprintf(out, ", %s", view_text(k, "decider"));
	fprintf(out,
		"** after %lld looks. Evidence is log e; at its bound it decides.\n\n"
		"| test | candidate %% | baseline %% | effect | worse | not worse |\n"
		"|---|---:|---:|---:|---:|---:|\n",
		(long long)view_int(k, "ticks", 0));
	json_array_foreach(json_object_get(k, "tests"), i, test)
	{
		fputs("| ", out);
		put_cell(out, view_text(test, "name"));
		put_real(out, test, "canary", 100.0);
		put_real(out, test, "baseline", 100.0);
		put_real(out, test, "effect", 1.0);
		put_evidence(out, test, "");
		put_evidence(out, test, "fine_");
		fputs("\n", out);
	}
	fputs("| all together | | | | ", out);
	put_evidence(out, k, "");
	put_evidence(out, k, "fine_");
	fputs("\n", out);
}

static void put_metrics(FILE *out, const json_t *m)
{
	char value[VIEW_TEXT_LEN];
	const json_t *d;
	size_t i;

	fprintf(out, "\nMetrics: **%s** ", view_text(m, "finding"));
	markup_put_md(out, view_text(m, "why"));
	fputs("\n\n| metric | value | finding |\n|---|---|---|\n", out);
	json_array_foreach(json_object_get(m, "details"), i, d)
	{
		fputs("| ", out);
		put_cell(out, view_text(d, "name"));
		fprintf(out, "%s | %s%s |\n", view_metric(d, value), view_text(d, "finding"),
			json_is_true(json_object_get(d, "dry_run")) ? ", dry run" : "");
	}
}

static void put_transitions(FILE *out, const json_t *r)
{
	char time[VIEW_TEXT_LEN];
	const json_t *t;
	size_t i;

	fputs("\n| when | what | step | why |\n|---|---|---:|---|\n", out);
	json_array_foreach(json_object_get(r, "transitions"), i, t)
	{
		fprintf(out, "| %s | %s \u2192 %s | %lld | ",
			view_time(view_int(t, "at_ms", 0), time), view_text(t, "from"),
			view_text(t, "to"), (long long)view_step_number(r, view_int(t, "step", 0)));
		markup_put_md(out, view_text(t, "why"));
		fputs(" |\n", out);
	}
}

static void put_hooks(FILE *out, const json_t *r)
{
	const json_t *hooks = json_object_get(r, "hooks"), *h;
	char time[VIEW_TEXT_LEN];
	size_t i;

	if (json_array_size(hooks))
		fputs("\n| when | hook | moment | answer | took | why "
		      "|\n|---|---|---|---|---:|---|\n",
		      out);
	json_array_foreach(hooks, i, h)
	{
		fprintf(out, "| %s | ", view_time(view_int(h, "at_ms", 0), time));
		put_cell(out, view_text(h, "name"));
		fprintf(out, "%s | %s | %lld ms | ", view_text(h, "at"),
			json_is_true(json_object_get(h, "is_yes")) ? "yes" : "no",
			(long long)view_int(h, "took_ms", 0));
		markup_put_md(out, view_text(h, "why"));
		fputs(" |\n", out);
	}
}

int rollout_write_md(const json_t *record, FILE *out)
{
	const json_t *kernel = json_object_get(record, "kernel");
	const json_t *steps = json_object_get(record, "kernel_steps");
	const json_t *metrics = json_object_get(record, "metrics");

	put_head(out, record);
	put_pools(out, record);
	if (json_is_object(steps))
		put_kernel(out, steps, view_until_promoted(record));
	if (json_is_object(kernel))
		put_kernel(out, kernel, view_since_promoted(record));
	if (json_is_object(metrics))
		put_metrics(out, metrics);
	put_transitions(out, record);
	put_hooks(out, record);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* judge: one judgement of a canary, from Kayenta's configuration and samples of metrics, read or
 * asked for; or, of a service, judge_live.c. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/judge_live.h"
#include "cli/judge_prometheus.h"
#include "cli/table.h"
#include "config/read_file.h"
#include "judge/explain.h"
#include "judge_io/canary.h"
#include "judge_io/report.h"
#include "judge_io/samples.h"
#include "lib/log.h"
#include "observe/judgement.h"

static const struct table_column columns[] = {
	{.name = "METRIC"}, {.name = "RESULT"}, {.name = "RATIO", .is_number = true},
	{.name = "GROUPS"}, {.name = "REASON"}, {.name = "WHY"},
};

/* ---- reading ---- */

static int read_text(const char *path, struct source *s, char **text, size_t *len)
{
	int error = config_read_file(path, text, len);

	*s = (struct source){strcmp(path, "-") ? path : "<stdin>", stderr};
	if (error)
		fprintf(stderr, "%s: error: cannot be read: %s\n", s->file, strerror(-error));
	return error;
}

static int read_canary(const struct cli *cli, struct canary *out)
{
	struct source s;
	char *text = NULL;
	size_t len = 0;
	int error = read_text(cli->config, &s, &text, &len);

	if (!error)
		error = canary_parse(&s, text, len, out);
	free(text);
	return error;
}

/* Every pair needs its metric; all that have none are named. */
static int check_names(const struct source *s, const struct judge_config *c,
		       const struct samples *samples)
{
	int error = 0;

	for (size_t i = 0; i < samples->count; i++) {
		size_t at = 0;

		while (at < c->metric_count &&
		       strcmp(c->metrics[at].name, samples->pairs[i].name) != 0)
			at++;
		if (at == c->metric_count)
			error = complain(s,
					 "$[%zu].name: the configuration has no metric \"%.80s\"",
					 i, samples->pairs[i].name);
	}
	return error;
}

static int read_samples(const struct cli *cli, const struct judge_config *c, struct samples *out)
{
	struct source s;
	char *text = NULL;
	size_t len = 0;
	int error = read_text(cli->metrics, &s, &text, &len);

	if (!error && cli->is_csv)
		error = samples_parse_csv(&s, text, len, out);
	else if (!error)
		error = samples_parse_json(&s, text, len, out);
	free(text);
	if (!error)
		error = check_names(&s, c, out);
	return error ? error : samples_add_missing(&s, c, out);
}

static int get_samples(const struct cli *cli, const struct canary *c, struct samples *out)
{
	struct source s = {strcmp(cli->config, "-") ? cli->config : "<stdin>", stderr};

	if (cli->prometheus)
		return judge_ask_prometheus(cli, &s, c, out);
	return read_samples(cli, &c->config, out);
}

/* ---- showing ---- */

static void add_result(struct libscols_table *t, const struct judge_result *r)
{
	struct libscols_line *row = table_row(t, NULL);
	char groups[160] = "", why[JUDGE_EXPLAIN_LEN];
	size_t len = 0;

	for (size_t i = 0; i < r->metric->group_count && len < sizeof(groups) - 1; i++)
		len += (size_t)snprintf(groups + len, sizeof(groups) - len, "%s%s", i ? "," : "",
					r->metric->groups[i]);
	table_set(row, 0, "%s", r->metric->name);
	table_set(row, 1, "%s%s%s", judge_label_name(r->label), r->is_critical ? " critical" : "",
		  r->metric->is_muted ? " muted" : "");
	if (isfinite(r->ratio))
		table_set(row, 2, "%.3f", r->ratio);
	table_set(row, 3, "%s", groups);
	table_set(row, 4, "%s", r->reason ? r->reason : "");
	table_set(row, 5, "%s", judge_explain(r, why));
	if (r->label != JUDGE_PASS)
		table_warn(row);
}

static int show_table(const struct judgement *j)
{
	struct libscols_table *t = table_new(columns, sizeof(columns) / sizeof(*columns));
	const struct judge_score *score = &j->report->score;

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < j->report->result_count; i++)
		add_result(t, &j->report->results[i]);
	table_print(t);
	table_free(t);
	printf("\n%s: score %g (pass %g, marginal %g)%s%s\n", judge_verdict_name(score->verdict),
	       score->score, j->config->pass, j->config->marginal, score->reason ? ": " : "",
	       score->reason ? score->reason : "");
	for (size_t i = 0; i < j->report->group_count; i++)
		printf("  group %s: %g%s\n", j->report->groups[i].name, j->report->groups[i].score,
		       j->report->groups[i].has_data ? "" : " (no data)");
	return 0;
}

/* Digits enough to read back the same numbers. */
static int show_json(const struct judgement *j)
{
	json_t *json = judgement_json(j);
	int error = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : -1;

	json_decref(json);
	putchar('\n');
	return error ? -ENOMEM : 0;
}

static int show(const struct cli *cli, const struct judgement *j)
{
	size_t thin = judgement_count_thin(j);

	if (thin)
		log_warning("%zu of %zu metrics have fewer than %d points of the baseline: "
			    "low confidence",
			    thin, j->report->result_count, JUDGE_POINTS_WISH);
	switch (cli->report) {
	case CLI_REPORT_JSON:
		return show_json(j);
	case CLI_REPORT_HTML:
		return judgement_write_html(j, stdout);
	case CLI_REPORT_MD:
		return judgement_write_md(j, stdout);
	case CLI_REPORT_TABLE:
		break;
	}
	return show_table(j);
}

static int judge(const struct cli *cli, struct canary *canary, struct samples *samples,
		 struct judge_report *report)
{
	struct judgement j = {&canary->config, samples, report};
	int error = read_canary(cli, canary);

	if (!error)
		error = get_samples(cli, canary, samples);
	if (error)
		return error;
	canary->config.mode = cli->is_kayenta ? JUDGE_KAYENTA : JUDGE_EXACT;
	canary->config.pass = isnan(cli->pass) ? canary->config.pass : cli->pass;
	canary->config.marginal = isnan(cli->marginal) ? canary->config.marginal : cli->marginal;
	if (canary->config.marginal > canary->config.pass) {
		log_error("a marginal score of %g is above the one to pass, %g: give --marginal "
			  "or --pass otherwise",
			  canary->config.marginal, canary->config.pass);
		return -EINVAL;
	}
	error = judge_run(&canary->config, samples->pairs, samples->count, report);
	return error ? error : show(cli, &j);
}

/* Which say nothing of metrics. */
static bool has_live_options(const struct cli *cli)
{
	return cli->canary || cli->baseline || cli->limit_time || cli->alpha || cli->not_worse ||
	       cli->floor || cli->repeats || cli->is_watching;
}

int cmd_judge(const struct cli *cli)
{
	struct judge_report report = {0};
	struct samples samples = {0};
	struct canary canary = {0};
	int error, result;

	if (cli->arg_count)
		return judge_live(cli);
	if (!cli->config || !cli->metrics == !cli->prometheus || has_live_options(cli)) {
		log_error("SERVICE and --canary are needed, or --config and one of --metrics and "
			  "--prometheus, not both; see `serin help judge`");
		return CLI_USAGE;
	}
	error = judge(cli, &canary, &samples, &report);
	if (error == -ENOMEM)
		log_error("out of memory");
	if (error)
		result = error == -ENOMEM || error == -EIO ? CLI_FAILED : CLI_USAGE;
	else
		result = report.score.verdict == JUDGE_VERDICT_PASS ? CLI_OK : CLI_UNHEALTHY;
	judge_report_fini(&report);
	samples_fini(&samples);
	canary_fini(&canary);
	return result;
}

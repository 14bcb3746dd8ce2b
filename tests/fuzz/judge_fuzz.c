// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any configuration and any samples: an error that can be shown, or a judgement in which everything
 * promised holds, and which every report can show. The first byte chooses mode and format; what
 * follows is the configuration, a line of "---", and the samples.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "judge/judge.h"
#include "judge_io/canary.h"
#include "judge_io/report.h"
#include "judge_io/samples.h"
#include "observe/judgement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* By exact every number that a decision is made of is a number. */
static void check_result(const struct judge_config *c, const struct judge_result *r)
{
	const struct judge_interval *shift = &r->why.shift;

	must(r->label < JUDGE_LABEL_MAX && r->why.rule < JUDGE_RULE_MAX);
	must(r->label == JUDGE_PASS || (r->reason && *r->reason));
	must(!r->is_critical || (r->metric->is_critical && r->label != JUDGE_PASS));
	if (c->mode == JUDGE_KAYENTA)
		return;
	must(r->label != JUDGE_HIGH || r->metric->direction != JUDGE_DECREASE);
	must(r->label != JUDGE_LOW || r->metric->direction != JUDGE_INCREASE);
	must(isfinite(r->experiment.mean) && isfinite(r->control.mean));
	if (r->why.rule == JUDGE_RULE_INTERVAL)
		must(!isnan(shift->low) && shift->low <= shift->high && !isnan(r->why.p_value));
}

static void check_report(const struct judge_config *c, const struct judge_report *report)
{
	for (size_t i = 0; i < report->result_count; i++)
		check_result(c, &report->results[i]);
	for (size_t i = 0; i < report->group_count; i++)
		must(report->groups[i].score >= 0.0 && report->groups[i].score <= 100.0);
	must(report->score.verdict < JUDGE_VERDICT_MAX);
}

static void show(const struct judgement *j)
{
	FILE *out = fopen("/dev/null", "w");
	json_t *json = judgement_json(j);

	must(out && json);
	must(!judgement_write_html(j, out) && !judgement_write_md(j, out));
	fclose(out);
	json_decref(json);
}

static void judge(struct canary *c, const struct samples *s)
{
	struct judge_report report;

	if (judge_run(&c->config, s->pairs, s->count, &report))
		return;
	must(report.result_count == s->count);
	check_report(&c->config, &report);
	show(&(struct judgement){&c->config, s, &report});
	judge_report_fini(&report);
}

static void read_both(const struct source *source, uint8_t choice, const char *text, size_t len)
{
	static const char line[] = "\n---\n";
	const char *cut = memmem(text, len, line, sizeof(line) - 1);
	const char *rest = cut ? cut + sizeof(line) - 1 : text + len;
	struct canary c = {0};
	struct samples s = {0};
	int error;

	if (canary_parse(source, text, cut ? (size_t)(cut - text) : len, &c))
		return;
	c.config.mode = choice & 1 ? JUDGE_KAYENTA : JUDGE_EXACT;
	if (choice & 2)
		error = samples_parse_csv(source, rest, (size_t)(text + len - rest), &s);
	else
		error = samples_parse_json(source, rest, (size_t)(text + len - rest), &s);
	if (!error)
		judge(&c, &s);
	samples_fini(&s);
	canary_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *messages;
	struct source source = {.file = "fuzz"};

	messages = messages ? messages : fopen("/dev/null", "w");
	source.messages = messages;
	if (size && messages)
		read_both(&source, *data, (const char *)data + 1, size - 1);
	return 0;
}

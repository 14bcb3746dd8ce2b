// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor: what on this host would stop or slow Serin, and how to mend it. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/table.h"
#include "config/config.h"
#include "doctor/facts.h"
#include "doctor/findings.h"
#include "lib/log.h"

#define TEXT_WIDTH_MIN 40

static const struct table_column columns[] = {
	{.name = "LEVEL"},
	{.name = "CHECK"},
	{.name = "WHERE"},
	{.name = "FINDING"},
};

/* How wide the last column may be: what the others leave of a terminal; of a pipe there is no end. */
static size_t text_width(const struct doctor_report *r)
{
	size_t check = 0, where = strlen("host");
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return SIZE_MAX;
	for (size_t i = 0; i < r->count; i++) {
		size_t check_len = strlen(r->list[i].check), where_len = strlen(r->list[i].where);

		check = check_len > check ? check_len : check;
		where = where_len > where ? where_len : where;
	}
	check += strlen("LEVEL ") + where + 2;
	return size.ws_col > check + TEXT_WIDTH_MIN ? size.ws_col - check : TEXT_WIDTH_MIN;
}

/* How much of a text goes into a line: whole words, if one fits. */
static size_t line_length(const char *text, size_t width)
{
	size_t len = strlen(text);

	if (len <= width)
		return len;
	for (len = width; len && text[len] != ' '; len--)
		;
	return len ? len : width;
}

/* The lines of a text, the first of them in @row, the others in rows of their own. */
static void add_text(struct libscols_table *table, struct libscols_line *row, const char *text,
		     size_t width, bool stands_out)
{
	while (*text) {
		size_t len = line_length(text, width);

		if (!row)
			row = table_row(table, NULL);
		table_set(row, 3, "%.*s", (int)len, text);
		if (stands_out)
			table_warn(row);
		row = NULL;
		text += len + strspn(text + len, " ");
	}
}

static void add_finding(struct libscols_table *table, const struct doctor_finding *f, size_t width)
{
	char text[sizeof(f->what) + sizeof(f->found) + sizeof(f->remedy)];
	struct libscols_line *row = table_row(table, NULL);

	table_set(row, 0, "%s", f->level == DOCTOR_STOP ? "STOP" : doctor_level_name(f->level));
	table_set(row, 1, "%s", f->check);
	table_set(row, 2, "%s", *f->where ? f->where : "host");
	snprintf(text, sizeof(text), *f->found ? "%s (%s)" : "%s", f->what, f->found);
	add_text(table, row, text, width, f->level >= DOCTOR_SLOW);
	snprintf(text, sizeof(text), "do: %s", f->remedy);
	if (*f->remedy)
		add_text(table, NULL, text, width, false);
}

static int print_table(const struct doctor_report *r)
{
	struct libscols_table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	size_t width = text_width(r);

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < r->count; i++)
		add_finding(table, &r->list[i], width);
	table_print(table);
	table_free(table);
	printf("\n%zu would stop Serin, %zu slow it; %zu to note, %zu ok\n",
	       r->count_of[DOCTOR_STOP], r->count_of[DOCTOR_SLOW], r->count_of[DOCTOR_NOTE],
	       r->count_of[DOCTOR_OK]);
	return 0;
}

static json_t *finding_json(const struct doctor_finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "level", doctor_level_name(f->level),
			 "check", f->check, "where", f->where, "what", f->what, "found", f->found,
			 "do", f->remedy);
}

static int print_json(const struct doctor_report *r)
{
	json_t *list = json_array(), *summary = json_object();

	for (size_t i = 0; i < r->count; i++)
		json_array_append_new(list, finding_json(&r->list[i]));
	for (int level = DOCTOR_LEVEL_MAX - 1; level >= 0; level--)
		json_object_set_new(summary, doctor_level_name(level),
				    json_integer((json_int_t)r->count_of[level]));
	return cli_print_json(
		json_pack("{s:i, s:o, s:o}", "version", 1, "summary", summary, "findings", list));
}

int cmd_doctor(const struct cli *cli)
{
	struct doctor_facts facts = {0};
	struct doctor_report report = {0};
	struct model *m = NULL;
	int error;

	if (cli->arg_count && config_load(cli->args[0], &m, stderr))
		return CLI_USAGE;
	error = doctor_collect(cli->dir, m, &facts);
	if (!error)
		error = doctor_judge(&facts, &report);
	if (!error)
		error = cli->is_json ? print_json(&report) : print_table(&report);
	else
		log_error("out of memory");
	if (!error && report.count_of[DOCTOR_STOP])
		error = CLI_UNHEALTHY;
	else if (error)
		error = CLI_FAILED;
	doctor_report_fini(&report);
	doctor_facts_fini(&facts);
	model_free(m);
	return error;
}

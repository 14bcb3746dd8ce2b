// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/judge_live.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "config/duration.h"
#include "dataplane/dataplane.h"
#include "judge_live/live_judge.h"
#include "judge_live/live_report.h"
#include "lib/log.h"

#define LIMIT_DEFAULT "10m"
#define TICK_MS	      1000

struct watch {
	const struct cli *cli;
	struct seq_options options;
	struct live_judge judge;
	struct live_tick tick;
	struct live_account account;
	uint64_t begun_ms;
};

/* ---- options ---- */

static int read_number(const char *option, const char *text, double low, double high, double *out)
{
	char *end;
	double value;

	if (!text)
		return 0;
	value = strtod(text, &end);
	if (*text && !*end && value >= low && value <= high) {
		*out = value;
		return 0;
	}
	log_error("--%s takes a number from %g to %g, not \"%s\"", option, low, high, text);
	return -EINVAL;
}

static int read_limit(const struct cli *cli, uint64_t *out)
{
	const char *text = cli->limit_time ? cli->limit_time : LIMIT_DEFAULT;
	uint32_t ms = 0;

	if (!duration_parse(text, &ms) && ms >= TICK_MS) {
		*out = ms;
		return 0;
	}
	log_error("--for takes a time of a second or more like 30s or 10m, not \"%s\"", text);
	return -EINVAL;
}

/* The alarm's is of both directions, and must not be later than an abort: twice as much. */
static int read_options(const struct cli *cli, struct watch *w)
{
	struct seq_options *o = &w->options;
	int error;

	live_options_init(o);
	error = read_number("alpha", cli->alpha, 1e-9, 0.25, &o->alpha);
	o->alpha_alarm = 2 * o->alpha;
	error = error ? error
		      : read_number("not-worse", cli->not_worse, 1.05, 1000, &o->fine.ratio);
	error = error ? error : read_number("floor", cli->floor, 0, 0.5, &o->floor);
	error = error ? error : read_number("repeats", cli->repeats, 1, 1000, &o->repeats);
	error = error ? error : read_limit(cli, &w->account.limit_ms);
	if (!error && cli->report == CLI_REPORT_HTML) {
		log_error("of a judge that runs there is no html; -o table, json or md");
		error = -EINVAL;
	}
	if (!error && (!cli->canary || cli->config || cli->metrics || cli->prometheus)) {
		log_error("%s; see `serin help judge`",
			  cli->canary ? "SERVICE is judged by what the kernel counts, without "
					"--config, --metrics and --prometheus"
				      : "SERVICE needs --canary POOL");
		error = -EINVAL;
	}
	return error;
}

/* ---- looking ---- */

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What time alone ends is counted first; where that is not allowed, the agent does it. */
static int look(const struct cli *cli, struct snapshot **out)
{
	struct dataplane *dp = NULL;
	int error;

	dataplane_sweep(cli->dir);
	error = dataplane_open(cli->dir, DATAPLANE_READ, &dp);
	if (error)
		return error;
	error = dataplane_glance(dp, out);
	dataplane_close(dp);
	return error;
}

static int complain_of_roles(const struct cli *cli, int error)
{
	const char *baseline = cli->baseline ? cli->baseline : "";

	if (error == -ENOTSUP)
		log_error("%s: UDP that is answered past this host tells nothing to judge by",
			  cli->args[0]);
	else if (error == -EINVAL)
		log_error("%s: \"%s\" is the primary or the baseline: a canary is another pool",
			  cli->args[0], cli->canary);
	else
		log_error("%s: no such service, or no pool \"%s\"%s%s%s; `serin status` lists them",
			  cli->args[0], cli->canary, *baseline ? " or \"" : "", baseline,
			  *baseline ? "\"" : "");
	return CLI_USAGE;
}

static int begin(struct watch *w)
{
	const struct cli *cli = w->cli;
	struct snapshot *s = NULL;
	struct live_roles roles;
	int error = look(cli, &s);

	if (error)
		return CLI_FAILED;
	w->begun_ms = clock_ms();
	w->account.judge = &w->judge;
	error = live_roles_init(&roles, s, cli->args[0], cli->canary,
				cli->baseline ? cli->baseline : "");
	if (!error)
		error = live_judge_begin(&w->judge, &roles, s, &w->options, w->begun_ms);
	snapshot_free(s);
	return error ? complain_of_roles(cli, error) : CLI_OK;
}

/* ---- showing ---- */

static void print_pools(const struct live_account *a)
{
	struct table_column columns[LIVE_POOL_COLUMNS] = {};
	live_cell cells[LIVE_POOL_COLUMNS];
	struct libscols_table *t;

	for (int i = 0; i < LIVE_POOL_COLUMNS; i++)
		columns[i] = (struct table_column){.name = live_pool_columns[i],
						   .is_number = i >= LIVE_POOL_WEIGHT};
	t = table_new(columns, LIVE_POOL_COLUMNS);
	for (int role = 0; t && role < SEQ_ROLE_MAX; role++) {
		struct libscols_line *row;

		if (!live_pool_cells(a, (enum seq_role)role, cells))
			continue;
		row = table_row(t, NULL);
		for (size_t i = 0; i < LIVE_POOL_COLUMNS; i++)
			table_set(row, i, "%s", cells[i]);
	}
	if (t)
		table_print(t);
	table_free(t);
}

static void print_tests(const struct live_account *a)
{
	struct table_column columns[LIVE_TEST_COLUMNS] = {};
	live_cell cells[LIVE_TEST_COLUMNS];
	struct libscols_table *t;
	struct seq_report report;

	seq_report_make(&a->judge->seq, LIVE_REPORT_MISS, &report);
	for (int i = 0; i < LIVE_TEST_COLUMNS; i++)
		columns[i] = (struct table_column){.name = live_test_columns[i],
						   .is_number = i >= LIVE_TEST_CANARY};
	t = table_new(columns, LIVE_TEST_COLUMNS);
	for (int test = 0; t && test <= SEQ_TEST_MAX; test++) {
		struct libscols_line *row;

		if (!live_test_cells(a, &report, test, cells))
			continue;
		row = table_row(t, NULL);
		for (size_t i = 0; i < LIVE_TEST_COLUMNS; i++)
			table_set(row, i, "%s", cells[i]);
		if (a->judge->seq.decider == (uint32_t)test && test < SEQ_TEST_MAX)
			table_warn(row);
	}
	if (t)
		table_print(t);
	table_free(t);
}

static void print_screen(const struct watch *w)
{
	char line[LIVE_LINE_LEN];

	if (w->cli->is_watching && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	printf("%s\n\n", live_headline(&w->account, line));
	print_pools(&w->account);
	putchar('\n');
	print_tests(&w->account);
	printf("\n%s\n", live_terms(&w->account, line));
}

/* An object a line where it comes every second. */
static int print_json(const struct watch *w)
{
	size_t how = w->cli->is_watching ? JSON_COMPACT : JSON_INDENT(2);
	json_t *json = live_report_json(&w->account);
	int error = json ? json_dumpf(json, stdout, how | JSON_REAL_PRECISION(9)) : -1;

	json_decref(json);
	putchar('\n');
	return error ? -ENOMEM : 0;
}

static int show(const struct watch *w)
{
	int error = 0;

	if (w->cli->report == CLI_REPORT_JSON)
		error = print_json(w);
	else if (w->cli->report == CLI_REPORT_MD)
		error = live_report_write_md(&w->account, stdout);
	else
		print_screen(w);
	if (error == -ENOMEM)
		log_error("out of memory");
	return error || fflush(stdout) || ferror(stdout) ? CLI_FAILED : CLI_OK;
}

/* ---- each second ---- */

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	is_interrupted = 1;
}

static void sleep_until(uint64_t ms)
{
	struct timespec at = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	while (!is_interrupted &&
	       clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static int tick(struct watch *w)
{
	struct snapshot *s = NULL;
	uint64_t now_ms;

	if (look(w->cli, &s))
		return CLI_FAILED;
	now_ms = clock_ms();
	live_judge_tick(&w->judge, s, now_ms, &w->tick);
	snapshot_free(s);
	live_account_add(&w->account, &w->tick, now_ms - w->begun_ms);
	w->account.is_over = w->judge.seq.verdict != SEQ_CONTINUE ||
			     w->account.passed_ms >= w->account.limit_ms;
	return CLI_OK;
}

static int run(struct watch *w)
{
	int code = CLI_OK;

	for (uint64_t i = 1; code == CLI_OK && !w->account.is_over; i++) {
		sleep_until(w->begun_ms + i * TICK_MS);
		if (is_interrupted) {
			seq_stop(&w->judge.seq);
			w->account.is_over = true;
		} else {
			code = tick(w);
		}
		if (code == CLI_OK && (w->cli->is_watching || w->account.is_over))
			code = show(w);
	}
	if (code != CLI_OK)
		return code;
	return w->judge.seq.verdict == SEQ_NOT_WORSE ? CLI_OK : CLI_UNHEALTHY;
}

int judge_live(const struct cli *cli)
{
	const struct sigaction action = {.sa_handler = on_interrupt};
	struct watch *w = calloc(1, sizeof(*w));
	int code = CLI_FAILED;

	if (!w) {
		log_error("out of memory");
		return code;
	}
	w->cli = cli;
	code = read_options(cli, w) ? CLI_USAGE : begin(w);
	if (code == CLI_OK) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		code = run(w);
	}
	free(w);
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what all verbs share: the tables that options, help and dispatch are made from, exit codes,
 * and how results are printed. Results go to stdout, messages to stderr.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,	   /* or a bad configuration */
	CLI_UNHEALTHY = 3, /* or an analysis that failed */
	CLI_NO_AGENT = 4,
	CLI_CONFLICT = 5, /* someone else changed it */
};

enum cli_option {
	OPT_BPFFS,
	OPT_HELP,
	OPT_VERSION,
	OPT_OUTPUT,
	OPT_WATCH,
	OPT_DRY_RUN,
	OPT_REASON,
	OPT_EXPECT_EPOCH,
	OPT_YES,
	OPT_FORCE,
	OPT_CONFIG,
	OPT_LISTEN,
	OPT_POOL,
	OPT_FOLLOW,
	OPT_SINCE,
	OPT_DSCP,
	OPT_SEED,
	OPT_STATE,
	OPT_LIMIT,
	OPT_EVENTS,
	OPT_SOCKET,
	OPT_WEB_CONFIG,
	OPT_CANARY,
	OPT_METRICS,
	OPT_FORMAT,
	OPT_MODE,
	OPT_PASS,
	OPT_MARGINAL,
	OPT_REPORT,
	OPT_PROMETHEUS,
	OPT_SERVICE,
	OPT_EXPERIMENT,
	OPT_CONTROL,
	OPT_START,
	OPT_END,
	OPT_STEP,
	OPT_SUM,
	OPT_TIMEOUT,
	OPT_HTTP_CONFIG,
	OPT_CANARY_POOL,
	OPT_BASELINE_POOL,
	OPT_FOR,
	OPT_ALPHA,
	OPT_NOT_WORSE,
	OPT_FLOOR,
	OPT_REPEATS,
	OPT_RELEASE,
	OPT_STRATEGY,
	OPT_ID,
	OPT_FULL,
	OPT_WAIT,
	OPT_UNTIL_ENDED,
	OPT_RECORD,
	OPT_MAX,
};

enum cli_report {
	CLI_REPORT_TABLE,
	CLI_REPORT_JSON,
	CLI_REPORT_HTML,
	CLI_REPORT_MD,
};

#define OPT_BIT(option) (UINT64_C(1) << (option))

struct cli {
	const char *dir;   /* of the pins */
	const char *state; /* the state database; "": none; NULL: the usual one */
	int64_t limit;	   /* -1: not asked */
	bool wants_events;
	bool is_json;
	bool is_watching;
	bool is_following;
	bool is_dry_run;
	bool is_forced;
	bool is_yes;
	bool wants_help;
	bool wants_version;
	const char *reason;
	int64_t expect_epoch; /* -1: any */
	int64_t since_s;      /* how long ago; -1: not asked */
	const char *config;
	const char *listen;
	const char *socket;
	const char *web_config;
	const char *pool;
	uint8_t dscp;
	bool has_seed;
	uint64_t seed;
	const char *metrics; /* judge: the file of samples */
	bool is_csv;
	bool is_kayenta;
	double pass, marginal; /* NaN: not asked */
	enum cli_report report;
	const char *prometheus; /* judge: its URL; NULL: not asked */
	const char *service, *experiment, *control;
	const char *start, *end, *step, *timeout;
	const char *http_config;
	bool is_summed;
	const char *canary, *baseline; /* judge SERVICE: pools; NULL: not told */
	const char *limit_time, *alpha, *not_worse, *floor, *repeats;
	const char *release, *strategy; /* rollout: NULL: not asked */
	int64_t id;			/* rollout; -1: not asked */
	bool is_full;
	bool is_waiting;
	char **args; /* what is not an option */
	int arg_count;
};

struct cli_verb {
	const char *name; /* of one word, or of two: a group's and its own */
	const char *args; /* as usage shows them */
	const char *summary;
	uint64_t options; /* OPT_BIT()s besides --bpffs and --help */
	int min_args, max_args;
	int (*run)(const struct cli *cli);
};

/* main.c; ends with a name of NULL. */
extern const struct cli_verb cli_verbs[];
/* @words: how many of its name's, out. NULL: there is none. */
const struct cli_verb *cli_find_verb(int count, char **names, int *words);
/* Is it the first word of verbs of two? */
bool cli_is_group(const char *name);
/* Says that there is no such verb. Returns CLI_USAGE. */
int cli_refuse_verb(int count, char **names);

/*
 * cli_parse() - options and arguments of one verb (or, with NULL, those before any verb).
 * Returns 0, or CLI_USAGE after a message.
 */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli *cli);
void cli_print_usage(const struct cli_verb *verb);
int cli_help_all(void);
int cli_help_group(const char *name);

/* A dataplane's error as an exit code. */
int cli_exit_code(int error);
/* "5", "0.0001", "33.3333": millionths as percent, without zeros at the end. */
const char *cli_percent(uint32_t ppm, char buf[16]);
/* Whether stdout is a terminal that wants colours. */
bool cli_has_colours(void);
/* Dumps and frees a json_t. */
struct json_t;
int cli_print_json(struct json_t *json);

int cmd_check(const struct cli *cli);
int cmd_apply(const struct cli *cli);
int cmd_detach(const struct cli *cli);
int cmd_status(const struct cli *cli);
int cmd_weight(const struct cli *cli);
int cmd_drain(const struct cli *cli);
int cmd_undrain(const struct cli *cli);
int cmd_explain(const struct cli *cli);
int cmd_flows(const struct cli *cli);
int cmd_events(const struct cli *cli);
int cmd_history(const struct cli *cli);
int cmd_agent(const struct cli *cli);
int cmd_reload(const struct cli *cli);
int cmd_doctor(const struct cli *cli);
int cmd_judge(const struct cli *cli);
int cmd_rollout_start(const struct cli *cli);
int cmd_rollout_list(const struct cli *cli);
int cmd_rollout_status(const struct cli *cli);
int cmd_rollout_pause(const struct cli *cli);
int cmd_rollout_resume(const struct cli *cli);
int cmd_rollout_promote(const struct cli *cli);
int cmd_rollout_abort(const struct cli *cli);
int cmd_rollout_retry(const struct cli *cli);
int cmd_rollout_undo(const struct cli *cli);
int cmd_rollout_report(const struct cli *cli);
int cmd_version(const struct cli *cli);
int cmd_help(const struct cli *cli);

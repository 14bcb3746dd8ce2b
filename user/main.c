// SPDX-License-Identifier: GPL-2.0-or-later
/* The verb table, and the way to a verb. */
#include <locale.h>
#include <math.h>

#include "agent/rollout_asked.h"
#include "cli/cli.h"
#include "dataplane/dataplane.h"

#define ROLLOUT (OPT_BIT(OPT_SOCKET) | OPT_BIT(OPT_OUTPUT))
#define COMMAND (ROLLOUT | OPT_BIT(OPT_REASON) | OPT_BIT(OPT_ID) | OPT_BIT(OPT_DRY_RUN))
#define CHANGES (OPT_BIT(OPT_DRY_RUN) | OPT_BIT(OPT_REASON) | OPT_BIT(OPT_STATE))

#define FROM_PROMETHEUS                                                                     \
	(OPT_BIT(OPT_PROMETHEUS) | OPT_BIT(OPT_SERVICE) | OPT_BIT(OPT_EXPERIMENT) |         \
	 OPT_BIT(OPT_CONTROL) | OPT_BIT(OPT_START) | OPT_BIT(OPT_END) | OPT_BIT(OPT_STEP) | \
	 OPT_BIT(OPT_SUM) | OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_HTTP_CONFIG))

#define LIVE                                                                                       \
	(OPT_BIT(OPT_CANARY_POOL) | OPT_BIT(OPT_BASELINE_POOL) | OPT_BIT(OPT_FOR) |                \
	 OPT_BIT(OPT_ALPHA) | OPT_BIT(OPT_NOT_WORSE) | OPT_BIT(OPT_FLOOR) | OPT_BIT(OPT_REPEATS) | \
	 OPT_BIT(OPT_WATCH))

const struct cli_verb cli_verbs[] = {
	{"check", "FILE", "validate a configuration; print every error", 0, 1, 1, cmd_check},
	{"apply", "FILE", "load and attach if needed, make the kernel match the file", CHANGES, 1,
	 1, cmd_apply},
	{"detach", "", "take the program off its NICs and remove the pins",
	 CHANGES | OPT_BIT(OPT_YES), 0, 0, cmd_detach},
	{"status", "[SERVICE]", "services, pools (wanted and actual share), backends",
	 OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_WATCH), 0, 1, cmd_status},
	{"weight", "SERVICE POOL=PERCENT...", "shift; the primary takes the rest",
	 CHANGES | OPT_BIT(OPT_EXPECT_EPOCH) | OPT_BIT(OPT_OUTPUT), 2, -1, cmd_weight},
	{"drain", "SERVICE BACKEND", "no new connections for a backend; old ones finish",
	 CHANGES | OPT_BIT(OPT_FORCE), 2, 2, cmd_drain},
	{"undrain", "SERVICE BACKEND", "new connections for it again", CHANGES, 2, 2, cmd_undrain},
	{"explain", "SERVICE CLIENT[:PORT]", "which pool and backend this client gets, and why",
	 OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_DSCP) | OPT_BIT(OPT_SEED), 2, 2, cmd_explain},
	{"flows", "[SERVICE]", "the flow table", OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_POOL), 0, 1,
	 cmd_flows},
	{"events", "[SERVICE]", "what packets gave rise to: the log, or what comes to it",
	 OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_FOLLOW) | OPT_BIT(OPT_SINCE), 0, 1, cmd_events},
	{"history", "[SERVICE]", "who changed what, when and why",
	 OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_SINCE) | OPT_BIT(OPT_LIMIT) | OPT_BIT(OPT_EVENTS) |
		 OPT_BIT(OPT_STATE),
	 0, 1, cmd_history},
	{"agent", "", "the daemon: health checks, neighbours, events, the API, /metrics",
	 OPT_BIT(OPT_CONFIG) | OPT_BIT(OPT_LISTEN) | OPT_BIT(OPT_STATE) | OPT_BIT(OPT_SOCKET) |
		 OPT_BIT(OPT_WEB_CONFIG),
	 0, 0, cmd_agent},
	{"reload", "", "have the agent apply its file anew; prints what changed, or every error",
	 OPT_BIT(OPT_REASON) | OPT_BIT(OPT_SOCKET), 0, 0, cmd_reload},
	{"doctor", "[FILE]", "what on this host would stop or slow Serin, and how to mend it",
	 OPT_BIT(OPT_OUTPUT), 0, 1, cmd_doctor},
	{"judge", "SERVICE --canary POOL | --config FILE (--metrics FILE | --prometheus URL)",
	 "a canary's verdict: each second by what the kernel counts, or by metrics",
	 OPT_BIT(OPT_CANARY) | OPT_BIT(OPT_METRICS) | OPT_BIT(OPT_FORMAT) | OPT_BIT(OPT_MODE) |
		 OPT_BIT(OPT_PASS) | OPT_BIT(OPT_MARGINAL) | OPT_BIT(OPT_REPORT) | FROM_PROMETHEUS |
		 LIVE,
	 0, 1, cmd_judge},
	{"rollout start", "SERVICE --release NAME", "begin a release; it goes on by itself",
	 ROLLOUT | OPT_BIT(OPT_RELEASE) | OPT_BIT(OPT_STRATEGY) | OPT_BIT(OPT_REASON) |
		 OPT_BIT(OPT_WAIT) | OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_DRY_RUN),
	 1, 1, cmd_rollout_start},
	{"rollout list", "[SERVICE]", "releases, the newest first", ROLLOUT | OPT_BIT(OPT_LIMIT), 0,
	 1, cmd_rollout_list},
	{"rollout status", "SERVICE", "what happens, why it waits, what can be done",
	 ROLLOUT | OPT_BIT(OPT_ID) | OPT_BIT(OPT_UNTIL_ENDED) | OPT_BIT(OPT_WAIT) |
		 OPT_BIT(OPT_TIMEOUT),
	 1, 1, cmd_rollout_status},
	{"rollout pause", "SERVICE", "stay at this weight until somebody says resume", COMMAND, 1,
	 1, cmd_rollout_pause},
	{"rollout resume", "SERVICE", "go on, also past a step that waits for somebody", COMMAND, 1,
	 1, cmd_rollout_resume},
	{"rollout promote", "SERVICE", "past what it waits for now", COMMAND | OPT_BIT(OPT_FULL), 1,
	 1, cmd_rollout_promote},
	{"rollout abort", "SERVICE", "back to 0 %, at once", COMMAND, 1, 1, cmd_rollout_abort},
	{"rollout retry", "SERVICE", "an aborted one again, from its start", COMMAND, 1, 1,
	 cmd_rollout_retry},
	{"rollout undo", "SERVICE", "a promoted one: back to what was before", COMMAND, 1, 1,
	 cmd_rollout_undo},
	{"rollout report", "SERVICE", "the whole record of one, for people or machines",
	 OPT_BIT(OPT_SOCKET) | OPT_BIT(OPT_ID) | OPT_BIT(OPT_RECORD), 1, 1, cmd_rollout_report},
	{"version", "", "the version of serin and of its maps", 0, 0, 0, cmd_version},
	{"help", "[VERB]", "this list, or one verb's options", 0, 0, 2, cmd_help},
	{},
};

int main(int argc, char **argv)
{
	struct cli cli = {.dir = DATAPLANE_DEFAULT_DIR,
			  .expect_epoch = -1,
			  .since_s = -1,
			  .limit = -1,
			  .id = -1,
			  .pass = NAN,
			  .marginal = NAN,
			  .reason = ""};
	const struct cli_verb *verb;
	int error, words = 0;

	if (rollout_is_asked(argc, argv))
		return rollout_asked_run();
	setlocale(LC_CTYPE, ""); /* not numbers: metrics have points, never commas */
	error = cli_parse(NULL, argc, argv, &cli);
	if (error)
		return error;
	if (cli.wants_version)
		return cmd_version(&cli);
	if (cli.wants_help || !cli.arg_count) {
		cli_help_all();
		return cli.wants_help ? CLI_OK : CLI_USAGE;
	}
	verb = cli_find_verb(cli.arg_count, cli.args, &words);
	if (!verb)
		return cli_refuse_verb(cli.arg_count, cli.args);
	error = cli_parse(verb, cli.arg_count - words + 1, cli.args + words - 1, &cli);
	if (error)
		return error;
	if (cli.wants_help) {
		cli_print_usage(verb);
		return CLI_OK;
	}
	return verb->run(&cli);
}

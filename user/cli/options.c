// SPDX-License-Identifier: GPL-2.0-or-later
/* Options: one table, from which parsing and help are made. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"
#include "store/store.h"

static const struct option_info {
	const char *name;
	char letter; /* 0: none */
	const char *value;
	const char *help;
} option_table[] = {
	[OPT_BPFFS] = {"bpffs", 0, "DIR", "where the pins are (" DATAPLANE_DEFAULT_DIR ")"},
	[OPT_HELP] = {"help", 'h', NULL, "this text"},
	[OPT_VERSION] = {"version", 'V', NULL, "the version, as `serin version`"},
	[OPT_OUTPUT] = {"output", 'o', "table|json", "how to print the result (table)"},
	[OPT_WATCH] = {"watch", 'w', NULL, "again every second, until interrupted"},
	[OPT_DRY_RUN] = {"dry-run", 0, NULL, "only say what would change"},
	[OPT_REASON] = {"reason", 0, "TEXT", "why: kept with the change, shown by status"},
	[OPT_EXPECT_EPOCH] = {"expect-epoch", 0, "N", "refuse (exit 5) if the epoch is another"},
	[OPT_YES] = {"yes", 0, NULL, "do not ask"},
	[OPT_FORCE] = {"force", 0, NULL, "even if no backend is left for new connections"},
	[OPT_CONFIG] = {"config", 'c', "FILE", "apply this file at the start and at SIGHUP"},
	[OPT_LISTEN] = {"listen", 0, "ADDR:PORT", "where /metrics is served (127.0.0.1:10717)"},
	[OPT_POOL] = {"pool", 0, "NAME", "only flows of this pool"},
	[OPT_FOLLOW] = {"follow", 'f', NULL, "those to come, until interrupted"},
	[OPT_SINCE] = {"since", 0, "TIME", "only those of the last 30s, 10m, 2h, 1d"},
	[OPT_DSCP] = {"dscp", 0, "VALUE",
		      "of a client whose packets are so marked: 46, EF, ... (0)"},
	[OPT_SEED] = {"seed", 0, "SEED", "of a release with this seed and the weights of now"},
	[OPT_STATE] = {"state", 0, "FILE",
		       "the state database, '' for none (" STORE_DEFAULT_PATH ", $" STORE_ENV ")"},
	[OPT_LIMIT] = {"limit", 0, "N", "only the newest so many (100)"},
	[OPT_EVENTS] = {"events", 0, NULL, "what the agent read of the kernel's events, too"},
	[OPT_SOCKET] = {"socket", 0, "PATH",
			"the agent's socket (/run/serin/serin.sock); '': none"},
	[OPT_WEB_CONFIG] = {"web-config", 0, "FILE", "TLS and users for --listen"},
	[OPT_CANARY] = {"config", 'c', "FILE", "Kayenta's canary configuration (JSON)"},
	[OPT_METRICS] = {"metrics", 0, "FILE", "samples of each metric, of canary and baseline"},
	[OPT_FORMAT] = {"format", 0, "json|csv", "of the samples (json)"},
	[OPT_MODE] = {"mode", 0, "exact|kayenta", "kayenta: its verdicts, weaknesses too (exact)"},
	[OPT_PASS] = {"pass", 0, "SCORE", "the least score that passes (75)"},
	[OPT_MARGINAL] = {"marginal", 0, "SCORE", "the least that is not a failure (50)"},
	[OPT_REPORT] = {"output", 'o', "table|json|html|md", "how to print the result (table)"},
	[OPT_PROMETHEUS] = {"prometheus", 0, "URL",
			    "ask this one for the metrics, by their queries"},
	[OPT_SERVICE] = {"service", 0, "NAME", "${service} in queries"},
	[OPT_EXPERIMENT] = {"experiment", 0, "POOL", "the canary's ${pool} (canary)"},
	[OPT_CONTROL] = {"control", 0, "POOL", "the baseline's ${pool} (baseline)"},
	[OPT_START] = {"start", 0, "TIME", "Unix seconds, 2024-02-29T12:00:00Z, now-30m"},
	[OPT_END] = {"end", 0, "TIME", "the same (now)"},
	[OPT_STEP] = {"step", 0, "TIME", "a value each 15s, 1m, ... (60s)"},
	[OPT_SUM] = {"sum", 0, NULL, "add up the series where a query finds several"},
	[OPT_TIMEOUT] = {"timeout", 0, "TIME",
			 "the most that a query (30s), or the waiting (no end), may take"},
	[OPT_HTTP_CONFIG] = {"http-config", 0, "FILE", "TLS, user or token for Prometheus"},
	[OPT_CANARY_POOL] = {"canary", 0, "POOL", "of SERVICE: the pool to judge"},
	[OPT_BASELINE_POOL] = {"baseline", 0, "POOL", "what it is compared with (the primary)"},
	[OPT_FOR] = {"for", 0, "TIME", "at most so long, then it is undecided (10m)"},
	[OPT_ALPHA] = {"alpha", 0, "P", "an abort is wrong no more often than this (0.01)"},
	[OPT_NOT_WORSE] = {"not-worse", 0, "RATIO",
			   "done when it surely fails less than so many times as often (2)"},
	[OPT_FLOOR] = {"floor", 0, "P",
		       "or less often than this, whatever the baseline does (0.001)"},
	[OPT_REPEATS] = {"repeats", 0, "N",
			 "so many times one client may fail for one cause; 1 is fastest (3)"},
	[OPT_RELEASE] = {"release", 0, "NAME", "what is released: a version, a tag, a commit"},
	[OPT_STRATEGY] = {"strategy", 0, "NAME", "how: one of the file's (the service's own)"},
	[OPT_ID] = {"id", 0, "N", "that rollout (the one under way, or else the newest)"},
	[OPT_FULL] = {"full", 0, NULL, "past everything that is left, to 100 %"},
	[OPT_WAIT] = {"wait", 0, NULL, "until it has ended: exit 0 if it was promoted, 3 if not"},
	[OPT_UNTIL_ENDED] = {"watch", 'w', NULL, "again every second, else as --wait"},
	[OPT_RECORD] = {"output", 'o', "md|html|json", "how to print the report (md)"},
};
_Static_assert(sizeof(option_table) / sizeof(*option_table) == OPT_MAX, "an entry each");
_Static_assert(OPT_MAX <= 64, "a bit each");

static uint64_t options_of(const struct cli_verb *verb)
{
	return OPT_BIT(OPT_BPFFS) | OPT_BIT(OPT_HELP) |
	       (verb ? verb->options
		     : OPT_BIT(OPT_VERSION) | OPT_BIT(OPT_STATE) | OPT_BIT(OPT_SOCKET));
}

static int parse_epoch(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (!errno && *text >= '0' && *text <= '9' && !*end && *out <= UINT32_MAX)
		return 0;
	log_error("--expect-epoch takes a number, as `serin status` shows it, not \"%s\"", text);
	return CLI_USAGE;
}

static int parse_count(const char *option, const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (!errno && *text >= '0' && *text <= '9' && !*end)
		return 0;
	log_error("--%s takes a number, not \"%s\"", option, text);
	return CLI_USAGE;
}

/* "90", "90s", "10m", "2h", "1d" */
static int parse_since(const char *text, int64_t *out)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (errno || *text < '0' || *text > '9' || number > UINT32_MAX ||
		    *end != units[i].unit || (*end && end[1]))
			continue;
		*out = number * units[i].seconds;
		return 0;
	}
	log_error("--since takes a time like 30s, 10m, 2h or 1d, not \"%s\"", text);
	return CLI_USAGE;
}

static int parse_dscp(const char *text, uint8_t *out)
{
	if (!net_parse_dscp(text, out))
		return 0;
	log_error("--dscp takes a number from 0 to 63 or a name like EF, AF41 or CS1, not \"%s\"",
		  text);
	return CLI_USAGE;
}

static int parse_seed(const char *text, struct cli *cli)
{
	char *end;

	errno = 0;
	cli->seed = strtoull(text, &end, 10);
	cli->has_seed = !errno && *text >= '0' && *text <= '9' && !*end;
	if (cli->has_seed)
		return 0;
	log_error("--seed takes a whole number from 0 to %llu, not \"%s\"",
		  (unsigned long long)UINT64_MAX, text);
	return CLI_USAGE;
}

static int parse_output(const char *text, bool *is_json)
{
	*is_json = !strcmp(text, "json");
	if (*is_json || !strcmp(text, "table"))
		return 0;
	log_error("--output takes table or json, not \"%s\"", text);
	return CLI_USAGE;
}

/* Which of @words (of @count) a text is; or says which there are. */
static int parse_word(const char *option, const char *text, const char *const *words, size_t count)
{
	char list[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(text, words[i]))
			return (int)i;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					words[i]);
	}
	log_error("--%s takes one of %s, not \"%s\"", option, list, text);
	return -EINVAL;
}

static int parse_two(const char *option, const char *text, const char *no, const char *yes,
		     bool *out)
{
	const char *const words[] = {no, yes};
	int word = parse_word(option, text, words, 2);

	*out = word == 1;
	return word < 0 ? CLI_USAGE : 0;
}

static int parse_report(const char *text, enum cli_report *out)
{
	static const char *const words[] = {
		[CLI_REPORT_TABLE] = "table",
		[CLI_REPORT_JSON] = "json",
		[CLI_REPORT_HTML] = "html",
		[CLI_REPORT_MD] = "md",
	};
	int word = parse_word("output", text, words, sizeof(words) / sizeof(*words));

	*out = word < 0 ? CLI_REPORT_TABLE : (enum cli_report)word;
	return word < 0 ? CLI_USAGE : 0;
}

static int parse_record(const char *text, enum cli_report *out)
{
	static const char *const words[] = {"md", "html", "json"};
	static const enum cli_report reports[] = {CLI_REPORT_MD, CLI_REPORT_HTML, CLI_REPORT_JSON};
	int word = parse_word("output", text, words, sizeof(words) / sizeof(*words));

	*out = reports[word < 0 ? 0 : word];
	return word < 0 ? CLI_USAGE : 0;
}

static int parse_score(const char *option, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (*text && !*end && *out >= 0.0 && *out <= 100.0)
		return 0;
	log_error("--%s takes a score from 0 to 100, not \"%s\"", option, text);
	return CLI_USAGE;
}

/* Kept in a map of fixed size and printed on terminals. */
static int parse_reason(const char *text, const char **out)
{
	if (strlen(text) >= sizeof(((struct serin_change *)0)->reason)) {
		log_error("--reason takes at most %zu bytes",
			  sizeof(((struct serin_change *)0)->reason) - 1);
		return CLI_USAGE;
	}
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			log_error("--reason takes no control characters");
			return CLI_USAGE;
		}
	}
	*out = text;
	return 0;
}

/* Those that are text and nothing more. */
static void set_text_option(struct cli *cli, enum cli_option option, const char *value)
{
	const char **const places[OPT_MAX] = {
		[OPT_PROMETHEUS] = &cli->prometheus,
		[OPT_SERVICE] = &cli->service,
		[OPT_EXPERIMENT] = &cli->experiment,
		[OPT_CONTROL] = &cli->control,
		[OPT_START] = &cli->start,
		[OPT_END] = &cli->end,
		[OPT_STEP] = &cli->step,
		[OPT_TIMEOUT] = &cli->timeout,
		[OPT_HTTP_CONFIG] = &cli->http_config,
		[OPT_CANARY_POOL] = &cli->canary,
		[OPT_BASELINE_POOL] = &cli->baseline,
		[OPT_FOR] = &cli->limit_time,
		[OPT_ALPHA] = &cli->alpha,
		[OPT_NOT_WORSE] = &cli->not_worse,
		[OPT_FLOOR] = &cli->floor,
		[OPT_REPEATS] = &cli->repeats,
	};

	if (places[option])
		*places[option] = value;
}

/* Those of `rollout`. */
static int set_rollout_option(struct cli *cli, enum cli_option option, const char *value)
{
	switch (option) {
	case OPT_RELEASE:
		cli->release = value;
		break;
	case OPT_STRATEGY:
		cli->strategy = value;
		break;
	case OPT_ID:
		return parse_count("id", value, &cli->id);
	case OPT_FULL:
		cli->is_full = true;
		break;
	case OPT_WAIT:
	case OPT_UNTIL_ENDED:
		cli->is_waiting = true;
		break;
	case OPT_RECORD:
		return parse_record(value, &cli->report);
	default:
		return 0;
	}
	return 0;
}

/* Those of `judge`. */
static int set_judge_option(struct cli *cli, enum cli_option option, const char *value)
{
	switch (option) {
	case OPT_CANARY:
		cli->config = value;
		break;
	case OPT_METRICS:
		cli->metrics = value;
		break;
	case OPT_FORMAT:
		return parse_two("format", value, "json", "csv", &cli->is_csv);
	case OPT_MODE:
		return parse_two("mode", value, "exact", "kayenta", &cli->is_kayenta);
	case OPT_PASS:
		return parse_score("pass", value, &cli->pass);
	case OPT_MARGINAL:
		return parse_score("marginal", value, &cli->marginal);
	case OPT_REPORT:
		return parse_report(value, &cli->report);
	case OPT_SUM:
		cli->is_summed = true;
		break;
	default:
		set_text_option(cli, option, value);
		return set_rollout_option(cli, option, value);
	}
	return 0;
}

static int set_option(struct cli *cli, enum cli_option option, const char *value)
{
	switch (option) {
	case OPT_BPFFS:
		cli->dir = value;
		break;
	case OPT_HELP:
		cli->wants_help = true;
		break;
	case OPT_OUTPUT:
		return parse_output(value, &cli->is_json);
	case OPT_VERSION:
		cli->wants_version = true;
		break;
	case OPT_WATCH:
		cli->is_watching = true;
		break;
	case OPT_DRY_RUN:
		cli->is_dry_run = true;
		break;
	case OPT_REASON:
		return parse_reason(value, &cli->reason);
	case OPT_EXPECT_EPOCH:
		return parse_epoch(value, &cli->expect_epoch);
	case OPT_YES:
		cli->is_yes = true;
		break;
	case OPT_FORCE:
		cli->is_forced = true;
		break;
	case OPT_CONFIG:
		cli->config = value;
		break;
	case OPT_LISTEN:
		cli->listen = value;
		break;
	case OPT_POOL:
		cli->pool = value;
		break;
	case OPT_FOLLOW:
		cli->is_following = true;
		break;
	case OPT_SINCE:
		return parse_since(value, &cli->since_s);
	case OPT_DSCP:
		return parse_dscp(value, &cli->dscp);
	case OPT_SEED:
		return parse_seed(value, cli);
	case OPT_STATE:
		cli->state = value;
		break;
	case OPT_LIMIT:
		return parse_count("limit", value, &cli->limit);
	case OPT_EVENTS:
		cli->wants_events = true;
		break;
	case OPT_SOCKET:
		cli->socket = value;
		break;
	case OPT_WEB_CONFIG:
		cli->web_config = value;
		break;
	default:
		return set_judge_option(cli, option, value);
	}
	return 0;
}

/* getopt's arrays, of the options this verb takes. */
static void make_getopt(uint64_t allowed, struct option longs[OPT_MAX + 1],
			char shorts[2 * OPT_MAX + 3], bool stop_at_verb)
{
	size_t count = 0;
	char *at = shorts;

	if (stop_at_verb)
		*at++ = '+';
	*at++ = ':';
	for (int i = 0; i < OPT_MAX; i++) {
		const struct option_info *info = &option_table[i];

		if (!(allowed & OPT_BIT(i)))
			continue;
		longs[count++] = (struct option){
			info->name, info->value ? required_argument : no_argument, NULL, 256 + i};
		if (!info->letter)
			continue;
		*at++ = info->letter;
		if (info->value)
			*at++ = ':';
	}
	longs[count] = (struct option){};
	*at = '\0';
}

/* Several options may have one letter, of which a verb takes one. */
static int option_of(int code, uint64_t allowed)
{
	if (code >= 256)
		return code - 256;
	for (int i = 0; i < OPT_MAX; i++)
		if (option_table[i].letter == code && (allowed & OPT_BIT(i)))
			return i;
	return -1;
}

static int refuse_option(const struct cli_verb *verb, int code, const char *word)
{
	const char *name = verb ? verb->name : "";

	if (code == ':')
		log_error("%s needs a value; see `serin help%s%s`", word, verb ? " " : "", name);
	else
		log_error("unknown option %s; see `serin help%s%s`", word, verb ? " " : "", name);
	return CLI_USAGE;
}

int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli *cli)
{
	struct option longs[OPT_MAX + 1];
	char shorts[2 * OPT_MAX + 3];
	int code, error;

	make_getopt(options_of(verb), longs, shorts, !verb);
	opterr = 0;
	optind = 0; /* start anew, the permutation too */
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (code == '?' || code == ':')
			return refuse_option(verb, code, argv[optind - 1]);
		error = set_option(cli, option_of(code, options_of(verb)), optarg);
		if (error)
			return error;
	}
	cli->args = argv + optind;
	cli->arg_count = argc - optind;
	if (!verb || cli->wants_help)
		return 0;
	if (cli->arg_count >= verb->min_args &&
	    (verb->max_args < 0 || cli->arg_count <= verb->max_args))
		return 0;
	log_error("usage: serin %s %s", verb->name, verb->args);
	return CLI_USAGE;
}

void cli_print_usage(const struct cli_verb *verb)
{
	uint64_t options = options_of(verb);

	printf("serin %s%s%s\n    %s\n\noptions:\n", verb->name, *verb->args ? " " : "", verb->args,
	       verb->summary);
	for (int i = 0; i < OPT_MAX; i++) {
		const struct option_info *info = &option_table[i];
		char left[48];

		if (!(options & OPT_BIT(i)))
			continue;
		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", info->letter ? "-" : "",
			 info->letter ? info->letter : ' ', info->letter ? ", " : "   ", info->name,
			 info->value ? " " : "", info->value ? info->value : "");
		printf("  %-28s %s\n", left, info->help);
	}
}

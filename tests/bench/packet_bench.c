// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a packet costs: Serin as its users load it, against the textbook balancer and the floor, in
 * one run. Needs root, and nothing of the host's. Prints a table; --json writes it as a list too.
 */
#include <getopt.h>

#include "growth.h"

/* One of each kind: all of them with few flows, and where it makes a difference with many. */
#define QUICK_CASES                                                                        \
	"^(swap|pass-.*|tcp4|tcp4-(reply|syn-settled|moving|moving-reply|target|redirect)" \
	"|tcp6|tcp6-reply|udp4|tcp4-few-sampled|tcp4-syn-few-sampled)@1024$"               \
	"|^(tcp4-(fullnat|fullnat-reply|dsr|ipip|gue)|tcp6-ipip)@1024$"                    \
	"|^(tcp4|tcp4-reply|tcp4-zipf|tcp6|udp4|tcp4-moving)@131072$"                      \
	"|^(tcp4-new|tcp4-new-full)@1048576$"                                              \
	"|^(services-(1|10000|10000-spread)|backends-(1|10000))@1024$|@0$"

static const char usage[] =
	"Usage: packet_bench [OPTIONS]\n"
	"  --quick        fewer cases, runs and chunks: half a minute\n"
	"  --json FILE    write the results there as well\n"
	"  --case REGEX   only cases whose NAME@FLOWS matches (extended regular expression)\n"
	"  --runs N       instead of 11 (5)\n"
	"  --chunks N     of 16,384 packets in a run, instead of 32 (8)\n";

static uint32_t read_number(const char *text, uint32_t most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || !n || n > most)
		die("%s: not a number from 1 to %u", text, most);
	return (uint32_t)n;
}

static void read_case(const char *pattern)
{
	if (regcomp(&options.only, pattern, REG_EXTENDED | REG_NOSUB))
		die("%s: not a regular expression", pattern);
	options.has_only = true;
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"quick", no_argument, NULL, 'q'},	  {"json", required_argument, NULL, 'j'},
		{"case", required_argument, NULL, 'c'},	  {"runs", required_argument, NULL, 'r'},
		{"chunks", required_argument, NULL, 'k'}, {},
	};
	uint32_t runs = 0, chunks = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'q')
			options.is_quick = true;
		else if (option == 'j')
			options.json_path = optarg;
		else if (option == 'c')
			read_case(optarg);
		else if (option == 'r')
			runs = read_number(optarg, MEASURE_RUNS_MAX);
		else if (option == 'k')
			chunks = read_number(optarg, BENCH_STAMPS - MEASURE_WARM_MAX - 1);
		else
			option = '?';
		if (option == '?')
			break;
	}
	if (option == '?' || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	if (options.is_quick && !options.has_only)
		read_case(QUICK_CASES);
	options.runs = runs ? runs : options.is_quick ? 5 : 11;
	options.chunks = chunks ? chunks : options.is_quick ? 8 : 32;
}

static void run_flow_cases(void)
{
	static const uint32_t all[] = {CASES_1, CASES_1K, CASES_131K, CASES_1M};
	const size_t count = sizeof(all) / sizeof(*all);

	for (size_t i = 0; i < count; i++)
		scene_tcp4(all[i]);
	scene_tcp4(CASES_8M);
	for (size_t i = 0; i < count; i++) {
		scene_few_sampled(all[i]);
		scene_redirect(all[i]);
		scene_tcp6(all[i]);
		scene_simple("udp4", "udp4", all[i]);
		scene_moving(all[i]);
		scene_simple("tcp4-target", "target", all[i]);
	}
}

static void run_forwarding_cases(uint32_t flows)
{
	scene_fullnat(flows);
	scene_one_way("tcp4-dsr", "tcp4", SERIN_FORWARDING_DSR, flows);
	scene_one_way("tcp4-ipip", "tcp4", SERIN_FORWARDING_IPIP, flows);
	scene_one_way("tcp4-gue", "tcp4", SERIN_FORWARDING_GUE, flows);
	scene_one_way("tcp6-ipip", "tcp6", SERIN_FORWARDING_IPIP, flows);
}

static void run_all(void)
{
	measure_print_head();
	scene_swap(CASES_1K);
	run_flow_cases();
	run_forwarding_cases(CASES_1K);
	run_forwarding_cases(CASES_131K);
	scene_new("tcp4-new", false);
	scene_new("tcp4-new-full", true);
	scene_new_empty();
	scene_pass(CASES_1K);
	scene_pass(CASES_1M);
	growth_run();
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	growth_find_serin(argv[0]);
	measure_list = json_array();
	world_enter();
	run_all();
	if (options.json_path && json_dump_file(measure_list, options.json_path, JSON_INDENT(2)))
		die("cannot write %s", options.json_path);
	world_unload();
	json_decref(measure_list);
	return 0;
}

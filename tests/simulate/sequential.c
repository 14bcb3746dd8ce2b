// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How often the sequential judge is wrong, and how soon right, beside what its design document measured.
 * Exits 1 where a guarantee does not hold, sampling error allowed for. The same for a seed on one machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "judge_live/live_judge.h"
#include "world.h"

#define RUNS	  2000
#define TIME_RUNS 1000
#define LOOKS	  1800
#define NO_FIGURE (-1)

static uint64_t seed = 20240229;
static int failures;
static struct outcome outcomes[RUNS];

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- false verdicts ---- */

#define RAMPING	     .canary = 0.01, .canary_end = 0.5
#define STEADY(part) .canary = part, .canary_end = part
#define SWINGING     .swing = 0.9, .ratio = 1, .ticks = LOOKS, .wanted = SEQ_ABORT
#define FLOWS(a, b)  .rate = a, .p = b

/* The first of them are what is always shown. */
#define ALIKE_SHORT 3

static struct world alike[] = {
	{"2,000 flows/s", FLOWS(2000, 0.001), RAMPING, SWINGING},
	{"40 flows/s", FLOWS(40, 0.01), RAMPING, SWINGING},
	{"bursts of 4 in a tick", FLOWS(400, 0.003), RAMPING, SWINGING, .bursts = {4, 0, 1}},
	{"baseline of 1 %", FLOWS(400, 0.01), RAMPING, SWINGING, .baseline = 0.01},
	{"30 % fail", FLOWS(40, 0.3), RAMPING, SWINGING},
	{"bursts over ticks, once in 10", FLOWS(400, 0.003), RAMPING, SWINGING,
	 .bursts = {4, 1, 10}},
	{"seen 3 ticks late, share falls to 1 %", FLOWS(400, 0.01), .canary = 0.5,
	 .canary_end = 0.01, .ramp_ticks = 20, SWINGING, .late_ticks = 3},
	{"20 clients have all, baseline of 5 %", FLOWS(400, 0.02), STEADY(0.05), SWINGING,
	 .baseline = 0.05, .clients = 20},
};

/* What the guarantee does not cover: failures that depend on each other. */
static struct world unlike[] = {
	{"bursts of 4 in a tick, all counted", FLOWS(400, 0.003), RAMPING, SWINGING,
	 .bursts = {4, 0, 0}},
	{"bursts over ticks, once in each", FLOWS(400, 0.003), RAMPING, SWINGING,
	 .bursts = {4, 1, 1}},
	{"20 clients have all, 5 % against 95 %", FLOWS(400, 0.02), STEADY(0.05), SWINGING,
	 .clients = 20},
};

/* Three standard errors are allowed for. */
static void print_wrong(const char *what, double found, double bound)
{
	bool is_bad = found > bound + 3 * sqrt(bound * (1 - bound) / RUNS);

	printf("  %-42s %6.2f %%%s\n", what, 100 * found, is_bad ? "  BEYOND THE GUARANTEE" : "");
	fflush(stdout);
	failures += is_bad;
}

static void run_wrong(const struct world *w, double bound)
{
	world_run(w, seed, RUNS, outcomes);
	print_wrong(w->name, world_part(outcomes, RUNS, w->wanted), bound);
}

static void false_aborts(bool is_short)
{
	size_t count = is_short ? ALIKE_SHORT : sizeof(alike) / sizeof(*alike);
	static struct world allowed[] = {
		{"1.25 times, where 1.25 is allowed", FLOWS(400, 0.01), RAMPING, SWINGING},
		{"the same, 20 % fail", FLOWS(400, 0.2), RAMPING, SWINGING},
	};
	struct world repeated = {"bursts over ticks, once in each, repeats 3", FLOWS(400, 0.003),
				 RAMPING, SWINGING, .bursts = {4, 1, 1}};

	printf("False aborts, failures alone, alpha 1 %%, %d runs of %d looks, shares 1 -> 50 %%, "
	       "rates +-90 %%:\n",
	       RUNS, LOOKS);
	for (size_t i = 0; i < count; i++) {
		seq_lab_alone(&alike[i].options, SEQ_FAILURES, 0.01);
		run_wrong(&alike[i], 0.01);
	}
	seq_lab_alone(&repeated.options, SEQ_FAILURES, 0.01);
	repeated.options.repeats = 3;
	run_wrong(&repeated, 0.01);
	for (size_t i = 0; !is_short && i < sizeof(allowed) / sizeof(*allowed); i++) {
		seq_lab_alone(&allowed[i].options, SEQ_FAILURES, 0.01);
		allowed[i].options.harm.ratio = allowed[i].ratio = 1.25;
		run_wrong(&allowed[i], 0.01);
	}
}

/* Whether stable and baseline tell of it in time. */
static void alarms_of_bursts(void)
{
	struct world w = {"", FLOWS(400, 0.003), STEADY(0.1), SWINGING, .bursts = {4, 1, 1}};

	w.has_stable = true;
	seq_lab_alone(&w.options, SEQ_FAILURES, 0.01);
	w.options.alpha_alarm = 0.02;
	world_run(&w, seed, RUNS, outcomes);
	print_wrong("... three pools: aborts", world_part(outcomes, RUNS, SEQ_ABORT), 1);
	print_wrong("... and A/A alarms", world_part(outcomes, RUNS, SEQ_INCONCLUSIVE), 1);
}

static void unguarded(void)
{
	printf("Where failures depend on each other, against which there is no guarantee:\n");
	for (size_t i = 0; i < sizeof(unlike) / sizeof(*unlike); i++) {
		seq_lab_alone(&unlike[i].options, SEQ_FAILURES, 0.01);
		run_wrong(&unlike[i], 1);
		if (i == 1)
			alarms_of_bursts();
	}
}

/* What the kernel counts: a client once each second in which it fails. As by default, of failures alone. */
static const struct {
	const char *name;
	struct seq_lab_bursts bursts;
	bool is_promised; /* with LIVE_REPEATS no more than alpha */
} stubborn[] = {
	{"4 times in the mean, 1/3 s apart", {4, 1, 1, 0}, true},
	{"3 times, 1 s apart", {INFINITY, 3, 1, 3}, true},
	{"5 times, 1 s apart", {INFINITY, 3, 1, 5}, true},
	{"10 times, 1 s apart", {INFINITY, 3, 1, 10}, false},
};

static void of_stubborn(struct seq_options *o, double repeats)
{
	live_options_init(o);
	for (int t = 0; t < SEQ_TEST_MAX; t++)
		o->weight[t] = t == SEQ_FAILURES ? o->weight[t] : 0;
	o->repeats = repeats;
	o->floor = 0;
	o->required = 1u << SEQ_FAILURES;
}

static void stubborn_aborts(size_t row, double repeats)
{
	struct world w = {"", FLOWS(400, 0.003), RAMPING, SWINGING};
	bool is_promised = stubborn[row].is_promised && repeats == LIVE_REPEATS, is_bad;
	double found;

	of_stubborn(&w.options, repeats);
	w.bursts = stubborn[row].bursts;
	world_run(&w, seed, RUNS, outcomes);
	found = world_part(outcomes, RUNS, SEQ_ABORT);
	is_bad = is_promised && found > w.options.alpha;
	printf(" %7.2f%s", 100 * found, is_bad ? "!" : "");
	fflush(stdout);
	failures += is_bad;
}

static double stubborn_time(double ratio, double repeats, enum seq_verdict wanted)
{
	struct world w = {.rate = 1000, STEADY(0.5), .p = 0.001, .ratio = ratio, .ticks = LOOKS};

	of_stubborn(&w.options, repeats);
	w.wanted = wanted;
	world_run(&w, seed, TIME_RUNS, outcomes);
	return world_quantile(outcomes, TIME_RUNS, wanted, 0.5);
}

/* What options.repeats is to be, and what it costs. */
static void stubborn_clients(void)
{
	static const double repeats[] = {1, 2, LIVE_REPEATS, 5};
	size_t columns = sizeof(repeats) / sizeof(*repeats);

	printf("A live judge, clients that try again; repeats:");
	for (size_t i = 0; i < columns; i++)
		printf(" %7.0f", repeats[i]);
	for (size_t row = 0; row < sizeof(stubborn) / sizeof(*stubborn); row++) {
		printf("\n  %-33s aborts %%", stubborn[row].name);
		for (size_t i = 0; i < columns; i++)
			stubborn_aborts(row, repeats[i]);
	}
	for (double ratio = 2; ratio <= 50; ratio *= 5) {
		printf("\n  seconds to an abort, 500/s .1 %% x %-5.0f      ", ratio);
		for (size_t i = 0; i < columns; i++)
			printf(" %7.0f", stubborn_time(ratio, repeats[i], SEQ_ABORT));
	}
	printf("\n  seconds to \"not worse than 2\", 500/s .1 %%  ");
	for (size_t i = 0; i < columns; i++)
		printf(" %7.0f", stubborn_time(1, repeats[i], SEQ_NOT_WORSE));
	printf("\n");
}

/* All tests together, as they are by default but with no margins, where they are weakest. */
static void false_verdicts_of_all(void)
{
	struct world w = {"", FLOWS(40, 0.01), .canary = 0.01, .canary_end = 0.33, SWINGING};

	w.has_stable = w.has_latencies = true;
	seq_options_init(&w.options);
	w.options.harm = (struct seq_margins){1, 1, 0};
	printf("All tests, three pools, latencies +-50 %%, no margins, alpha 1 %%, of alarms 2 "
	       "%%:\n");
	world_run(&w, seed, RUNS, outcomes);
	print_wrong("false aborts", world_part(outcomes, RUNS, SEQ_ABORT), w.options.alpha);
	print_wrong("false A/A alarms", world_part(outcomes, RUNS, SEQ_INCONCLUSIVE),
		    w.options.alpha_alarm);
}

static void false_acceptances(void)
{
	static const struct {
		double rate, p, ratio;
	} at[] = {{1000, 0.001, 2}, {40, 0.01, 2}, {4000, 0.005, 1.2}};

	printf("False \"not worse than r\" of a canary that is r times as bad, beta 5 %%:\n");
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		char name[64];
		struct world w = {name, FLOWS(at[i].rate, at[i].p), RAMPING, SWINGING};

		snprintf(name, sizeof(name), "r %.1f, %.0f flows/s, %.1f %%", at[i].ratio,
			 at[i].rate, 100 * at[i].p);
		seq_lab_alone(&w.options, SEQ_FAILURES, 0.01);
		w.options.harm.ratio = 10;
		w.options.required = 1u << SEQ_FAILURES;
		w.options.fine.ratio = w.ratio = at[i].ratio;
		w.wanted = SEQ_NOT_WORSE;
		run_wrong(&w, w.options.beta);
	}
}

#define WATCH_RUNS 200
#define WATCH_ARL  1000

/* Runs end at twenty times what is promised, which makes the mean less, not more. */
static void false_changes(void)
{
	struct world w = {"", FLOWS(400, 0.01), STEADY(0.9), SWINGING};
	double mean;

	w.is_promoted = true;
	w.ticks = 20 * WATCH_ARL;
	seq_lab_alone(&w.options, SEQ_FAILURES, 0.01);
	w.options.change_ticks = WATCH_ARL;
	world_run(&w, seed, WATCH_RUNS, outcomes);
	mean = world_mean(outcomes, WATCH_RUNS);
	printf("After promotion, %d ticks to a false alarm promised: %.0f in the mean%s\n",
	       WATCH_ARL, mean, mean < WATCH_ARL ? "  BEYOND THE GUARANTEE" : "");
	failures += mean < WATCH_ARL;
}

/* ---- times ---- */

struct timing {
	int median, p95; /* NO_FIGURE: none is known */
};

/* Written "found (of the document) of it"; beyond a quarter more it is marked, and a failure. */
static void print_time(const char *what, int found, int known)
{
	bool is_late = known != NO_FIGURE && found > 1.25 * known + 0.5;

	if (known == NO_FIGURE) {
		printf("  %s %4d (  -)     ", what, found);
		return;
	}
	printf("  %s %4d (%3d) %4.2f%s", what, found, known, (double)found / known,
	       is_late ? "!" : " ");
	failures += is_late;
}

static void run_time(struct world *w, struct timing known)
{
	world_run(w, seed, TIME_RUNS, outcomes);
	print_time("median", world_quantile(outcomes, TIME_RUNS, w->wanted, 0.5) - w->change_at,
		   known.median);
	print_time("p95", world_quantile(outcomes, TIME_RUNS, w->wanted, 0.95) - w->change_at,
		   known.p95);
	fflush(stdout);
}

static void detection(void)
{
	static const struct {
		double rate, p, ratio;
		struct timing at_2, at_3; /* of alpha .01, .001 */
	} rows[] = {
		{500, 0.001, 2, {59, 142}, {90, 180}}, {500, 0.001, 5, {8, 17}, {11, 22}},
		{500, 0.001, 10, {3, 6}, {4, 8}},      {500, 0.001, 50, {1, 1}, {1, 1}},
		{20, 0.01, 3, {51, 115}, {74, 154}},   {20, 0.01, 10, {7, 14}, {10, 18}},
		{5, 0.01, 20, {13, 24}, {18, 31}},     {2000, 0.005, 1.2, {66, 149}, {90, 184}},
		{100, 1e-9, 1e7, {10, 16}, {14, 22}},
	};

	printf("Seconds to an abort, failures alone, equal pools: here (document) ratio\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w = {.rate = 2 * rows[i].rate,
				  .canary = 0.5,
				  .canary_end = 0.5,
				  .p = rows[i].p,
				  .ratio = rows[i].ratio,
				  .ticks = 900,
				  .wanted = SEQ_ABORT};

		printf("  %4.0f/s %5.2f %% x %-5.4g", rows[i].rate, 100 * rows[i].p,
		       rows[i].ratio > 1e6 ? INFINITY : rows[i].ratio);
		seq_lab_alone(&w.options, SEQ_FAILURES, 0.01);
		run_time(&w, rows[i].at_2);
		printf(" |");
		seq_lab_alone(&w.options, SEQ_FAILURES, 0.001);
		run_time(&w, rows[i].at_3);
		printf("\n");
	}
}

/* What a user sees: every test has its part of alpha, and 1.25 times as many failures are allowed. */
static void detection_by_default(void)
{
	static const double ratios[] = {2, 5, 10, 50};

	printf("The same by default, 500/s .1 %%:\n");
	for (size_t i = 0; i < sizeof(ratios) / sizeof(*ratios); i++) {
		struct world w = {"",		FLOWS(2000, 0.001),
				  STEADY(0.25), .ratio = ratios[i],
				  .ticks = 900, .wanted = SEQ_ABORT};

		w.has_stable = true;
		seq_options_init(&w.options);
		printf("  x %-5.4g", ratios[i]);
		run_time(&w, (struct timing){NO_FIGURE, NO_FIGURE});
		printf("\n");
	}
}

static void acceptance(void)
{
	static const struct {
		double rate, p, ratio;
		int median;
	} rows[] = {
		{500, 0.001, 1.5, 171}, {500, 0.001, 2, 58},	{500, 0.001, 3, 25},
		{2000, 0.005, 1.2, 49}, {2000, 0.005, 1.5, 10}, {20, 0.01, 2, 144},
		{20, 0.01, 3, 62},	{500, 0.0001, 3, 243},
	};

	printf("Seconds to \"not worse than r\", beta 5 %%, of an equal canary:\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w = {.rate = 2 * rows[i].rate,
				  .canary = 0.5,
				  .canary_end = 0.5,
				  .p = rows[i].p,
				  .ratio = 1,
				  .ticks = LOOKS,
				  .wanted = SEQ_NOT_WORSE};

		printf("  %4.0f/s %5.2f %% r %-5.4g", rows[i].rate, 100 * rows[i].p, rows[i].ratio);
		seq_lab_alone(&w.options, SEQ_FAILURES, 0.01);
		w.options.required = 1u << SEQ_FAILURES;
		w.options.fine.ratio = rows[i].ratio;
		run_time(&w, (struct timing){rows[i].median, NO_FIGURE});
		printf("\n");
	}
}

static void slowness(void)
{
	static const struct {
		enum seq_test test;
		double alpha, rate, slow, times;
		int median;
	} rows[] = {
		{SEQ_FIRST_BYTE_RANK, 0.001, 200, 1, 1.05, 28},
		{SEQ_FIRST_BYTE_RANK, 0.001, 200, 1, 1.1, 9},
		{SEQ_FIRST_BYTE_RANK, 0.001, 200, 1, 1.2, 3},
		{SEQ_FIRST_BYTE_RANK, 0.001, 200, 1, 1.5, 2},
		{SEQ_FIRST_BYTE_RANK, 0.001, 20, 1, 1.2, 23},
		{SEQ_FIRST_BYTE_P99, 0.01, 200, 0.02, 10, 5},
		{SEQ_FIRST_BYTE_P99, 0.01, 200, 0.1, 3, 5},
		{SEQ_FIRST_BYTE_P90, 0.01, 200, 0.1, 3, NO_FIGURE},
	};

	printf("Seconds to an abort (tails: alpha 1 %%, ranks: .1 %%) of a part that is slower, "
	       "log-normal:\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w = {.rate = 2 * rows[i].rate,
				  .canary = 0.5,
				  .canary_end = 0.5,
				  .ratio = 1,
				  .has_latencies = true,
				  .slow = rows[i].slow,
				  .times = rows[i].times,
				  .ticks = 300,
				  .wanted = SEQ_ABORT};

		printf("  %-15s %3.0f/s %3.0f %% x %-4.4g", seq_test_name(rows[i].test),
		       rows[i].rate, 100 * rows[i].slow, rows[i].times);
		seq_lab_alone(&w.options, rows[i].test, rows[i].alpha);
		run_time(&w, (struct timing){rows[i].median, NO_FIGURE});
		printf("\n");
	}
}

/* Harm that comes after half an hour of good, before promotion and after. */
static void lateness(void)
{
	struct world w = {.rate = 1000,
			  .canary = 0.5,
			  .canary_end = 0.5,
			  .p = 0.001,
			  .ratio = 5,
			  .ticks = LOOKS + 900,
			  .change_at = LOOKS,
			  .wanted = SEQ_ABORT};

	printf("Seconds to an abort, harm begins after %d s, 500/s .1 %% x 5:\n", LOOKS);
	seq_lab_alone(&w.options, SEQ_FAILURES, 0.01);
	printf("  alpha 1 %%             ");
	run_time(&w, (struct timing){NO_FIGURE, NO_FIGURE});
	printf("\n  promoted, 1e6 ticks   ");
	w.is_promoted = true;
	run_time(&w, (struct timing){NO_FIGURE, NO_FIGURE});
	printf("\n");
}

/* sequential [all] [SEED]: without `all` what is promised, in seconds. */
int main(int argc, char **argv)
{
	double begin = seconds_now();
	bool is_short = true;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "all"))
			is_short = false;
		else
			seed = strtoull(argv[i], NULL, 0);
	}

	printf("Seed %llu.\n", (unsigned long long)seed);
	false_aborts(is_short);
	if (!is_short) {
		unguarded();
		stubborn_clients();
		false_verdicts_of_all();
		false_acceptances();
		false_changes();
	}
	detection();
	if (!is_short) {
		detection_by_default();
		acceptance();
	}
	slowness();
	if (!is_short)
		lateness();
	printf("%.0f s; %d beyond the guarantee, or late.\n", seconds_now() - begin, failures);
	return failures > 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* How long a judge run takes: METRICS metrics of POINTS points a side, and one of a million. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "judge/judge.h"

#define METRICS 100
#define POINTS	1440 /* a day of minutes */
#define MANY	1000000
#define ROUNDS	15

enum shape {
	LATENCIES, /* log-normal, no two alike */
	COUNTS,	   /* sparse, mostly ties */
};

static double uniform(void)
{
	static unsigned long long state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) * 0x1p-53;
}

static double draw(enum shape shape, double factor)
{
	double sum = -6.0;

	if (shape == COUNTS)
		return floor(-log(1.0 - uniform()) * 0.7 * factor);
	for (int i = 0; i < 12; i++)
		sum += uniform();
	return exp(0.3 * sum) * 20.0 * factor;
}

static double *fill(enum shape shape, double factor, size_t count)
{
	double *values = malloc(count * sizeof(*values));

	for (size_t i = 0; values && i < count; i++)
		values[i] = draw(shape, factor);
	return values;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The least and the median of some runs, in milliseconds. */
static int measure(const char *name, enum judge_mode mode, enum shape shape, size_t metrics,
		   size_t points)
{
	struct judge_pair *pairs = calloc(metrics, sizeof(*pairs));
	double ms[ROUNDS] = {0};
	struct judge_metric metric;
	struct judge_report report;
	struct judge_config c;
	size_t high = 0;

	judge_config_init(&c);
	judge_metric_init(&metric, "m", JUDGE_MEAN_RATIO);
	metric.removes_outliers = true;
	c.metrics = &metric;
	c.metric_count = 1;
	c.mode = mode;
	for (size_t i = 0; i < metrics; i++)
		pairs[i] = (struct judge_pair){
			"m",
			{fill(shape, i % 4 ? 1.0 : 1.1, points), points},
			{fill(shape, 1.0, points), points},
		};
	for (size_t round = 0; round < ROUNDS; round++) {
		double begin = now_ms();

		if (judge_run(&c, pairs, metrics, &report))
			return 1;
		ms[round] = now_ms() - begin;
		high = 0;
		for (size_t i = 0; i < report.result_count; i++)
			high += report.results[i].label == JUDGE_HIGH;
		judge_report_fini(&report);
	}
	if (judge_sort(ms, ROUNDS))
		return 1;
	printf("  %-34s %9.1f %9.1f   %zu High\n", name, ms[0], ms[ROUNDS / 2], high);
	for (size_t i = 0; i < metrics; i++) {
		free((double *)pairs[i].experiment.values);
		free((double *)pairs[i].control.values);
	}
	free(pairs);
	return 0;
}

int main(void)
{
	int failed;

	printf("a judge run, %d metrics x %d points a side: ms, least and median of %d\n", METRICS,
	       POINTS, ROUNDS);
	failed = measure("exact, latencies", JUDGE_EXACT, LATENCIES, METRICS, POINTS);
	failed |= measure("exact, sparse counts", JUDGE_EXACT, COUNTS, METRICS, POINTS);
	failed |= measure("kayenta, latencies", JUDGE_KAYENTA, LATENCIES, METRICS, POINTS);
	failed |= measure("kayenta, sparse counts", JUDGE_KAYENTA, COUNTS, METRICS, POINTS);
	printf("one metric, %d points a side\n", MANY);
	failed |= measure("exact, latencies", JUDGE_EXACT, LATENCIES, 1, MANY);
	failed |= measure("kayenta, latencies", JUDGE_KAYENTA, LATENCIES, 1, MANY);
	return failed;
}

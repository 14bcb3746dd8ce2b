// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a tick of the sequential judge costs: SERVICES services, each with three pools, failures and two
 * latencies in each tick, so that every test has something to tell. One core; processor time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../unit/seq_lab.h"

#define SERVICES 10000
#define TICKS	 20
#define WORLDS	 64 /* ticks made before the clock runs */

struct sample {
	struct serin_histogram latency[SEQ_ROLE_MAX][SEQ_LATENCY_MAX];
	struct seq_tick tick;
};

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_samples(struct seq_lab *lab, struct sample *samples)
{
	static struct seq_lab_shape shape;

	seq_lab_shape(&shape, 2000, 0.5, 0, 1);
	for (int i = 0; i < WORLDS; i++)
		for (int role = 0; role < SEQ_ROLE_MAX; role++) {
			struct seq_pool *pool = &samples[i].tick.of[role];

			pool->flows = seq_lab_poisson(lab, 200);
			pool->failures = seq_lab_binomial(lab, pool->flows, 0.02);
			pool->resets = seq_lab_binomial(lab, pool->flows, 0.02);
			pool->share = 1;
			for (int l = 0; l < SEQ_LATENCY_MAX; l++) {
				seq_lab_latencies(lab, &shape, pool->flows,
						  &samples[i].latency[role][l]);
				pool->latency[l] = &samples[i].latency[role][l];
			}
		}
}

static void begin(struct seq_state *s, const struct sample *sample)
{
	struct seq_options options;

	seq_options_init(&options);
	options.required = (1u << SEQ_TEST_MAX) - 1;
	options.floor = 0.001;
	/* a verdict would end the work */
	options.alpha = options.alpha_alarm = 1e-300;
	seq_begin(s, &options);
	for (int l = 0; l < SEQ_LATENCY_MAX; l++)
		seq_freeze(s, (enum seq_latency)l, &sample->latency[SEQ_STABLE][l]);
}

int main(void)
{
	struct sample *samples = calloc(WORLDS, sizeof(*samples));
	struct seq_state *states = calloc(SERVICES, sizeof(*states));
	struct seq_lab lab = {1};
	double begun, spent;

	if (!samples || !states)
		return 1;
	make_samples(&lab, samples);
	for (int i = 0; i < SERVICES; i++)
		begin(&states[i], &samples[i % WORLDS]);
	begun = cpu_seconds();
	for (int tick = 0; tick < TICKS; tick++)
		for (int i = 0; i < SERVICES; i++)
			if (seq_step(&states[i], &samples[(i + tick) % WORLDS].tick))
				return 1;
	spent = (cpu_seconds() - begun) / TICKS;
	printf("%d services: %.0f ms of a core for each tick, %.1f us a service, %zu bytes a "
	       "state\n",
	       SERVICES, 1e3 * spent, 1e6 * spent / SERVICES, sizeof(*states));
	free(states);
	free(samples);
	return 0;
}

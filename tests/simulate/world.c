// SPDX-License-Identifier: GPL-2.0-or-later
#include "world.h"

#include <pthread.h>
#include <stdlib.h>

#define SHAPES	  16 /* of a swing of latencies */
#define MEDIAN_US 2000
#define SIGMA	  0.5
#define PERIOD	  300 /* ticks of a swing */
#define LATE_MAX  8

static const double turn = 6.283185307179586;

struct shapes {
	struct seq_lab_shape usual[SHAPES], canary[SHAPES];
};

struct run {
	const struct world *world;
	const struct shapes *shapes;
	struct seq_lab lab;
	double phase;
	struct seq_lab_pool pools[SEQ_ROLE_MAX];
	uint64_t late[SEQ_ROLE_MAX][LATE_MAX];
	struct serin_histogram histogram[SEQ_ROLE_MAX];
	struct seq_state state;
};

static void shapes_init(struct shapes *s, const struct world *w)
{
	for (int i = 0; i < SHAPES; i++) {
		double swing = w->swing > 0 ? 1 + 0.5 * sin(turn * i / SHAPES) : 1;

		seq_lab_shape(&s->usual[i], MEDIAN_US * swing, SIGMA, 0, 1);
		seq_lab_shape(&s->canary[i], MEDIAN_US * swing, SIGMA, w->slow,
			      w->times > 0 ? w->times : 1);
	}
}

static double share_of(const struct world *w, enum seq_role role, int tick)
{
	int ramp_ticks = w->ramp_ticks ? w->ramp_ticks : w->ticks;
	double ramped = fmin(1, (double)tick / ramp_ticks);
	double canary = w->canary + (w->canary_end - w->canary) * ramped;
	double baseline = w->baseline > 0 ? w->baseline : w->has_stable ? canary : 1 - canary;

	if (role == SEQ_CANARY)
		return canary;
	return role == SEQ_BASELINE ? baseline : fmax(1 - canary - baseline, 0);
}

/* What failed in this tick is seen in a later one. */
static void delay(struct run *r, enum seq_role role, int tick, struct seq_pool *pool)
{
	int late = r->world->late_ticks;
	uint64_t now = pool->failures;

	if (!late)
		return;
	pool->flows -= now;
	pool->failures = r->late[role][tick % late];
	pool->flows += pool->failures;
	r->late[role][tick % late] = now;
}

static void tick_pool(struct run *r, enum seq_role role, int tick, struct seq_pool *pool)
{
	const struct world *w = r->world;
	double share = share_of(w, role, tick), swing = sin(turn * tick / PERIOD + r->phase);
	bool is_worse = role == SEQ_CANARY && tick >= w->change_at;
	double p = w->p * (1 + w->swing * swing) * (is_worse ? w->ratio : 1);
	const struct seq_lab_shape *shape = role == SEQ_CANARY ? r->shapes->canary
							       : r->shapes->usual;

	pool->flows = seq_lab_poisson(&r->lab, w->rate * share);
	pool->share = (uint64_t)(share * 1e6);
	seq_lab_fail(&r->lab, &r->pools[role], (uint64_t)tick, &w->bursts, pool, p);
	if (w->clients)
		pool->failures = seq_lab_binomial(&r->lab, (uint64_t)w->clients,
						  -expm1(-p * (double)pool->flows / w->clients));
	delay(r, role, tick, pool);
	if (!w->has_latencies)
		return;
	memset(&r->histogram[role], 0, sizeof(r->histogram[role]));
	seq_lab_latencies(&r->lab, &shape[tick * SHAPES / PERIOD % SHAPES], pool->flows,
			  &r->histogram[role]);
	pool->latency[SEQ_FIRST_BYTE] = &r->histogram[role];
}

static void freeze(struct run *r)
{
	struct serin_histogram before = {0};

	seq_lab_latencies(&r->lab, &r->shapes->usual[0], 5000, &before);
	seq_freeze(&r->state, SEQ_FIRST_BYTE, &before);
}

static struct outcome run_once(struct run *r)
{
	int tick;

	seq_begin(&r->state, &r->world->options);
	if (r->world->is_promoted)
		seq_promote(&r->state);
	r->phase = turn * seq_lab_unit(&r->lab);
	if (r->world->has_latencies)
		freeze(r);
	for (tick = 0; tick < r->world->ticks; tick++) {
		struct seq_tick in = {0};

		tick_pool(r, SEQ_CANARY, tick, &in.of[SEQ_CANARY]);
		tick_pool(r, SEQ_BASELINE, tick, &in.of[SEQ_BASELINE]);
		if (r->world->has_stable)
			tick_pool(r, SEQ_STABLE, tick, &in.of[SEQ_STABLE]);
		if (seq_step(&r->state, &in))
			abort();
		if (r->state.verdict == (uint32_t)r->world->wanted ||
		    r->state.verdict == SEQ_ABORT || r->state.verdict == SEQ_INCONCLUSIVE)
			return (struct outcome){(enum seq_verdict)r->state.verdict, tick + 1};
	}
	return (struct outcome){SEQ_CONTINUE, tick};
}

/* ---- many ---- */

struct half {
	const struct world *world;
	const struct shapes *shapes;
	uint64_t seed;
	int from, runs;
	struct outcome *out;
};

static void *run_half(void *arg)
{
	const struct half *h = arg;

	for (int i = h->from; i < h->runs; i += 2) {
		struct run r = {.world = h->world, .shapes = h->shapes};

		r.lab.rng = h->seed + (uint64_t)i * 0xd1342543de82ef95ull;
		h->out[i] = run_once(&r);
	}
	return NULL;
}

void world_run(const struct world *w, uint64_t seed, int runs, struct outcome *out)
{
	struct shapes *shapes = calloc(1, sizeof(*shapes));
	struct half halves[2];
	pthread_t other;

	if (!shapes)
		abort();
	shapes_init(shapes, w);
	for (int i = 0; i < 2; i++)
		halves[i] = (struct half){w, shapes, seed, i, runs, out};
	if (pthread_create(&other, NULL, run_half, &halves[1]))
		abort();
	run_half(&halves[0]);
	pthread_join(other, NULL);
	free(shapes);
}

double world_part(const struct outcome *o, int runs, enum seq_verdict v)
{
	int found = 0;

	for (int i = 0; i < runs; i++)
		found += o[i].verdict == v;
	return (double)found / runs;
}

double world_mean(const struct outcome *o, int runs)
{
	double sum = 0;

	for (int i = 0; i < runs; i++)
		sum += o[i].when;
	return sum / runs;
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int world_quantile(const struct outcome *o, int runs, enum seq_verdict v, double part)
{
	int *sorted = malloc((size_t)runs * sizeof(*sorted)), count = 0;
	int at = (int)ceil(part * runs) - 1, found;

	if (!sorted)
		abort();
	for (int i = 0; i < runs; i++)
		if (o[i].verdict == v)
			sorted[count++] = o[i].when;
	qsort(sorted, (size_t)count, sizeof(*sorted), ascending);
	found = at < count ? sorted[at] : -1;
	free(sorted);
	return found;
}

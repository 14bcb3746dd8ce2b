// SPDX-License-Identifier: GPL-2.0-or-later
/* Owns a tick of the sequential judge: counters in, factors of every test out. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "judge/seq_internal.h"
#include "judge/seq_rank.h"
#include "judge/seq_rate.h"

#define LEAP (1ull << 48) /* no counter grows so much in a tick */

/* What a pool did in a tick. */
struct seen {
	double flows, failures, resets;
	double samples[SEQ_LATENCY_MAX]; /* 0 without edges */
	double above[SEQ_LATENCY_MAX][SEQ_TAIL_MAX];
};

/* Two pools in a tick. */
struct contest {
	const struct seen *pool, *reference;
	struct seq_ranks ranks[SEQ_LATENCY_MAX];
	double most_lag, least_lag; /* see lag() */
};

static const struct {
	enum seq_role pool, reference;
} contestants[SEQ_LINE_MAX] = {
	[SEQ_LINE_HARM] = {SEQ_CANARY, SEQ_BASELINE},
	[SEQ_LINE_FINE] = {SEQ_CANARY, SEQ_BASELINE},
	[SEQ_LINE_ALARM_MORE] = {SEQ_BASELINE, SEQ_STABLE},
	[SEQ_LINE_ALARM_LESS] = {SEQ_STABLE, SEQ_BASELINE},
};

/* ---- counters ---- */

static bool is_histogram_sane(const struct serin_histogram *h)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; h && i < SERIN_BUCKETS; i++)
		bits |= h->bucket[i];
	return bits < LEAP;
}

static bool is_sane(const struct seq_pool *p)
{
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		if (!is_histogram_sane(p->latency[i]))
			return false;
	return p->flows < LEAP && p->failures < LEAP && p->resets < LEAP && p->share < LEAP;
}

static void look_at(const struct seq_state *s, const struct seq_pool *p, struct seen *out)
{
	memset(out, 0, sizeof(*out));
	out->flows = (double)p->flows;
	out->failures = (double)p->failures;
	out->resets = (double)p->resets;
	for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
		if (!p->latency[i] || s->edge[i][SEQ_P90] == SEQ_NO_EDGE)
			continue;
		out->samples[i] = seq_histogram_count(p->latency[i]);
		for (int tail = 0; tail < SEQ_TAIL_MAX; tail++)
			out->above[i][tail] = seq_histogram_above(p->latency[i], s->edge[i][tail]);
	}
}

/* A sum that stays where it is at its end. */
static void count(uint64_t *total, double delta)
{
	uint64_t more = (uint64_t)delta;

	*total = *total + more < *total ? UINT64_MAX : *total + more;
}

static void add_totals(struct seq_totals *t, const struct seen *seen)
{
	count(&t->flows, seen->flows);
	count(&t->failures, seen->failures);
	count(&t->resets, seen->resets);
	for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
		count(&t->samples[i], seen->samples[i]);
		for (int tail = 0; tail < SEQ_TAIL_MAX; tail++)
			count(&t->above[i][tail], seen->above[i][tail]);
	}
}

static void remember_shares(struct seq_state *s, const struct seq_tick *tick)
{
	memmove(&s->share[1], &s->share[0], sizeof(s->share) - sizeof(s->share[0]));
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		s->share[0][role] = tick->of[role].share;
}

/* ---- contests ---- */

static double odds(const struct seq_state *s, int age, enum seq_line line)
{
	double pool = (double)s->share[age][contestants[line].pool];
	double reference = (double)s->share[age][contestants[line].reference];

	return pool > 0 && reference > 0 ? pool / reference : 0;
}

/*
 * By how much the pool's share, to the reference's, was at most and at least what it is now, since flows
 * began whose failures come now. Both 0, so that nothing is told, if one has no share any more.
 */
static void lag(const struct seq_state *s, enum seq_line line, struct contest *c)
{
	double now = odds(s, 0, line), most = now, least = now;

	for (int age = 1; age < SEQ_LAG; age++) {
		double then = odds(s, age, line);

		if (then > 0) {
			most = fmax(most, then);
			least = fmin(least, then);
		}
	}
	c->most_lag = now > 0 ? most / now : !(most > 0);
	c->least_lag = now > 0 ? least / now : !(most > 0);
}

/* Those of a pool that a test counts, and of how many. */
static double exposed(const struct seen *s, enum seq_test t)
{
	return seq_test_is_of_latency(t) ? s->samples[seq_test_latency(t)] : s->flows;
}

static double failed(const struct seen *s, enum seq_test t)
{
	if (seq_test_is_of_latency(t))
		return s->above[seq_test_latency(t)][seq_test_tail(t)];
	return t == SEQ_FAILURES ? s->failures : s->resets;
}

/* A failure whose flow was not counted is one more flow, where that is in favour of the null
 * hypothesis. */
static bool rate_factors(const struct contest *c, enum seq_line line, enum seq_test t, double ratio,
			 double *log_factor)
{
	struct seq_rates r = {exposed(c->pool, t), exposed(c->reference, t), failed(c->pool, t),
			      failed(c->reference, t)};

	if (line == SEQ_LINE_FINE) {
		r.reference_exposure = fmax(r.reference_exposure, r.reference_failures);
		r.exposure *= c->least_lag;
	} else {
		r.exposure = fmax(r.exposure, r.failures) * c->most_lag;
	}
	if (!seq_rates_tell(&r))
		return false;
	if (line == SEQ_LINE_FINE)
		seq_rate_is_less(&r, ratio, log_factor);
	else
		seq_rate_is_more(&r, ratio, log_factor);
	return true;
}

static bool rank_factors(struct seq_ranks r, enum seq_line line, double margin, double *log_factor)
{
	if (!(r.pairs > 0))
		return false;
	if (line == SEQ_LINE_FINE)
		seq_rank_is_less(r, margin, log_factor);
	else
		seq_rank_is_more(r, margin, log_factor);
	return true;
}

/* After promotion the old pool may have nothing, or next to it: too little to tell anything by. */
#define NEXT_TO_NOTHING 0.05

static bool is_alone(const struct seq_state *s, const struct contest *c, enum seq_test t)
{
	return s->is_promoted && t == SEQ_FAILURES && s->options.floor > 0 &&
	       c->reference->flows < NEXT_TO_NOTHING * c->pool->flows;
}

/* What is asked then is whether it fails more often than could be expected of it. */
static bool floor_factors(const struct seq_state *s, const struct contest *c, double *log_factor)
{
	seq_rate_is_above(fmax(c->pool->flows, c->pool->failures), c->pool->failures,
			  s->options.floor, log_factor);
	return true;
}

/* Who tries again counts again where it failed; a connection has but one latency. */
static void allow_repeats(const struct seq_state *s, double *log_factor)
{
	for (int i = 0; i < SEQ_GRID; i++)
		log_factor[i] /= s->options.repeats;
}

/* Samples of one look depend on each other where a host stalls. */
static void allow_stalls(const struct seq_state *s, double *log_factor)
{
	for (int i = 0; i < SEQ_GRID; i++)
		log_factor[i] = fmin(log_factor[i], s->options.look_most);
}

static void add_test(struct seq_state *s, enum seq_line line, enum seq_test t,
		     const struct contest *c)
{
	const struct seq_options *o = &s->options;
	const struct seq_margins *m = line == SEQ_LINE_FINE ? &o->fine : &o->harm;
	double ratio = seq_test_is_of_latency(t) ? m->tail_ratio : m->ratio;
	double log_factor[SEQ_GRID];
	bool tells;

	if (seq_test_is_rank(t))
		tells = rank_factors(c->ranks[seq_test_latency(t)], line, m->rank, log_factor);
	else if (is_alone(s, c, t))
		tells = floor_factors(s, c, log_factor);
	else
		tells = rate_factors(c, line, t, ratio, log_factor);
	if (!tells)
		return;
	if (seq_test_is_of_latency(t))
		allow_stalls(s, log_factor);
	else
		allow_repeats(s, log_factor);
	seq_grid_add(&s->grid[line][t], seq_line_start(s, line), log_factor);
}

static bool is_wanted(const struct seq_options *o, enum seq_line line, enum seq_test t)
{
	return line == SEQ_LINE_FINE ? seq_is_required(o, t) : o->weight[t] > 0;
}

static void add_line(struct seq_state *s, enum seq_line line, struct contest *c)
{
	lag(s, line, c);
	for (int t = 0; t < SEQ_TEST_MAX; t++)
		if (is_wanted(&s->options, line, (enum seq_test)t))
			add_test(s, line, (enum seq_test)t, c);
}

static void add_floor(struct seq_state *s, const struct seen *canary)
{
	double log_factor[SEQ_GRID];

	if (!(s->options.floor > 0) || !(canary->flows + canary->failures > 0))
		return;
	seq_rate_is_below(canary->flows, canary->failures, s->options.floor, log_factor);
	allow_repeats(s, log_factor);
	seq_grid_add(&s->floor, SEQ_START_ONCE, log_factor);
}

static void turn(struct contest *c)
{
	const struct seen *pool = c->pool;

	c->pool = c->reference;
	c->reference = pool;
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		c->ranks[i] = seq_rank_turned(c->ranks[i]);
}

static void meet(const struct seq_tick *tick, const struct seen *seen, enum seq_line line,
		 struct contest *out)
{
	enum seq_role pool = contestants[line].pool, reference = contestants[line].reference;

	out->pool = &seen[pool];
	out->reference = &seen[reference];
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		out->ranks[i] = seq_rank(tick->of[pool].latency[i], tick->of[reference].latency[i]);
}

static void add_canary(struct seq_state *s, const struct seq_tick *tick, const struct seen *seen)
{
	struct contest c;

	meet(tick, seen, SEQ_LINE_HARM, &c);
	for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
		s->pairs[i] += c.ranks[i].pairs;
		s->superior[i] += c.ranks[i].pairs * c.ranks[i].superior;
	}
	add_line(s, SEQ_LINE_HARM, &c);
	if (s->is_promoted)
		return;
	add_line(s, SEQ_LINE_FINE, &c);
	add_floor(s, &seen[SEQ_CANARY]);
}

static void add_alarm(struct seq_state *s, const struct seq_tick *tick, const struct seen *seen)
{
	struct contest c;

	meet(tick, seen, SEQ_LINE_ALARM_MORE, &c);
	add_line(s, SEQ_LINE_ALARM_MORE, &c);
	turn(&c);
	add_line(s, SEQ_LINE_ALARM_LESS, &c);
}

int seq_step(struct seq_state *s, const struct seq_tick *tick)
{
	struct seen seen[SEQ_ROLE_MAX];

	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		if (!is_sane(&tick->of[role]))
			return -ERANGE;
	if (seq_has_ended(s))
		return 0;
	s->ticks++;
	remember_shares(s, tick);
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		look_at(s, &tick->of[role], &seen[role]);
		add_totals(&s->totals[role], &seen[role]);
	}
	add_canary(s, tick, seen);
	if (!s->is_promoted)
		add_alarm(s, tick, seen);
	seq_judge(s);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_judge.h"

#include <math.h>
#include <string.h>

#include "judge/seq_internal.h"
#include "judge/seq_rank.h"

static const char *const verdict_names[] = {"continue", "abort", "not worse", "inconclusive"};
_Static_assert(sizeof(verdict_names) / sizeof(*verdict_names) == SEQ_VERDICT_MAX, "a name each");

static const char *const reason_names[] = {
	"", "worse", "proven", "A/A alarm", "stopped", "worse since promotion",
};
_Static_assert(sizeof(reason_names) / sizeof(*reason_names) == SEQ_REASON_MAX, "a name each");

static const char *const test_names[] = {
	"failures",	 "resets",	    "handshake rank", "handshake p90",
	"handshake p99", "first byte rank", "first byte p90", "first byte p99",
};
_Static_assert(sizeof(test_names) / sizeof(*test_names) == SEQ_TEST_MAX, "a name each");

const char *seq_verdict_name(enum seq_verdict v)
{
	return v < SEQ_VERDICT_MAX ? verdict_names[v] : "?";
}

const char *seq_reason_name(enum seq_reason r)
{
	return r < SEQ_REASON_MAX ? reason_names[r] : "?";
}

const char *seq_test_name(enum seq_test t)
{
	return t < SEQ_TEST_MAX ? test_names[t] : "?";
}

void seq_options_init(struct seq_options *o)
{
	*o = (struct seq_options){
		.alpha = 0.01,
		.beta = 0.05,
		.alpha_alarm = 0.02,
		.change_ticks = 1e6,
		.weight = {0.4, 0.2, 0.1, 0.05, 0.05, 0.1, 0.05, 0.05},
		.harm = {.ratio = 1.25, .tail_ratio = 1.25, .rank = 0.03},
		.fine = {.ratio = 2, .tail_ratio = 2, .rank = 0.1},
		.repeats = 1,
		.look_most = SEQ_LOOK_MOST_NONE,
		.required = 1u << SEQ_FAILURES,
	};
}

static bool is_inside(double x, double low, double high)
{
	return x > low && x < high;
}

static bool are_weights(const double *weight)
{
	double sum = 0;

	for (int i = 0; i < SEQ_TEST_MAX; i++) {
		if (!(weight[i] >= 0))
			return false;
		sum += weight[i];
	}
	return sum > 0 && sum <= 1 + 1e-9; /* decimals that make 1 */
}

static bool are_margins(const struct seq_margins *m)
{
	return m->ratio >= 1 && m->ratio <= 1e6 && m->tail_ratio >= 1 && m->tail_ratio <= 1e6 &&
	       m->rank >= 0 && m->rank < 0.5;
}

const char *seq_options_check(const struct seq_options *o)
{
	if (!is_inside(o->alpha, 0, 1) || !is_inside(o->beta, 0, 1) ||
	    !is_inside(o->alpha_alarm, 0, 1))
		return "error probabilities have to be between 0 and 1";
	if (!(o->change_ticks >= 1 && o->change_ticks <= 1e15))
		return "ticks to a false alarm have to be 1 or more";
	if (!are_weights(o->weight))
		return "weights of tests may not be negative, and sum to 1 at most";
	if (!are_margins(&o->harm) || !are_margins(&o->fine))
		return "ratios have to be 1 or more, a margin of rank below one half";
	if (!(o->floor >= 0 && o->floor < 1))
		return "a floor has to be a probability below 1";
	if (!(o->repeats >= 1 && o->repeats <= 1e6))
		return "a client is counted once or more often";
	if (!(o->look_most > 0 && o->look_most <= SEQ_LOOK_MOST_NONE))
		return "what a look may add has to be more than 0";
	if (o->required >> SEQ_TEST_MAX)
		return "an unknown test is required";
	return NULL;
}

static void begin_grids(struct seq_state *s)
{
	for (int line = 0; line < SEQ_LINE_MAX; line++)
		for (int t = 0; t < SEQ_TEST_MAX; t++)
			seq_grid_begin(&s->grid[line][t], seq_line_start(s, (enum seq_line)line));
	seq_grid_begin(&s->floor, seq_line_start(s, SEQ_LINE_FINE));
}

void seq_begin(struct seq_state *s, const struct seq_options *o)
{
	memset(s, 0, sizeof(*s));
	s->options = *o;
	s->decider = SEQ_TEST_MAX;
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		for (int tail = 0; tail < SEQ_TAIL_MAX; tail++)
			s->edge[i][tail] = SEQ_NO_EDGE;
	begin_grids(s);
}

void seq_freeze(struct seq_state *s, enum seq_latency which, const struct serin_histogram *primary)
{
	static const double part_above[] = {[SEQ_P90] = 0.1, [SEQ_P99] = 0.01};

	for (int tail = 0; tail < SEQ_TAIL_MAX; tail++)
		if (s->edge[which][tail] == SEQ_NO_EDGE)
			s->edge[which][tail] = seq_histogram_edge(primary, part_above[tail]);
}

void seq_stop(struct seq_state *s)
{
	if (seq_has_ended(s))
		return;
	s->verdict = SEQ_INCONCLUSIVE;
	s->reason = SEQ_STOPPED;
}

void seq_promote(struct seq_state *s)
{
	s->is_promoted = 1;
	s->verdict = SEQ_CONTINUE;
	s->reason = SEQ_NO_REASON;
	s->decider = SEQ_TEST_MAX;
	s->ticks = 0;
	s->proven = 0;
	memset(s->totals, 0, sizeof(s->totals));
	memset(s->pairs, 0, sizeof(s->pairs));
	memset(s->superior, 0, sizeof(s->superior));
	begin_grids(s);
}

#define LUCK	   3.0	/* in standard errors: what history may have had of it */
#define FLOOR_MOST 0.99 /* a floor is less than certain */

/* Wilson's upper bound of the old pool's probability. */
void seq_expect(struct seq_state *s, uint64_t flows, uint64_t failures)
{
	double n = fmax((double)flows, (double)failures), x = (double)failures, most = 1;

	if (n > 0)
		most = (x + LUCK * LUCK / 2 + LUCK * sqrt(x * (1 - x / n) + LUCK * LUCK / 4)) /
		       (n + LUCK * LUCK);
	s->options.floor = fmin(fmax(s->options.floor, s->options.fine.ratio * most), FLOOR_MOST);
}

/* ---- evidence ---- */

double seq_test_log_e(const struct seq_state *s, enum seq_line line, enum seq_test t)
{
	double log_e = seq_grid_log_e(&s->grid[line][t]);

	if (line == SEQ_LINE_FINE && t == SEQ_FAILURES && s->options.floor > 0)
		return seq_log_sum((double[]){log_e, seq_grid_log_e(&s->floor)}, 2) - log(2);
	return log_e;
}

static double least_required(const struct seq_state *s)
{
	double least = INFINITY;

	for (int t = 0; t < SEQ_TEST_MAX; t++)
		if (seq_is_required(&s->options, (enum seq_test)t))
			least = fmin(least, seq_test_log_e(s, SEQ_LINE_FINE, (enum seq_test)t));
	return least;
}

static double weighted(const struct seq_state *s, enum seq_line line)
{
	double term[SEQ_TEST_MAX];
	int count = 0;

	for (int t = 0; t < SEQ_TEST_MAX; t++)
		if (s->options.weight[t] > 0)
			term[count++] =
				log(s->options.weight[t]) + seq_grid_log_e(&s->grid[line][t]);
	return seq_log_sum(term, count);
}

double seq_line_log_e(const struct seq_state *s, enum seq_line line)
{
	if (line == SEQ_LINE_HARM)
		return weighted(s, line);
	if (line == SEQ_LINE_FINE)
		return least_required(s);
	return seq_log_sum((double[]){weighted(s, SEQ_LINE_ALARM_MORE),
				      weighted(s, SEQ_LINE_ALARM_LESS)},
			   2) -
	       log(2);
}

double seq_line_log_bound(const struct seq_state *s, enum seq_line line)
{
	if (line == SEQ_LINE_FINE)
		return -log(s->options.beta);
	if (line != SEQ_LINE_HARM)
		return -log(s->options.alpha_alarm);
	return s->is_promoted ? log(s->options.change_ticks) : -log(s->options.alpha);
}

/* ---- verdicts ---- */

static bool is_reached(const struct seq_state *s, enum seq_line line)
{
	return seq_line_log_e(s, line) >= seq_line_log_bound(s, line);
}

/* The test that has most of a line's evidence. */
static enum seq_test decider(const struct seq_state *s, enum seq_line line)
{
	enum seq_test best = SEQ_TEST_MAX;
	double most = -INFINITY;

	for (int t = 0; t < SEQ_TEST_MAX; t++) {
		double share = log(s->options.weight[t]) + seq_grid_log_e(&s->grid[line][t]);

		if (share > most) {
			most = share;
			best = (enum seq_test)t;
		}
	}
	return best;
}

static void end(struct seq_state *s, enum seq_verdict v, enum seq_reason r, enum seq_line line)
{
	s->verdict = v;
	s->reason = r;
	s->decider = decider(s, line);
}

/* Each test need not be at its bound in the same tick: where the canary is worse in one of them, that one
 * ever gets there with a probability of at most beta. */
static void prove(struct seq_state *s)
{
	for (int t = 0; t < SEQ_TEST_MAX; t++)
		if (seq_is_required(&s->options, (enum seq_test)t) &&
		    seq_test_log_e(s, SEQ_LINE_FINE, (enum seq_test)t) >=
			    seq_line_log_bound(s, SEQ_LINE_FINE))
			s->proven |= 1u << t;
	if (!s->options.required || s->proven != s->options.required)
		return;
	s->verdict = SEQ_NOT_WORSE;
	s->reason = SEQ_FINE;
}

static enum seq_line louder_alarm(const struct seq_state *s)
{
	bool is_more = weighted(s, SEQ_LINE_ALARM_MORE) >= weighted(s, SEQ_LINE_ALARM_LESS);

	return is_more ? SEQ_LINE_ALARM_MORE : SEQ_LINE_ALARM_LESS;
}

void seq_judge(struct seq_state *s)
{
	if (s->is_promoted) {
		if (is_reached(s, SEQ_LINE_HARM))
			end(s, SEQ_ABORT, SEQ_CHANGED, SEQ_LINE_HARM);
	} else if (is_reached(s, SEQ_LINE_ALARM_MORE)) {
		end(s, SEQ_INCONCLUSIVE, SEQ_ALARM, louder_alarm(s));
	} else if (is_reached(s, SEQ_LINE_HARM)) {
		end(s, SEQ_ABORT, SEQ_HARM, SEQ_LINE_HARM);
	} else {
		prove(s);
	}
}

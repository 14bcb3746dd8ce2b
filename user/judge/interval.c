// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/interval.h"

#include <float.h>
#include <math.h>

#include "judge/rank_sum.h"

#define ROUNDS_MAX 1001

double judge_normal_quantile(double probability)
{
	double tail = probability < 0.5 ? probability : 1.0 - probability, t, x;

	if (!(tail > 0.0))
		return tail == 0.0 ? (probability < 0.5 ? -INFINITY : INFINITY) : NAN;
	/* Abramowitz and Stegun 26.2.22, and Halley's steps from there: each triples the digits */
	t = sqrt(-2.0 * log(tail));
	x = (2.30753 + 0.27061 * t) / (1.0 + (0.99229 + 0.04481 * t) * t) - t;
	for (int i = 0; i < 4; i++) {
		double excess = erfc(-x * M_SQRT1_2) / 2.0 - tail;
		double step = excess * sqrt(2.0 * M_PI) * exp(x * x / 2.0);

		x -= step / (1.0 + x * step / 2.0);
	}
	return probability < 0.5 ? x : -x;
}

/* A point and the function there. */
struct point {
	double at, value;
};

struct bracket {
	struct point a, b, c; /* the one before; the best; on the other side of zero */
};

static bool is_zero(double value)
{
	return fabs(value) <= 0x1p-1074; /* one unit of the last place is none */
}

static bool has_same_sign(double a, double b)
{
	return (a > 0.0 && b > 0.0) || (a < 0.0 && b < 0.0);
}

/* A secant, or a parabola through three points, where it falls well inside; else half the bracket. */
static double next_step(const struct bracket *z, double before, double least)
{
	double half = (z->c.at - z->b.at) / 2.0, reach = z->c.at - z->b.at, p, q;

	if (!(fabs(before) >= least && fabs(z->a.value) > fabs(z->b.value)))
		return half;
	if (z->a.at == z->c.at) {
		double t1 = z->b.value / z->a.value;

		p = reach * t1;
		q = 1.0 - t1;
	} else {
		double r = z->a.value / z->c.value, t1 = z->b.value / z->c.value;
		double t2 = z->b.value / z->a.value;

		p = t2 * (reach * r * (r - t1) - (z->b.at - z->a.at) * (t1 - 1.0));
		q = (r - 1.0) * (t1 - 1.0) * (t2 - 1.0);
	}
	if (p > 0.0)
		q = -q;
	else
		p = -p;
	if (p < 0.75 * reach * q - fabs(least * q) / 2.0 && p < fabs(before * q / 2.0))
		return p / q;
	return half;
}

static void put_best_first(struct bracket *z)
{
	if (fabs(z->c.value) < fabs(z->b.value)) {
		z->a = z->b;
		z->b = z->c;
		z->c = z->a;
	}
}

int judge_root(int (*f)(void *context, double at, double *value), void *context, const double at[2],
	       const double value[2], double tolerance, double *out)
{
	struct bracket z = {.a = {at[0], value[0]}, .b = {at[1], value[1]}};
	int error;

	z.c = z.a;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		double before = z.b.at - z.a.at, least, step;

		if (!round && is_zero(z.a.value)) {
			z.b = z.a;
			break;
		}
		put_best_first(&z);
		least = 2.0 * DBL_EPSILON * fabs(z.b.at) + tolerance / 2.0;
		if (fabs((z.c.at - z.b.at) / 2.0) <= least || is_zero(z.b.value))
			break;
		step = next_step(&z, before, least);
		if (fabs(step) < least)
			step = step > 0.0 ? least : -least;
		z.a = z.b;
		z.b.at += step;
		error = f(context, z.b.at, &z.b.value);
		if (error)
			return error;
		if (has_same_sign(z.b.value, z.c.value))
			z.c = z.a;
	}
	*out = z.b.at;
	return 0;
}

struct target {
	const struct rank_sum *r;
	double quantile;
	bool is_corrected;
};

static int distance_to_target(void *context, double shift, double *value)
{
	const struct target *t = context;
	int error = rank_sum_score(t->r, shift, t->is_corrected, value);

	if (!error)
		*value -= t->quantile;
	return error;
}

static int ends(struct target *t, double at[2], double value[2])
{
	int error;

	at[0] = rank_sum_low(t->r);
	at[1] = rank_sum_high(t->r);
	error = distance_to_target(t, at[0], &value[0]);
	return error ? error : distance_to_target(t, at[1], &value[1]);
}

int judge_locate(const struct rank_sum *r, double quantile, bool is_corrected, double tolerance,
		 double *out)
{
	struct target t = {r, quantile, is_corrected};
	double at[2], value[2];
	int error = ends(&t, at, value);

	return error ? error : judge_root(distance_to_target, &t, at, value, tolerance, out);
}

/* One end of an interval: where the test would no longer tell the two apart. */
static int find_end(const struct rank_sum *r, double quantile, double tolerance, double *out,
		    bool *is_clamped)
{
	struct target t = {r, quantile, true};
	double at[2], value[2];
	int error = ends(&t, at, value);

	if (error)
		return error;
	*is_clamped = value[0] <= 0.0 || value[1] >= 0.0;
	if (*is_clamped) {
		*out = value[0] <= 0.0 ? at[0] : at[1];
		return 0;
	}
	return judge_root(distance_to_target, &t, at, value, tolerance, out);
}

int judge_interval(const struct rank_sum *r, double confidence, double tolerance,
		   struct judge_interval *out)
{
	double z = judge_normal_quantile((1.0 - confidence) / 2.0);
	struct judge_interval found = {.confidence = confidence};
	int error = find_end(r, -z, tolerance, &found.low, &found.is_low_clamped);

	if (!error)
		error = find_end(r, z, tolerance, &found.high, &found.is_high_clamped);
	if (!error)
		error = judge_locate(r, 0.0, true, tolerance, &found.estimate);
	if (!error)
		*out = found;
	return error;
}

void judge_interval_sharpen(const struct rank_sum *r, double tolerance,
			    struct judge_interval *found)
{
	double *numbers[] = {&found->low, &found->high, &found->estimate};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		double nearest = rank_sum_nearest(r, *numbers[i]);

		if (fabs(nearest - *numbers[i]) <= tolerance + 4.0 * DBL_EPSILON * fabs(nearest))
			*numbers[i] = nearest;
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/rank_sum.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* A sample as its distinct values, ascending. -0.0 and 0.0 are two of them. */
struct tallied {
	double *value;
	double *count;
	double *before; /* how many values lie below; one entry more than values: all */
	size_t distinct;
	double size;
	double ties; /* the sum of cube() over the groups */
};

struct rank_sum {
	struct tallied x, y;
};

struct rank_count {
	double twice_u; /* 2 * (pairs in which x is above y) + pairs tied */
	double ties;
};

static double cube(double count)
{
	return count * count * count - count;
}

static bool is_same(double a, double b)
{
	return a == b && signbit(a) == signbit(b);
}

static int tallied_init(struct tallied *t, const double *sorted, size_t count)
{
	t->value = calloc(3 * (count + 1), sizeof(double));
	if (!t->value)
		return -ENOMEM;
	t->count = t->value + count + 1;
	t->before = t->count + count + 1;
	t->size = (double)count;
	for (size_t i = 0; i < count; i++) {
		if (!t->distinct || !is_same(sorted[i], t->value[t->distinct - 1]))
			t->value[t->distinct++] = sorted[i];
		t->count[t->distinct - 1]++;
		t->before[t->distinct] = (double)(i + 1);
	}
	for (size_t i = 0; i < t->distinct; i++)
		t->ties += cube(t->count[i]);
	return 0;
}

int rank_sum_new(const double *x, size_t m, const double *y, size_t n, struct rank_sum **out)
{
	struct rank_sum *r = calloc(1, sizeof(*r));

	if (!r || tallied_init(&r->x, x, m) || tallied_init(&r->y, y, n)) {
		rank_sum_free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void rank_sum_free(struct rank_sum *r)
{
	if (!r)
		return;
	free(r->x.value);
	free(r->y.value);
	free(r);
}

double rank_sum_low(const struct rank_sum *r)
{
	return r->x.value[0] - r->y.value[r->y.distinct - 1];
}

double rank_sum_high(const struct rank_sum *r)
{
	return r->x.value[r->x.distinct - 1] - r->y.value[0];
}

/*
 * One walk over both, x shifted. Different values of x can become one by rounding. A shifted value
 * that is NaN, which infinities make, ranks above all: hence "not at least" in place of "below".
 */
static struct rank_count count_shifted(const struct tallied *x, const struct tallied *y,
				       double shift)
{
	struct rank_count out = {.ties = y->ties};
	size_t j = 0;

	for (size_t i = 0; i < x->distinct;) {
		double value = x->value[i] - shift, count = x->count[i];

		for (i++; i < x->distinct && x->value[i] - shift == value; i++)
			count += x->count[i];
		while (j < y->distinct && !(y->value[j] >= value))
			j++;
		if (j < y->distinct && value == 0.0 && y->value[j] == 0.0)
			j += signbit(y->value[j]) && !signbit(value);
		out.twice_u += 2.0 * count * y->before[j];
		if (j < y->distinct && is_same(y->value[j], value)) {
			out.twice_u += count * y->count[j];
			out.ties += cube(count + y->count[j]) - cube(y->count[j]);
		} else if (count > 1.0) {
			out.ties += cube(count);
		}
	}
	return out;
}

/* Shifted by infinity all of x is the other infinity, but for what was this infinity: that is NaN. */
static struct rank_count count_infinite(const struct rank_sum *r, double shift)
{
	const struct tallied *x = &r->x;
	size_t end = shift > 0 ? x->distinct - 1 : 0;
	double same = x->value[end] == shift ? x->count[end] : 0.0;
	double value[2] = {-shift, NAN}, count[2] = {x->size - same, same};
	struct tallied two = {.value = value, .count = count, .distinct = 2};

	if (same == 0.0)
		two.distinct = 1;
	else if (same == x->size)
		two = (struct tallied){.value = value + 1, .count = count + 1, .distinct = 1};
	return count_shifted(&two, &r->y, 0.0);
}

static struct rank_count count_at(const struct rank_sum *r, double shift)
{
	return isinf(shift) ? count_infinite(r, shift) : count_shifted(&r->x, &r->y, shift);
}

int rank_sum_score(const struct rank_sum *r, double shift, bool is_corrected, double *score)
{
	struct rank_count c = count_at(r, shift);
	double m = r->x.size, n = r->y.size, all = m + n;
	double distance = c.twice_u / 2.0 - m * n / 2.0, correction = 0.0;
	double variance = m * n / 12.0 * (all + 1.0 - c.ties / (all * (all - 1.0)));

	if (!(variance > 0.0))
		return -EDOM;
	if (is_corrected)
		correction = distance > 0.0 ? 0.5 : distance < 0.0 ? -0.5 : 0.0;
	*score = (distance - correction) / sqrt(variance);
	return 0;
}

double rank_sum_nearest(const struct rank_sum *r, double shift)
{
	const struct tallied *x = &r->x, *y = &r->y;
	double best = rank_sum_low(r);
	size_t j = 0;

	for (size_t i = 0; i < x->distinct; i++) {
		while (j < y->distinct && x->value[i] - y->value[j] > shift)
			j++;
		for (size_t k = j ? j - 1 : 0; k <= j && k < y->distinct; k++) {
			double difference = x->value[i] - y->value[k];

			if (fabs(difference - shift) < fabs(best - shift))
				best = difference;
		}
	}
	return best;
}

double rank_sum_u(const struct rank_sum *r)
{
	return count_at(r, 0.0).twice_u / 2.0;
}

double rank_sum_cles(const struct rank_sum *r)
{
	return count_at(r, 0.0).twice_u / (2.0 * r->x.size * r->y.size);
}

double rank_sum_p_value(const struct rank_sum *r, bool is_corrected)
{
	double score;

	if (rank_sum_score(r, 0.0, is_corrected, &score))
		return NAN;
	return erfc(fabs(score) * M_SQRT1_2); /* twice the tail beyond |score| */
}

double rank_sum_expected(const struct rank_sum *r)
{
	const struct tallied *x = &r->x, *y = &r->y;
	double all = x->size + y->size, greatest = 0.0;

	for (size_t i = 0, j = 0; i < x->distinct || j < y->distinct;) {
		bool takes_x = i < x->distinct && (j == y->distinct || x->value[i] <= y->value[j]);
		bool takes_y = j < y->distinct && (i == x->distinct || y->value[j] <= x->value[i]);
		double count = (takes_x ? x->count[i] : 0.0) + (takes_y ? y->count[j] : 0.0);

		greatest = count > greatest ? count : greatest;
		i += takes_x;
		j += takes_y;
	}
	return (all - greatest) * fmin(x->size, y->size) / all;
}

double rank_sum_score_max(size_t m, size_t n)
{
	double pairs = (double)m * (double)n, all = (double)m + (double)n;

	if (!m || !n)
		return 0.0;
	return (pairs / 2.0 - 0.5) / sqrt(pairs / 12.0 * (all + 1.0));
}

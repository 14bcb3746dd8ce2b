// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_bands.h"

#include <math.h>

#include "judge/seq_rank.h"

#define HALVINGS 64

/* lgamma() writes a global. */
static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

struct likelihood {
	double flows, failures, log_mixture;
};

static double times_log(double count, double x)
{
	return count > 0 ? count * log(x) : 0;
}

static double evidence_against(const struct likelihood *l, double p)
{
	double fine = l->flows - l->failures;

	return l->log_mixture - times_log(l->failures, p) - (fine > 0 ? fine * log1p(-p) : 0);
}

/* The end of the interval between @in, which is inside, and @out. */
static double proportion_end(const struct likelihood *l, double in, double out, double bound)
{
	for (int i = 0; i < HALVINGS; i++) {
		double middle = in + (out - in) / 2;

		if (evidence_against(l, middle) < bound)
			in = middle;
		else
			out = middle;
	}
	return out;
}

struct seq_interval seq_band_proportion(uint64_t flows, uint64_t failures, double miss)
{
	struct likelihood l = {(double)flows, (double)(failures < flows ? failures : flows), 0};
	double mean = l.failures / l.flows, bound = -log(miss);

	if (!flows)
		return (struct seq_interval){0, 1};
	l.log_mixture = log_gamma(0.5 + l.failures) + log_gamma(0.5 + l.flows - l.failures) -
			log_gamma(1 + l.flows) - 2 * log_gamma(0.5);
	return (struct seq_interval){
		l.failures > 0 ? proportion_end(&l, mean, 0, bound) : 0,
		l.failures < l.flows ? proportion_end(&l, mean, 1, bound) : 1,
	};
}

struct seq_interval seq_band_ratio(struct seq_interval of, struct seq_interval to)
{
	return (struct seq_interval){
		of.low / to.high,
		to.low > 0 ? of.high / to.low : INFINITY,
	};
}

/* ---- Howard & Ramdas 2022: the constant that makes the sum over epochs of ratio eta at most miss ---- */

#define DKW_SLOPE 0.85
#define DKW_ETAS  400

static double dkw_miss_at(double eta, double c)
{
	double root = DKW_SLOPE - sqrt(2 * (eta - 1) / c);
	double gamma2 = 2 / eta * root * root;

	if (root <= 0 || gamma2 <= 1)
		return INFINITY;
	return 4 * exp(-gamma2 * c) * (1 + 1 / ((gamma2 - 1) * log(eta)));
}

static double dkw_miss(double c)
{
	double least = INFINITY, widest = 2 * DKW_SLOPE * DKW_SLOPE - 1;

	for (int i = 1; i < DKW_ETAS; i++)
		least = fmin(least, dkw_miss_at(1 + widest * i / DKW_ETAS, c));
	return least;
}

double seq_dkw_constant(double miss)
{
	double low = 1, high = 100;

	for (int i = 0; i < HALVINGS / 2; i++) {
		double middle = (low + high) / 2;

		if (dkw_miss(middle) > miss)
			low = middle;
		else
			high = middle;
	}
	return high;
}

double seq_dkw_radius(uint64_t samples, double miss)
{
	double t = (double)samples;

	if (samples < SEQ_DKW_BEGIN)
		return 1;
	return fmin(1,
		    DKW_SLOPE * sqrt((log1p(log(t / SEQ_DKW_BEGIN)) + seq_dkw_constant(miss)) / t));
}

/* The first bucket whose samples and those below it are more than @part of all; SERIN_BUCKETS: none. */
static uint32_t bucket_beyond(const struct serin_histogram *h, double part)
{
	double wanted = part * seq_histogram_count(h), sum = 0;
	uint32_t i;

	for (i = 0; i < SERIN_BUCKETS; i++) {
		sum += (double)h->bucket[i];
		if (sum > wanted)
			break;
	}
	return i;
}

struct seq_interval seq_band_quantile(const struct serin_histogram *h, double quantile, double r)
{
	struct seq_interval band = {0, INFINITY};
	uint32_t high = bucket_beyond(h, quantile + r);

	if (quantile - r > 0)
		band.low = (double)serin_bucket_low(bucket_beyond(h, quantile - r));
	if (quantile + r < 1 && high < SERIN_LATENCY_TOP)
		band.high = (double)serin_bucket_low(high + 1);
	return band;
}

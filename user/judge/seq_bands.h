/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns intervals for reports: of a probability, of a ratio of two, of quantiles. Each holds at every
 * look at once with a probability of at least 1 - @miss, if what it is of stays as it is. Pure; none
 * is needed to decide.
 */
#pragma once

#include <stdint.h>

#include <serin/signals.h>

struct seq_interval {
	double low, high;
};

/*
 * The probability that of @failures in @flows tells: all p with ln B(1/2 + f, 1/2 + s) - ln B(1/2, 1/2)
 * - f ln p - s ln(1 - p) < ln(1/miss). D.2d: the beta-binomial mixture (Robbins 1970; Lindon & Malek 2022).
 * 0..1 where there are no flows.
 */
struct seq_interval seq_band_proportion(uint64_t flows, uint64_t failures, double miss);

/* Of two proportions: both hold with 1 - miss if each does with 1 - miss / 2. @high may be
 * INFINITY. */
struct seq_interval seq_band_ratio(struct seq_interval of, struct seq_interval to);

/* The DKW-type band begins with so many samples; with fewer it tells nothing. */
#define SEQ_DKW_BEGIN 100

/*
 * r such that |F_t(x) - F(x)| <= r for all x and all t >= SEQ_DKW_BEGIN samples. D.2c: Howard & Ramdas
 * 2022, on the empirical process: .85 sqrt((ln(1 + ln(t / begin)) + C) / t). 1 with fewer samples.
 * @miss: 1e-9..0.5
 */
double seq_dkw_radius(uint64_t samples, double miss);

/* C of it; a search of about a millisecond: keep it where many are wanted. */
double seq_dkw_constant(double miss);

/* Microseconds. Where @quantile (0..1) of all samples counted so far lies, with radius @r: from the least
 * that the bucket of low can hold to the end of that of high; INFINITY if none of it bounds it. */
struct seq_interval seq_band_quantile(const struct serin_histogram *h, double quantile, double r);

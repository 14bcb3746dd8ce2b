/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the factors of tests of failures: of two pools in the same tick, and of one against a bound.
 * Pure. How often things fail, and the pools' shares, may change with every tick.
 */
#pragma once

/* Two pools in one tick. Counts; exposures are to each other as the flows that could have failed. */
struct seq_rates {
	double exposure, reference_exposure; /* >= 0 */
	double failures, reference_failures; /* >= 0; at most one for each client */
};

/* Whether the tick tells anything: both were exposed, and something failed. */
int seq_rates_tell(const struct seq_rates *r);

/*
 * Null hypothesis: of the pool's flows at most @ratio (> 0) times as many fail as of the reference's.
 * For a ratio of 1 it may be any probability; for others where much fails it is one of odds.
 *
 * Given how many failed, each was the pool's with a probability of at most q0 = mr/(mr + n); the factor
 * of an alternative r g is its likelihood over that of q0. D.1; Hoeffding 1963 for flows drawn without
 * replacement; Lindon & Malek 2022 for the same in closed form. It falls as the exposure grows: if in
 * doubt take the greater one.
 * @log_factor: SEQ_GRID of them, for g from 1.05 to 30
 */
void seq_rate_is_more(const struct seq_rates *r, double ratio, double *log_factor);

/* Null hypothesis: at least @ratio times as many fail; alternatives r / g. It rises with the exposure.
 * D.1, "Promote test". */
void seq_rate_is_less(const struct seq_rates *r, double ratio, double *log_factor);

/* Null hypothesis: of @flows in this tick each had failed with a probability of at least @bound (0..1,
 * neither of them), whatever was before; alternatives bound / g. The one-sided form of D.2d that
 * holds if the probability changes. */
void seq_rate_is_below(double flows, double failures, double bound, double *log_factor);

/* Null hypothesis: with a probability of at most @bound, likewise; alternatives of g times its odds. */
void seq_rate_is_above(double flows, double failures, double bound, double *log_factor);

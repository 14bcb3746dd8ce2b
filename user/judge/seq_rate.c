// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/seq_rate.h"

#include <math.h>

#include "judge/seq_grid.h"

/* {g, ln g}: extra ratios of the alternatives; near where harm is slight, far where it is plain. */
static const struct {
	double g, log_g;
} extra[SEQ_GRID] = {
	{1.05, 0.048790164169432001}, {1.1, 0.095310179804324860}, {1.2, 0.18232155679395463},
	{1.35, 0.30010459245033810},  {1.5, 0.40546510810816438},  {1.75, 0.55961578793542269},
	{2, 0.69314718055994531},     {2.5, 0.91629073187415507},  {3.5, 1.2527629684953679},
	{5, 1.6094379124341003},      {10, 2.3025850929940457},	   {30, 3.4011973816621554},
};

int seq_rates_tell(const struct seq_rates *r)
{
	return r->exposure > 0 && r->reference_exposure > 0 &&
	       r->failures + r->reference_failures > 0;
}

/* The pool's part of failures that is expected at most, mr/(mr + n); the likelihood of others by
 * log1p(), which is exact where the pool is small. */
static double part_of(const struct seq_rates *r, double ratio)
{
	double expected = r->exposure * ratio;

	return expected / (expected + r->reference_exposure);
}

void seq_rate_is_above(double flows, double failures, double bound, double *log_factor)
{
	for (int i = 0; i < SEQ_GRID; i++)
		log_factor[i] = failures * extra[i].log_g - flows * log1p(bound * (extra[i].g - 1));
}

/* Of all that failed in the tick, those that were the pool's. */
void seq_rate_is_more(const struct seq_rates *r, double ratio, double *log_factor)
{
	seq_rate_is_above(r->failures + r->reference_failures, r->failures, part_of(r, ratio),
			  log_factor);
}

void seq_rate_is_less(const struct seq_rates *r, double ratio, double *log_factor)
{
	double part = part_of(r, ratio), failures = r->failures + r->reference_failures;

	for (int i = 0; i < SEQ_GRID; i++)
		log_factor[i] = -r->failures * extra[i].log_g -
				failures * log1p(part * (1 / extra[i].g - 1));
}

void seq_rate_is_below(double flows, double failures, double bound, double *log_factor)
{
	double fine = fmax(flows - failures, 0);

	for (int i = 0; i < SEQ_GRID; i++)
		log_factor[i] = fine * (log1p(-bound / extra[i].g) - log1p(-bound)) -
				failures * extra[i].log_g;
}

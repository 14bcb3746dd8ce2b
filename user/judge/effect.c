// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/effect.h"

#include <math.h>

double judge_mean_ratio(const struct judge_stats *experiment, const struct judge_stats *control)
{
	if (experiment->mean == 0.0 || control->mean == 0.0)
		return NAN;
	return experiment->mean / control->mean;
}

double judge_cohen_d(const struct judge_stats *experiment, const struct judge_stats *control)
{
	double m = (double)experiment->count, n = (double)control->count;
	double pooled = ((m - 1.0) * experiment->std * experiment->std +
			 (n - 1.0) * control->std * control->std) /
			(m + n - 2.0);

	return fabs(experiment->mean - control->mean) / sqrt(pooled);
}

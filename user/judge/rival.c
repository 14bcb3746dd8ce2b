// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/rival.h"

#include <math.h>

#include "judge/interval.h"

void judge_ksigma(const double *values, size_t count, double k, bool *is_outlier)
{
	double mean = judge_mean(values, count);
	double std = sqrt(judge_variance(values, count, mean, true));

	for (size_t i = 0; i < count; i++)
		is_outlier[i] = fabs(values[i] - mean) > k * std;
}

double judge_noise(double mean, double std, double uniform)
{
	return std == 0.0 ? mean : mean + std * judge_normal_quantile(uniform);
}

static void label_nodata(const struct judge_metric *m, struct judge_result *out)
{
	out->label = JUDGE_PASS;
	out->ratio = 1.0;
	out->is_critical = false;
	if (m->nan == JUDGE_NAN_REPLACE)
		return;
	if (m->must_have_data && !m->is_critical) {
		out->label = JUDGE_NODATA_FAIL_METRIC;
		return;
	}
	out->label = JUDGE_NODATA;
	out->ratio = 0.0;
	out->is_critical = m->is_critical;
}

void judge_mean_inequality(const struct judge_metric *m, const struct judge_pair *pair,
			   struct judge_result *out)
{
	double experiment = judge_mean(pair->experiment.values, pair->experiment.count);
	double control = judge_mean(pair->control.values, pair->control.count);

	if (!pair->experiment.count || !pair->control.count) {
		label_nodata(m, out);
		return;
	}
	out->label = JUDGE_PASS;
	if (m->direction != JUDGE_DECREASE && experiment > control)
		out->label = JUDGE_HIGH;
	else if (m->direction != JUDGE_INCREASE && experiment < control)
		out->label = JUDGE_LOW;
	out->ratio = out->label == JUDGE_PASS ? 1.0 : experiment / control;
	out->is_critical = out->label != JUDGE_PASS && m->is_critical;
}

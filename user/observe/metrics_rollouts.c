// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/metrics_rollouts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "observe/metrics_text.h"

static void begin(FILE *out, const char *family, const struct metrics_rollout *m)
{
	fputs(family, out);
	metrics_put_label(out, "{", "service", m->service);
}

/* Nine digits, whatever the locale's decimal point is. */
static void put_real(FILE *out, double value)
{
	int64_t billionths;

	if (!isfinite(value)) {
		fprintf(out, "} %s\n", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
		return;
	}
	if (fabs(value) > 9e9) /* beyond what an integer of billionths holds */
		value = value > 0 ? 9e9 : -9e9;
	billionths = llround(value * 1e9);
	fprintf(out, "} %s%" PRId64 ".%09" PRId64 "\n", billionths < 0 ? "-" : "",
		(billionths < 0 ? -billionths : billionths) / 1000000000,
		(billionths < 0 ? -billionths : billionths) % 1000000000);
}

static void put_phases(FILE *out, const char *family, const struct metrics_rollout *m,
		       const char *const *phases)
{
	for (; *phases; phases++) {
		begin(out, family, m);
		metrics_put_label(out, ",", "phase", *phases);
		metrics_put_value(out, !strcmp(*phases, m->phase));
	}
}

static void put_evidence(FILE *out, const char *family, const struct metrics_rollout *m)
{
	if (!m->has_evidence)
		return;
	begin(out, family, m);
	metrics_put_label(out, ",", "line", "harm");
	put_real(out, m->log_e);
	begin(out, family, m);
	metrics_put_label(out, ",", "line", "fine");
	put_real(out, m->fine_log_e);
}

static void put_rollbacks(FILE *out, const struct metrics_rollout *m)
{
	static const char *const causes[METRICS_ROLLBACK_MAX] = {
		[METRICS_ROLLBACK_BY_ANALYSIS] = "analysis",
		[METRICS_ROLLBACK_BY_PERSON] = "person",
		[METRICS_ROLLBACK_SUPERSEDED] = "superseded",
	};

	for (int i = 0; i < METRICS_ROLLBACK_MAX; i++) {
		begin(out, "serin_rollout_rollbacks_total", m);
		metrics_put_label(out, ",", "cause", causes[i]);
		metrics_put_value(out, m->rollbacks[i]);
	}
}

static void put_info(FILE *out, const char *family, const struct metrics_rollout *m)
{
	begin(out, family, m);
	metrics_put_label(out, ",", "release", m->release);
	metrics_put_label(out, ",", "strategy", m->strategy);
	metrics_put_value(out, 1);
}

static void write_phases(const struct metrics_rollout *list, size_t count,
			 const char *const *phases, FILE *out)
{
	metrics_put_head(out, "serin_rollout_info", METRICS_GAUGE,
			 "1 for the release of the service's newest rollout.");
	for (size_t i = 0; i < count; i++)
		put_info(out, "serin_rollout_info", &list[i]);
	metrics_put_head(out, "serin_rollout_phase", METRICS_GAUGE,
			 "1 for the phase that the service's newest rollout is in.");
	for (size_t i = 0; i < count; i++)
		put_phases(out, "serin_rollout_phase", &list[i], phases);
}

static void write_steps(const struct metrics_rollout *list, size_t count, FILE *out)
{
	metrics_put_head(out, "serin_rollout_step", METRICS_GAUGE,
			 "The step that it is at, from 1 on.");
	for (size_t i = 0; i < count; i++) {
		begin(out, "serin_rollout_step", &list[i]);
		metrics_put_value(out, list[i].step);
	}
	metrics_put_head(out, "serin_rollout_steps", METRICS_GAUGE, "How many steps there are.");
	for (size_t i = 0; i < count; i++) {
		begin(out, "serin_rollout_steps", &list[i]);
		metrics_put_value(out, list[i].steps);
	}
	metrics_put_head(out, "serin_rollout_weight_ratio", METRICS_GAUGE,
			 "The candidate's part of new flows.");
	for (size_t i = 0; i < count; i++) {
		begin(out, "serin_rollout_weight_ratio", &list[i]);
		metrics_put_millionths(out, list[i].weight_ppm);
	}
}

void metrics_write_rollouts(const struct metrics_rollout *list, size_t count,
			    const char *const *phases, FILE *out)
{
	write_phases(list, count, phases, out);
	write_steps(list, count, out);
	metrics_put_head(out, "serin_rollout_score", METRICS_GAUGE,
			 "What Kayenta's judge gave the candidate, of 100.");
	for (size_t i = 0; i < count; i++) {
		if (!list[i].has_score)
			continue;
		begin(out, "serin_rollout_score", &list[i]);
		put_real(out, list[i].score);
	}
	metrics_put_head(out, "serin_rollout_evidence_log_e", METRICS_GAUGE,
			 "Evidence of the kernel's signals, a natural logarithm: harm, that the "
			 "candidate is worse; fine, that it is not.");
	for (size_t i = 0; i < count; i++)
		put_evidence(out, "serin_rollout_evidence_log_e", &list[i]);
	metrics_put_head(out, "serin_rollout_rollbacks_total", METRICS_COUNTER,
			 "How often a candidate was taken back since the agent began.");
	for (size_t i = 0; i < count; i++)
		put_rollbacks(out, &list[i]);
}

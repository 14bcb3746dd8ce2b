/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the families of metrics that tell of rollouts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Why a candidate was taken back. */
enum metrics_rollback {
	METRICS_ROLLBACK_BY_ANALYSIS,
	METRICS_ROLLBACK_BY_PERSON,
	METRICS_ROLLBACK_SUPERSEDED,
	METRICS_ROLLBACK_MAX,
};

struct metrics_rollout {
	const char *service, *release, *strategy;
	const char *phase;
	uint32_t step, steps; /* step: from 1 on; 0: before the first one */
	uint32_t weight_ppm;  /* the candidate's */
	bool has_score;
	double score; /* Kayenta's, 0 .. 100 */
	bool has_evidence;
	double log_e, fine_log_e; /* natural logarithms, of harm and of being fine */
	uint64_t rollbacks[METRICS_ROLLBACK_MAX]; /* of the service, since the agent began */
};

/* @phases: names of all there are, NULL at the end; @list: the newest of each service */
void metrics_write_rollouts(const struct metrics_rollout *list, size_t count,
			    const char *const *phases, FILE *out);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what Prometheus answers to query_range: its JSON -> one value a step. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge_io/complaint.h"

#define RANGE_STEPS_MAX 1000000

/* The times a query is evaluated at: start, start + step, ... up to and with end. */
struct range_grid {
	int64_t start_ms, end_ms; /* Unix time; start <= end */
	int64_t step_ms;	  /* above 0 */
};

struct range {
	double *values; /* NaN: none at that step */
	size_t count;	/* of steps; 0 where the query found nothing */
};

/* At most RANGE_STEPS_MAX, or 0 where the grid is none or has more. */
size_t range_steps(const struct range_grid *g);

/*
 * range_parse() - the series of an answer, each value at the step nearest to its time. Several series
 * are refused, or, with @is_summed, added up: at a step, of those that have a value there.
 * `warnings` are warned of.
 * @g: has steps
 * @out: range_fini() it; unchanged on failure
 *
 * Returns 0, -EINVAL after complaining, or -ENOMEM.
 */
int range_parse(const struct source *s, const char *text, size_t len, const struct range_grid *g,
		bool is_summed, struct range *out);
void range_fini(struct range *r);

/*
 * range_refusal() - what an answer with status "error" says: "bad_data: invalid parameter ...".
 * Returns text of the caller's to free, or NULL where it is no such answer.
 */
char *range_refusal(const char *text, size_t len);

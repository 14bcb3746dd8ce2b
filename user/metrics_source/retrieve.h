/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns getting a canary's samples: its metrics' templates as queries of two pools, and their answers. */
#pragma once

#include <stdbool.h>

#include "judge_io/complaint.h"
#include "metrics_source/range.h"

struct canary;
struct prometheus;
struct samples;

struct retrieval {
	const char *service;
	const char *experiment; /* the canary's pool */
	const char *control;	/* the baseline's */
	struct range_grid grid; /* has steps */
	bool is_summed;		/* where a query finds several series */
};

/*
 * retrieve_samples() - ask for each metric's `query.customInlineTemplate`, with "PromQL:" before it or
 * not. All templates are read before anything is asked.
 * @s: of the configuration
 * @c: outlives the samples
 * @out: samples_fini() it; unchanged on failure
 *
 * Returns 0, -EINVAL after complaining of the configuration, -EIO of an answer, or -ENOMEM.
 */
int retrieve_samples(struct prometheus *p, const struct source *s, const struct canary *c,
		     const struct retrieval *r, struct samples *out);

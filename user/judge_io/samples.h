/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns reading metrics' samples, of canary and baseline. */
#pragma once

#include <stddef.h>

#include "judge/judge.h"
#include "judge_io/complaint.h"

struct samples {
	struct judge_pair *pairs;
	struct json_t **tags; /* of each pair; NULL: none */
	double **values;      /* of each pair's canary, then baseline: two a pair */
	char **names;	      /* where they are not the document's */
	size_t count;
	struct json_t *document;
};

/*
 * samples_parse_json() - Kayenta's list of metric set pairs:
 * [{"name": ..., "values": {"experiment": [...], "control": [...]}, "tags": {...}}]. A value is a
 * number, null or "NaN" for none, "Infinity" or "-Infinity".
 * @out: samples_fini() it; unchanged on failure
 *
 * Returns 0, -EINVAL after complaining, or -ENOMEM.
 */
int samples_parse_json(const struct source *s, const char *text, size_t len, struct samples *out);

/*
 * samples_parse_csv() - a value a row (RFC 4180): name, pool, time, value, in any order, which the first
 * row says. The pool is experiment or canary, control or baseline; the time seconds, or a date as
 * 2024-02-29T12:00:00Z, in the order of which a pool's values come; the value a number, or empty
 * or NaN for none. Pairs come in the order of their first rows.
 */
int samples_parse_csv(const struct source *s, const char *text, size_t len, struct samples *out);
/*
 * samples_add_missing() - a pair without a value for each configured metric that has none, warning of it:
 * a metric of which nothing came is judged as one without data (kayenta_judge.md 14), not left out.
 * @c: outlives the samples. Returns 0 or -ENOMEM.
 */
int samples_add_missing(const struct source *s, const struct judge_config *c,
			struct samples *samples);
void samples_fini(struct samples *samples);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the pictures of a rollout's record. Each puts nothing where there is nothing to show. All return 0
 * or -ENOMEM. */
#pragma once

#include <stdio.h>

#include <jansson.h>

/* Each pool's, by what was shifted. */
int rollout_svg_weights(FILE *out, const json_t *record);
/* Of the kernel's signals, beside the bounds that decide. */
int rollout_svg_evidence(FILE *out, const json_t *record);
/* Per second, by pool. */
int rollout_svg_failures(FILE *out, const json_t *record);
/* By pool; @key: of a sample's pool, in microseconds; @label: of this program. */
int rollout_svg_latency(FILE *out, const json_t *record, const char *key, const char *label);

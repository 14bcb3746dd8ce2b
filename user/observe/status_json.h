/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the JSON of `serin status -o json`: fields may be added, those that are there stay. */
#pragma once

#include <jansson.h>

struct snapshot;

/* A new reference, or NULL when out of memory. Dump it with STATUS_JSON_FLAGS. */
json_t *status_json(const struct snapshot *s);

/* The same with no service but one, or with none where there is no such; gives up the reference. */
json_t *status_json_select(json_t *status, const char *only);

/* Shares are exact to 0.0001 %; more digits than these only show how doubles are stored. */
#define STATUS_JSON_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(9))

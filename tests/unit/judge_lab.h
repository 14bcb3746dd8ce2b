/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what tests of the judge share: samples from JSON, numbers that may not exist. */
#pragma once

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge.h"

static inline double lab_number(json_t *json)
{
	return json_is_number(json) ? json_number_value(json) : NAN;
}

/* The caller's to free; @count may be NULL. */
static inline double *lab_values(json_t *list, size_t *count)
{
	double *values = calloc(json_array_size(list) + 1, sizeof(*values));
	json_t *json;
	size_t i;

	json_array_foreach(list, i, json)
	{
		values[i] = lab_number(json);
	}
	if (count)
		*count = json_array_size(list);
	return values;
}

/* Equal, both not there, or no further apart than @tolerance. */
static inline bool lab_is_near(double a, double b, double tolerance)
{
	return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance;
}

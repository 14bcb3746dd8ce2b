/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the JSON of `serin weight -o json`. */
#pragma once

#include <jansson.h>

#include "dataplane/dataplane.h"

/* A new reference, or NULL when out of memory. */
json_t *shift_json(const char *service, const struct dataplane_shift *shift);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the keys `health_check` and `outlier`. */
#pragma once

#include "config/schema.h"

/* Of a service: a struct model_health_check. */
void health_read_check(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object);
/* Of a pool, whose field already has a copy of the service's: keys given take the place of its, and
 * with a `type` only its times are kept. */
void health_read_pool_check(struct reader *r, const struct node *value,
			    const struct schema_field *f, void *object);
/* A struct model_outlier. */
void health_read_outlier(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object);

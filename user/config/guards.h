/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what guards a service's pools in a file, all but the primary. */
#pragma once

#include "config/schema.h"

/* Into a struct model_service that has its protocol and forwarding. */
void guards_read_breaker(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object);
void guards_read_exposure(struct reader *r, const struct node *value, const struct schema_field *f,
			  void *object);
/* As value_read_number(), where it can be. */
void guards_read_failover(struct reader *r, const struct node *value, const struct schema_field *f,
			  void *object);

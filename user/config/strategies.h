/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the key `strategies` of a file, and that they fit the services that name them. */
#pragma once

#include "config/schema.h"

/* Into a struct model. */
void strategies_read(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object);
/* The key `strategy` of a struct model_service. */
void strategies_read_name(struct reader *r, const struct node *value, const struct schema_field *f,
			  void *object);
void strategies_validate(struct reader *r, const struct node *root);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns a service's targets in a file: who goes to which pool whatever the split says. */
#pragma once

#include "config/schema.h"

/* A list of them into a struct model_service that has its VIP and pools, checked whole. */
void targets_read(struct reader *r, const struct node *value, const struct schema_field *f,
		  void *object);

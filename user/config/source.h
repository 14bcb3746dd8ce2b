/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the readers of where packets to backends come from: addresses, prefixes and ports. */
#pragma once

#include "config/schema.h"

/* The type of a service's list of sources; one that cannot be read has SERVICE_PREFIX_UNKNOWN. */
extern const struct schema_list source_list;

/* "LOW-HIGH"; both are 0 where it cannot be read. @object: the service. */
void source_read_ports(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object);

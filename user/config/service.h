/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the tables of what a service is in a file: its pools and their backends. */
#pragma once

#include "config/schema.h"

/* svc->primary where the file does not say which pool it is, or says it wrongly. */
#define SERVICE_PRIMARY_UNKNOWN SIZE_MAX
/* The prefix_len of a source that could not be read: zero is right, of ::/0. */
#define SERVICE_PREFIX_UNKNOWN UINT8_MAX

/* svc->forwarding where the file says it wrongly. */
#define SERVICE_FORWARDING_UNKNOWN SERIN_FORWARDING_MAX

/* The index of the pool of r->service that a text names, or -1 and an error. */
int service_read_pool_name(struct reader *r, const struct node *value,
			   const struct schema_field *f);

/* The type of the list of services. */
extern const struct schema_list service_list;

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what no single value can be wrong about: sums, names given twice, addresses taken twice.
 * Nothing here grows faster than n log n with the file.
 *
 * Model and tree run side by side: the n-th item of a list is the n-th of the model's array.
 */
#pragma once

#include "config/schema.h"

struct model_service;

/* One service by itself. */
void validate_service(struct reader *r, const struct node *node, const struct model_service *svc);
/* That its way to the backends and what is said of it go together. */
void validate_forwarding(struct reader *r, const struct node *node,
			 const struct model_service *svc);
/* No service's name, VIP or backend is another's. */
void validate_unique(struct reader *r, const struct node *root);
/* No source stands for anybody else: a VIP, a backend, another service's clients. */
void validate_sources(struct reader *r, const struct node *root);

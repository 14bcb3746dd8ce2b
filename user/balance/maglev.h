/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the building of Maglev tables (Eisenbud et al., "Maglev: A Fast and Reliable Software
 * Network Load Balancer", NSDI 2016, section 3.4), with weights. Pure and deterministic: the table
 * depends on the backends' addresses and weights, not on their order or numbers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

struct maglev_backend {
	struct serin_endpoint at; /* the backend's name: places it in the table */
	uint32_t id;		  /* what a slot holds */
	uint32_t weight;	  /* at least 1 */
};

/*
 * maglev_build() - fill a table.
 * @backends, @count: at least one; @table: `size` slots, `size` a prime greater than count
 *
 * A backend of weight w gets w / (sum of weights) of the slots, within one.
 * Returns 0, -EINVAL, or -ENOMEM (then the table is untouched).
 */
int maglev_build(const struct maglev_backend *backends, size_t count, uint32_t *table,
		 uint32_t size);

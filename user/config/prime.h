/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns primes, which the sizes of Maglev tables are. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool prime_is(uint32_t n);
/* The least prime that is not less than @n; @n is at most 2^31. */
uint32_t prime_from(uint32_t n);

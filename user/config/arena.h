/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns memory that is taken in small pieces and given back all at once. */
#pragma once

#include <stddef.h>

struct arena_chunk;

/* Zeroed, aligned for any pointer; NULL when out of memory. @chunks starts as NULL. */
void *arena_alloc(struct arena_chunk **chunks, size_t size);
void arena_fini(struct arena_chunk **chunks);

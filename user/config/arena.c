// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define CHUNK_SIZE_MIN 4096u
#define CHUNK_SIZE_MAX (1u << 20)
#define ALIGNMENT      sizeof(void *)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	max_align_t data[];
};

static struct arena_chunk *add_chunk(struct arena_chunk **chunks, size_t need)
{
	size_t size = *chunks ? (*chunks)->size * 2 : CHUNK_SIZE_MIN;
	struct arena_chunk *chunk;

	if (size > CHUNK_SIZE_MAX)
		size = CHUNK_SIZE_MAX;
	if (size < need)
		size = need;
	chunk = calloc(1, sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->next = *chunks;
	*chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena_chunk **chunks, size_t size)
{
	struct arena_chunk *chunk = *chunks;
	size_t start;

	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(chunks, size);
	if (!chunk)
		return NULL;
	start = chunk->used;
	chunk->used += size;
	return (char *)chunk->data + start;
}

void arena_fini(struct arena_chunk **chunks)
{
	while (*chunks) {
		struct arena_chunk *next = (*chunks)->next;

		free(*chunks);
		*chunks = next;
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns text as characters and lines, counted the way libyaml counts them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where something stands in a text, both from 1; line 0 is nowhere. */
struct place {
	uint32_t line;
	uint32_t column; /* in characters */
};

struct text_line {
	const char *start;
	size_t len; /* without the break */
	size_t number;
};

/*
 * Bytes of the first character of @text, 1 .. 4 (@len is at least 1). Control characters and bytes
 * that are not UTF-8, one at a time, are not @is_printable: they must not reach a terminal.
 */
size_t text_char(const char *text, size_t len, bool *is_printable);

/* Drops a leading UTF-8 byte order mark. */
void text_skip_mark(const char **text, size_t *len);

/* The first line of a text, and the one after @line; false when there is none. */
bool text_first_line(const char *text, size_t len, struct text_line *line);
bool text_next_line(const char *text, size_t len, struct text_line *line);

/* The place of a byte. */
struct place text_place(const char *text, size_t len, size_t offset);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns text from elsewhere on a terminal: nothing in it is an instruction there, and it takes so many
 * columns. Independent of the locale: what comes in is UTF-8. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Control characters and those that turn the direction of writing become '?'. NULL is "". Returns buf. */
const char *plain_text(const char *text, char *buf, size_t size);
/* The same where the terminal knows ASCII alone. */
const char *plain_ascii(const char *text, char *buf, size_t size);
/* How many bytes its first character takes; is it one of these? */
size_t plain_next(const char *text, bool *is_unsafe);
/* How many columns it takes, as plain_text() leaves it. */
size_t plain_width(const char *text);
/* How many bytes of it fit into so many columns; whole characters. */
size_t plain_fit(const char *text, size_t columns);

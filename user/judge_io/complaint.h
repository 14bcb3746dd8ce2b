/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how a reader says what is wrong with a text: file, place, what. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct json_t;

/* Where a text comes from, and where what is wrong with it is printed. */
struct source {
	const char *file; /* as the user named it */
	FILE *messages;
};

/* "file: error: $.PATH: ..." of a JSON value. Returns -EINVAL. */
int complain(const struct source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of something that is read all the same. */
void complain_warn(const struct source *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "file:line:column: error: ..."; line and column from 1. Returns -EINVAL. */
int complain_at(const struct source *s, size_t line, size_t column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The JSON of a text, or NULL after complaining. Whole numbers are doubles; keys are unique. */
struct json_t *source_parse_json(const struct source *s, const char *text, size_t len);

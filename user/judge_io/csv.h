/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns comma-separated values as rows of fields (RFC 4180; lines may end with a bare line feed). */
#pragma once

#include <stddef.h>

#include "judge_io/complaint.h"

#define CSV_FIELDS_MAX 16

struct csv_field {
	const char *text; /* without quotes, ends with NUL; lives until the reader ends */
	size_t offset;	  /* of its first byte in the text */
};

struct csv {
	const struct source *source;
	const char *text; /* as it was given, to say where an error is */
	size_t len;
	char *copy; /* in which fields are unquoted and ended */
	size_t at;
	struct csv_field fields[CSV_FIELDS_MAX]; /* of the row read last */
	size_t count;
};

/* Returns 0, -EINVAL after complaining (a NUL byte), or -ENOMEM; csv_fini() it all the same. */
int csv_init(struct csv *csv, const struct source *s, const char *text, size_t len);
void csv_fini(struct csv *csv);

/* The next row that is not empty: 1, 0 at the end, or -EINVAL after complaining. */
int csv_next(struct csv *csv);

/* "file:line:column: error: ..." at a byte of the text. Returns -EINVAL. */
int csv_complain(const struct csv *csv, size_t offset, const char *what, const char *found);

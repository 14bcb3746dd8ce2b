/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns values that are text of some form: paths, hosts, programs with their arguments. */
#pragma once

#include "config/schema.h"

/* The type of string_read(), whose field is a char * that it allocates: what a text may be, and what
 * to call it where it is not. */
struct string_rule {
	bool (*is_right)(const char *text);
	const char *what;
};

void string_read(struct reader *r, const struct node *value, const struct schema_field *f,
		 void *object);
/* Frees what was there. */
void string_replace(struct reader *r, char **to, const char *text);
/* The item of a schema_list of char *: a program, or an argument. */
void string_read_word(struct reader *r, const struct node *value, void *item);
/* Characters that can be seen, and nothing else; "" too. */
bool string_is_graph(const char *text);
bool string_is_not_empty(const char *text);
bool string_is_path(const char *text);

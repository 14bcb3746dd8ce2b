/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns tables and trees for people, over libsmartcols. A failure to allocate shows as a gap. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct libscols_table;
struct libscols_line;

struct table_column {
	const char *name;
	bool is_number; /* aligned right */
	bool is_tree;
	unsigned int width; /* at least; 0: as wide as what is in it */
};

struct libscols_table *table_new(const struct table_column *columns, size_t count);
/* A row below `parent`, or at the top with NULL. */
struct libscols_line *table_row(struct libscols_table *t, struct libscols_line *parent);
void table_set(struct libscols_line *row, size_t column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Makes a row stand out, where colours are wanted; what it says must be in the text too. */
void table_warn(struct libscols_line *row);
/* To @out, in ASCII or UTF-8, and no wider than so many columns: the first column gives way. */
void table_fit(struct libscols_table *t, FILE *out, size_t columns, bool is_ascii,
	       bool has_colours);
/* For rows that go on where a table printed before ended. */
void table_hide_head(struct libscols_table *t);
void table_print(struct libscols_table *t);
void table_free(struct libscols_table *t);

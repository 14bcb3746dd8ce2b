// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/table.h"

#include <langinfo.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

struct libscols_table *table_new(const struct table_column *columns, size_t count)
{
	struct libscols_table *t = scols_new_table();

	if (!t)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		int flags = (columns[i].is_number ? SCOLS_FL_RIGHT : 0) |
			    (columns[i].is_tree ? SCOLS_FL_TREE : 0);

		if (!scols_table_new_column(t, columns[i].name, columns[i].width, flags)) {
			scols_unref_table(t);
			return NULL;
		}
	}
	scols_table_enable_colors(t, cli_has_colours());
	scols_table_enable_ascii(t, strcmp(nl_langinfo(CODESET), "UTF-8") != 0);
	if (!isatty(STDOUT_FILENO)) /* a pipe has no width to cut lines to */
		scols_table_set_termforce(t, SCOLS_TERMFORCE_NEVER);
	return t;
}

struct libscols_line *table_row(struct libscols_table *t, struct libscols_line *parent)
{
	return scols_table_new_line(t, parent);
}

void table_set(struct libscols_line *row, size_t column, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!row)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	scols_line_set_data(row, column, text);
}

void table_warn(struct libscols_line *row)
{
	if (row)
		scols_line_set_color(row, "yellow");
}

void table_fit(struct libscols_table *t, FILE *out, size_t columns, bool is_ascii, bool has_colours)
{
	struct libscols_column *first = scols_table_get_column(t, 0);

	scols_table_set_stream(t, out);
	scols_table_enable_ascii(t, is_ascii);
	scols_table_enable_colors(t, has_colours);
	scols_table_set_termforce(t, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(t, columns);
	scols_column_set_flags(first, scols_column_get_flags(first) | SCOLS_FL_TRUNC);
}

void table_hide_head(struct libscols_table *t)
{
	scols_table_enable_noheadings(t, 1);
}

void table_print(struct libscols_table *t)
{
	scols_print_table(t);
}

void table_free(struct libscols_table *t)
{
	scols_unref_table(t);
}

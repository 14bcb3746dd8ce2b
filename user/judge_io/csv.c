// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_io/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

int csv_complain(const struct csv *csv, size_t offset, const char *what, const char *found)
{
	struct place at = text_place(csv->text, csv->len, offset);

	if (found)
		return complain_at(csv->source, at.line, at.column, "%s, not \"%.60s\"", what,
				   found);
	return complain_at(csv->source, at.line, at.column, "%s", what);
}

int csv_init(struct csv *csv, const struct source *s, const char *text, size_t len)
{
	const char *nul = len ? memchr(text, '\0', len) : NULL;

	*csv = (struct csv){.source = s};
	text_skip_mark(&text, &len);
	csv->text = text;
	csv->len = len;
	if (nul)
		return csv_complain(csv, (size_t)(nul - text), "a NUL byte is no text", NULL);
	csv->copy = malloc(len + 1);
	if (!csv->copy)
		return -ENOMEM;
	memcpy(csv->copy, text, len);
	csv->copy[len] = '\0';
	return 0;
}

void csv_fini(struct csv *csv)
{
	free(csv->copy);
	csv->copy = NULL;
}

/* A quoted field, unquoted where it stands; @at is left behind the last quote. */
static int unquote(struct csv *csv, struct csv_field *field)
{
	char *from = csv->copy + csv->at + 1, *to = from;

	field->text = to;
	while (*from && !(from[0] == '"' && from[1] != '"')) {
		from += *from == '"';
		*to++ = *from++;
	}
	if (!*from)
		return csv_complain(csv, field->offset, "this quote has no end", NULL);
	*to = '\0';
	csv->at = (size_t)(from + 1 - csv->copy);
	return 0;
}

/* One field and what ends it; *delimiter is ',', '\n' or NUL. */
static int read_field(struct csv *csv, struct csv_field *field, char *delimiter)
{
	char *end;

	field->offset = csv->at;
	field->text = csv->copy + csv->at;
	if (*field->text == '"') {
		int error = unquote(csv, field);

		if (error)
			return error;
	} else {
		csv->at += strcspn(field->text, ",\n");
	}
	end = csv->copy + csv->at;
	if (end[0] == '\r' && (end[1] == '\n' || !end[1]))
		end++;
	*delimiter = *end;
	if (*end && *end != ',' && *end != '\n')
		return csv_complain(csv, (size_t)(end - csv->copy), "a comma should be here", NULL);
	if (end > field->text && end[-1] == '\r' && *end != ',')
		end[-1] = '\0';
	csv->at = (size_t)(end - csv->copy) + (*end != '\0');
	*end = '\0';
	return 0;
}

static int read_row(struct csv *csv)
{
	char delimiter = ',';

	for (csv->count = 0; delimiter == ','; csv->count++) {
		int error;

		if (csv->count == CSV_FIELDS_MAX)
			return csv_complain(csv, csv->at, "too many fields", NULL);
		error = read_field(csv, &csv->fields[csv->count], &delimiter);
		if (error)
			return error;
	}
	return 0;
}

int csv_next(struct csv *csv)
{
	while (csv->at < csv->len) {
		int error = read_row(csv);

		if (error)
			return error;
		if (csv->count > 1 || *csv->fields[0].text)
			return 1;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_io/complaint.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "config/text.h"

#define MESSAGE_LEN 512

/* What a file holds must not command the terminal it is shown on. */
static void put(const struct source *s, const char *head, const char *format, va_list args)
{
	char text[MESSAGE_LEN];
	bool is_printable;
	size_t len, bytes;

	vsnprintf(text, sizeof(text), format, args);
	len = strlen(text);
	for (size_t i = 0; i < len; i += bytes) {
		bytes = text_char(text + i, len - i, &is_printable);
		if (!is_printable)
			memset(text + i, '?', bytes);
	}
	fprintf(s->messages, "%s:%s %s\n", s->file, head, text);
}

int complain(const struct source *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(s, " error:", format, args);
	va_end(args);
	return -EINVAL;
}

void complain_warn(const struct source *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(s, " warning:", format, args);
	va_end(args);
}

int complain_at(const struct source *s, size_t line, size_t column, const char *format, ...)
{
	char head[64];
	va_list args;

	snprintf(head, sizeof(head), "%zu:%zu: error:", line, column);
	va_start(args, format);
	put(s, head, format, args);
	va_end(args);
	return -EINVAL;
}

json_t *source_parse_json(const struct source *s, const char *text, size_t len)
{
	json_error_t error;
	json_t *json =
		json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);

	if (!json)
		complain_at(s, error.line > 0 ? (size_t)error.line : 1,
			    error.column > 0 ? (size_t)error.column : 1, "%s", error.text);
	return json;
}

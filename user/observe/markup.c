// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/markup.h"

#include <stdbool.h>
#include <string.h>

#include "observe/plain.h"

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return NULL;
}

/* The first character as it is, or a space for one that would act upon what is beside it. */
static size_t put_character(FILE *out, const char *text)
{
	bool is_unsafe;
	size_t len = plain_next(text, &is_unsafe);

	if (is_unsafe)
		fputc(' ', out);
	else
		fwrite(text, 1, len, out);
	return len;
}

void markup_put_html(FILE *out, const char *text)
{
	while (*text) {
		const char *entity = entity_of(*text);

		if (entity)
			fputs(entity, out);
		text += entity ? 1 : put_character(out, text);
	}
}

void markup_put_md(FILE *out, const char *text)
{
	while (*text) {
		const char *entity = *text == '@'   ? "&#64;"
				     : *text == ':' ? "&#58;" /* an address is no link without it */
						    : entity_of(*text);

		if (entity)
			fputs(entity, out);
		else if (strchr("\\`*_[]()|#~!", *text))
			fputc('\\', out);
		text += entity ? 1 : put_character(out, text);
	}
}

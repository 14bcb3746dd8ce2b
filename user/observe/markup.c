// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/markup.h"

#include <stdbool.h>
#include <string.h>

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

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

void markup_put_html(FILE *out, const char *text)
{
	for (; *text; text++) {
		const char *entity = entity_of(*text);

		if (entity)
			fputs(entity, out);
		else
			fputc(is_control(*text) ? ' ' : *text, out);
	}
}

void markup_put_md(FILE *out, const char *text)
{
	for (; *text; text++) {
		const char *entity = *text == '@'   ? "&#64;"
				     : *text == ':' ? "&#58;" /* an address is no link without it */
						    : entity_of(*text);

		if (entity)
			fputs(entity, out);
		else if (strchr("\\`*_[]()|#~!", *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(is_control(*text) ? ' ' : *text, out);
	}
}

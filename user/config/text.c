// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/text.h"

#include <string.h>

static size_t sequence_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead < 0xe0)
		return 2;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

size_t text_char(const char *text, size_t len, bool *is_printable)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t bytes = sequence_len(*c);

	*is_printable = false;
	if (!bytes || bytes > len)
		return 1;
	for (size_t i = 1; i < bytes; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 1;
	if (bytes == 1)
		*is_printable = *c >= 0x20 && *c != 0x7f;
	else
		*is_printable = !(*c == 0xc2 && c[1] < 0xa0); /* U+0080 .. U+009F: C1 controls */
	return bytes;
}

void text_skip_mark(const char **text, size_t *len)
{
	if (*len < 3 || memcmp(*text, "\xef\xbb\xbf", 3))
		return;
	*text += 3;
	*len -= 3;
}

/* Bytes of the line break at @text, or 0. YAML 1.1 has more breaks than an editor knows. */
static size_t break_len(const char *text, size_t len)
{
	static const char *const breaks[] = {"\r\n",	 "\n",		 "\r",
					     "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

	if (!len || !strchr("\r\n\xc2\xe2", *text) || !*text)
		return 0;
	for (size_t i = 0; i < sizeof(breaks) / sizeof(*breaks); i++) {
		size_t bytes = strlen(breaks[i]);

		if (bytes <= len && !memcmp(text, breaks[i], bytes))
			return bytes;
	}
	return 0;
}

static void measure_line(const char *text, size_t len, struct text_line *line)
{
	const char *end = text + len;

	line->len = 0;
	while (line->start + line->len < end &&
	       !break_len(line->start + line->len, (size_t)(end - line->start) - line->len))
		line->len++;
}

bool text_first_line(const char *text, size_t len, struct text_line *line)
{
	line->start = text;
	line->number = 1;
	measure_line(text, len, line);
	return true;
}

bool text_next_line(const char *text, size_t len, struct text_line *line)
{
	const char *stop = line->start + line->len;
	size_t bytes = break_len(stop, len - (size_t)(stop - text));

	if (!bytes)
		return false;
	line->start = stop + bytes;
	line->number++;
	measure_line(text, len, line);
	return true;
}

struct place text_place(const char *text, size_t len, size_t offset)
{
	struct place place;
	struct text_line line, next;
	bool is_printable;

	text_first_line(text, len, &line);
	next = line;
	while (text_next_line(text, len, &next) && (size_t)(next.start - text) <= offset)
		line = next;
	place = (struct place){.line = (uint32_t)line.number, .column = 1};
	for (size_t at = (size_t)(line.start - text); at < offset && at < len; place.column++)
		at += text_char(text + at, len - at, &is_printable);
	return place;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/plain.h"
#include "lib/count_of.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

/* C0, DEL, C1, line and paragraph ends, and what turns, hides or joins what is beside it. */
static const struct range unsafe[] = {
	{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},     {0x61c, 0x61c},
	{0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
	{0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
};

/* Two columns each: Unicode's wide and full-width blocks, roughly. */
static const struct range wide[] = {
	{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0xa4cf}, {0xac00, 0xd7a3},
	{0xf900, 0xfaff},   {0xfe30, 0xfe6f},	{0xff00, 0xff60}, {0xffe0, 0xffe6},
	{0x1f300, 0x1faff}, {0x20000, 0x3fffd},
};

/* None: they sit upon the one before. */
static const struct range combining[] = {
	{0x300, 0x36f},	  {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},	{0x64b, 0x65f},
	{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
};

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* A character and its bytes; what is no UTF-8 is one byte and no character (0). */
static size_t decode(const char *text, uint32_t *out)
{
	unsigned char first = (unsigned char)*text;
	size_t len = first < 0x80   ? 1
		     : first < 0xc2 ? 0
		     : first < 0xe0 ? 2
		     : first < 0xf0 ? 3
		     : first < 0xf5 ? 4
				    : 0;
	uint32_t c = len < 2 ? first : first & (0x7fu >> len);

	*out = 0;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (!len)
		return 1;
	*out = c;
	return len;
}

size_t plain_next(const char *text, bool *is_unsafe)
{
	uint32_t c;
	size_t len = decode(text, &c);

	*is_unsafe = is_in(unsafe, COUNT_OF(unsafe), c);
	return len;
}

static const char *put(const char *text, char *buf, size_t size, bool is_ascii)
{
	size_t at = 0;

	while (text && *text) {
		uint32_t c;
		size_t len = decode(text, &c);
		bool is_kept = !is_in(unsafe, COUNT_OF(unsafe), c) && !(is_ascii && c > 0x7f);

		if (at + (is_kept ? len : 1) >= size)
			break;
		memcpy(buf + at, is_kept ? text : "?", is_kept ? len : 1);
		at += is_kept ? len : 1;
		text += len;
	}
	buf[at] = '\0';
	return buf;
}

const char *plain_text(const char *text, char *buf, size_t size)
{
	return put(text, buf, size, false);
}

const char *plain_ascii(const char *text, char *buf, size_t size)
{
	return put(text, buf, size, true);
}

static size_t width_of(uint32_t c)
{
	return is_in(wide, COUNT_OF(wide), c) ? 2 : !is_in(combining, COUNT_OF(combining), c);
}

size_t plain_fit(const char *text, size_t columns)
{
	size_t at = 0;

	while (text[at]) {
		uint32_t c;
		size_t len = decode(text + at, &c), width = width_of(c);

		if (width > columns)
			break;
		columns -= width;
		at += len;
	}
	return at;
}

size_t plain_width(const char *text)
{
	size_t width = 0;

	while (*text) {
		uint32_t c;

		text += decode(text, &c);
		width += width_of(c);
	}
	return width;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/logfmt.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NOT_UTF8 0xfffd

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * Takes the next character. Returns how many bytes it has; of what is no UTF-8 (cut short, overlong,
 * a surrogate, beyond U+10FFFF), one byte at a time, *code is NOT_UTF8.
 */
static size_t take(const unsigned char *at, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;

	*code = *at;
	if (len == 1)
		return 1;
	*code = *at & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if (!is_continuation(at[i])) { /* the end is none, either */
			*code = NOT_UTF8;
			return 1;
		}
		*code = *code << 6 | (at[i] & 0x3f);
	}
	if (*at >= 0xc0 && *at < 0xf8 && *code >= least[len] && *code <= 0x10ffff &&
	    (*code < 0xd800 || *code > 0xdfff))
		return len;
	*code = NOT_UTF8;
	return 1;
}

static void put(FILE *out, const unsigned char *at, size_t len, uint32_t code)
{
	static const struct {
		char plain, letter;
	} escapes[] = {{'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};

	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
		if (code == (unsigned char)escapes[i].plain) {
			fprintf(out, "\\%c", escapes[i].letter);
			return;
		}
	}
	if (code < ' ' || (code >= 0x7f && code < 0xa0) || (code == NOT_UTF8 && len == 1))
		fprintf(out, "\\u%04x", code);
	else
		fwrite(at, 1, len, out);
}

void logfmt_text(FILE *out, const char *key, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;

	fprintf(out, "%s=\"", key);
	while (*at) {
		uint32_t code;
		size_t len = take(at, &code);

		put(out, at, len, code);
		at += len;
	}
	fputc('"', out);
}

void logfmt_pair(FILE *out, const char *key, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-./:@+,%[]";

	if (*value && !value[strspn(value, plain)])
		fprintf(out, "%s=%s", key, value);
	else
		logfmt_text(out, key, value);
}

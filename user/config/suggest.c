// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LEN_MAX 32 /* nothing longer is a word of ours mistyped */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each 1,
 * upper and lower case being the same. Neither text is longer than LEN_MAX.
 */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int d[LEN_MAX + 1][LEN_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + !is_same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
			    is_same(a[i - 2], b[j - 1]) && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[a_len][b_len];
}

/* How wrong a text may be and still be that word: a third of it; or it is the word cut short. */
static bool is_near(const char *text, const char *word, unsigned int d)
{
	size_t len = strlen(text);

	if (len >= 3 && !strncasecmp(text, word, len))
		return true;
	return d <= (len < 3 ? 1 : len / 3) && d < strlen(word);
}

void suggest_offer(struct suggest *s, const char *word)
{
	unsigned int d;

	if (!*s->text || strnlen(s->text, LEN_MAX + 1) > LEN_MAX || strlen(word) > LEN_MAX)
		return;
	d = distance(s->text, word);
	if (!is_near(s->text, word, d) || (s->best && d >= s->distance))
		return;
	s->best = word;
	s->distance = d;
}

const char *suggest_hint(const struct suggest *s, char buf[SUGGEST_HINT_LEN])
{
	*buf = '\0';
	if (s->best)
		snprintf(buf, SUGGEST_HINT_LEN, "; did you mean '%s'?", s->best);
	return buf;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns "did you mean": the nearest of some words by edit distance. */
#pragma once

struct suggest {
	const char *text; /* what was written */
	const char *best; /* the nearest word offered that is near enough, or NULL */
	unsigned int distance;
};

void suggest_offer(struct suggest *s, const char *word);

#define SUGGEST_HINT_LEN 64
/* "; did you mean 'WORD'?" in @buf, empty where no word was near; returns @buf. */
const char *suggest_hint(const struct suggest *s, char buf[SUGGEST_HINT_LEN]);

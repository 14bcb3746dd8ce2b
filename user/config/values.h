/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the readers of single values: numbers, words, names, addresses, prefixes, percentages. */
#pragma once

#include <netinet/in.h>

#include "config/schema.h"

/* The type of value_read_number(): a field of @size bytes. */
struct value_number {
	uint64_t min;
	uint64_t max;
	size_t size;
};

struct value_word {
	const char *word;
	uint32_t value;
};

/* The type of value_read_word(): a field of @size bytes. */
struct value_words {
	const struct value_word *list;
	size_t count;
	size_t size;
};

/* true or false, into a bool. */
extern const struct value_words value_truths;

void value_read_number(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object);
void value_read_word(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object);
/* A char[SERIN_NAME_LEN]. */
void value_read_name(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object);
/* A struct in6_addr that a packet can come from and go to. */
void value_read_address(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object);
/* A uint32_t of millionths. */
void value_read_percent(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object);
/* What an address that no host can have is ("a loopback address"), or NULL. */
const char *value_special_address(const struct in6_addr *addr);
/* Digits alone and no leading zero. 0 or -EINVAL. */
int value_parse_number(const char *text, uint64_t *out);
/* False, and an error, where it is not text: "'KEY' must be WANTED, not a list". */
bool value_is_text(struct reader *r, const struct node *value, const struct schema_field *f,
		   const char *wanted);

// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/strings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/values.h"

bool string_is_graph(const char *text)
{
	for (; *text; text++)
		if (!isgraph((unsigned char)*text))
			return false;
	return true;
}

bool string_is_not_empty(const char *text)
{
	return *text;
}

bool string_is_path(const char *text)
{
	return *text == '/' && string_is_graph(text);
}

void string_replace(struct reader *r, char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
	if (!*to)
		r->errors.is_no_memory = true;
}

void string_read(struct reader *r, const struct node *value, const struct schema_field *f,
		 void *object)
{
	const struct string_rule *rule = f->type;

	if (!value_is_text(r, value, f, rule->what))
		return;
	if (rule->is_right(value->text))
		string_replace(r, (char **)((char *)object + f->offset), value->text);
	else
		errors_add(&r->errors, value->at, "'%s' must be %s, not '%.40s'", f->key,
			   rule->what, value->text);
}

void string_read_word(struct reader *r, const struct node *value, void *item)
{
	if (schema_expect(r, value, NODE_TEXT, "a word of a command"))
		string_replace(r, item, value->text);
}

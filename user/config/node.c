// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "config/tree.h"

int node_order(const struct node *a, const struct node *b)
{
	if (a->at.line != b->at.line)
		return a->at.line < b->at.line ? -1 : 1;
	return a->at.column < b->at.column ? -1 : a->at.column > b->at.column;
}

static const struct node *find_key(const struct node *map, const char *key)
{
	if (map->kind != NODE_MAP)
		return NULL;
	for (const struct node *k = map->first; k; k = k->next)
		if (k->kind == NODE_TEXT && !strcmp(k->text, key))
			return k;
	return NULL;
}

const struct node *node_find(const struct node *map, const char *key)
{
	const struct node *k = find_key(map, key);

	return k ? k->value : NULL;
}

struct place node_place(const struct node *map, const char *key)
{
	const struct node *k = find_key(map, key);

	if (!k)
		return map->at;
	return node_is_null(k->value) ? k->at : k->value->at;
}

const struct node *node_items(const struct node *map, const char *key)
{
	const struct node *list = node_find(map, key);

	return list && list->kind == NODE_LIST ? list->first : NULL;
}

bool node_is_null(const struct node *n)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (n->kind != NODE_TEXT || !n->is_plain)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(n->text, words[i]))
			return true;
	return false;
}

const char *node_kind_name(const struct node *n)
{
	static const char *const names[] = {"text", "a list", "a mapping", "this"};

	_Static_assert(sizeof(names) / sizeof(*names) == NODE_KIND_MAX, "a name each");
	return node_is_null(n) ? "nothing" : names[n->kind];
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/text.h"

bool schema_expect(struct reader *r, const struct node *node, enum node_kind kind, const char *what)
{
	static const char *const must_be[] = {"text", "a list", "a mapping", ""};

	_Static_assert(sizeof(must_be) / sizeof(*must_be) == NODE_KIND_MAX, "a name each");
	if (node->kind == kind)
		return true;
	if (node->kind != NODE_BAD)
		errors_add(&r->errors, node->at, "%s must be %s, not %s", what, must_be[kind],
			   node_kind_name(node));
	return false;
}

static void add_key(char *keys, size_t size, const char *key)
{
	size_t len = strlen(keys);

	if (len + strlen(key) + 3 > size)
		return;
	if (len)
		strcat(keys, ", ");
	strcat(keys, key);
}

static void unknown_key(struct reader *r, const struct node *key, const struct schema *s)
{
	struct suggest near = {.text = key->text};
	char hint[SUGGEST_HINT_LEN], keys[256] = "";

	for (size_t i = 0; i < s->field_count; i++) {
		suggest_offer(&near, s->fields[i].key);
		add_key(keys, sizeof(keys), s->fields[i].key);
	}
	if (near.best)
		errors_add(&r->errors, key->at, "unknown key '%.40s' in %s%s", key->text, s->what,
			   suggest_hint(&near, hint));
	else
		errors_add(&r->errors, key->at, "unknown key '%.40s' in %s, which has: %s",
			   key->text, s->what, keys);
}

/* Files a key under its field in @given. */
static void match_key(struct reader *r, const struct node *key, const struct schema *s,
		      const struct node **given)
{
	size_t i = 0;

	if (!schema_expect(r, key, NODE_TEXT, "a key"))
		return;
	while (i < s->field_count && strcmp(key->text, s->fields[i].key))
		i++;
	if (i == s->field_count)
		unknown_key(r, key, s);
	else if (given[i])
		errors_add(&r->errors, key->at, "duplicate key '%s', first given on line %u",
			   key->text, given[i]->at.line);
	else
		given[i] = key;
}

static void read_field(struct reader *r, const struct node *key, const struct schema_field *f,
		       void *object)
{
	if (node_is_null(key->value))
		errors_add(&r->errors, key->at, "'%s' has no value", f->key);
	else if (key->value->kind != NODE_BAD)
		f->read(r, key->value, f, object);
}

void schema_read_map(struct reader *r, const struct node *node, const struct schema *s,
		     void *object)
{
	const struct node *given[SCHEMA_FIELDS_MAX] = {NULL};

	assert(s->field_count <= SCHEMA_FIELDS_MAX);
	if (!schema_expect(r, node, NODE_MAP, s->what))
		return;
	for (const struct node *key = node->first; key; key = key->next)
		match_key(r, key, s, given);
	for (size_t i = 0; i < s->field_count; i++) {
		const struct schema_field *f = &s->fields[i];

		if (given[i])
			read_field(r, given[i], f, object);
		else if (f->is_required)
			errors_add(&r->errors, node->at, "%s needs the key '%s'", s->what, f->key);
	}
}

void schema_read_submap(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object)
{
	schema_read_map(r, value, f->type, (char *)object + f->offset);
}

/* Counts the items, to the most there may be. */
static size_t count_items(struct reader *r, const struct node *list, const struct schema_field *f)
{
	const struct schema_list *type = f->type;
	size_t count = 0;

	for (const struct node *item = list->first; item; item = item->next, count++) {
		if (count < type->max)
			continue;
		errors_add(&r->errors, item->at, "'%s' has more than %zu %ss", f->key, type->max,
			   type->item);
		break;
	}
	if (!count && !type->may_be_empty)
		errors_add(&r->errors, list->at, "'%s' needs at least one %s", f->key, type->item);
	return count;
}

void schema_read_list(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object)
{
	const struct schema_list *type = f->type;
	char quoted[40] = "'", *items;
	size_t count, i = 0;

	strcat(strncat(quoted, f->key, sizeof(quoted) - 3), "'");
	if (!schema_expect(r, value, NODE_LIST, quoted))
		return;
	count = count_items(r, value, f);
	if (!count)
		return;
	items = calloc(count, type->item_size);
	if (!items) {
		r->errors.is_no_memory = true;
		return;
	}
	/* Through memcpy: the field is a pointer to some other type than char. */
	memcpy((char *)object + f->offset, &items, sizeof(items));
	memcpy((char *)object + type->count_offset, &count, sizeof(count));
	for (const struct node *item = value->first; i < count; item = item->next, i++)
		type->read_item(r, item, items + i * type->item_size);
}

int schema_read_text(const char *text, size_t len, const struct schema *s, void *object,
		     struct config_errors *errors)
{
	struct reader r = {};
	struct tree tree = {};
	int err;

	if (!len)
		text = "";
	text_skip_mark(&text, &len);
	err = tree_read(&tree, text, len, &r.errors);
	if (!err)
		schema_read_map(&r, tree.root, s, object);
	else if (err == -ENOMEM)
		r.errors.is_no_memory = true;
	tree_fini(&tree);
	return errors_finish(&r.errors, errors);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/tree.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "config/arena.h"
#include "config/syntax.h"

/* A container still open: where its next child goes, and the key that waits for its value. */
struct level {
	struct node *node;
	struct node **tail;
	struct node *key;
};

struct builder {
	struct tree *tree;
	struct errors *errors;
	struct level levels[TREE_DEPTH_MAX];
	size_t depth;
	bool has_document;
};

enum step { STEP_ON, STEP_DONE };

static struct place mark_place(const yaml_mark_t *mark)
{
	return (struct place){.line = (uint32_t)mark->line + 1,
			      .column = (uint32_t)mark->column + 1};
}

static void attach(struct builder *b, struct node *node)
{
	struct level *level = b->depth ? &b->levels[b->depth - 1] : NULL;

	if (!level) {
		b->tree->root = node;
	} else if (level->key) {
		level->key->value = node;
		level->key = NULL;
	} else {
		*level->tail = node;
		level->tail = &node->next;
		if (level->node->kind == NODE_MAP)
			level->key = node;
	}
}

static struct node *add(struct builder *b, const yaml_event_t *event, enum node_kind kind)
{
	struct node *node = arena_alloc(&b->tree->chunks, sizeof(*node));

	if (!node)
		return NULL;
	node->at = mark_place(&event->start_mark);
	node->kind = kind;
	attach(b, node);
	return node;
}

/* Anchors and tags: what they say in YAML is not what a reader of this file would expect. */
static void refuse_extras(struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
			  const yaml_char_t *tag)
{
	struct place at = mark_place(&event->start_mark);

	if (anchor)
		errors_add(b->errors, at, "anchor '&%.40s': anchors and aliases are not taken here",
			   (const char *)anchor);
	if (tag)
		errors_add(b->errors, at, "tag '%.40s': tags are not taken here",
			   (const char *)tag);
}

static int add_text(struct builder *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct node *node = add(b, event, NODE_TEXT);
	char *copy;

	if (!node)
		return -ENOMEM;
	refuse_extras(b, event, event->data.scalar.anchor, event->data.scalar.tag);
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = "";
	if (memchr(value, '\0', len)) {
		errors_add(b->errors, node->at, "a text must not contain the character NUL");
		node->kind = NODE_BAD;
		node->first = NULL;
		return STEP_ON;
	}
	if (!len)
		return STEP_ON;
	copy = arena_alloc(&b->tree->chunks, len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, value, len);
	node->text = copy;
	return STEP_ON;
}

static int open_container(struct builder *b, const yaml_event_t *event, enum node_kind kind)
{
	struct node *node;

	if (b->depth == TREE_DEPTH_MAX) {
		errors_add(b->errors, mark_place(&event->start_mark),
			   "nested more than %d levels deep", TREE_DEPTH_MAX);
		return -EINVAL;
	}
	node = add(b, event, kind);
	if (!node)
		return -ENOMEM;
	b->levels[b->depth++] = (struct level){.node = node, .tail = &node->first};
	return STEP_ON;
}

static int add_alias(struct builder *b, const yaml_event_t *event)
{
	errors_add(b->errors, mark_place(&event->start_mark),
		   "alias '*%.40s': anchors and aliases are not taken here; write it out",
		   (const char *)event->data.alias.anchor);
	return add(b, event, NODE_BAD) ? STEP_ON : -ENOMEM;
}

static int start_document(struct builder *b, const yaml_event_t *event)
{
	if (b->has_document) {
		errors_add(b->errors, mark_place(&event->start_mark),
			   "a second document begins here; a configuration is one document");
		return -EINVAL;
	}
	b->has_document = true;
	return STEP_ON;
}

static int end_stream(struct builder *b)
{
	if (b->has_document)
		return STEP_DONE;
	errors_add(b->errors, (struct place){1, 1},
		   "there is no configuration here; it begins with 'version: 1'");
	return -EINVAL;
}

/* STEP_ON, STEP_DONE or -errno. */
static int build(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return start_document(b, event);
	case YAML_ALIAS_EVENT:
		return add_alias(b, event);
	case YAML_SCALAR_EVENT:
		return add_text(b, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(b, event, event->data.sequence_start.anchor,
			      event->data.sequence_start.tag);
		return open_container(b, event, NODE_LIST);
	case YAML_MAPPING_START_EVENT:
		refuse_extras(b, event, event->data.mapping_start.anchor,
			      event->data.mapping_start.tag);
		return open_container(b, event, NODE_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return STEP_ON;
	case YAML_STREAM_END_EVENT:
		return end_stream(b);
	default:
		return STEP_ON;
	}
}

int tree_read(struct tree *t, const char *text, size_t len, struct errors *errors)
{
	struct builder b = {.tree = t, .errors = errors};
	yaml_parser_t parser;
	yaml_event_t event;
	int step = STEP_ON;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (step == STEP_ON) {
		if (!yaml_parser_parse(&parser, &event)) {
			step = syntax_error(&parser, text, len, errors);
			break;
		}
		step = build(&b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return step < 0 ? step : 0;
}

void tree_fini(struct tree *t)
{
	arena_fini(&t->chunks);
	t->root = NULL;
}

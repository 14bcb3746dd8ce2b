/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns YAML as a tree in which everything knows its place. One document, no anchors, aliases or
 * tags, bounded depth: a tree is never larger than a fixed multiple of its text.
 */
#pragma once

#include "config/errors.h"
#include "config/text.h"

#define TREE_DEPTH_MAX 16

enum node_kind {
	NODE_TEXT,
	NODE_LIST,
	NODE_MAP,
	NODE_BAD, /* already complained of: take it for whatever is wanted */
	NODE_KIND_MAX,
};

struct node {
	struct place at;
	enum node_kind kind;
	bool is_plain;	    /* text without quotes */
	struct node *next;  /* in the list, or the next key of the mapping */
	struct node *value; /* of a key */
	union {
		const char *text;   /* NODE_TEXT; holds no NUL but its end */
		struct node *first; /* item of a list, key of a mapping */
	};
};

struct tree {
	struct arena_chunk *chunks;
	struct node *root;
};

/* 0, -EINVAL where the text gives no tree, or -ENOMEM. With 0, too, there may be errors. */
int tree_read(struct tree *t, const char *text, size_t len, struct errors *errors);
void tree_fini(struct tree *t);

/* Which comes first in the text: below, above, or 0 for one and the same. */
int node_order(const struct node *a, const struct node *b);
/* The value of a key, or NULL; NULL too where @map is no mapping. */
const struct node *node_find(const struct node *map, const char *key);
/* The value of a key where it is given, @map itself where it is not: where to complain. */
struct place node_place(const struct node *map, const char *key);
/* The first item of the list that is a key's value, or NULL. */
const struct node *node_items(const struct node *map, const char *key);
/* "key:" and nothing after it, or YAML's words for nothing. */
bool node_is_null(const struct node *n);
/* "a list", "text" … for messages. */
const char *node_kind_name(const struct node *n);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the walk from a tree to C objects along tables: which keys a mapping has, what each holds
 * and where in the object it goes.
 *
 * What cannot be read is left zero. Zero is a right value of nothing the cross-checks look at (a
 * name, an address, a port, a table size), so that they skip it and one mistake gives one error.
 */
#pragma once

#include "config/errors.h"
#include "config/tree.h"

struct model;
struct model_service;

struct reader {
	struct errors errors;
	struct model *model;
	struct model_service *service; /* the one being read */
};

struct schema_field {
	const char *key;
	/* Reads what @value holds into @object. */
	void (*read)(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object);
	size_t offset; /* into the object */
	bool is_required;
	const void *type; /* a struct of the reader's own, saying more */
};

#define SCHEMA_FIELDS_MAX 24

struct schema {
	const char *what; /* "a pool": what the mapping is */
	const struct schema_field *fields;
	size_t field_count; /* at most SCHEMA_FIELDS_MAX */
};

/* The type of schema_read_list(): the field is a pointer to an array that it allocates. */
struct schema_list {
	const char *item; /* "pool" */
	size_t item_size;
	size_t count_offset; /* of the size_t that counts them, into the same object */
	size_t max;
	bool may_be_empty;
	void (*read_item)(struct reader *r, const struct node *value, void *item);
};

/* Reads in the order of the table, whatever that of the text: a field may use those above it. */
void schema_read_map(struct reader *r, const struct node *node, const struct schema *s,
		     void *object);
/* The model's array has an item for each of the list's, in order, be they right or wrong. */
void schema_read_list(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object);
/* For fields that are mappings themselves: @f->type is their schema. */
void schema_read_submap(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object);

/* A whole text that is one mapping, into an object that is all zero. As errors_finish() returns. */
int schema_read_text(const char *text, size_t len, const struct schema *s, void *object,
		     struct config_errors *errors);

/* False, and an error unless there was one already, where the node is of another kind. */
bool schema_expect(struct reader *r, const struct node *node, enum node_kind kind,
		   const char *what);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns structs as JSON objects and back, by tables of their fields. What is read is checked for bounds. */
#pragma once

#include <stddef.h>

struct json_t;

enum field_kind {
	FIELD_BOOL,
	FIELD_U32,
	FIELD_U64, /* beyond what JSON's integers hold: as text */
	FIELD_I64,
	FIELD_REAL, /* NAN: null; infinite: "inf", "-inf" */
	FIELD_ENUM, /* by number, below `size` */
	FIELD_NAME, /* char[size] */
	FIELD_TEXT, /* char *, allocated; NULL: null */
};

struct field {
	const char *key;
	enum field_kind kind;
	size_t at;
	size_t size;
};

#define FIELD(of, member, kind_)                               \
	{                                                      \
#member, kind_, offsetof(struct of, member), 0 \
	}
#define FIELD_OF_ENUM(of, member, max)                                \
	{                                                             \
#member, FIELD_ENUM, offsetof(struct of, member), max \
	}
#define FIELD_OF_NAME(of, member)                                 \
	{                                                         \
#member, FIELD_NAME, offsetof(struct of, member), \
			sizeof(((struct of *)NULL)->member)       \
	}

struct fields {
	const struct field *of;
	size_t count;
};
#define FIELDS(table) ((struct fields){table, sizeof(table) / sizeof(*(table))})

/* NULL when out of memory. */
struct json_t *fields_put(struct fields f, const void *from);
/* 0, -EINVAL, -ENOMEM. A key that is missing is an error; others than those are left alone. */
int fields_get(struct fields f, const struct json_t *object, void *to);

/* An array of structs, `size` bytes each. */
struct json_t *fields_put_all(struct fields f, const void *from, size_t size, size_t count);
/* @to: room for all of the array's */
int fields_get_all(struct fields f, const struct json_t *array, void *to, size_t size);

/* Lists of names of `size` bytes, the NUL included. */
struct json_t *fields_put_names(const char *names, size_t size, size_t count);
int fields_get_names(const struct json_t *array, char *names, size_t size, size_t max,
		     size_t *count);

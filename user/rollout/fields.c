// SPDX-License-Identifier: GPL-2.0-or-later
#include "rollout/fields.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *put_u64(uint64_t value)
{
	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	return json_sprintf("%llu", (unsigned long long)value);
}

static json_t *put_real(double value)
{
	if (isnan(value))
		return json_null();
	if (isinf(value))
		return json_string(value > 0 ? "inf" : "-inf");
	return json_real(value);
}

static json_t *put(const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case FIELD_U32:
		return json_integer(*(const uint32_t *)at);
	case FIELD_ENUM:
		return json_integer(*(const int *)at);
	case FIELD_U64:
		return put_u64(*(const uint64_t *)at);
	case FIELD_I64:
		return json_integer(*(const int64_t *)at);
	case FIELD_REAL:
		return put_real(*(const double *)at);
	case FIELD_NAME:
		return json_string_nocheck(at);
	default:
		return *(char *const *)at ? json_string_nocheck(*(char *const *)at) : json_null();
	}
}

struct json_t *fields_put(struct fields f, const void *from)
{
	json_t *object = json_object();

	for (size_t i = 0; i < f.count; i++)
		if (json_object_set_new(object, f.of[i].key,
					put(&f.of[i], (const char *)from + f.of[i].at))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static int get_integer(const json_t *json, int64_t max, int64_t *out)
{
	if (!json_is_integer(json) || json_integer_value(json) < 0 ||
	    json_integer_value(json) > max)
		return -EINVAL;
	*out = json_integer_value(json);
	return 0;
}

static int get_u64(const json_t *json, uint64_t *out)
{
	const char *text = json_string_value(json);
	char *end;
	int64_t value;

	if (text) {
		errno = 0;
		*out = strtoull(text, &end, 10);
		return errno || *text < '0' || *text > '9' || *end ? -EINVAL : 0;
	}
	if (get_integer(json, INT64_MAX, &value))
		return -EINVAL;
	*out = (uint64_t)value;
	return 0;
}

static int get_real(const json_t *json, double *out)
{
	const char *text = json_string_value(json);

	if (json_is_null(json))
		*out = NAN;
	else if (json_is_number(json))
		*out = json_number_value(json);
	else if (text && !strcmp(text, "inf"))
		*out = INFINITY;
	else if (text && !strcmp(text, "-inf"))
		*out = -INFINITY;
	else
		return -EINVAL;
	return 0;
}

/* Without a NUL in it: that would be another text. */
static const char *text_of(const json_t *json)
{
	const char *text = json_string_value(json);

	return text && strlen(text) == json_string_length(json) ? text : NULL;
}

static int get_name(const json_t *json, char *name, size_t size)
{
	const char *text = text_of(json);

	if (!text || strlen(text) >= size)
		return -EINVAL;
	memset(name, 0, size);
	memcpy(name, text, strlen(text));
	return 0;
}

static int get_text(const json_t *json, char **out)
{
	const char *text = text_of(json);

	if (json_is_null(json))
		return 0;
	if (!text)
		return -EINVAL;
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static int get_bool(const json_t *json, bool *out)
{
	*out = json_is_true(json);
	return json_is_boolean(json) ? 0 : -EINVAL;
}

static int get(const struct field *f, const json_t *json, void *at)
{
	int64_t value = 0;
	int error;

	switch (f->kind) {
	case FIELD_BOOL:
		return get_bool(json, at);
	case FIELD_U32:
		error = get_integer(json, UINT32_MAX, &value);
		*(uint32_t *)at = (uint32_t)value;
		return error;
	case FIELD_ENUM:
		error = get_integer(json, (int64_t)f->size - 1, &value);
		*(int *)at = (int)value;
		return error;
	case FIELD_U64:
		return get_u64(json, at);
	case FIELD_I64:
		*(int64_t *)at = json_integer_value(json);
		return json_is_integer(json) ? 0 : -EINVAL;
	case FIELD_REAL:
		return get_real(json, at);
	case FIELD_NAME:
		return get_name(json, at, f->size);
	default:
		return get_text(json, at);
	}
}

int fields_get(struct fields f, const struct json_t *object, void *to)
{
	int error = 0;

	for (size_t i = 0; !error && i < f.count; i++)
		error = get(&f.of[i], json_object_get(object, f.of[i].key),
			    (char *)to + f.of[i].at);
	return error;
}

struct json_t *fields_put_all(struct fields f, const void *from, size_t size, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(array, fields_put(f, (const char *)from + i * size))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

int fields_get_all(struct fields f, const struct json_t *array, void *to, size_t size)
{
	int error = 0;

	for (size_t i = 0; !error && i < json_array_size(array); i++)
		error = fields_get(f, json_array_get(array, i), (char *)to + i * size);
	return error;
}

struct json_t *fields_put_names(const char *names, size_t size, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(array, json_string_nocheck(names + i * size))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

int fields_get_names(const struct json_t *array, char *names, size_t size, size_t max,
		     size_t *count)
{
	if (!json_is_array(array) || json_array_size(array) > max)
		return -EINVAL;
	for (size_t i = 0; i < json_array_size(array); i++)
		if (get_name(json_array_get(array, i), names + i * size, size))
			return -EINVAL;
	*count = json_array_size(array);
	return 0;
}

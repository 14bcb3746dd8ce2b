// SPDX-License-Identifier: GPL-2.0-or-later
#include "api/body.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net.h"

#define PPM_PER_PERCENT 10000
/* Of a step: what a decimal fraction loses on its way through a double is far less. */
#define ROUNDING 1e-4

struct field {
	const char *key;
	bool is_required;
	int (*read)(const json_t *value, const char *key, void *object, char *why);
	size_t offset;
};

static int refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, API_WHY_LEN, format, args);
	va_end(args);
	return -EINVAL;
}

static int read_bool(const json_t *value, const char *key, void *object, char *why)
{
	bool *out = object;

	if (!json_is_boolean(value))
		return refuse(why, "\"%s\" must be true or false", key);
	*out = json_is_true(value);
	return 0;
}

static int read_epoch(const json_t *value, const char *key, void *object, char *why)
{
	int64_t *out = object;

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > UINT32_MAX)
		return refuse(why, "\"%s\" must be a whole number, as the status tells it", key);
	*out = json_integer_value(value);
	return 0;
}

/* Kept in a map of fixed size and printed on terminals. */
static int read_reason(const json_t *value, const char *key, void *object, char *why)
{
	size_t len = json_string_length(value), most = sizeof(((struct api_change *)0)->reason) - 1;
	const char *text = json_string_value(value);

	if (!text)
		return refuse(why, "\"%s\" must be a string", key);
	if (len > most)
		return refuse(why, "\"%s\" has at most %zu bytes", key, most);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return refuse(why, "\"%s\" has no control characters", key);
	memcpy(object, text, len + 1);
	return 0;
}

static int read_percent(const json_t *value, const char *pool, uint32_t *ppm, char *why)
{
	double steps, percent = json_number_value(value);

	if (!json_is_number(value))
		return refuse(why, "the weight of \"%.31s\" must be a number", pool);
	if (!(percent >= 0 && percent <= 100))
		return refuse(why, "the weight of \"%.31s\" must be from 0 to 100", pool);
	steps = round(percent * PPM_PER_PERCENT);
	if (fabs(percent * PPM_PER_PERCENT - steps) > ROUNDING)
		return refuse(why, "the weight of \"%.31s\" must be in steps of 0.0001", pool);
	*ppm = (uint32_t)steps;
	return 0;
}

static int read_weights(const json_t *value, const char *key, void *object, char *why)
{
	struct api_weights *out = object;
	const char *pool;
	json_t *weight;
	int err = 0;

	if (!json_is_object(value) || !json_object_size(value))
		return refuse(why, "\"%s\" must be like {\"canary\": 5.5}", key);
	if (json_object_size(value) > SERIN_MAX_POOLS)
		return refuse(why, "a service has at most %d pools", SERIN_MAX_POOLS);
	json_object_foreach((json_t *)value, pool, weight)
	{
		if (!*pool || strlen(pool) >= SERIN_NAME_LEN)
			return refuse(why, "a pool's name has 1 to %d bytes", SERIN_NAME_LEN - 1);
		strcpy(out->list[out->count].pool, pool);
		err = read_percent(weight, pool, &out->list[out->count].ppm, why);
		if (err)
			return err;
		out->count++;
	}
	return 0;
}

static int read_backend(const json_t *value, const char *key, void *object, char *why)
{
	const char *text = json_string_value(value);
	struct api_drain *out = object;

	if (!text || strlen(text) != json_string_length(value) ||
	    net_parse_endpoint(text, &out->address, &out->port))
		return refuse(why, "\"%s\" must be \"ADDRESS:PORT\", or \"[ADDRESS]:PORT\" by IPv6",
			      key);
	return 0;
}

static const struct field *find_field(const struct field *fields, const char *key)
{
	while (fields->key && strcmp(fields->key, key))
		fields++;
	return fields->key ? fields : NULL;
}

static int read_object(const json_t *root, const struct field *fields, void *object, char *why)
{
	const char *key;
	json_t *value;
	int err = 0;

	json_object_foreach((json_t *)root, key, value)
	{
		const struct field *f = find_field(fields, key);

		if (!f)
			return refuse(why, "unknown key \"%.40s\"", key);
		err = f->read(value, key, (char *)object + f->offset, why);
		if (err)
			return err;
	}
	for (const struct field *f = fields; f->key; f++)
		if (f->is_required && !json_object_get(root, f->key))
			return refuse(why, "\"%s\" is missing", f->key);
	return 0;
}

static int read_body(const char *text, size_t len, const struct field *fields, void *object,
		     char *why)
{
	json_error_t error;
	json_t *root = json_loadb(len ? text : "", len, JSON_REJECT_DUPLICATES, &error);
	int err;

	if (!root) {
		snprintf(why, API_WHY_LEN, "the body is not JSON: line %d, column %d: %s",
			 error.line, error.column, error.text);
		return -EBADMSG;
	}
	if (json_is_object(root)) {
		err = read_object(root, fields, object, why);
	} else {
		snprintf(why, API_WHY_LEN, "the body must be a JSON object");
		err = -EBADMSG;
	}
	json_decref(root);
	return err;
}

#define CHANGE_FIELDS(type)                                                           \
	{"reason", false, read_reason, offsetof(struct type, change.reason)},         \
	{                                                                             \
		"dry_run", false, read_bool, offsetof(struct type, change.is_dry_run) \
	}

int api_read_weights(const char *text, size_t len, struct api_weights *out, char why[API_WHY_LEN])
{
	static const struct field fields[] = {
		{"weights", true, read_weights, 0},
		{"expect_epoch", false, read_epoch, offsetof(struct api_weights, expect_epoch)},
		CHANGE_FIELDS(api_weights),
		{},
	};

	*out = (struct api_weights){.expect_epoch = -1};
	return read_body(text, len, fields, out, why);
}

int api_read_drain(const char *text, size_t len, struct api_drain *out, char why[API_WHY_LEN])
{
	static const struct field fields[] = {
		{"backend", true, read_backend, 0},
		{"force", false, read_bool, offsetof(struct api_drain, is_forced)},
		CHANGE_FIELDS(api_drain),
		{},
	};

	*out = (struct api_drain){};
	return read_body(text, len, fields, out, why);
}

int api_read_reload(const char *text, size_t len, struct api_reload *out, char why[API_WHY_LEN])
{
	static const struct field fields[] = {
		{"reason", false, read_reason, offsetof(struct api_reload, reason)}, {}};

	*out = (struct api_reload){};
	return len ? read_body(text, len, fields, out, why) : 0;
}

/* ---- rollouts ---- */

static int copy_text(const json_t *value, const char *key, char *out, size_t size, char *why)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!text || len >= size)
		return refuse(why, "\"%s\" must be a string of at most %zu bytes", key, size - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return refuse(why, "\"%s\" has no control characters", key);
	memcpy(out, text, len + 1);
	return 0;
}

static int read_command(const json_t *value, const char *key, void *object, char *why)
{
	struct api_rollout_order *out = object;

	return copy_text(value, key, out->command, sizeof(out->command), why);
}

static int read_release(const json_t *value, const char *key, void *object, char *why)
{
	struct api_rollout_order *out = object;

	return copy_text(value, key, out->release, sizeof(out->release), why);
}

static int read_strategy(const json_t *value, const char *key, void *object, char *why)
{
	struct api_rollout_order *out = object;

	return copy_text(value, key, out->strategy, sizeof(out->strategy), why);
}

static int read_id(const json_t *value, const char *key, void *object, char *why)
{
	struct api_rollout_order *out = object;

	if (!json_is_integer(value) || json_integer_value(value) < 1)
		return refuse(why, "\"%s\" must be a rollout's number", key);
	out->id = json_integer_value(value);
	return 0;
}

int api_read_rollout(const char *text, size_t len, struct api_rollout_order *out,
		     char why[API_WHY_LEN])
{
	static const struct field fields[] = {
		{"command", true, read_command, 0},
		{"release", false, read_release, 0},
		{"strategy", false, read_strategy, 0},
		{"reason", false, read_reason, offsetof(struct api_rollout_order, reason)},
		{"id", false, read_id, 0},
		{"dry_run", false, read_bool, offsetof(struct api_rollout_order, is_dry_run)},
		{},
	};

	*out = (struct api_rollout_order){};
	return read_body(text, len, fields, out, why);
}

int api_read_count(const char *name, const char *text, int64_t otherwise, int64_t *out,
		   char why[API_WHY_LEN])
{
	char *end;

	*out = otherwise;
	if (!text)
		return 0;
	errno = 0;
	*out = strtoll(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end)
		return refuse(why, "\"%s\" must be a whole number", name);
	return 0;
}

int api_read_seed(const char *text, bool *has_seed, uint64_t *seed, char why[API_WHY_LEN])
{
	char *end;

	*has_seed = text != NULL;
	if (!text)
		return 0;
	errno = 0;
	*seed = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end)
		return refuse(why, "\"seed\" must be a whole number from 0 to %llu",
			      (unsigned long long)UINT64_MAX);
	return 0;
}

int api_read_flag(const char *name, const char *text, bool *out, char why[API_WHY_LEN])
{
	*out = text && (!strcmp(text, "1") || !strcmp(text, "true"));
	if (*out || !text || !strcmp(text, "0") || !strcmp(text, "false"))
		return 0;
	return refuse(why, "\"%s\" must be 1 or 0", name);
}

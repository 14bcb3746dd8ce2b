// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/duration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/values.h"

#define DIGITS_MAX 10

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}};

int duration_parse(const char *text, uint32_t *ms)
{
	size_t digits = strspn(text, "0123456789");
	char number[DIGITS_MAX + 1];
	uint64_t count;

	if (!digits || digits > DIGITS_MAX)
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (value_parse_number(number, &count))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(text + digits, units[i].name))
			continue;
		if (count * units[i].ms > UINT32_MAX)
			return -EINVAL;
		*ms = (uint32_t)(count * units[i].ms);
		return 0;
	}
	return -EINVAL;
}

const char *duration_format(uint32_t ms, char buf[DURATION_TEXT_LEN])
{
	if (ms % 1000)
		snprintf(buf, DURATION_TEXT_LEN, "%ums", ms);
	else if (ms % 60000 || !ms)
		snprintf(buf, DURATION_TEXT_LEN, "%us", ms / 1000);
	else if (ms % 3600000)
		snprintf(buf, DURATION_TEXT_LEN, "%um", ms / 60000);
	else
		snprintf(buf, DURATION_TEXT_LEN, "%uh", ms / 3600000);
	return buf;
}

static bool read_time(struct reader *r, const struct node *value, const struct schema_field *f,
		      uint32_t *ms)
{
	const struct duration_limits *limits = f->type;
	char least[DURATION_TEXT_LEN], most[DURATION_TEXT_LEN];

	if (!value_is_text(r, value, f, "a time like 2s"))
		return false;
	if (!duration_parse(value->text, ms) && *ms >= limits->min_ms && *ms <= limits->max_ms)
		return true;
	errors_add(&r->errors, value->at,
		   "'%s' must be a time from %s to %s, like 500ms, 2s or 1m, not '%.40s'", f->key,
		   duration_format(limits->min_ms, least), duration_format(limits->max_ms, most),
		   value->text);
	return false;
}

void duration_read(struct reader *r, const struct node *value, const struct schema_field *f,
		   void *object)
{
	uint32_t ms;

	if (read_time(r, value, f, &ms))
		memcpy((char *)object + f->offset, &ms, sizeof(ms));
}

void duration_read_wide(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object)
{
	uint32_t ms;

	if (read_time(r, value, f, &ms))
		memcpy((char *)object + f->offset, &(uint64_t){ms}, sizeof(uint64_t));
}

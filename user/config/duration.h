/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns times as text: "500ms", "2s", "5m", "1h"; a number alone is of seconds. */
#pragma once

#include "config/schema.h"

#define DURATION_TEXT_LEN 24

/* The type of duration_read(), whose field is a uint32_t of milliseconds. */
struct duration_limits {
	uint32_t min_ms;
	uint32_t max_ms;
};

void duration_read(struct reader *r, const struct node *value, const struct schema_field *f,
		   void *object);
/* The same into a uint64_t. */
void duration_read_wide(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object);
/* 0 or -EINVAL. */
int duration_parse(const char *text, uint32_t *ms);
/* "2s", "1500ms". Returns buf. */
const char *duration_format(uint32_t ms, char buf[DURATION_TEXT_LEN]);

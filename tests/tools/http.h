/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns reading one HTTP/1.x response as it arrives: status, length, and the two words it begins
 * with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tally.h"

struct response {
	char head[1024];
	size_t head_len;
	bool head_is_complete;
	uint64_t content_length;
	uint64_t body_len;
	char body[2 * TALLY_NAME_LEN]; /* its beginning, NUL-terminated */
};

static inline void response_reset(struct response *r)
{
	memset(r, 0, sizeof(*r));
}

static inline bool response_is_complete(const struct response *r)
{
	return r->head_is_complete && r->body_len == r->content_length;
}

/* NULL, or what is wrong with the head. */
static inline const char *response_read_head(struct response *r)
{
	static const char field[] = "\r\ncontent-length:";
	const char *length = strcasestr(r->head, field);

	if (strncmp(r->head, "HTTP/1.", 7) || !length)
		return "malformed";
	if (strncmp(r->head + 8, " 200 ", 5))
		return "status";
	r->content_length = strtoull(length + sizeof(field) - 1, NULL, 10);
	r->head_is_complete = true;
	return NULL;
}

static inline void response_take_body(struct response *r, const char *data, size_t len)
{
	size_t have = r->body_len < sizeof(r->body) ? r->body_len : sizeof(r->body) - 1;
	size_t room = sizeof(r->body) - 1 - have;

	memcpy(r->body + have, data, len < room ? len : room);
	r->body_len += len;
}

/* Takes what arrived, wherever it was cut. NULL while all is well, or the kind of failure. */
static inline const char *response_feed(struct response *r, const char *data, size_t len)
{
	while (len && !r->head_is_complete) {
		if (r->head_len == sizeof(r->head) - 1)
			return "malformed";
		r->head[r->head_len++] = *data++;
		len--;
		if (r->head_len >= 4 && !memcmp(r->head + r->head_len - 4, "\r\n\r\n", 4)) {
			const char *wrong = response_read_head(r);

			if (wrong)
				return wrong;
		}
	}
	if (len)
		response_take_body(r, data, len);
	return r->head_is_complete && r->body_len > r->content_length ? "malformed" : NULL;
}

/* The body's first words: the pool and the backend that answered. */
static inline bool response_names(const struct response *r, char pool[TALLY_NAME_LEN],
				  char backend[TALLY_NAME_LEN])
{
	return sscanf(r->body, "%31s %31s", pool, backend) == 2;
}

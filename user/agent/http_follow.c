// SPDX-License-Identifier: GPL-2.0-or-later
/* Replies that go on: what there is is sent, then the connection rests until there may be more. */
#include <stdlib.h>
#include <string.h>

#include "agent/http_internal.h"

#define BLOCK	      ((size_t)4096)
#define FOLLOWERS_MAX 8
/* So long without a word, and an empty line is sent: or who has gone would never be missed. */
#define SILENCE_US (10000 * HTTP_MS_US)

struct following {
	struct http_client *client;
	http_more *more;
	void (*free_more)(void *arg);
	void *arg;
	char *text;
	size_t size, sent;
	uint64_t spoke_us;
	bool is_over;
};

/* What the user of the server has to say, in place of what was sent. */
static void refill(struct following *f)
{
	FILE *out;

	free(f->text);
	f->text = NULL;
	f->size = f->sent = 0;
	out = open_memstream(&f->text, &f->size);
	if (!out) {
		f->is_over = true;
		return;
	}
	f->is_over = f->more(out, f->arg);
	if (!ftell(out) && http_now_us() - f->spoke_us > SILENCE_US)
		fputc('\n', out);
	fclose(out);
}

static ssize_t on_room(void *arg, uint64_t at, char *buf, size_t max)
{
	struct following *f = arg;
	size_t count;

	(void)at;
	if (f->sent == f->size && !f->is_over)
		refill(f);
	count = f->size - f->sent < max ? f->size - f->sent : max;
	if (count) {
		memcpy(buf, f->text + f->sent, count);
		f->sent += count;
		f->spoke_us = http_now_us();
		return (ssize_t)count;
	}
	if (f->is_over || f->client->deadline_us)
		return MHD_CONTENT_READER_END_OF_STREAM;
	f->client->is_suspended = true;
	MHD_suspend_connection(f->client->connection);
	return 0;
}

static void following_free(void *arg)
{
	struct following *f = arg;

	f->free_more(f->arg);
	free(f->text);
	free(f);
}

struct MHD_Response *http_follow(struct http_client *client, const struct http_reply *reply,
				 char *body, size_t size)
{
	struct following *f = calloc(1, sizeof(*f));
	struct MHD_Response *response = NULL;

	if (f) {
		*f = (struct following){.client = client,
					.more = reply->more,
					.free_more = reply->free_more,
					.arg = reply->more_arg,
					.text = body,
					.size = size,
					.spoke_us = http_now_us()};
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_room, f,
							     following_free);
	}
	if (!response) {
		reply->free_more(reply->more_arg);
		free(body);
		free(f);
		return NULL;
	}
	client->deadline_us = 0;
	return response;
}

void http_follow_wake(struct http *http)
{
	struct http_client *client;

	LIST_FOREACH(client, &http->clients, link)
	{
		if (client->is_suspended)
			MHD_resume_connection(client->connection);
		client->is_suspended = false;
	}
}

bool http_is_anybody_resting(const struct http *http)
{
	const struct http_client *client;

	LIST_FOREACH(client, &http->clients, link)
	{
		if (client->is_suspended)
			return true;
	}
	return false;
}

static size_t count_followers(const struct http *http)
{
	const struct http_client *client;
	size_t count = 0;

	LIST_FOREACH(client, &http->clients, link)
	{
		count += !client->deadline_us;
	}
	return count;
}

bool http_can_follow(const struct http_request *r)
{
	const struct http_client *client = http_client_of(r->connection);

	return client && count_followers(client->http) < FOLLOWERS_MAX;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/page.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define REST 4

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int page_refresh(struct page *p, page_maker *make, void *arg)
{
	struct http_reply reply = {.status = 200, .content_type = "text/plain"};
	uint64_t began_us = now_us(), ended_us;
	char *text = NULL;
	size_t size = 0;

	if (p->text && began_us < p->until_us)
		return 0;
	reply.body = open_memstream(&text, &size);
	if (!reply.body)
		return -ENOMEM;
	make(&reply, arg);
	if (fclose(reply.body)) {
		free(text);
		return -ENOMEM;
	}
	ended_us = now_us();
	free(p->text);
	*p = (struct page){text, size, reply.status, reply.content_type,
			   ended_us + REST * (ended_us - began_us)};
	return 0;
}

void page_show(struct page *p, page_maker *make, void *arg, struct http_reply *reply)
{
	if (page_refresh(p, make, arg)) {
		http_refuse(reply, 503, "unavailable", "out of memory");
		return;
	}
	reply->status = p->status;
	reply->content_type = p->content_type;
	fwrite(p->text, 1, p->size, reply->body);
}

void page_forget(struct page *p)
{
	p->until_us = 0;
}

void page_fini(struct page *p)
{
	free(p->text);
	*p = (struct page){};
}

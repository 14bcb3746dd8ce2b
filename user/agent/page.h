/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns a page that costs something to make: whoever asks soon after another gets what that one got.
 * Making takes at most a fifth of the time, so that the rest of the agent's work has the others.
 */
#pragma once

#include <stdint.h>

#include "agent/http.h"

struct page {
	char *text;
	size_t size;
	unsigned int status;
	const char *content_type;
	uint64_t until_us; /* it is fresh */
};

/* As a handler does. */
typedef void page_maker(struct http_reply *reply, void *arg);

/* Makes it anew where it is not fresh. 0 or -ENOMEM. */
int page_refresh(struct page *p, page_maker *make, void *arg);
/* The same, and sends it. */
void page_show(struct page *p, page_maker *make, void *arg, struct http_reply *reply);
/* What it told has changed. */
void page_forget(struct page *p);
void page_fini(struct page *p);

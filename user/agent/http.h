/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the read-only HTTP server: GET and HEAD, driven by an sd-event loop, no thread. What pages
 * there are and what they say is its user's business.
 */
#pragma once

#include <stdio.h>

#include <systemd/sd-event.h>

struct http;

struct http_reply {
	unsigned int status;	  /* 404 unless the handler says otherwise */
	const char *content_type; /* text/plain unless the handler says otherwise */
	FILE *body;
};

typedef void http_handler(const char *path, struct http_reply *reply, void *arg);

/* @listen: "address:port". 0 or -errno, said through log_error(); -EINVAL: not an address. */
int http_open(sd_event *event, const char *listen, http_handler *handler, void *arg,
	      struct http **out);
void http_close(struct http *http);

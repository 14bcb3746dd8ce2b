/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns where the agent can be asked: pages and the status over TCP, for those whom the web
 * configuration admits; these and the API's changes over the unix socket.
 */
#pragma once

#include <stdio.h>

#include <systemd/sd-event.h>

#include "agent/api.h"

struct web;

typedef void web_pages(const char *path, struct http_reply *reply, void *arg);

struct web_options {
	const char *listen;	 /* "address:port" */
	const char *socket_path; /* NULL: that of the environment, or the default; "": none */
	const char *config_path; /* of the web configuration; NULL: anybody may read over TCP */
	web_pages *pages;	 /* paths that are not the API's */
	void *arg;		 /* of @pages */
	struct api_host api;
};

/* Paths and texts of @options must live as long. 0 or -errno, said; -EINVAL: they are wrong. */
int web_open(sd_event *event, const struct web_options *options, struct web **out);
/* Reads the web configuration anew; where it is wrong the old one stays. @messages: lines. */
int web_reload(struct web *w, FILE *messages);
void web_close(struct web *w);

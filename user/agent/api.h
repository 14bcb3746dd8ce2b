/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the answers of the API: what user/api reads, carried out by the data plane. */
#pragma once

#include <stdio.h>

#include "agent/http.h"

struct api;
struct dataplane_author;
struct rollouts;

/* What the API asks of the agent. */
struct api_host {
	const char *dir; /* of the pins */
	/* Applies the agent's file. @changes: what it changed; @messages: what is wrong; lines. 0 or
	 * -errno, -EINVAL where it is the file's fault. */
	int (*reload)(const struct dataplane_author *author, FILE *changes, FILE *messages,
		      void *arg);
	/* Keeps what was changed, or was to be: author->change is its account. */
	void (*record)(const struct dataplane_author *author, const char *service, int error,
		       void *arg);
	void *arg;
	struct rollouts *rollouts;
};

struct api *api_new(const struct api_host *host);
void api_free(struct api *api);
/* Paths that begin with /api/. */
void api_answer(struct api *api, const struct http_request *request, struct http_reply *reply);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns an HTTP server on one socket, driven by an sd-event loop, no thread. What pages there are and
 * what they say is its user's business; that clients are slow, many or make no sense is its own:
 * each has so much memory and so much time, and what the agent does besides goes first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

struct http;
struct web_tls;

#define HTTP_BODY_MAX ((size_t)65536)

struct http_request {
	const char *method;
	const char *path; /* without parameters */
	const char *body;
	size_t body_len;
	const uid_t *uid; /* of the peer; NULL over TCP */
	struct MHD_Connection *connection;
};

/* A parameter of the URL, or NULL. */
const char *http_parameter(const struct http_request *r, const char *name);
/* A header, or NULL. */
const char *http_header(const struct http_request *r, const char *name);

/* Is there room for one more reply that goes on? */
bool http_can_follow(const struct http_request *r);

/* Writes what there is to say now, if anything. Non-zero ends the reply. */
typedef int http_more(FILE *out, void *arg);

struct http_reply {
	unsigned int status;	  /* 404 unless the handler says otherwise */
	const char *content_type; /* text/plain unless the handler says otherwise */
	FILE *body;
	const char *allow;     /* with 405 */
	const char *challenge; /* with 401 */
	bool is_pending;       /* nothing is sent; the handler is called again soon */
	/* After the body, from time to time until it ends or the client goes; then free_more(). */
	http_more *more;
	void (*free_more)(void *arg);
	void *more_arg;
};

/* A JSON error in place of whatever the body was to be. */
void http_refuse(struct http_reply *reply, unsigned int status, const char *code,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

typedef void http_handler(const struct http_request *request, struct http_reply *reply, void *arg);

struct http_options {
	http_handler *handler;
	void *arg;
	bool takes_changes;	   /* POST with a body; else only GET and HEAD */
	const struct web_tls *tls; /* NULL: none. Lives until http_open() returns */
	/* A unix socket's: may this peer ask anything? NULL over TCP. */
	bool (*admits)(int fd, uid_t uid, void *arg);
	int64_t priority; /* sd-event's: higher comes later */
};

/* A listening socket at "address:port", or -errno, said through log_error(); -EINVAL: no address. */
int http_listen(const char *listen);

/* @listen_fd: taken over, whatever the result. 0 or -errno; says nothing. */
int http_open(sd_event *event, int listen_fd, const struct http_options *options,
	      struct http **out);
void http_close(struct http *http);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of the HTTP server share: its clients, and replies that go on. */
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include <microhttpd.h>

#include "agent/http.h"

#define HTTP_MS_US ((uint64_t)1000)

/* Whatever a client does, it has to have asked, and then have got its reply, within so long. */
#define HTTP_ASK_US   (10000 * HTTP_MS_US)
#define HTTP_REPLY_US (30000 * HTTP_MS_US)

struct http_client {
	LIST_ENTRY(http_client) link;
	struct http *http;
	struct MHD_Connection *connection;
	int fd;
	uid_t uid;
	bool is_admitted;
	uint64_t deadline_us; /* 0: none, it follows */
	bool is_suspended;    /* until there may be more to say */
};

LIST_HEAD(http_clients, http_client);

struct http {
	struct MHD_Daemon *daemon;
	sd_event *event;
	sd_event_source *ready;	  /* sockets have something */
	sd_event_source *timeout; /* run it all the same */
	struct http_options options;
	struct http_clients clients;
	bool is_certificate_needed;
	uint64_t wake_us;      /* when those that rest are asked next */
	uint64_t allowance_us; /* of new connections: so far behind now are they paid for */
};

uint64_t http_now_us(void);

/* MHD's callbacks; @arg: the server. */
enum MHD_Result http_on_request(void *arg, struct MHD_Connection *connection, const char *path,
				const char *method, const char *version, const char *upload,
				size_t *upload_size, void **state);
void http_on_completed(void *arg, struct MHD_Connection *connection, void **state,
		       enum MHD_RequestTerminationCode how);
void http_client_notify(void *arg, struct MHD_Connection *connection, void **state,
			enum MHD_ConnectionNotificationCode what);
enum MHD_Result http_client_accept(void *arg, const struct sockaddr *from, socklen_t len);
struct http_client *http_client_of(struct MHD_Connection *connection);
/* Ends the connections of those whose time is over. */
void http_clients_expire(struct http *http, uint64_t now_us);
void http_clients_free(struct http *http);

/* A reply with more to come; it takes @reply->more_arg and @body over. NULL: out of memory. */
struct MHD_Response *http_follow(struct http_client *client, const struct http_reply *reply,
				 char *body, size_t size);
/* Asks all that rest whether there is more. */
void http_follow_wake(struct http *http);
bool http_is_anybody_resting(const struct http *http);

/* user/agent/http_tls.c: MHD's options, ended by MHD_OPTION_END. */
#define HTTP_TLS_OPTIONS 6
void http_tls_options(const struct web_tls *tls, struct MHD_OptionItem list[HTTP_TLS_OPTIONS]);
/* Whether the client has shown the certificate that it must. */
bool http_tls_admits(struct MHD_Connection *connection);

// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is connected, and for how long they may be. */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/http_internal.h"

#define PER_USER_MAX 16
/* New connections: so many a second, and so many at once before that counts. A TLS handshake takes a
 * millisecond. */
#define NEW_US	  (10 * HTTP_MS_US)
#define NEW_BURST 128

uint64_t http_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * HTTP_MS_US + (uint64_t)now.tv_nsec / 1000;
}

enum MHD_Result http_client_accept(void *arg, const struct sockaddr *from, socklen_t len)
{
	struct http *http = arg;
	uint64_t now_us = http_now_us();

	(void)from;
	(void)len;
	if (http->options.admits)
		return MHD_YES;
	if (http->allowance_us + NEW_BURST * NEW_US < now_us)
		http->allowance_us = now_us - NEW_BURST * NEW_US;
	if (http->allowance_us > now_us)
		return MHD_NO;
	http->allowance_us += NEW_US;
	return MHD_YES;
}

struct http_client *http_client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void end(struct http_client *client)
{
	if (client->is_suspended)
		MHD_resume_connection(client->connection);
	client->is_suspended = false;
	client->deadline_us = UINT64_MAX;
	shutdown(client->fd, SHUT_RDWR);
}

static bool is_one_too_many(const struct http_client *client)
{
	const struct http_client *other;
	size_t count = 0;

	if (!client->http->options.admits || !client->uid || client->uid == geteuid())
		return false;
	LIST_FOREACH(other, &client->http->clients, link)
	{
		count += other->uid == client->uid;
	}
	return count > PER_USER_MAX;
}

static struct http_client *begin(struct http *http, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_client *client = info ? calloc(1, sizeof(*client)) : NULL;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (!client)
		return NULL;
	client->http = http;
	client->connection = connection;
	client->fd = info->connect_fd;
	client->deadline_us = http_now_us() + HTTP_ASK_US;
	if (http->options.admits)
		getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	client->uid = peer.uid;
	client->is_admitted = !http->options.admits ||
			      http->options.admits(client->fd, peer.uid, http->options.arg);
	LIST_INSERT_HEAD(&http->clients, client, link);
	if (is_one_too_many(client))
		end(client);
	return client;
}

void http_client_notify(void *arg, struct MHD_Connection *connection, void **state,
			enum MHD_ConnectionNotificationCode what)
{
	struct http_client *client = *state;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*state = begin(arg, connection);
	} else if (client) {
		LIST_REMOVE(client, link);
		free(client);
		*state = NULL;
	}
}

void http_clients_expire(struct http *http, uint64_t now_us)
{
	struct http_client *client;

	LIST_FOREACH(client, &http->clients, link)
	{
		if (client->deadline_us && client->deadline_us < now_us)
			end(client);
	}
}

/* libmicrohttpd stops only when nobody is suspended. */
void http_clients_free(struct http *http)
{
	struct http_client *client;

	LIST_FOREACH(client, &http->clients, link)
	{
		end(client);
	}
}

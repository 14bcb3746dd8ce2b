// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "lib/log.h"
#include "lib/net.h"

/*
 * A slow or hostile client can hold no more than its connection, and the page it asked for, for as
 * long as it moves a byte within the time-out. Scrapers need one connection each.
 */
#define CONNECTIONS_MAX 64u
#define IDLE_TIMEOUT_S	5u
#define REQUEST_MEMORY	((size_t)16384) /* head of a request; longer ones get 431 */
#define BACKLOG		64
#define RUN_MS		500
#define MS_US		1000

struct http {
	struct MHD_Daemon *daemon;
	sd_event_source *ready;	  /* sockets have something */
	sd_event_source *timeout; /* run it all the same */
	http_handler *handler;
	void *arg;
};

static int listen_on(const struct in6_addr *addr, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *addr};
	struct sockaddr *where = net_is_v4(addr) ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = net_is_v4(addr) ? sizeof(v4) : sizeof(v6);
	int yes = 1, err, fd;

	memcpy(&v4.sin_addr, &addr->s6_addr[12], sizeof(v4.sin_addr));
	fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (!bind(fd, where, len) && !listen(fd, BACKLOG))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static struct MHD_Response *no_page(const char *text)
{
	return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
					       MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result refuse_method(struct MHD_Connection *connection)
{
	struct MHD_Response *response = no_page("only GET and HEAD here\n");
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	result = MHD_queue_response(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result reply(struct http *http, struct MHD_Connection *connection, const char *path)
{
	struct http_reply page = {.status = MHD_HTTP_NOT_FOUND, .content_type = "text/plain"};
	struct MHD_Response *response;
	enum MHD_Result result;
	char *body = NULL;
	size_t size = 0;

	page.body = open_memstream(&body, &size);
	if (!page.body)
		return MHD_NO;
	http->handler(path, &page, http->arg);
	if (fclose(page.body)) {
		free(body);
		return MHD_NO;
	}
	response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page.content_type);
	result = MHD_queue_response(connection, page.status, response);
	MHD_destroy_response(response);
	return result;
}

/*
 * A page is sent at the second call, when the request has been read to its end: a reply at the
 * first one closes the connection, which is right for a refusal, whose body nobody shall read.
 */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	bool is_first = !*state;

	(void)version;
	(void)upload;
	*state = connection;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse_method(connection);
	if (is_first)
		return MHD_YES;
	if (*upload_size) { /* a GET with a body: read it and forget it */
		*upload_size = 0;
		return MHD_YES;
	}
	return reply(arg, connection, path);
}

/*
 * libmicrohttpd closes idle connections only when it is run. And when it is full it takes the
 * listening socket out of its epoll set and puts it back only at the next run, which, once all
 * connections are gone, nothing would bring about: hence the upper limit.
 */
static int arm_timeout(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(http->daemon, &ms) != MHD_YES || ms > RUN_MS)
		ms = RUN_MS;
	sd_event_source_set_time_relative(http->timeout, ms * MS_US);
	return sd_event_source_set_enabled(http->timeout, SD_EVENT_ONESHOT);
}

static int serve(struct http *http)
{
	MHD_run(http->daemon);
	return arm_timeout(http);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	return serve(arg);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	return serve(arg);
}

/* The listening socket is libmicrohttpd's to close from here on, whatever the result. */
static int start_daemon(struct http *http, int listen_fd)
{
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MEMORY, MHD_OPTION_END);
	return http->daemon ? 0 : -EIO;
}

static int join_loop(struct http *http, sd_event *event)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int err;

	if (!info)
		return -EIO;
	err = sd_event_add_io(event, &http->ready, info->epoll_fd, EPOLLIN, on_ready, http);
	if (err < 0)
		return err;
	err = sd_event_add_time_relative(event, &http->timeout, CLOCK_MONOTONIC, 0, MS_US,
					 on_timeout, http);
	return err < 0 ? err : 0;
}

static int start(struct http *http, sd_event *event, const struct in6_addr *addr, uint16_t port)
{
	int fd = listen_on(addr, port);
	int err = fd < 0 ? fd : start_daemon(http, fd);

	return err ? err : join_loop(http, event);
}

int http_open(sd_event *event, const char *listen, http_handler *handler, void *arg,
	      struct http **out)
{
	struct http *http;
	struct in6_addr addr;
	uint16_t port;
	int err;

	if (net_parse_endpoint(listen, &addr, &port) || !port) {
		log_error("cannot listen on '%s': give an address and a port, such as "
			  "127.0.0.1:10717 or [::1]:10717",
			  listen);
		return -EINVAL;
	}
	http = calloc(1, sizeof(*http));
	if (!http)
		return -ENOMEM;
	http->handler = handler;
	http->arg = arg;
	err = start(http, event, &addr, port);
	if (err) {
		log_error("cannot listen on %s: %s", listen, strerror(-err));
		http_close(http);
		return err;
	}
	*out = http;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	sd_event_source_disable_unref(http->timeout);
	sd_event_source_disable_unref(http->ready);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	free(http);
}

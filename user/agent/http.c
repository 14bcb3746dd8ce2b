// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/http_internal.h"
#include "config/web.h"
#include "lib/log.h"
#include "lib/net.h"

/*
 * A slow or hostile client can hold no more than its connection, and the page it asked for, for as
 * long as http_internal.h says, and its address no more than a part of all connections. Scrapers
 * need one each.
 */
#define CONNECTIONS_MAX 64u
#define PER_ADDRESS_MAX 32u
#define IDLE_TIMEOUT_S	5u
#define REQUEST_MEMORY	((size_t)16384) /* head of a request; longer ones get 431 */
#define BACKLOG		64
#define RUN_MS		500
#define WAKE_MS		250
#define MS_US		1000

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

int http_listen(const char *listen)
{
	struct in6_addr addr;
	uint16_t port;
	int fd;

	if (net_parse_endpoint(listen, &addr, &port) || !port) {
		log_error("cannot listen on '%s': give an address and a port, such as "
			  "127.0.0.1:10717 or [::1]:10717",
			  listen);
		return -EINVAL;
	}
	fd = listen_on(&addr, port);
	if (fd < 0)
		log_error("cannot listen on %s: %s", listen, strerror(-fd));
	return fd;
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
	if (http_is_anybody_resting(http) && ms > WAKE_MS)
		ms = WAKE_MS;
	sd_event_source_set_time_relative(http->timeout, ms * MS_US);
	return sd_event_source_set_enabled(http->timeout, SD_EVENT_ONESHOT);
}

static int serve(struct http *http)
{
	uint64_t now_us = http_now_us();

	http_clients_expire(http, now_us);
	if (now_us >= http->wake_us) {
		http_follow_wake(http);
		http->wake_us = now_us + WAKE_MS * MS_US;
	}
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

/* What libmicrohttpd has to say of clients, they have heard, or need not. */
static void say_nothing(void *arg, const char *format, va_list args)
{
	(void)arg;
	(void)format;
	(void)args;
}

/* The listening socket is libmicrohttpd's to close from here on, whatever the result. */
static int start_daemon(struct http *http, int listen_fd)
{
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	const struct web_tls *tls = http->options.tls;
	struct MHD_OptionItem list[HTTP_TLS_OPTIONS] = {{MHD_OPTION_END, 0, NULL}};

	if (tls) {
		flags |= MHD_USE_TLS;
		http->is_certificate_needed = tls->is_client_cert_needed;
		http_tls_options(tls, list);
	}
	http->daemon = MHD_start_daemon(
		flags, 0, http_client_accept, http, http_on_request, http,
		MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, REQUEST_MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
		http_client_notify, http, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, http,
		MHD_OPTION_ARRAY, list, MHD_OPTION_END);
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
	if (err >= 0)
		err = sd_event_add_time_relative(event, &http->timeout, CLOCK_MONOTONIC, 0, MS_US,
						 on_timeout, http);
	if (err >= 0)
		err = sd_event_source_set_priority(http->ready, http->options.priority);
	if (err >= 0)
		err = sd_event_source_set_priority(http->timeout, http->options.priority);
	return err < 0 ? err : 0;
}

int http_open(sd_event *event, int listen_fd, const struct http_options *options, struct http **out)
{
	struct http *http = calloc(1, sizeof(*http));
	int err;

	if (!http) {
		close(listen_fd);
		return -ENOMEM;
	}
	http->options = *options;
	err = start_daemon(http, listen_fd);
	http->options.tls = NULL;
	if (!err)
		err = join_loop(http, event);
	if (err) {
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
	http_clients_free(http);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	free(http);
}

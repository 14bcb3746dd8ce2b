/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns an HTTP server on the loopback for the tests of asks: what it answers is in the path. It is no
 * child of the test, and ends with it.
 *
 *	/yes /deny /forbidden /broken /hang /huge /moved /cut	webhooks
 *	/flaky		500, then 200, in turns
 *	/value/V/...	Prometheus has V at each time that is asked for; /value/A/B/...: A, then B last
 *	/pools/A/B/...	about A where the query names "canary", about B where it does not
 *	/none/...	Prometheus finds nothing
 *
 * The request that came last is in the file "asked" of the test's directory.
 */
#pragma once

#include "asks_lab.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#define SERVER_TIMEOUT_S 5

static uint16_t server_port;
static int server_life = -1; /* the server ends when it is closed */

static inline void server_answer(int fd, const char *status, const char *body)
{
	dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
		strlen(body), body);
}

static inline double server_field(const char *request, const char *name)
{
	const char *at = strstr(request, name);

	return at ? atof(at + strlen(name)) : 0;
}

/* One number a step, of the two that the path has. */
static inline void server_prometheus(int fd, const char *request, bool is_by_pool)
{
	static char body[200000];
	double start = server_field(request, "&start="), end = server_field(request, "&end=");
	double step = server_field(request, "&step=");
	char first[24] = "", second[24] = "", *value = first;
	size_t len;

	if (sscanf(request, "POST /%*[^/]/%23[^/]/%23[^/ ]", first, second) < 2 ||
	    !strcmp(second, "api"))
		strcpy(second, first);
	if (is_by_pool && !strstr(request, "canary"))
		value = second;
	len = (size_t)sprintf(body, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\","
				    "\"result\":[{\"metric\":{},\"values\":[");
	for (size_t i = 0; start + i * step <= end + 0.0001; i++) {
		bool is_last = start + (i + 1) * step > end + 0.0001;

		if (is_by_pool)
			len += (size_t)sprintf(body + len, "%s[%.3f,\"%.3f\"]", i ? "," : "",
					       start + i * step, atof(value) + i % 7 * 0.1);
		else
			len += (size_t)sprintf(body + len, "%s[%.3f,\"%s\"]", i ? "," : "",
					       start + i * step, is_last ? second : first);
	}
	strcpy(body + len, "]}]}}");
	server_answer(fd, "200 OK", body);
}

static inline void server_huge(int fd)
{
	static char much[1 << 16];

	memset(much, 'x', sizeof(much));
	dprintf(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < 65 && write(fd, much, sizeof(much)) > 0; i++)
		;
}

/* False: the connection is left as it is. */
static inline bool server_serve(int fd, const char *request)
{
	static unsigned int turns;
	static const struct {
		const char *path, *status, *body;
	} pages[] = {
		{"/yes", "200 OK", "ok"},
		{"/deny", "200 OK", "{\"allow\": false, \"reason\": \"frozen until Monday\"}"},
		{"/forbidden", "403 Forbidden", "not you\nmore\n"},
		{"/broken", "500 Internal Server Error", "oops"},
		{"/moved", "302 Found\r\nLocation: /yes", ""},
		{"/none", "200 OK",
		 "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}"},
	};

	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (!strncmp(request + 5, pages[i].path, strlen(pages[i].path)))
			server_answer(fd, pages[i].status, pages[i].body);
	if (!strncmp(request, "POST /flaky", 11))
		server_answer(fd, turns++ % 2 ? "200 OK" : "500 Sorry", "");
	else if (!strncmp(request, "POST /value/", 12))
		server_prometheus(fd, request, false);
	else if (!strncmp(request, "POST /pools/", 12))
		server_prometheus(fd, request, true);
	else if (!strncmp(request, "POST /cut", 9))
		dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"allow\": true");
	else if (!strncmp(request, "POST /huge", 10))
		server_huge(fd);
	return strncmp(request, "POST /hang", 10) != 0;
}

/* All of it, by its length. */
static inline void server_read(int fd, char *request, size_t room)
{
	size_t len = 0, wanted = room - 1;

	while (len < wanted) {
		ssize_t n = read(fd, request + len, room - 1 - len);
		const char *body, *length;

		if (n <= 0)
			break;
		request[len += (size_t)n] = '\0';
		body = strstr(request, "\r\n\r\n");
		length = strcasestr(request, "Content-Length: ");
		if (body)
			wanted = (size_t)(body + 4 - request) +
				 (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	request[len] = '\0';
}

static inline void server_run(int listener, int life)
{
	static char request[65536];
	struct pollfd waits[] = {{listener, POLLIN, 0}, {life, POLLIN, 0}};

	while (poll(waits, 2, -1) > 0 && !waits[1].revents) {
		int fd = accept(listener, NULL, NULL);

		server_read(fd, request, sizeof(request));
		lab_write("asked.new", request);
		rename(lab_path("asked.new"), lab_path("asked"));
		if (server_serve(fd, request))
			close(fd);
	}
	_exit(0);
}

static inline int server_start(void **state)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(any);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), life[2];
	pid_t pid;

	if (lab_open(state) || bind(listener, (struct sockaddr *)&any, size) ||
	    listen(listener, 64) || getsockname(listener, (struct sockaddr *)&any, &size) ||
	    pipe2(life, O_CLOEXEC))
		return -1;
	server_port = ntohs(any.sin_port);
	server_life = life[1];
	pid = fork();
	if (!pid) {
		close(life[1]);
		if (!fork())
			server_run(listener, life[0]);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(listener);
	close(life[0]);
	return 0;
}

static inline int server_stop(void **state)
{
	close(server_life);
	return lab_close(state);
}

static inline char *server_url(const char *path)
{
	static char urls[4][128];
	static size_t at;
	char *url = urls[at++ % 4];

	snprintf(url, sizeof(*urls), "http://127.0.0.1:%u%s", server_port, path);
	return url;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The HTTP server and its clients in one thread: connections wait in the backlog meanwhile. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/http.h"

#define FULL	   64 /* connections the server takes at once */
#define DEADLINE_S 4

static sd_event *event;
static struct http *http;
static struct sockaddr_in server = {.sin_family = AF_INET};
static char listen_text[32];

static void show(const char *path, struct http_reply *reply, void *arg)
{
	if (strcmp(path, "/page"))
		return;
	reply->status = 200;
	fputs(arg, reply->body);
}

/* A port that was free a moment ago. */
static void choose_port(void)
{
	socklen_t len = sizeof(server);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&server, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&server, &len), 0);
	close(fd);
	snprintf(listen_text, sizeof(listen_text), "127.0.0.1:%u", ntohs(server.sin_port));
}

static int setup(void **state)
{
	(void)state;
	choose_port();
	assert_true(sd_event_new(&event) >= 0);
	return http_open(event, listen_text, show, "hello\n", &http);
}

static int teardown(void **state)
{
	(void)state;
	http_close(http);
	sd_event_unref(event);
	return 0;
}

static int ask(const char *request)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	return fd;
}

/* Runs the loop until the server closes the connection. */
static void read_reply(int fd, char *text, size_t size)
{
	time_t deadline = time(NULL) + DEADLINE_S;
	size_t used = 0;
	ssize_t n;

	do {
		assert_true(sd_event_run(event, 10000) >= 0);
		n = recv(fd, text + used, size - 1 - used, 0);
		used += n > 0 ? (size_t)n : 0;
	} while (n && used < size - 1 && time(NULL) < deadline);
	assert_int_equal(n, 0);
	text[used] = '\0';
	close(fd);
}

static void expect_reply(const char *request, const char *status, const char *end)
{
	char text[1024];

	read_reply(ask(request), text, sizeof(text));
	if (strncmp(text, status, strlen(status)) || strlen(text) < strlen(end) ||
	    strcmp(text + strlen(text) - strlen(end), end))
		fail_msg("%s got: %s", request, text);
}

#define LAST " HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n"

static void pages_by_get_and_head(void **state)
{
	(void)state;
	expect_reply("GET /page" LAST, "HTTP/1.1 200 ", "\r\n\r\nhello\n");
	expect_reply("GET /page?a=b" LAST, "HTTP/1.1 200 ", "\r\n\r\nhello\n");
	expect_reply("HEAD /page" LAST, "HTTP/1.1 200 ", "Content-Length: 6\r\n\r\n");
	expect_reply("GET /other" LAST, "HTTP/1.1 404 ", "\r\n\r\n");
}

static void other_methods_are_refused(void **state)
{
	(void)state;
	expect_reply("POST /page HTTP/1.1\r\nHost: serin\r\nContent-Length: 3\r\n\r\nabc",
		     "HTTP/1.1 405 ", "only GET and HEAD here\n");
	expect_reply("DELETE /page" LAST, "HTTP/1.1 405 ", "only GET and HEAD here\n");
}

static void connections_are_kept(void **state)
{
	char text[1024], *second;

	(void)state;
	read_reply(ask("GET /page HTTP/1.1\r\nHost: serin\r\n\r\nGET /page" LAST), text,
		   sizeof(text));
	second = strstr(text, "hello\nHTTP/1.1 200 ");
	assert_non_null(second);
}

static void long_heads_are_refused(void **state)
{
	char request[20000];

	(void)state;
	memset(request, 'a', sizeof(request));
	memcpy(request, "GET /", 5);
	strcpy(request + sizeof(request) - sizeof(LAST), LAST);
	expect_reply(request, "HTTP/1.1 414 ", "");
}

/* Full, then empty at once: it must come back to who is still waiting. */
static void full_server_recovers(void **state)
{
	char text[1024];
	int silent[FULL], fd;

	(void)state;
	for (int i = 0; i < FULL; i++) {
		silent[i] = ask("");
		assert_true(sd_event_run(event, 10000) >= 0);
	}
	fd = ask("GET /page" LAST);
	assert_true(sd_event_run(event, 10000) >= 0);
	for (int i = 0; i < FULL; i++)
		close(silent[i]);
	read_reply(fd, text, sizeof(text));
	assert_non_null(strstr(text, "\r\n\r\nhello\n"));
}

static void a_taken_port_is_an_error(void **state)
{
	struct http *second = NULL;

	(void)state;
	assert_int_equal(http_open(event, listen_text, show, "", &second), -EADDRINUSE);
	assert_null(second);
}

static void bad_addresses_are_an_error(void **state)
{
	static const char *const bad[] = {"", "serin", "127.0.0.1", "localhost:80", "127.0.0.1:x"};
	struct http *second = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(http_open(event, bad[i], show, "", &second), -EINVAL);
	http_close(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_by_get_and_head),	  TEST(other_methods_are_refused),
		TEST(connections_are_kept),	  TEST(long_heads_are_refused),
		TEST(full_server_recovers),	  TEST(a_taken_port_is_an_error),
		TEST(bad_addresses_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

#include "agent/http_internal.h"

#define FULL	   64 /* connections the server takes at once */
#define SHARE	   32 /* of them, from one address */
#define DEADLINE_S 4

static sd_event *event;
static struct http *http;
static struct sockaddr_in server = {.sin_family = AF_INET};
static char listen_text[32];

static int say_more(FILE *out, void *arg)
{
	int *said = arg;

	fprintf(out, "%d\n", ++*said);
	return *said == 3;
}

static int freed;

static void forget(void *arg)
{
	(void)arg;
	freed++;
}

static void follow(struct http_reply *reply)
{
	static int said;

	said = 0;
	reply->more = say_more;
	reply->free_more = forget;
	reply->more_arg = &said;
	reply->status = 200;
	fputs("begins\n", reply->body);
}

static void show(const struct http_request *request, struct http_reply *reply, void *arg)
{
	if (!strcmp(request->path, "/follow"))
		follow(reply);
	if (strcmp(request->path, "/page"))
		return;
	reply->status = 200;
	fprintf(reply->body, "%s%s", (const char *)arg, request->body);
	if (http_parameter(request, "a"))
		fputs(http_parameter(request, "a"), reply->body);
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

static int open_server(bool takes_changes)
{
	const struct http_options options = {
		.handler = show, .arg = "hello\n", .takes_changes = takes_changes};

	choose_port();
	assert_true(sd_event_new(&event) >= 0);
	return http_open(event, http_listen(listen_text), &options, &http);
}

static int setup(void **state)
{
	(void)state;
	return open_server(false);
}

static int setup_for_changes(void **state)
{
	(void)state;
	return open_server(true);
}

static int teardown(void **state)
{
	(void)state;
	http_close(http);
	sd_event_unref(event);
	return 0;
}

static int ask_from(uint32_t address, const char *request)
{
	const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	return fd;
}

static int ask(const char *request)
{
	return ask_from(INADDR_LOOPBACK, request);
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
	expect_reply("GET /page?a=b" LAST, "HTTP/1.1 200 ", "\r\n\r\nhello\nb");
	expect_reply("HEAD /page" LAST, "HTTP/1.1 200 ", "Content-Length: 6\r\n\r\n");
	expect_reply("GET /other" LAST, "HTTP/1.1 404 ", "\r\n\r\n");
}

#define ONLY_READS "    \"message\": \"only GET and HEAD here\"\n  }\n}\n"

static void other_methods_are_refused(void **state)
{
	(void)state;
	expect_reply("POST /page HTTP/1.1\r\nHost: serin\r\nContent-Length: 3\r\n\r\nabc",
		     "HTTP/1.1 405 ", ONLY_READS);
	expect_reply("DELETE /page" LAST, "HTTP/1.1 405 ", ONLY_READS);
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
		silent[i] = ask_from(INADDR_LOOPBACK + (uint32_t)(i / SHARE), "");
		assert_true(sd_event_run(event, 10000) >= 0);
	}
	fd = ask_from(INADDR_LOOPBACK + 2, "GET /page" LAST);
	assert_true(sd_event_run(event, 10000) >= 0);
	for (int i = 0; i < FULL; i++)
		close(silent[i]);
	read_reply(fd, text, sizeof(text));
	assert_non_null(strstr(text, "\r\n\r\nhello\n"));
}

/* Whatever one address does, another has room. */
static void one_address_has_its_share(void **state)
{
	char text[1024];
	int silent[SHARE];

	(void)state;
	for (int i = 0; i < SHARE; i++) {
		silent[i] = ask("GET /pa");
		assert_true(sd_event_run(event, 10000) >= 0);
	}
	read_reply(ask(""), text, sizeof(text));
	assert_string_equal(text, "");
	read_reply(ask_from(INADDR_LOOPBACK + 1, "GET /page" LAST), text, sizeof(text));
	assert_non_null(strstr(text, "\r\n\r\nhello\n"));
	for (int i = 0; i < SHARE; i++)
		close(silent[i]);
}

/* A byte now and then keeps a connection from being idle, and not from being ended. */
static void who_never_asks_is_ended(void **state)
{
	char text[1024];
	int fd;

	(void)state;
	fd = ask("GET /pa");
	assert_true(sd_event_run(event, 10000) >= 0);
	http_clients_expire(http, http_now_us() + HTTP_ASK_US - 1000000);
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	http_clients_expire(http, http_now_us() + HTTP_ASK_US + 1);
	read_reply(fd, text, sizeof(text));
	assert_string_equal(text, "");
}

static void bodies_arrive(void **state)
{
	(void)state;
	expect_reply("POST /page HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n"
		     "Content-Length: 3\r\n\r\nabc",
		     "HTTP/1.1 200 ", "\r\n\r\nhello\nabc");
	expect_reply("POST /page HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
		     "HTTP/1.1 200 ", "\r\n\r\nhello\nabc");
}

static void long_bodies_are_refused(void **state)
{
	static char request[HTTP_BODY_MAX + 400];
	int head;

	(void)state;
	expect_reply("POST /page HTTP/1.1\r\nHost: serin\r\nContent-Length: 65537\r\n\r\n",
		     "HTTP/1.1 413 ", "}\n");
	head = sprintf(request,
		       "POST /page HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
		       HTTP_BODY_MAX + 1);
	memset(request + head, 'a', HTTP_BODY_MAX + 1);
	strcpy(request + head + HTTP_BODY_MAX + 1, "\r\n0\r\n\r\n");
	expect_reply(request, "HTTP/1.1 413 ", "}\n");
}

static void replies_go_on(void **state)
{
	(void)state;
	freed = 0;
	expect_reply("GET /follow" LAST, "HTTP/1.1 200 ",
		     "7\r\nbegins\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n2\r\n3\n\r\n0\r\n\r\n");
	assert_int_equal(freed, 1);
}

static void a_taken_port_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(http_listen(listen_text), -EADDRINUSE);
}

static void bad_addresses_are_an_error(void **state)
{
	static const char *const bad[] = {"", "serin", "127.0.0.1", "localhost:80", "127.0.0.1:x"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(http_listen(bad[i]), -EINVAL);
	http_close(NULL);
}

#define TEST(function)	  cmocka_unit_test_setup_teardown(function, setup, teardown)
#define CHANGES(function) cmocka_unit_test_setup_teardown(function, setup_for_changes, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_by_get_and_head),	  TEST(other_methods_are_refused),
		TEST(connections_are_kept),	  TEST(long_heads_are_refused),
		TEST(full_server_recovers),	  TEST(a_taken_port_is_an_error),
		TEST(bad_addresses_are_an_error), TEST(one_address_has_its_share),
		TEST(who_never_asks_is_ended),	  TEST(replies_go_on),
		CHANGES(bodies_arrive),		  CHANGES(long_bodies_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

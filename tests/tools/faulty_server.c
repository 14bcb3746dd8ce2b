// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * faulty_server PORT POOL NAME [--delay-us D] [--late-percent P --late-factor F] [--reset-percent P]
 *               [--leak-after-ms T --leak-percent P]
 *
 * Answers each HTTP request with "POOL NAME" after a time that varies around D as real ones do
 * (log-normal, sigma .5), and closes. Some come F times later, some are reset instead; from T on all
 * come P percent of D later with each second that passes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#define US_IN_S	 1000000.0
#define SPREAD	 0.5 /* sigma of the logarithm */
#define SLACK_US 50  /* of timers */

static const char *pool, *name;
static double delay_us = 2000, late_percent, late_factor = 10, reset_percent;
static double leak_after_us = INFINITY, leak_percent;
static uint64_t started_us;

struct conn {
	int fd;
	sd_event_source *io, *timer;
	bool is_reset;
	size_t seen; /* of the blank line that ends a request */
};

static void conn_close(struct conn *c)
{
	const struct linger hard = {.l_onoff = 1};

	if (c->is_reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	close(c->fd);
	free(c);
}

static int on_answer(sd_event_source *source, uint64_t at_us, void *arg)
{
	struct conn *c = arg;
	char body[128], text[256];
	int len = snprintf(body, sizeof(body), "%s %s\n", pool, name);

	(void)source;
	(void)at_us;
	if (!c->is_reset) {
		len = snprintf(
			text, sizeof(text),
			"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len,
			body);
		(void)!send(c->fd, text, (size_t)len, MSG_NOSIGNAL);
	}
	conn_close(c);
	return 0;
}

/* Box and Muller. */
static double draw_normal(void)
{
	return sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48());
}

static double draw_delay_us(uint64_t now_us)
{
	double us = delay_us * exp(SPREAD * draw_normal() - SPREAD * SPREAD / 2);
	double leaking_us = (double)(now_us - started_us) - leak_after_us;

	if (drand48() * 100 < late_percent)
		us *= late_factor;
	if (leaking_us > 0)
		us += delay_us * leak_percent / 100 * leaking_us / US_IN_S;
	return us;
}

static int take_request(struct conn *c, sd_event *event)
{
	uint64_t now_us = 0;

	c->io = sd_event_source_disable_unref(c->io);
	c->is_reset = drand48() * 100 < reset_percent;
	sd_event_now(event, CLOCK_MONOTONIC, &now_us);
	return sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC,
					  (uint64_t)draw_delay_us(now_us), SLACK_US, on_answer, c);
}

static int on_data(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	static const char end[] = "\r\n\r\n";
	struct conn *c = arg;
	char text[2048];
	ssize_t len = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	(void)events;
	if (len < 0 && errno == EAGAIN)
		return 0;
	if (len <= 0) {
		conn_close(c);
		return 0;
	}
	for (ssize_t i = 0; i < len && c->seen < sizeof(end) - 1; i++)
		c->seen = text[i] == end[c->seen] ? c->seen + 1 : text[i] == end[0];
	return c->seen < sizeof(end) - 1 ? 0 : take_request(c, sd_event_source_get_event(source));
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct conn *c;
	int got;

	(void)events;
	(void)arg;
	while ((got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		c->fd = got;
		sd_event_add_io(sd_event_source_get_event(source), &c->io, got, EPOLLIN, on_data,
				c);
	}
	return 0;
}

static int listen_at(uint16_t port)
{
	const struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096)) {
		perror("faulty_server");
		exit(1);
	}
	return fd;
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"delay-us", required_argument, NULL, 'd'},
		{"late-percent", required_argument, NULL, 'p'},
		{"late-factor", required_argument, NULL, 'f'},
		{"reset-percent", required_argument, NULL, 'r'},
		{"leak-after-ms", required_argument, NULL, 't'},
		{"leak-percent", required_argument, NULL, 'l'},
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		double value = option == '?' ? NAN : strtod(optarg, NULL);

		switch (option) {
		case 'd':
			delay_us = value;
			break;
		case 'p':
			late_percent = value;
			break;
		case 'f':
			late_factor = value;
			break;
		case 'r':
			reset_percent = value;
			break;
		case 't':
			leak_after_us = value * 1000;
			break;
		case 'l':
			leak_percent = value;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	sd_event *event = NULL;

	read_options(argc, argv);
	if (argc - optind != 3) {
		fputs("usage: faulty_server PORT POOL NAME [--delay-us D] ...\n", stderr);
		return 2;
	}
	pool = argv[optind + 1];
	name = argv[optind + 2];
	srand48(getpid());
	if (sd_event_default(&event) < 0)
		return 1;
	sd_event_now(event, CLOCK_MONOTONIC, &started_us);
	sd_event_add_io(event, NULL, listen_at((uint16_t)atoi(argv[optind])), EPOLLIN,
			on_connection, NULL);
	return sd_event_loop(event) < 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks that need a socket alone: does TCP connect, does UDP answer. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/health_probe.h"
#include "lib/net.h"

#define ANSWER_MAX 65536

struct socket_probe {
	struct probe probe;
	const struct model_health_check *check;
	sd_event_source *io;
	int fd;
};

static void free_probe(struct socket_probe *p)
{
	sd_event_source_disable_unref(p->io);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void cancel(struct probe *probe)
{
	free_probe((struct socket_probe *)probe);
}

static void finish(struct socket_probe *p, const char *reason)
{
	struct probe ended = p->probe;

	free_probe(p);
	ended.done(ended.arg, reason);
}

static int start_connecting(struct socket_probe *p, const struct probe_target *t, int type)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(t->port)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(t->port), .sin6_addr = t->address};
	bool is_v4 = net_is_v4(&t->address);
	int no = 0;

	memcpy(&v4.sin_addr, &t->address.s6_addr[12], sizeof(v4.sin_addr));
	p->fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return -errno;
	if (type == SOCK_STREAM) /* the reset says all there is to say: no ACK before it */
		setsockopt(p->fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof(no));
	if (connect(p->fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		    is_v4 ? sizeof(v4) : sizeof(v6)) &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

static int start(const struct probe_start *s, int type, uint32_t events,
		 sd_event_io_handler_t on_io, struct socket_probe **out)
{
	struct socket_probe *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->fd = -1;
	p->probe = (struct probe){.done = s->done, .arg = s->arg, .cancel = cancel};
	p->check = s->target->check;
	err = start_connecting(p, s->target, type);
	if (!err)
		err = sd_event_add_io(s->event, &p->io, p->fd, events, on_io, p);
	if (err < 0) {
		snprintf(s->reason, PROBE_REASON_LEN, "%s", strerror(-err));
		free_probe(p);
		return err;
	}
	*out = p;
	return 0;
}

static int socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? errno : error;
}

/* ---- TCP ---- */

/* Ended by a reset: thousands of checks would leave as many ports waiting. */
static int on_connected(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct linger at_once = {.l_onoff = 1};
	int error = socket_error(fd);

	(void)source;
	(void)events;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	finish(arg, error ? strerror(error) : NULL);
	return 0;
}

int health_tcp_start(const struct probe_start *s, struct probe **out)
{
	struct socket_probe *p;
	int err = start(s, SOCK_STREAM, EPOLLOUT, on_connected, &p);

	if (!err)
		*out = &p->probe;
	return err;
}

/* ---- UDP ---- */

static bool has_expected(const char *expect, const char *answer, size_t len)
{
	char *bytes = malloc(strlen(expect) + 1);
	long wanted = bytes ? model_unescape(expect, bytes) : -1;
	bool has = wanted >= 0 && memmem(answer, len, bytes, (size_t)wanted);

	free(bytes);
	return has;
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	static char answer[ANSWER_MAX];
	struct socket_probe *p = arg;
	ssize_t len = recv(fd, answer, sizeof(answer), 0);

	(void)source;
	(void)events;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len < 0)
		finish(p, strerror(errno));
	else if (p->check->expect && !has_expected(p->check->expect, answer, (size_t)len))
		finish(p, "the answer is not what is expected");
	else
		finish(p, NULL);
	return 0;
}

static int send_question(const struct socket_probe *p)
{
	char *bytes = malloc(strlen(p->check->send) + 1);
	long len = bytes ? model_unescape(p->check->send, bytes) : -ENOMEM;
	int err = len < 0 ? (int)len : 0;

	if (!err && send(p->fd, bytes, (size_t)len, 0) < 0)
		err = -errno;
	free(bytes);
	return err;
}

int health_udp_start(const struct probe_start *s, struct probe **out)
{
	struct socket_probe *p;
	int err = start(s, SOCK_DGRAM, EPOLLIN, on_answer, &p);

	if (err)
		return err;
	err = send_question(p);
	if (err) {
		snprintf(s->reason, PROBE_REASON_LEN, "%s", strerror(-err));
		free_probe(p);
		return err;
	}
	p->probe.passes_in_silence = !p->check->expect;
	*out = &p->probe;
	return 0;
}

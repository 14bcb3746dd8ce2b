// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load - many real HTTP clients, each with its own address, against one VIP.
 *
 * Short requests: one connection each, taken over the clients in a fixed order. With --hold: one
 * lasting connection per client and a request over it every so often, to notice any that breaks or
 * is answered by another backend than before. Every answer is checked to its last byte.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>

#include "clients.h"
#include "http.h"
#include "tally.h"

struct conn {
	TAILQ_ENTRY(conn) link;
	int fd;
	bool is_sent;
	struct in6_addr client;
	uint64_t start_ns; /* of the connection or, held, of the request */
	uint64_t due_ns;   /* when the answer is late or, resting, the next request is due */
	struct response response;
	char backend[TALLY_NAME_LEN]; /* which one answered first */
};
TAILQ_HEAD(conns, conn);

struct load {
	struct clients clients;
	struct sockaddr_storage vip;
	socklen_t vip_len;
	const char *path;
	FILE *trace;
	uint64_t limit; /* connections in all; 0: no limit */
	uint64_t rate;	/* connections per second at most; 0: no limit */
	uint64_t begin_ns, end_ns, report_ns, timeout_ns, hold_ns;
	uint32_t concurrency;
	int traffic_class; /* IPv4's TOS: the DSCP value and two bits more */

	int epoll;
	uint64_t started;
	uint32_t busy_count;
	struct conns busy;    /* both in the order they are due */
	struct conns resting; /* held connections between two requests */
	struct tally tally;
};

static volatile sig_atomic_t is_stopping;

static void stop(int sig)
{
	(void)sig;
	is_stopping = 1;
}

static void conn_close(struct load *l, struct conn *c, struct conns *queue)
{
	TAILQ_REMOVE(queue, c, link);
	l->busy_count -= queue == &l->busy;
	close(c->fd);
	free(c);
}

static void conn_fail(struct load *l, struct conn *c, struct conns *queue, const char *kind)
{
	tally_failure(&l->tally, kind);
	tally_trace(l->trace, (uint64_t[]){c->start_ns, clock_ns()}, &c->client, "-",
		    *c->backend ? c->backend : "-", kind);
	conn_close(l, c, queue);
}

static const char *kind_of(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ETIMEDOUT:
		return "timeout";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "unreachable";
	default:
		return "local";
	}
}

static void conn_send(struct load *l, struct conn *c)
{
	char request[256];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: vip\r\n%s\r\n",
			   l->path, l->hold_ns ? "" : "Connection: close\r\n");

	if (send(c->fd, request, (size_t)len, MSG_NOSIGNAL) == len)
		c->is_sent = true;
	else
		conn_fail(l, c, &l->busy, kind_of(errno));
}

static int marked_socket(const struct load *l, const struct in6_addr *client)
{
	int fd = clients_socket(client, SOCK_STREAM | SOCK_NONBLOCK);
	bool is_v4 = net_is_v4(client);

	if (fd >= 0 && l->traffic_class &&
	    setsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_TOS : IPV6_TCLASS,
		       &l->traffic_class, sizeof(l->traffic_class))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void conn_start(struct load *l)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

	if (!c)
		abort();
	event.data.ptr = c;
	c->client = clients_get(&l->clients, (uint32_t)(l->started++ % l->clients.count));
	c->fd = marked_socket(l, &c->client);
	c->start_ns = clock_ns();
	c->due_ns = c->start_ns + l->timeout_ns;
	TAILQ_INSERT_TAIL(&l->busy, c, link);
	l->busy_count++;
	if (c->fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event))
		conn_fail(l, c, &l->busy, "local");
	else if (connect(c->fd, (struct sockaddr *)&l->vip, l->vip_len) && errno != EINPROGRESS)
		conn_fail(l, c, &l->busy, kind_of(errno));
}

/* The whole answer is here: count it; a held connection rests, any other is done. */
static void conn_finish(struct load *l, struct conn *c)
{
	char pool[TALLY_NAME_LEN], backend[TALLY_NAME_LEN];
	uint64_t now = clock_ns();

	if (!response_names(&c->response, pool, backend)) {
		conn_fail(l, c, &l->busy, "malformed");
		return;
	}
	if (*c->backend && strcmp(c->backend, backend)) {
		conn_fail(l, c, &l->busy, "changed");
		return;
	}
	tally_answer(&l->tally, pool, backend);
	tally_trace(l->trace, (uint64_t[]){c->start_ns, now}, &c->client, pool, backend, "ok");
	if (!l->hold_ns || is_stopping) {
		conn_close(l, c, &l->busy);
		return;
	}
	strcpy(c->backend, backend);
	TAILQ_REMOVE(&l->busy, c, link);
	l->busy_count--;
	c->due_ns = now + l->hold_ns;
	TAILQ_INSERT_TAIL(&l->resting, c, link);
	response_reset(&c->response);
	c->is_sent = false;
}

static bool is_resting(const struct load *l, const struct conn *c)
{
	return l->hold_ns && !c->is_sent && *c->backend;
}

static void conn_receive(struct load *l, struct conn *c)
{
	char data[65536];

	for (;;) {
		ssize_t len = recv(c->fd, data, sizeof(data), 0);
		const char *wrong;

		if (len < 0 && errno == EAGAIN)
			return;
		if (is_resting(l, c)) {
			conn_fail(l, c, &l->resting, len < 0 ? kind_of(errno) : "closed");
			return;
		}
		if (len < 0) {
			conn_fail(l, c, &l->busy, kind_of(errno));
			return;
		}
		if (!len && (l->hold_ns || !response_is_complete(&c->response))) {
			conn_fail(l, c, &l->busy, "closed");
			return;
		}
		wrong = response_feed(&c->response, data, (size_t)len);
		if (wrong) {
			conn_fail(l, c, &l->busy, wrong);
			return;
		}
		/* A server that closes must do so cleanly, so wait to see it. */
		if (!len || (l->hold_ns && response_is_complete(&c->response))) {
			conn_finish(l, c);
			return;
		}
	}
}

static void conn_event(struct load *l, struct conn *c, uint32_t events)
{
	if (!c->is_sent && !is_resting(l, c) && (events & EPOLLOUT) && !(events & EPOLLERR)) {
		conn_send(l, c);
		return; /* the answer is another edge, and c may be gone */
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		conn_receive(l, c);
}

/* Late answers fail; rested connections ask again. */
static void serve_due(struct load *l, uint64_t now)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&l->busy)) && c->due_ns <= now)
		conn_fail(l, c, &l->busy, "timeout");
	while ((c = TAILQ_FIRST(&l->resting)) && (c->due_ns <= now || is_stopping)) {
		if (is_stopping) {
			conn_close(l, c, &l->resting);
			continue;
		}
		TAILQ_REMOVE(&l->resting, c, link);
		TAILQ_INSERT_TAIL(&l->busy, c, link);
		l->busy_count++;
		c->start_ns = now;
		c->due_ns = now + l->timeout_ns;
		conn_send(l, c);
	}
}

static void start_more(struct load *l, uint64_t now)
{
	uint64_t limit = l->hold_ns ? l->clients.count : l->limit;

	if (l->rate) {
		uint64_t due = (now - l->begin_ns) * l->rate / 1000000000u + 1;

		limit = limit && limit < due ? limit : due;
	}
	while (!is_stopping && l->busy_count < l->concurrency && (!limit || l->started < limit))
		conn_start(l);
}

static bool is_done(const struct load *l)
{
	if (!TAILQ_EMPTY(&l->busy) || !TAILQ_EMPTY(&l->resting))
		return false;
	return is_stopping || (l->limit && l->started >= l->limit) ||
	       (l->hold_ns && l->started >= l->clients.count);
}

static int next_wait_ms(const struct load *l, uint64_t now)
{
	const struct conn *resting = TAILQ_FIRST(&l->resting);

	if (resting && resting->due_ns < now + 10000000)
		return resting->due_ns > now ? (int)((resting->due_ns - now) / 1000000) : 0;
	return l->rate ? 1 : 10;
}

static void run(struct load *l)
{
	uint64_t now = clock_ns(), next_report = now + l->report_ns;
	struct epoll_event events[256];

	l->begin_ns = now;
	while (!is_done(l)) {
		int n;

		start_more(l, now);
		n = epoll_wait(l->epoll, events, 256, next_wait_ms(l, now));
		for (int i = 0; i < n; i++)
			conn_event(l, events[i].data.ptr, events[i].events);
		now = clock_ns();
		if (l->end_ns && now - l->begin_ns >= l->end_ns)
			is_stopping = 1;
		serve_due(l, now);
		if (l->report_ns && now >= next_report) {
			next_report += l->report_ns;
			tally_print(&l->tally, false, now - l->begin_ns);
			if (l->trace)
				fflush(l->trace);
		}
	}
	tally_print(&l->tally, true, clock_ns() - l->begin_ns);
}

static void usage(void)
{
	fputs("usage: load --vip ADDR:PORT --clients PREFIX [--count N] [--path PATH]\n"
	      "            [--requests N | --passes N] [--seconds S] [--rate PER_SECOND]\n"
	      "            [--concurrency N] [--timeout-ms MS] [--hold-ms MS]\n"
	      "            [--trace FILE] [--report-ms MS] [--dscp N]\n",
	      stderr);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (!*text || *end)
		usage();
	return value;
}

static const struct option options[] = {
	{"vip", required_argument, NULL, 'v'},
	{"clients", required_argument, NULL, 'c'},
	{"count", required_argument, NULL, 'n'},
	{"path", required_argument, NULL, 'p'},
	{"requests", required_argument, NULL, 'r'},
	{"passes", required_argument, NULL, 'P'},
	{"seconds", required_argument, NULL, 's'},
	{"rate", required_argument, NULL, 'R'},
	{"concurrency", required_argument, NULL, 'C'},
	{"timeout-ms", required_argument, NULL, 't'},
	{"hold-ms", required_argument, NULL, 'h'},
	{"trace", required_argument, NULL, 'T'},
	{"report-ms", required_argument, NULL, 'i'},
	{"dscp", required_argument, NULL, 'd'},
	{NULL, 0, NULL, 0},
};

static void read_options(struct load *l, int argc, char **argv)
{
	uint64_t value[128] = {['n'] = 1, ['C'] = 64, ['t'] = 5000};
	const char *text[128] = {['p'] = "/", ['c'] = "", ['v'] = ""};
	struct in6_addr vip;
	uint16_t port;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == '?')
			usage();
		text[o] = optarg;
		if (!strchr("vcpT", o))
			value[o] = number(optarg);
	}
	if (optind != argc || net_parse_endpoint(text['v'], &vip, &port) || !value['C'] ||
	    clients_parse(&l->clients, text['c'], (uint32_t)value['n']))
		usage();
	l->vip_len = net_to_sockaddr(&vip, port, &l->vip);
	l->path = text['p'];
	l->limit = value['P'] ? value['P'] * value['n'] : value['r'];
	l->rate = value['R'];
	l->concurrency = (uint32_t)value['C'];
	l->end_ns = value['s'] * 1000000000u;
	l->timeout_ns = value['t'] * 1000000u;
	l->hold_ns = value['h'] * 1000000u;
	l->report_ns = value['i'] * 1000000u;
	l->traffic_class = (int)(value['d'] << 2);
	if (text['T'] && !(l->trace = fopen(text['T'], "we"))) {
		perror(text['T']);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct load l = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
	struct rlimit files;

	read_options(&l, argc, argv);
	TAILQ_INIT(&l.busy);
	TAILQ_INIT(&l.resting);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	signal(SIGPIPE, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	run(&l);
	if (l.trace)
		fclose(l.trace);
	return l.tally.failed ? 1 : 0;
}

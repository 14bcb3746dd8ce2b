// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp_load - UDP conversations of many clients with one VIP, answered by udp_echo.
 *
 * Every client has one socket for all rounds; each round it says something of another length and
 * wants the same words back, from the backend that answered it first. Where answers fail to come it
 * soon gives up: waiting for thousands of them, one after the other, looks like a hang.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "clients.h"
#include "tally.h"

#define PAYLOAD_MAX  1400
#define FAILURES_MAX 10

struct talk {
	int fd;
	struct in6_addr client;
	char backend[TALLY_NAME_LEN];
};

struct load {
	struct clients clients;
	struct sockaddr_storage vip;
	socklen_t vip_len;
	uint32_t rounds;
	uint64_t pause_ms;
	uint64_t timeout_ms;
	struct talk *talks;
	struct tally tally;
};

static volatile sig_atomic_t is_stopping;

static void stop(int sig)
{
	(void)sig;
	is_stopping = 1;
}

/* Lengths 0, 1, 2 … so that odd and even ones and empty datagrams all have their checksums tried.
 */
static size_t make_payload(char payload[PAYLOAD_MAX], uint32_t round, uint32_t client)
{
	size_t len = (round * 37 + client) % PAYLOAD_MAX;

	for (size_t i = 0; i < len; i++)
		payload[i] = (char)('a' + (i + round + client) % 26);
	return len;
}

static int talk_open(struct load *l, uint32_t i)
{
	struct timeval timeout = {.tv_sec = (time_t)(l->timeout_ms / 1000),
				  .tv_usec = (suseconds_t)(l->timeout_ms % 1000 * 1000)};
	struct talk *t = &l->talks[i];

	t->client = clients_get(&l->clients, i);
	t->fd = clients_socket(&t->client, SOCK_DGRAM);
	if (t->fd < 0)
		return t->fd;
	if (setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    connect(t->fd, (struct sockaddr *)&l->vip, l->vip_len))
		return -errno;
	return 0;
}

/* NULL if the answer is right; then pool and backend are set. */
static const char *read_answer(const char *answer, size_t len, const char *payload, size_t want,
			       char pool[TALLY_NAME_LEN], char backend[TALLY_NAME_LEN])
{
	char head[2 * TALLY_NAME_LEN + 4] = "";
	size_t head_len = len - want;

	if (len < want || head_len >= sizeof(head))
		return "malformed";
	memcpy(head, answer, head_len);
	if (sscanf(head, "%31s %31s", pool, backend) != 2 ||
	    memcmp(answer + head_len, payload, want))
		return "malformed";
	return NULL;
}

static void talk_once(struct load *l, uint32_t round, uint32_t i)
{
	char payload[PAYLOAD_MAX], answer[2 * PAYLOAD_MAX];
	char pool[TALLY_NAME_LEN] = "", backend[TALLY_NAME_LEN] = "";
	size_t want = make_payload(payload, round, i);
	struct talk *t = &l->talks[i];
	const char *wrong;
	ssize_t len;

	if (send(t->fd, payload, want, 0) < 0) {
		tally_failure(&l->tally, errno == ECONNREFUSED ? "refused" : "local");
		return;
	}
	len = recv(t->fd, answer, sizeof(answer), 0);
	if (len < 0) {
		tally_failure(&l->tally, errno == ECONNREFUSED ? "refused" : "timeout");
		return;
	}
	wrong = read_answer(answer, (size_t)len, payload, want, pool, backend);
	if (!wrong && *t->backend && strcmp(t->backend, backend))
		wrong = "changed";
	if (wrong) {
		tally_failure(&l->tally, wrong);
		return;
	}
	strcpy(t->backend, backend);
	tally_answer(&l->tally, pool, backend);
}

static bool is_done(const struct load *l)
{
	return is_stopping || l->tally.failed >= FAILURES_MAX;
}

static void run(struct load *l)
{
	uint64_t begin_ns = clock_ns();

	for (uint32_t i = 0; i < l->clients.count; i++) {
		int err = talk_open(l, i);

		if (err) {
			fprintf(stderr, "udp_load: client %u: %s\n", i, strerror(-err));
			exit(1);
		}
	}
	for (uint32_t round = 0; round < l->rounds && !is_done(l); round++) {
		for (uint32_t i = 0; i < l->clients.count && !is_done(l); i++)
			talk_once(l, round, i);
		usleep((useconds_t)(l->pause_ms * 1000));
	}
	tally_print(&l->tally, true, clock_ns() - begin_ns);
}

static void usage(void)
{
	fputs("usage: udp_load --vip ADDR:PORT --clients PREFIX [--count N] [--rounds N]\n"
	      "                [--pause-ms MS] [--timeout-ms MS]\n",
	      stderr);
	exit(2);
}

static const struct option options[] = {
	{"vip", required_argument, NULL, 'v'},
	{"clients", required_argument, NULL, 'c'},
	{"count", required_argument, NULL, 'n'},
	{"rounds", required_argument, NULL, 'r'},
	{"pause-ms", required_argument, NULL, 'p'},
	{"timeout-ms", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	uint64_t value[128] = {['n'] = 1, ['r'] = 1, ['t'] = 5000};
	const char *text[128] = {['v'] = "", ['c'] = ""};
	struct load l = {0};
	struct rlimit files;
	struct in6_addr vip;
	uint16_t port;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == '?')
			usage();
		text[o] = optarg;
		value[o] = strtoull(optarg, NULL, 10);
	}
	if (net_parse_endpoint(text['v'], &vip, &port) ||
	    clients_parse(&l.clients, text['c'], (uint32_t)value['n']))
		usage();
	l.vip_len = net_to_sockaddr(&vip, port, &l.vip);
	l.rounds = (uint32_t)value['r'];
	l.pause_ms = value['p'];
	l.timeout_ms = value['t'];
	l.talks = calloc(l.clients.count, sizeof(*l.talks));
	if (!l.talks)
		abort();
	signal(SIGTERM, stop);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	run(&l);
	free(l.talks);
	return l.tally.failed ? 1 : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP checks, all of them by one libcurl multi handle on the agent's loop. */
#include <serin/abi.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/health_probe.h"
#include "lib/log.h"
#include "lib/net.h"

#define BODY_MAX     65536 /* what is looked at of an answer */
#define ANSWER_USUAL 4096L /* more takes more reads */
#define IDLE_MAX     256   /* handles kept for the next ones */
#define US_IN_MS     1000
#define URL_MARGIN   32

struct health_http {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
	sd_event_source *soon; /* the same without a timer: each request begins with it */
	CURL *idle[IDLE_MAX];
	size_t idle_count;
};

struct http_probe {
	struct probe probe;
	struct health_http *http;
	const struct model_health_check *check;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	char *body; /* where something is expected of it */
	size_t body_len;
	bool has_enough;
	char error[CURL_ERROR_SIZE];
};

/* ---- ends ---- */

static void put_back(struct health_http *h, CURL *easy)
{
	if (h->idle_count == IDLE_MAX) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	h->idle[h->idle_count++] = easy;
}

static void free_probe(struct http_probe *p)
{
	if (p->easy) {
		curl_multi_remove_handle(p->http->multi, p->easy);
		put_back(p->http, p->easy);
	}
	curl_slist_free_all(p->headers);
	curl_slist_free_all(p->connect_to);
	free(p->body);
	free(p);
}

static void cancel(struct probe *probe)
{
	free_probe((struct http_probe *)probe);
}

static bool is_as_expected(const struct http_probe *p)
{
	const char *expect = p->check->expect;

	return !expect || (p->body && memmem(p->body, p->body_len, expect, strlen(expect)));
}

static void finish(struct http_probe *p, CURLcode result)
{
	char text[PROBE_REASON_LEN];
	const char *reason = NULL;
	struct probe ended = p->probe;
	long status = 0;

	curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result != CURLE_OK && !p->has_enough) {
		snprintf(text, sizeof(text), "%.150s",
			 *p->error ? p->error : curl_easy_strerror(result));
		reason = text;
	} else if (!model_statuses_match(&p->check->statuses, (unsigned int)status)) {
		snprintf(text, sizeof(text), "HTTP status %ld", status);
		reason = text;
	} else if (!is_as_expected(p)) {
		reason = "the answer is not what is expected";
	}
	free_probe(p);
	ended.done(ended.arg, reason);
}

static void finish_all(struct health_http *h)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		struct http_probe *p = NULL;
		CURLcode result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&p);
		finish(p, result);
	}
}

/* ---- libcurl on the loop ---- */

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health_http *h = arg;
	int bits = 0, running;

	(void)source;
	if (events & (EPOLLIN | EPOLLHUP))
		bits |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		bits |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		bits |= CURL_CSELECT_ERR;
	curl_multi_socket_action(h->multi, fd, bits, &running);
	finish_all(h);
	return 0;
}

static int on_soon(sd_event_source *source, void *arg)
{
	struct health_http *h = arg;
	int running;

	(void)source;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(h);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)usec;
	return on_soon(source, arg);
}

static uint32_t events_of(int what)
{
	return (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
}

/* libcurl says what it waits for; what it was told before is in @socket_arg. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct health_http *h = arg;
	sd_event_source *io = socket_arg;
	int err = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(io);
		curl_multi_assign(h->multi, fd, NULL);
	} else if (io) {
		err = sd_event_source_set_io_events(io, events_of(what));
	} else {
		err = sd_event_add_io(h->event, &io, fd, events_of(what), on_ready, h);
		if (err >= 0)
			curl_multi_assign(h->multi, fd, io);
	}
	return err < 0 ? -1 : 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct health_http *h = arg;
	int err;

	(void)multi;
	if (!timeout_ms)
		return sd_event_source_set_enabled(h->soon, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
	if (timeout_ms < 0)
		return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	err = sd_event_source_set_time_relative(h->timer, (uint64_t)timeout_ms * US_IN_MS);
	if (err >= 0)
		err = sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
	return err < 0 ? -1 : 0;
}

int health_http_open(sd_event *event, struct health_http **out)
{
	struct health_http *h = calloc(1, sizeof(*h));
	int err;

	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(h);
		return -ENOMEM;
	}
	h->event = event;
	h->multi = curl_multi_init();
	err = h->multi ? sd_event_add_time(event, &h->timer, CLOCK_MONOTONIC, 0, 1, on_timer, h)
		       : -ENOMEM;
	if (err >= 0)
		err = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_defer(event, &h->soon, on_soon, h);
	if (err >= 0)
		err = sd_event_source_set_enabled(h->soon, SD_EVENT_OFF);
	if (err < 0) {
		health_http_close(h);
		return err;
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)SERIN_MAX_BACKENDS);
	*out = h;
	return 0;
}

void health_http_close(struct health_http *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->idle_count; i++)
		curl_easy_cleanup(h->idle[i]);
	curl_multi_cleanup(h->multi);
	sd_event_source_disable_unref(h->timer);
	sd_event_source_disable_unref(h->soon);
	curl_global_cleanup();
	free(h);
}

/* ---- a request ---- */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_probe *p = arg;
	size_t len = size * count, room = BODY_MAX - p->body_len;

	if (p->check->expect && !p->body)
		p->body = malloc(BODY_MAX);
	if (p->body)
		memcpy(p->body + p->body_len, data, len < room ? len : room);
	p->body_len += len < room ? len : room;
	p->has_enough = len >= room;
	return p->has_enough ? 0 : len;
}

/* The handshake's ACK goes with the request, one packet fewer. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *where)
{
	int no = 0, fd = socket(where->family, where->socktype | SOCK_CLOEXEC, where->protocol);

	(void)arg;
	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof(no));
	return fd;
}

/* By a reset, as after a TCP check. */
static int close_socket(void *arg, curl_socket_t fd)
{
	struct linger at_once = {.l_onoff = 1};

	(void)arg;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return close(fd);
}

/* What TLS asks the certificate for; NULL: the address. */
static const char *tls_name(const struct model_health_check *c)
{
	if (c->type != MODEL_CHECK_HTTPS)
		return NULL;
	return c->sni ? c->sni : c->host;
}

/* TLS takes the name from the URL; where the connection goes all the same, connect_to says. */
static char *make_url(const struct probe_target *t)
{
	const char *scheme = t->check->type == MODEL_CHECK_HTTPS ? "https" : "http";
	const char *path = t->check->path ? t->check->path : "/", *name = tls_name(t->check);
	char endpoint[NET_ENDPOINT_LEN], *url;
	int len;

	if (name)
		len = asprintf(&url, "%s://%.*s:%u%s", scheme, (int)strcspn(name, ":"), name,
			       t->port, path);
	else
		len = asprintf(&url, "%s://%s%s", scheme,
			       net_format_endpoint(&t->address, t->port, endpoint), path);
	return len < 0 ? NULL : url;
}

static int add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int make_lists(struct http_probe *p, const struct probe_target *t)
{
	char endpoint[NET_ENDPOINT_LEN], line[NET_ENDPOINT_LEN + URL_MARGIN], *host = NULL;
	int err = 0;

	snprintf(line, sizeof(line), "::%s", net_format_endpoint(&t->address, t->port, endpoint));
	if (tls_name(t->check))
		err = add_line(&p->connect_to, line);
	if (!err && t->check->host)
		err = asprintf(&host, "Host: %s", t->check->host) < 0 ? -ENOMEM : 0;
	if (!err && host)
		err = add_line(&p->headers, host);
	free(host);
	return err;
}

static void set_tls(CURL *easy, const struct model_health_check *c)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->verify ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->verify ? 2L : 0L);
	if (c->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
}

static void set_request(struct http_probe *p, const char *url)
{
	const struct model_health_check *c = p->check;
	CURL *easy = p->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, p);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, p->connect_to);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "serin/" SERIN_VERSION);
	curl_easy_setopt(easy, CURLOPT_NOBODY, c->method && !strcmp(c->method, "HEAD") ? 1L : 0L);
	if (c->method && strcmp(c->method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->method);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, p->error);
	set_tls(easy, c);
	/* Nothing of the agent's environment has a say, nor has what a check before this one learned. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 0L); /* it sends once */
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	/* Addresses need no resolver, and all that its cache keeps is looked through after each check. */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, ANSWER_USUAL);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, c->reuse ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, c->reuse ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
}

static int begin(struct http_probe *p, const struct probe_target *t)
{
	char *url = make_url(t);
	CURL *easy;
	int err = url ? make_lists(p, t) : -ENOMEM;

	easy = p->http->idle_count ? p->http->idle[--p->http->idle_count] : curl_easy_init();
	if (!easy)
		err = -ENOMEM;
	p->easy = easy;
	if (!err) {
		set_request(p, url);
		err = curl_multi_add_handle(p->http->multi, easy) ? -ENOMEM : 0;
	}
	free(url);
	return err;
}

int health_http_start(const struct probe_start *s, struct probe **out)
{
	struct http_probe *p = calloc(1, sizeof(*p));
	int err = p ? 0 : -ENOMEM;

	if (!err) {
		p->probe = (struct probe){.done = s->done, .arg = s->arg, .cancel = cancel};
		p->http = s->http;
		p->check = s->target->check;
		err = begin(p, s->target);
	}
	if (!err) {
		*out = &p->probe;
		return 0;
	}
	snprintf(s->reason, PROBE_REASON_LEN, "%s", strerror(-err));
	if (p)
		free_probe(p);
	return err;
}

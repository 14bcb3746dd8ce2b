// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/http_tls.h"
#include "agent/web_auth.h"
#include "config/web.h"
#include "lib/log.h"

#define API_PREFIX "/api/"
/* What the agent does by itself comes first, then what operators ask, then everybody else. */
#define PRIORITY_SOCKET 10
#define PRIORITY_TCP	20

struct web {
	sd_event *event;
	struct web_options options;
	struct web_config config;
	struct web_auth *auth;
	struct api *api;
	struct control *control;
	struct http *on_socket;
	struct http *on_tcp;
	int tcp_fd; /* listens through restarts of the server */
};

static void show(struct web *w, const struct http_request *request, struct http_reply *reply)
{
	if (!strncmp(request->path, API_PREFIX, strlen(API_PREFIX))) {
		api_answer(w->api, request, reply);
	} else if (strcmp(request->method, "GET") && strcmp(request->method, "HEAD")) {
		reply->allow = "GET, HEAD";
		http_refuse(reply, 405, "method_not_allowed", "this path takes %s", reply->allow);
	} else {
		w->options.pages(request->path, reply, w->options.arg);
	}
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_tcp(const struct http_request *request, struct http_reply *reply, void *arg)
{
	struct web *w = arg;

	switch (web_auth_check(w->auth, &w->config, http_header(request, "Authorization"),
			       now_ms())) {
	case WEB_ADMITTED:
		show(w, request, reply);
		break;
	case WEB_REFUSED:
		reply->challenge = "Basic realm=\"serin\"";
		http_refuse(reply, 401, "unauthorized", "a user and a password are needed");
		break;
	case WEB_PENDING:
		reply->is_pending = true;
		break;
	case WEB_LATER:
		http_refuse(reply, 429, "too_many", "passwords are tried once a second");
		break;
	}
}

static void on_socket(const struct http_request *request, struct http_reply *reply, void *arg)
{
	show(arg, request, reply);
}

static bool admits(int fd, uid_t uid, void *arg)
{
	const struct web *w = arg;

	if (control_admits(w->control, fd, uid))
		return true;
	log_warning("user %u may not ask anything over the socket", (unsigned int)uid);
	return false;
}

static int open_socket(struct web *w)
{
	const char *path = w->options.socket_path, *given = getenv(CONTROL_ENV);
	const struct http_options options = {
		.handler = on_socket,
		.arg = w,
		.takes_changes = true,
		.admits = admits,
		.priority = PRIORITY_SOCKET,
	};
	int err;

	if (!path)
		path = given ? given : CONTROL_DEFAULT_PATH;
	if (!*path)
		return 0;
	err = control_open(path, &w->control);
	if (err)
		return err;
	err = http_open(w->event, control_take_fd(w->control), &options, &w->on_socket);
	if (err)
		log_error("cannot listen at %s: %s", path, strerror(-err));
	return err;
}

static int open_tcp(struct web *w, const struct web_tls *tls, struct http **out)
{
	const struct http_options options = {
		.handler = on_tcp,
		.arg = w,
		.tls = tls->cert ? tls : NULL,
		.priority = PRIORITY_TCP,
	};
	int fd = fcntl(w->tcp_fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : http_open(w->event, fd, &options, out);
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same_tls(const struct web_tls *a, const struct web_tls *b)
{
	return is_same(a->cert, b->cert) && is_same(a->key, b->key) &&
	       is_same(a->client_ca, b->client_ca) &&
	       a->is_client_cert_needed == b->is_client_cert_needed &&
	       a->min_version == b->min_version;
}

static int load(const struct web *w, struct web_config *out, FILE *messages)
{
	int err = web_config_load(w->options.config_path, out, messages);

	if (!err && out->tls.cert && http_tls_check(&out->tls, messages)) {
		web_config_fini(out);
		err = -EINVAL;
	}
	return err;
}

/* Other keys take another server on the same socket; who is connected has to come again. */
static int change_tls(struct web *w, const struct web_tls *tls)
{
	struct http *next = NULL;
	int err = open_tcp(w, tls, &next);

	if (err)
		return err;
	http_close(w->on_tcp);
	w->on_tcp = next;
	return 0;
}

int web_reload(struct web *w, FILE *messages)
{
	struct web_config next = {};
	int err;

	if (!w->options.config_path)
		return 0;
	err = load(w, &next, messages);
	if (!err && !is_same_tls(&next.tls, &w->config.tls)) {
		err = change_tls(w, &next.tls);
		if (err)
			fprintf(messages, "cannot listen anew: %s\n", strerror(-err));
	}
	if (err) {
		web_config_fini(&next);
		return err;
	}
	web_config_fini(&w->config);
	w->config = next;
	web_auth_forget(w->auth);
	return 0;
}

/* Each line is an error of its own. */
static void log_errors(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (strstr(line, "error: "))
			log_error("%s", line);
}

static int load_first(struct web *w)
{
	char *text = NULL;
	size_t size;
	FILE *messages;
	int err;

	if (!w->options.config_path)
		return 0;
	messages = open_memstream(&text, &size);
	if (!messages)
		return -ENOMEM;
	err = load(w, &w->config, messages);
	fclose(messages);
	log_errors(text);
	free(text);
	return err ? -EINVAL : 0;
}

static int start(struct web *w)
{
	int err = load_first(w);

	if (err)
		return err;
	w->tcp_fd = http_listen(w->options.listen);
	if (w->tcp_fd < 0)
		return w->tcp_fd;
	err = open_tcp(w, &w->config.tls, &w->on_tcp);
	if (err) {
		log_error("cannot listen on %s: %s", w->options.listen, strerror(-err));
		return err;
	}
	return open_socket(w);
}

int web_open(sd_event *event, const struct web_options *options, struct web **out)
{
	struct web *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (!w)
		return err;
	w->event = event;
	w->options = *options;
	w->tcp_fd = -1;
	w->api = api_new(&options->api);
	w->auth = web_auth_new();
	if (w->api && w->auth)
		err = start(w);
	if (err) {
		web_close(w);
		return err;
	}
	*out = w;
	return 0;
}

void web_close(struct web *w)
{
	if (!w)
		return;
	http_close(w->on_socket);
	http_close(w->on_tcp);
	control_close(w->control);
	if (w->tcp_fd >= 0)
		close(w->tcp_fd);
	api_free(w->api);
	web_auth_free(w->auth);
	web_config_fini(&w->config);
	free(w);
}

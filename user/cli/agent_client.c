// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/agent_client.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control.h"
#include "cli/cli.h"
#include "lib/log.h"
#include "observe/plain.h"

#define MESSAGE_LEN 1024

const char *agent_socket(const struct cli *cli)
{
	const char *given = getenv(CONTROL_ENV);

	return cli->socket ? cli->socket : given ? given : CONTROL_DEFAULT_PATH;
}

static int connect_to(const char *path, unsigned int timeout_s)
{
	const struct timeval most = {.tv_sec = timeout_s};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	if (!connect(fd, (const struct sockaddr *)&at, sizeof(at)))
		return fd;
	err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return err;
}

/* All of it, without a signal where the agent has gone. */
static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_request(int fd, const struct agent_request *r)
{
	char *body = r->body ? json_dumps(r->body, JSON_COMPACT) : NULL;
	char *text = NULL;
	int len, error;

	if (r->body && !body)
		return -ENOMEM;
	if (body)
		len = asprintf(&text, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", r->method,
			       r->path, strlen(body), body);
	else
		len = asprintf(&text, "%s %s HTTP/1.0\r\n\r\n", r->method, r->path);
	error = len < 0 ? -ENOMEM : send_all(fd, text, (size_t)len);
	if (len >= 0)
		free(text);
	free(body);
	return error;
}

static int read_failure(FILE *agent)
{
	if (!ferror(agent))
		return -ECONNRESET; /* it went away before its answer */
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

/* Past the head, which is not looked at beyond its first line. */
static int read_head(FILE *agent, unsigned int *status)
{
	char line[1024];

	if (!fgets(line, sizeof(line), agent))
		return read_failure(agent);
	if (sscanf(line, "HTTP/1.%*c %u", status) != 1)
		return -EPROTO;
	while (fgets(line, sizeof(line), agent))
		if (!strcmp(line, "\r\n"))
			return 0;
	return read_failure(agent);
}

static int read_answer(FILE *agent, struct agent_answer *out)
{
	struct agent_answer a = {0};
	int error = read_head(agent, &a.status);

	if (error)
		return error;
	errno = 0;
	a.json = json_loadf(agent, 0, NULL);
	if (json_is_object(a.json)) {
		*out = a;
		return 0;
	}
	json_decref(a.json);
	return ferror(agent) ? read_failure(agent) : -EPROTO;
}

int agent_ask(const struct agent_request *r, struct agent_answer *out)
{
	int fd = connect_to(r->socket, r->timeout_s), error;
	FILE *agent;

	if (fd < 0)
		return fd;
	agent = fdopen(fd, "r");
	if (!agent) {
		error = -errno;
		close(fd);
		return error;
	}
	error = send_request(fd, r);
	if (!error)
		error = read_answer(agent, out);
	fclose(agent);
	return error;
}

void agent_answer_fini(struct agent_answer *a)
{
	json_decref(a->json);
	a->json = NULL;
}

int agent_tell_absent(const char *socket, int error)
{
	if (error == -EPROTO) {
		log_error("what answers at %s is no agent", socket);
		return CLI_FAILED;
	}
	log_error("no agent answers at %s: %s; is `serin agent` running?", socket,
		  strerror(-error));
	return CLI_NO_AGENT;
}

/* A word of the command is wrong, or the file; somebody was faster; or it could not be done. */
static int exit_code(unsigned int status)
{
	switch (status) {
	case 200:
		return CLI_OK;
	case 400:
	case 404:
	case 422:
		return CLI_USAGE;
	case 409:
		return CLI_CONFLICT;
	default:
		return CLI_FAILED;
	}
}

int agent_tell_refusal(const struct agent_answer *a)
{
	const json_t *error = json_object_get(a->json, "error"), *line;
	const json_t *details = json_object_get(error, "details");
	const char *message = json_string_value(json_object_get(error, "message"));
	char text[MESSAGE_LEN];
	size_t i;

	if (a->status == 200)
		return CLI_OK;
	json_array_foreach(details, i, line)
		fprintf(stderr, "%s\n", plain_text(json_string_value(line), text, sizeof(text)));
	if (!json_array_size(details))
		log_error("%s",
			  plain_text(message ? message : "the agent refused", text, sizeof(text)));
	return exit_code(a->status);
}

const char *agent_escape(const char *text, char *buf, size_t size)
{
	size_t len = 0;

	for (; *text && len + 4 <= size; text++) {
		if (isalnum((unsigned char)*text) || strchr("._-", *text))
			buf[len++] = *text;
		else
			len += (size_t)snprintf(buf + len, size - len, "%%%02X",
						(unsigned char)*text);
	}
	buf[len] = '\0';
	return buf;
}

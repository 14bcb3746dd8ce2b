// SPDX-License-Identifier: GPL-2.0-or-later
/* reload: asks the agent to apply its file anew, and tells what came of it. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control.h"
#include "lib/log.h"

static int connect_to(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)&at, sizeof(at)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int send_request(FILE *agent, const char *reason)
{
	json_t *json = *reason ? json_pack("{s:s}", "reason", reason) : json_object();
	char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!body)
		return -EINVAL;
	fprintf(agent, "POST /api/v1/reload HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	free(body);
	return fflush(agent) ? -EIO : 0;
}

/* Past the head, which is not looked at beyond its first line. */
static int read_status(FILE *agent, unsigned int *status)
{
	char line[1024];

	if (!fgets(line, sizeof(line), agent) || sscanf(line, "HTTP/1.%*c %u", status) != 1)
		return -EPROTO;
	while (fgets(line, sizeof(line), agent))
		if (!strcmp(line, "\r\n"))
			return 0;
	return -EPROTO;
}

static int tell(unsigned int status, const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const json_t *details = json_object_get(error, "details"), *line;
	size_t i;

	json_array_foreach(json_object_get(answer, "changes"), i, line)
		puts(json_string_value(line));
	if (status == 200)
		return CLI_OK;
	json_array_foreach(details, i, line) fprintf(stderr, "%s\n", json_string_value(line));
	if (!json_array_size(details))
		log_error("%s", json_string_value(json_object_get(error, "message")));
	return status == 422 ? CLI_USAGE : CLI_FAILED;
}

static int ask(FILE *agent, const char *reason)
{
	unsigned int status = 0;
	json_t *answer = NULL;
	int result = CLI_FAILED;
	int err = send_request(agent, reason);

	if (!err)
		err = read_status(agent, &status);
	if (!err)
		answer = json_loadf(agent, 0, NULL);
	if (json_is_object(answer))
		result = tell(status, answer);
	else
		log_error("the agent gave no answer");
	json_decref(answer);
	return result;
}

int cmd_reload(const struct cli *cli)
{
	const char *given = getenv(CONTROL_ENV);
	const char *path = cli->socket ? cli->socket : given ? given : CONTROL_DEFAULT_PATH;
	int fd = connect_to(path), result;
	FILE *agent;

	if (fd < 0) {
		log_error("no agent answers at %s: %s", path, strerror(-fd));
		return CLI_NO_AGENT;
	}
	agent = fdopen(fd, "r+");
	if (!agent) {
		close(fd);
		return CLI_FAILED;
	}
	result = ask(agent, cli->reason);
	fclose(agent);
	return result;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests to the API: a first line "METHOD PATH", then a body, read as each call would read it. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_reason(const char *reason, size_t size)
{
	must(memchr(reason, '\0', size));
	for (const char *at = reason; *at; at++)
		must((unsigned char)*at >= ' ');
}

static void check_route(char *line)
{
	char *path = strchr(line, ' ');
	struct api_target target;
	const char *allow;
	int err;

	if (!path)
		return;
	*path++ = '\0';
	err = api_find(line, path, &target, &allow);
	must(err == -ENOENT ? !allow : err == -EOPNOTSUPP ? allow != NULL : !err);
	if (!err)
		must(target.call < API_CALL_MAX && strlen(target.service) < SERIN_NAME_LEN &&
		     !strchr(target.service, '/'));
}

static void check_body(const char *body, size_t len)
{
	char why[API_WHY_LEN] = "";
	struct api_weights w;
	struct api_reload r;
	struct api_drain d;
	struct api_rollout_order o;

	if (!api_read_weights(body, len, &w, why)) {
		must(w.count >= 1 && w.count <= SERIN_MAX_POOLS && w.expect_epoch >= -1);
		for (size_t i = 0; i < w.count; i++)
			must(w.list[i].ppm <= 1000000 && *w.list[i].pool);
		check_reason(w.change.reason, sizeof(w.change.reason));
	} else {
		must(*why);
	}
	if (!api_read_drain(body, len, &d, why))
		check_reason(d.change.reason, sizeof(d.change.reason));
	if (!api_read_rollout(body, len, &o, why)) {
		check_reason(o.release, sizeof(o.release));
		check_reason(o.reason, sizeof(o.reason));
		must(o.id >= 0);
	}
	if (!api_read_reload(body, len, &r, why))
		check_reason(r.reason, sizeof(r.reason));
}

static void check_parameters(const char *text)
{
	char why[API_WHY_LEN];
	uint64_t seed;
	bool flag;

	api_read_seed(text, &flag, &seed, why);
	api_read_flag("follow", text, &flag, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	char *line = malloc(len + 1), *body = malloc(size - len);

	if (line && body) {
		if (len)
			memcpy(line, data, len);
		line[len] = '\0';
		check_parameters(line);
		check_route(line);
		/* Its very size: a read beyond it is found. */
		if (size > len)
			memcpy(body, data + len, size - len);
		check_body(body, size - len);
	}
	free(line);
	free(body);
	return 0;
}

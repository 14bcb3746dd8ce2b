// SPDX-License-Identifier: GPL-2.0-or-later
#include "api/routes.h"

#include <errno.h>
#include <string.h>

#define SERVICE "{service}"

const struct api_route api_routes[API_CALL_MAX] = {
	[API_STATUS] = {"GET", "/api/v1/status", true},
	[API_STATUS_SERVICE] = {"GET", "/api/v1/status/" SERVICE, true},
	[API_WEIGHTS] = {"POST", "/api/v1/services/" SERVICE "/weights", false},
	[API_DRAIN] = {"POST", "/api/v1/services/" SERVICE "/drain", false},
	[API_UNDRAIN] = {"POST", "/api/v1/services/" SERVICE "/undrain", false},
	[API_RELOAD] = {"POST", "/api/v1/reload", false},
	[API_EXPLAIN] = {"GET", "/api/v1/explain", false},
	[API_EVENTS] = {"GET", "/api/v1/events", false},
	[API_ROLLOUTS] = {"GET", "/api/v1/rollouts", true},
	[API_ROLLOUT] = {"GET", "/api/v1/services/" SERVICE "/rollout", true},
	[API_ROLLOUT_RECORD] = {"GET", "/api/v1/services/" SERVICE "/rollout/record", true},
	[API_ORDER_ROLLOUT] = {"POST", "/api/v1/services/" SERVICE "/rollout", false},
};

static bool match(const char *pattern, const char *path, char service[SERIN_NAME_LEN])
{
	const char *hole = strstr(pattern, SERVICE);
	size_t before = hole ? (size_t)(hole - pattern) : 0, len;

	*service = '\0';
	if (!hole)
		return !strcmp(pattern, path);
	if (strncmp(pattern, path, before))
		return false;
	path += before;
	len = strcspn(path, "/");
	if (!len || len >= SERIN_NAME_LEN || strcmp(hole + strlen(SERVICE), path + len))
		return false;
	memcpy(service, path, len);
	service[len] = '\0';
	return true;
}

int api_find(const char *method, const char *path, struct api_target *out, const char **allow)
{
	struct api_target target;

	if (!strcmp(method, "HEAD"))
		method = "GET";
	*allow = NULL;
	for (int call = 0; call < API_CALL_MAX; call++) {
		const struct api_route *route = &api_routes[call];

		if (!match(route->pattern, path, target.service))
			continue;
		if (!strcmp(route->method, method)) {
			target.call = call;
			*out = target;
			return 0;
		}
		if (*allow)
			*allow = "GET, HEAD, POST";
		else
			*allow = !strcmp(route->method, "GET") ? "GET, HEAD" : route->method;
	}
	return *allow ? -EOPNOTSUPP : -ENOENT;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_internal.h"
#include "agent/rollouts.h"
#include "lib/log.h"
#include "observe/status_json.h"

#define JSON_TYPE "application/json"

struct api *api_new(const struct api_host *host)
{
	struct api *api = calloc(1, sizeof(*api));

	if (api)
		api->host = *host;
	return api;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	page_fini(&api->status);
	json_decref(api->status_json);
	free(api);
}

static void dump(struct http_reply *reply, const json_t *json)
{
	reply->status = 200;
	reply->content_type = JSON_TYPE;
	json_dumpf(json, reply->body, STATUS_JSON_FLAGS);
	fputc('\n', reply->body);
}

void api_send(struct http_reply *reply, json_t *json)
{
	if (json)
		dump(reply, json);
	else
		http_refuse(reply, 503, "unavailable", "out of memory");
	json_decref(json);
}

void api_refuse(struct http_reply *reply, int error, const char *words)
{
	static const struct {
		int error;
		unsigned int status;
		const char *code;
	} kinds[] = {
		{-ENOENT, 404, "not_found"},	  {-ESTALE, 409, "conflict"},
		{-EBUSY, 409, "no_backend_left"}, {-EINVAL, 422, "invalid"},
		{-EBADMSG, 400, "bad_request"},
	};
	size_t len = strcspn(words, "\n");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].error == error) {
			http_refuse(reply, kinds[i].status, kinds[i].code, "%.*s", (int)len, words);
			return;
		}
	http_refuse(reply, 500, "failed", "%.*s", (int)len, len ? words : strerror(-error));
}

struct dataplane *api_open_dataplane(struct api *api, struct http_reply *reply,
				     enum dataplane_access access)
{
	struct dataplane *dp = NULL;
	char *words = NULL;
	size_t size;
	FILE *messages;
	int err = dataplane_probe(api->host.dir);

	if (err == -ENOENT) {
		http_refuse(reply, 503, "unavailable", "nothing is loaded: run `serin apply FILE`");
		return NULL;
	}
	messages = open_memstream(&words, &size);
	if (!messages) {
		http_refuse(reply, 503, "unavailable", "out of memory");
		return NULL;
	}
	log_hold(messages);
	err = dataplane_open(api->host.dir, access, &dp);
	log_release();
	fclose(messages);
	if (err)
		http_refuse(reply, 503, "unavailable", "%s", *words ? words : strerror(-err));
	free(words);
	return err ? NULL : dp;
}

/* ---- the status ---- */

static void add_rollouts(struct api *api, json_t *status)
{
	size_t index;
	json_t *service;

	json_array_foreach(json_object_get(status, "services"), index, service)
	{
		const char *name = json_string_value(json_object_get(service, "name"));
		json_t *rollout = rollouts_brief(api->host.rollouts, name);

		if (rollout)
			json_object_set_new(service, "rollout", rollout);
	}
}

static void make_status(struct http_reply *reply, void *arg)
{
	struct api *api = arg;
	struct snapshot *s = NULL;
	struct dataplane *dp = api_open_dataplane(api, reply, DATAPLANE_READ);

	json_decref(api->status_json);
	api->status_json = NULL;
	if (!dp)
		return;
	if (!dataplane_glance(dp, &s))
		api->status_json = status_json(s);
	add_rollouts(api, api->status_json);
	snapshot_free(s);
	dataplane_close(dp);
	api_send(reply, json_incref(api->status_json));
}

static void show_status(struct api *api, const struct api_ask *ask)
{
	page_show(&api->status, make_status, api, ask->reply);
}

json_t *api_find_service(struct api *api, struct http_reply *reply, const char *service)
{
	json_t *one;

	if (page_refresh(&api->status, make_status, api) || !api->status_json) {
		page_show(&api->status, make_status, api, reply);
		return NULL;
	}
	one = status_json_select(json_incref(api->status_json), service);
	if (one && json_array_size(json_object_get(one, "services")))
		return one;
	if (one)
		http_refuse(reply, 404, "not_found", "no service \"%s\" is loaded", service);
	else
		http_refuse(reply, 503, "unavailable", "out of memory");
	json_decref(one);
	return NULL;
}

static void show_service(struct api *api, const struct api_ask *ask)
{
	json_t *one = api_find_service(api, ask->reply, ask->target.service);

	if (one)
		api_send(ask->reply, one);
}

/* ---- which call it is ---- */

void api_answer(struct api *api, const struct http_request *request, struct http_reply *reply)
{
	static void (*const calls[])(struct api * api, const struct api_ask *ask) = {
		[API_STATUS] = show_status,
		[API_STATUS_SERVICE] = show_service,
		[API_WEIGHTS] = api_change_weights,
		[API_DRAIN] = api_drain,
		[API_UNDRAIN] = api_undrain,
		[API_RELOAD] = api_reload,
		[API_EXPLAIN] = api_explain,
		[API_EVENTS] = api_events,
		[API_ROLLOUTS] = api_rollouts,
		[API_ROLLOUT] = api_rollout,
		[API_ROLLOUT_RECORD] = api_rollout_record,
		[API_ORDER_ROLLOUT] = api_order_rollout,
	};
	struct api_ask ask = {.request = request, .reply = reply};
	int err = api_find(request->method, request->path, &ask.target, &reply->allow);

	_Static_assert(sizeof(calls) / sizeof(*calls) == API_CALL_MAX, "a function each");
	if (err == -ENOENT)
		http_refuse(reply, 404, "not_found", "there is no such path");
	else if (err)
		http_refuse(reply, 405, "method_not_allowed", "this path takes %s", reply->allow);
	else if (!request->uid && !api_routes[ask.target.call].is_public)
		http_refuse(reply, 403, "forbidden", "this is for the agent's unix socket alone");
	else
		calls[ask.target.call](api, &ask);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of the API share. */
#pragma once

#include <jansson.h>

#include "agent/api.h"
#include "agent/page.h"
#include "api/routes.h"
#include "dataplane/dataplane.h"

struct api {
	struct api_host host;
	struct page status;
	json_t *status_json; /* of the same moment; NULL: nothing could be read */
};

struct api_ask {
	const struct http_request *request;
	struct http_reply *reply;
	struct api_target target;
};

/* Takes the reference; NULL is "out of memory". */
void api_send(struct http_reply *reply, json_t *json);
/* A data plane's error, with the words that it gave. */
void api_refuse(struct http_reply *reply, int error, const char *words);
/* Opens the data plane, or refuses and gives NULL. */
struct dataplane *api_open_dataplane(struct api *api, struct http_reply *reply,
				     enum dataplane_access access);

/* The status of one service, a new reference; or refuses and gives NULL. */
json_t *api_find_service(struct api *api, struct http_reply *reply, const char *service);

void api_change_weights(struct api *api, const struct api_ask *ask);
void api_drain(struct api *api, const struct api_ask *ask);
void api_undrain(struct api *api, const struct api_ask *ask);
void api_reload(struct api *api, const struct api_ask *ask);
void api_explain(struct api *api, const struct api_ask *ask);
void api_events(struct api *api, const struct api_ask *ask);
void api_rollouts(struct api *api, const struct api_ask *ask);
void api_rollout(struct api *api, const struct api_ask *ask);
void api_rollout_record(struct api *api, const struct api_ask *ask);
void api_order_rollout(struct api *api, const struct api_ask *ask);

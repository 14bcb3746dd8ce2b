// SPDX-License-Identifier: GPL-2.0-or-later
/* What the API tells of rollouts, and asks of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_internal.h"
#include "agent/rollouts.h"
#include "api/body.h"
#include "lib/log.h"

static void refuse(struct http_reply *reply, int error, const char *why)
{
	if (error == -ENODEV || error == -EROFS)
		http_refuse(reply, 503, "unavailable", "%s", why);
	else if (error == -ENOMEM)
		http_refuse(reply, 503, "unavailable", "out of memory");
	else
		api_refuse(reply, error, why);
}

static bool read_id(const struct api_ask *ask, const char *name, int64_t otherwise, int64_t *out)
{
	char why[API_WHY_LEN];
	int err = api_read_count(name, http_parameter(ask->request, name), otherwise, out, why);

	if (err)
		api_refuse(ask->reply, err, why);
	return !err;
}

void api_rollouts(struct api *api, const struct api_ask *ask)
{
	int64_t limit;

	if (read_id(ask, "limit", -1, &limit))
		api_send(ask->reply, rollouts_list(api->host.rollouts,
						   http_parameter(ask->request, "service"), limit));
}

static void show(struct api *api, const struct api_ask *ask,
		 int (*make)(struct rollouts *r, const char *service, int64_t id, json_t **out))
{
	json_t *json = NULL;
	int64_t id;
	int err;

	if (!read_id(ask, "id", 0, &id))
		return;
	err = make(api->host.rollouts, ask->target.service, id, &json);
	if (err == -ENOENT)
		http_refuse(ask->reply, 404, "not_found", "service %s has had no such rollout",
			    ask->target.service);
	else if (err)
		refuse(ask->reply, err, "");
	else
		api_send(ask->reply, json);
}

void api_rollout(struct api *api, const struct api_ask *ask)
{
	show(api, ask, rollouts_view);
}

void api_rollout_record(struct api *api, const struct api_ask *ask)
{
	show(api, ask, rollouts_record);
}

/* ---- orders ---- */

static int find_command(const char *name, struct rollouts_order *order)
{
	order->is_start = !strcmp(name, "start");
	if (order->is_start)
		return 0;
	for (int c = 0; c < ROLLOUT_COMMAND_MAX; c++)
		if (c != ROLLOUT_SUPERSEDE && !strcmp(name, rollout_command_name(c))) {
			order->command = c;
			return 0;
		}
	return -EINVAL;
}

static int read_order(const struct api_ask *ask, struct api_rollout_order *body,
		      struct rollouts_order *out, char *why)
{
	int err = api_read_rollout(ask->request->body, ask->request->body_len, body, why);

	if (err)
		return err;
	*out = (struct rollouts_order){
		.service = ask->target.service,
		.id = body->id,
		.release = body->release,
		.strategy = *body->strategy ? body->strategy : NULL,
		.reason = body->reason,
		.is_dry_run = body->is_dry_run,
		.uid = (uint32_t)*ask->request->uid,
	};
	if (find_command(body->command, out)) {
		snprintf(why, API_WHY_LEN,
			 "\"command\" must be start, pause, resume, promote, promote full, abort, "
			 "retry or undo");
		return -EINVAL;
	}
	if (out->is_start && !*body->release) {
		snprintf(why, API_WHY_LEN, "\"release\" is missing: the new version's name");
		return -EINVAL;
	}
	return 0;
}

static void say(const struct api_ask *ask, const struct api_rollout_order *body,
		const char *outcome)
{
	char uid[16];
	const struct log_field fields[] = {
		{"path", ask->request->path}, {"uid", uid},
		{"command", body->command},   {"release", body->release},
		{"reason", body->reason},     {"outcome", outcome},
	};

	snprintf(uid, sizeof(uid), "%u", (unsigned int)*ask->request->uid);
	log_fields(LOG_LEVEL_INFO, "asked over the socket", fields,
		   sizeof(fields) / sizeof(*fields));
}

void api_order_rollout(struct api *api, const struct api_ask *ask)
{
	char wrong[API_WHY_LEN], why[ROLLOUT_WHY_LEN] = "";
	struct api_rollout_order body;
	struct rollouts_order order;
	json_t *json = NULL;
	int err;

	err = read_order(ask, &body, &order, wrong);
	if (err) {
		api_refuse(ask->reply, err, wrong);
		return;
	}
	err = rollouts_order(api->host.rollouts, &order, &json, why);
	say(ask, &body, err ? why : order.is_dry_run ? "nothing, as asked" : "done");
	page_forget(&api->status);
	if (err)
		refuse(ask->reply, err, why);
	else
		api_send(ask->reply, json);
}

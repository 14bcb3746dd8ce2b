// SPDX-License-Identifier: GPL-2.0-or-later
/* What the API only reads, besides the status: one client's way, and events. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_internal.h"
#include "api/body.h"
#include "lib/log.h"
#include "lib/net.h"
#include "observe/event_json.h"
#include "observe/explain_json.h"

/* ---- explain ---- */

static int read_query(const struct http_request *r, struct explain_query *q, const char **client,
		      char *why)
{
	const char *dscp = http_parameter(r, "dscp");

	q->service = http_parameter(r, "service");
	*client = http_parameter(r, "client");
	if (!q->service || !*client) {
		snprintf(why, API_WHY_LEN, "the parameters \"service\" and \"client\" are needed");
		return -EINVAL;
	}
	if (net_parse_endpoint(*client, &q->client, &q->port)) {
		snprintf(why, API_WHY_LEN,
			 "\"client\" must be ADDRESS or ADDRESS:PORT ([ADDRESS]:PORT for IPv6)");
		return -EINVAL;
	}
	if (dscp && net_parse_dscp(dscp, &q->dscp)) {
		snprintf(why, API_WHY_LEN, "\"dscp\" must be 0 to 63 or a name like EF");
		return -EINVAL;
	}
	return api_read_seed(http_parameter(r, "seed"), &q->has_seed, &q->seed, why);
}

void api_explain(struct api *api, const struct api_ask *ask)
{
	struct explain_query query = {};
	char why[API_WHY_LEN], *words = NULL;
	const char *client;
	struct explanation e;
	struct dataplane *dp;
	FILE *messages;
	size_t size;
	int err = read_query(ask->request, &query, &client, why);

	if (err) {
		api_refuse(ask->reply, err, why);
		return;
	}
	dp = api_open_dataplane(api, ask->reply, DATAPLANE_READ);
	if (!dp)
		return;
	messages = open_memstream(&words, &size);
	if (messages) {
		log_hold(messages);
		err = dataplane_explain(dp, &query, &e);
		log_release();
		fclose(messages);
		if (err)
			api_refuse(ask->reply, err, words);
		else
			api_send(ask->reply, explain_json(query.service, client, &e));
		free(words);
	} else {
		http_refuse(ask->reply, 503, "unavailable", "out of memory");
	}
	dataplane_close(dp);
}

/* ---- events ---- */

/* Of one reader. More at once would keep the loop from its other work; the log holds 4,096. */
#define AT_ONCE_MAX 4096
#define A_TURN_MAX  256

struct reading {
	struct events *events;
	char service[SERIN_NAME_LEN]; /* "": all */
};

static void reading_free(void *arg)
{
	struct reading *r = arg;

	events_close(r->events);
	free(r);
}

static struct reading *reading_new(struct api *api, const char *service, enum events_from from)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (r && events_open(api->host.dir, from, &r->events)) {
		free(r);
		return NULL;
	}
	if (r && service)
		snprintf(r->service, sizeof(r->service), "%s", service);
	return r;
}

static json_t *next_json(struct reading *r)
{
	struct event_view v;

	while (events_next(r->events, &v) == 1)
		if (!*r->service || !strcmp(r->service, v.service))
			return event_json(&v);
	return NULL;
}

static int write_lines(FILE *out, void *arg)
{
	json_t *event;

	for (int i = 0; i < A_TURN_MAX && (event = next_json(arg)); i++) {
		json_dumpf(event, out, JSON_COMPACT);
		fputc('\n', out);
		json_decref(event);
	}
	return 0;
}

static void follow(struct reading *r, const struct api_ask *ask)
{
	if (!http_can_follow(ask->request)) {
		http_refuse(ask->reply, 503, "unavailable", "too many follow already");
		reading_free(r);
		return;
	}
	ask->reply->status = 200;
	ask->reply->content_type = "application/x-ndjson";
	ask->reply->more = write_lines;
	ask->reply->free_more = reading_free;
	ask->reply->more_arg = r;
	write_lines(ask->reply->body, r);
}

static void list(struct reading *r, const struct api_ask *ask)
{
	json_t *events = json_array(), *event;

	for (int i = 0; i < AT_ONCE_MAX && (event = next_json(r)); i++)
		json_array_append_new(events, event);
	api_send(ask->reply, json_pack("{s:o, s:I}", "events", events, "lost",
				       (json_int_t)events_lost(r->events)));
	reading_free(r);
}

/* A service that nothing has is a mistake, not one without events. */
static bool can_be_read(struct api *api, const struct api_ask *ask, const char *service)
{
	struct dataplane *dp;
	json_t *found;

	if (service) {
		found = api_find_service(api, ask->reply, service);
		json_decref(found);
		return found;
	}
	dp = api_open_dataplane(api, ask->reply, DATAPLANE_READ);
	if (dp)
		dataplane_close(dp);
	return dp;
}

void api_events(struct api *api, const struct api_ask *ask)
{
	const char *service = http_parameter(ask->request, "service");
	char why[API_WHY_LEN];
	struct reading *r;
	bool is_following;
	int err =
		api_read_flag("follow", http_parameter(ask->request, "follow"), &is_following, why);

	if (err) {
		api_refuse(ask->reply, err, why);
		return;
	}
	if (!can_be_read(api, ask, service))
		return;
	r = reading_new(api, service, is_following ? EVENTS_NEW : EVENTS_OLDEST);
	if (!r)
		http_refuse(ask->reply, 503, "unavailable", "out of memory");
	else if (is_following)
		follow(r, ask);
	else
		list(r, ask);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What the API changes, and the word in the log of who did it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api_internal.h"
#include "api/body.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"
#include "observe/shift_json.h"

#define ACTOR "api"

/* One change: who, and the words of whatever refuses it. */
struct change {
	const struct api_ask *ask;
	struct dataplane_author author;
	struct live_change account;
	char *words;
	size_t size;
	FILE *messages;
};

/* @is_kept: an account of it is wanted */
static bool change_begin(struct change *c, const struct api_ask *ask, const char *reason,
			 bool is_kept)
{
	*c = (struct change){
		.ask = ask,
		.author = {.actor = ACTOR,
			   .reason = reason,
			   .has_uid = true,
			   .uid = *ask->request->uid},
	};
	if (is_kept)
		c->author.change = &c->account;
	c->messages = open_memstream(&c->words, &c->size);
	if (!c->messages) {
		http_refuse(ask->reply, 503, "unavailable", "out of memory");
		return false;
	}
	log_hold(c->messages);
	return true;
}

static void say(const struct change *c, const char *outcome)
{
	char uid[16];
	const struct log_field fields[] = {
		{"path", c->ask->request->path},
		{"uid", uid},
		{"reason", c->author.reason},
		{"outcome", outcome},
	};

	snprintf(uid, sizeof(uid), "%u", (unsigned int)c->author.uid);
	log_fields(LOG_LEVEL_INFO, "asked over the socket", fields,
		   sizeof(fields) / sizeof(*fields));
}

/* Its words are whole from here on. What went wrong beside a change that was made is for the log. */
static void change_close(struct change *c, int error)
{
	log_release();
	fclose(c->messages);
	if (error >= 0 && *c->words)
		log_error("%s", c->words);
}

static void change_end(struct change *c, int error, bool is_dry_run)
{
	change_close(c, error);
	c->words[strcspn(c->words, "\n")] = '\0';
	say(c, error < 0 ? c->words : is_dry_run ? "dry run" : "done");
	if (error < 0)
		api_refuse(c->ask->reply, error, c->words);
	free(c->words);
}

/* Once nobody waits for the lock. */
static void change_record(struct api *api, struct change *c, int error)
{
	if (c->author.change)
		api->host.record(&c->author, c->ask->target.service, error < 0 ? error : 0,
				 api->host.arg);
	live_change_fini(&c->account);
}

void api_change_weights(struct api *api, const struct api_ask *ask)
{
	struct dataplane_weight weights[SERIN_MAX_POOLS];
	struct dataplane_shift shift = {};
	struct api_weights wanted;
	struct change c = {};
	struct dataplane *dp;
	char why[API_WHY_LEN];
	int err = api_read_weights(ask->request->body, ask->request->body_len, &wanted, why);

	if (err) {
		api_refuse(ask->reply, err, why);
		return;
	}
	for (size_t i = 0; i < wanted.count; i++)
		weights[i] = (struct dataplane_weight){wanted.list[i].pool, wanted.list[i].ppm};
	dp = api_open_dataplane(api, ask->reply, DATAPLANE_WRITE);
	if (!dp)
		return;
	if (change_begin(&c, ask, wanted.change.reason, !wanted.change.is_dry_run)) {
		const struct dataplane_shift_request request = {
			.service = ask->target.service,
			.weights = weights,
			.weight_count = wanted.count,
			.expect_epoch = wanted.expect_epoch,
			.dry_run = wanted.change.is_dry_run,
			.author = c.author,
		};

		err = dataplane_shift(dp, &request, &shift);
		change_end(&c, err, request.dry_run);
		if (!err)
			api_send(ask->reply, shift_json(request.service, &shift));
	}
	dataplane_close(dp);
	change_record(api, &c, err);
	page_forget(&api->status);
}

static json_t *drained_json(const struct api_ask *ask, const struct api_drain *wanted, bool drain,
			    bool is_changed)
{
	char backend[NET_ENDPOINT_LEN];

	if (wanted->port)
		net_format_endpoint(&wanted->address, wanted->port, backend);
	else
		net_format_addr(&wanted->address, backend);
	return json_pack("{s:s, s:s, s:b, s:b}", "service", ask->target.service, "backend", backend,
			 "draining", drain, "changed", is_changed && !wanted->change.is_dry_run);
}

static void set_draining(struct api *api, const struct api_ask *ask, bool drain)
{
	struct api_drain wanted;
	struct change c = {};
	struct dataplane *dp;
	char why[API_WHY_LEN];
	int result = api_read_drain(ask->request->body, ask->request->body_len, &wanted, why);

	if (result) {
		api_refuse(ask->reply, result, why);
		return;
	}
	dp = api_open_dataplane(api, ask->reply, DATAPLANE_WRITE);
	if (!dp)
		return;
	if (change_begin(&c, ask, wanted.change.reason, !wanted.change.is_dry_run)) {
		const struct dataplane_drain_request request = {
			.service = ask->target.service,
			.drain = drain,
			.force = wanted.is_forced,
			.dry_run = wanted.change.is_dry_run,
			.author = c.author,
		};

		result = dataplane_drain(dp, &request, &wanted.address, wanted.port);
		change_end(&c, result, request.dry_run);
		if (result >= 0)
			api_send(ask->reply, drained_json(ask, &wanted, drain, !result));
	}
	dataplane_close(dp);
	change_record(api, &c, result);
	page_forget(&api->status);
}

void api_drain(struct api *api, const struct api_ask *ask)
{
	set_draining(api, ask, true);
}

void api_undrain(struct api *api, const struct api_ask *ask)
{
	set_draining(api, ask, false);
}

/* Lines to a list of strings. */
static json_t *lines_json(char *text)
{
	json_t *list = json_array();
	char *line;

	while ((line = strsep(&text, "\n")))
		if (*line)
			json_array_append_new(list, json_string(line));
	return list;
}

static json_t *wrong_file_json(int error, char *words)
{
	json_t *details = lines_json(words);
	const char *first = json_string_value(json_array_get(details, 0));

	return json_pack("{s:{s:s, s:s, s:o}}", "error", "code",
			 error == -EINVAL ? "invalid" : "failed", "message",
			 first ? first : strerror(-error), "details", details);
}

void api_reload(struct api *api, const struct api_ask *ask)
{
	char why[API_WHY_LEN], *text = NULL;
	struct api_reload wanted;
	struct change c;
	size_t size;
	FILE *changes;
	int err = api_read_reload(ask->request->body, ask->request->body_len, &wanted, why);

	if (err) {
		api_refuse(ask->reply, err, why);
		return;
	}
	changes = open_memstream(&text, &size);
	if (!changes || !change_begin(&c, ask, wanted.reason, false)) {
		if (changes)
			fclose(changes);
		free(text);
		http_refuse(ask->reply, 503, "unavailable", "out of memory");
		return;
	}
	err = api->host.reload(&c.author, changes, c.messages, api->host.arg);
	change_close(&c, err);
	fclose(changes);
	say(&c, err ? "failed" : "done");
	api_send(ask->reply, err ? wrong_file_json(err, c.words)
				 : json_pack("{s:o}", "changes", lines_json(text)));
	if (err)
		ask->reply->status = err == -EINVAL ? 422 : err == -EBUSY ? 409 : 500;
	free(c.words);
	free(text);
	page_forget(&api->status);
}

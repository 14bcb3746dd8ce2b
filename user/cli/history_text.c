// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/history_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "store/store.h"

const char *history_time(int64_t at_ms, char buf[HISTORY_TIME_LEN])
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(buf, HISTORY_TIME_LEN, "%Y-%m-%d %H:%M:%SZ", &utc);
	return buf;
}

/* ---- what has changed, in one line ---- */

struct summary {
	char *text; /* of HISTORY_SUMMARY_LEN */
	size_t length;
};

static void say(struct summary *s, const char *format, ...)
{
	size_t room = HISTORY_SUMMARY_LEN - s->length;
	va_list args;
	int written;

	if (s->length && room > 2) {
		memcpy(s->text + s->length, ", ", 3);
		s->length += 2;
		room -= 2;
	}
	va_start(args, format);
	written = vsnprintf(s->text + s->length, room, format, args);
	va_end(args);
	s->length += written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
}

static const char *percent(json_t *weight, char buf[16])
{
	return cli_percent((uint32_t)lround(json_number_value(weight) * 1e4), buf);
}

static const char *text_of(json_t *state, const char *key)
{
	const char *text = json_string_value(json_object_get(state, key));

	return text ? text : "";
}

/* The primary's follows from the others'. */
static void say_weights(struct summary *s, json_t *before, json_t *after)
{
	json_t *was = json_object_get(before, "weights"), *weight;
	char from[16], to[16];
	const char *pool;

	json_object_foreach(json_object_get(after, "weights"), pool, weight)
	{
		json_t *old = json_object_get(was, pool);

		if (!strcmp(pool, text_of(after, "primary")))
			continue;
		percent(weight, to);
		if (!old)
			say(s, "%s %s %%", pool, to);
		else if (strcmp(percent(old, from), to))
			say(s, "%s %s -> %s %%", pool, from, to);
	}
	json_object_foreach(was, pool, weight)
	{
		if (after && !json_object_get(json_object_get(after, "weights"), pool))
			say(s, "%s gone", pool);
	}
}

static bool has(json_t *list, const char *text)
{
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		if (!strcmp(json_string_value(value) ? json_string_value(value) : "", text))
			return true;
	}
	return false;
}

/* Those in one list and not in the other. */
static void say_others(struct summary *s, json_t *list, json_t *other, const char *what)
{
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *text = json_string_value(value);

		if (text && !has(other, text))
			say(s, "%s %s", text, what);
	}
}

static void say_difference(struct summary *s, json_t *before, json_t *after)
{
	json_t *was = json_object_get(before, "drained"), *is = json_object_get(after, "drained");

	if (!after) {
		say(s, "ends");
		return;
	}
	if (!before)
		say(s, "begins");
	else if (strcmp(text_of(before, "primary"), text_of(after, "primary")))
		say(s, "primary %s -> %s", text_of(before, "primary"), text_of(after, "primary"));
	say_weights(s, before, after);
	say_others(s, is, was, "drained");
	say_others(s, was, is, "undrained");
	if (before && strcmp(text_of(before, "seed"), text_of(after, "seed")))
		say(s, "new seed");
}

/* "+ service web: pool canary": which service is said beside it. */
static const char *skip_service(const char *line, const char *service)
{
	static const char word[] = "service ";
	const char *name = line + strlen(word);
	size_t length = strlen(service);

	if (!length || strncmp(line, word, strlen(word)) || strncmp(name, service, length))
		return line;
	return strncmp(name + length, ": ", 2) ? line : name + length + 2;
}

/* Its first line that tells of a change, and how many more there are. */
static void say_detail(struct summary *s, const char *detail, const char *service)
{
	const char *first = NULL, *line, *text;
	size_t more = 0;

	for (line = detail; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (*line == '=' || strcspn(line, "\n") < 2)
			continue;
		more += first != NULL;
		first = first ? first : line;
	}
	if (!first)
		return;
	text = skip_service(first + 2, service);
	say(s, "%.2s%.*s", first, (int)strcspn(text, "\n"), text);
	if (more)
		say(s, "%zu more", more);
}

static void say_event(struct summary *s, const struct history_entry *e)
{
	if (*e->pool)
		say(s, "pool %s", e->pool);
	if (*e->backend)
		say(s, "backend %s", e->backend);
	if (*e->client)
		say(s, "client %s", e->client);
	if (e->count > 1)
		say(s, "%" PRId64 " times", e->count);
}

const char *history_summary(const struct history_entry *e, char buf[HISTORY_SUMMARY_LEN])
{
	json_t *before = json_loads(e->before, 0, NULL), *after = json_loads(e->after, 0, NULL);
	struct summary s = {.text = buf};

	*buf = '\0';
	if (e->is_event)
		say_event(&s, e);
	else if (before || after)
		say_difference(&s, before, after);
	if (!e->is_event && !s.length)
		say_detail(&s, e->detail, e->service);
	json_decref(before);
	json_decref(after);
	return buf;
}

static const char *user_text(const char *name, int64_t uid, char buf[24])
{
	if (*name)
		return name;
	snprintf(buf, 24, "uid %" PRId64, uid);
	return buf;
}

const char *history_who(const struct history_entry *e, char *buf, size_t size)
{
	char user[24], sudo[24];

	if (e->is_event)
		snprintf(buf, size, "kernel");
	else if (e->sudo_uid >= 0)
		snprintf(buf, size, "%s (%s)", user_text(e->sudo_user, e->sudo_uid, sudo),
			 user_text(e->user, e->uid, user));
	else
		snprintf(buf, size, "%s", user_text(e->user, e->uid, user));
	return buf;
}

/* ---- for machines ---- */

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *number_or_null(int64_t number)
{
	return number >= 0 ? json_integer(number) : json_null();
}

static json_t *state_or_null(const char *text)
{
	json_t *state = *text ? json_loads(text, 0, NULL) : NULL;

	return state ? state : json_null();
}

static json_t *change_json(const struct history_entry *e, const char *time)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}",
			 "time", time, "type", "change", "actor", e->actor, "service",
			 text_or_null(e->service), "uid", number_or_null(e->uid), "user",
			 text_or_null(e->user), "sudo_uid", number_or_null(e->sudo_uid),
			 "sudo_user", text_or_null(e->sudo_user), "reason", text_or_null(e->reason),
			 "outcome", e->outcome, "epoch", number_or_null(e->epoch), "before",
			 state_or_null(e->before), "after", state_or_null(e->after), "detail",
			 text_or_null(e->detail));
}

static json_t *event_json(const struct history_entry *e, const char *time)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I}", "time", time, "type",
			 "event", "kind", e->actor, "cause", e->reason, "service",
			 text_or_null(e->service), "pool", text_or_null(e->pool), "backend",
			 text_or_null(e->backend), "client", text_or_null(e->client), "count",
			 (json_int_t)e->count, "total", (json_int_t)e->total);
}

struct json_t *history_json(const struct history_entry *e)
{
	time_t seconds = (time_t)(e->at_ms / 1000);
	char date[32], time[48];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(time, sizeof(time), "%s.%03dZ", date, (int)(e->at_ms % 1000));
	return e->is_event ? event_json(e, time) : change_json(e, time);
}

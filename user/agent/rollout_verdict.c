// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/rollout_verdict.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

/* ---- text ---- */

struct json_t *verdict_text(const char *text, size_t len)
{
	char *copy = malloc(len + 1);
	json_t *json;
	bool is_printable;
	size_t bytes;

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	for (size_t i = 0; i < len; i += bytes) {
		bytes = text_char(copy + i, len - i, &is_printable);
		if (!is_printable && copy[i] != '\n' && copy[i] != '\t')
			memset(copy + i, '?', bytes);
	}
	json = json_stringn(copy, len);
	/* UTF-8 has rules beyond those of its single characters. */
	for (size_t i = 0; !json && i < len; i++)
		copy[i] = (unsigned char)copy[i] < 0x80 ? copy[i] : '?';
	if (!json)
		json = json_stringn(copy, len);
	free(copy);
	return json;
}

void verdict_first_line(const char *text, size_t len, char out[ROLLOUT_WHY_LEN])
{
	const char *end;
	json_t *json;

	while (len && strchr(" \t\r\n", *text)) {
		text++;
		len--;
	}
	end = memchr(text, '\n', len);
	len = end ? (size_t)(end - text) : len;
	len = len < ROLLOUT_WHY_LEN ? len : ROLLOUT_WHY_LEN - 1;
	while (len && strchr(" \t\r", text[len - 1]))
		len--;
	json = verdict_text(text, len);
	snprintf(out, ROLLOUT_WHY_LEN, "%s", json ? json_string_value(json) : "");
	json_decref(json);
}

/* A text that was cut to fit may end within a character. */
static void mend_end(char *text)
{
	size_t len = strlen(text), bytes;
	bool is_printable;

	for (size_t i = 0; i < len; i += bytes) {
		bytes = text_char(text + i, len - i, &is_printable);
		if (!is_printable && (unsigned char)text[i] >= 0x80)
			text[len = i] = '\0';
	}
}

static void say(struct verdict *v, enum verdict_kind kind, const char *head, const char *text,
		size_t len)
{
	char line[ROLLOUT_WHY_LEN];

	v->kind = kind;
	verdict_first_line(text, len, line);
	if (snprintf(v->why, sizeof(v->why), "%s%s%s", head, *head && *line ? ": " : "", line) < 0)
		*v->why = '\0';
	mend_end(v->why);
}

/* ---- webhooks ---- */

/* Of a 2xx. A gate that cannot be understood is shut. */
static void judge_body(const char *head, const char *body, size_t len, struct verdict *out)
{
	size_t at = 0;
	json_error_t error;
	json_t *json, *allow;
	const char *reason;

	while (at < len && strchr(" \t\r\n", body[at]) && body[at])
		at++;
	if (at == len || body[at] != '{') {
		say(out, VERDICT_YES, head, body, len);
		return;
	}
	json = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
	allow = json_object_get(json, "allow");
	reason = json_string_value(json_object_get(json, "reason"));
	reason = reason ? reason : "";
	if (!json)
		say(out, VERDICT_NO, "its answer is no JSON", error.text, strlen(error.text));
	else if (json_is_false(allow))
		say(out, VERDICT_NO, *reason ? "" : "it does not allow it", reason, strlen(reason));
	else if (allow && !json_is_true(allow))
		say(out, VERDICT_NO, "its \"allow\" is neither true nor false", reason,
		    strlen(reason));
	else
		say(out, VERDICT_YES, *reason ? "" : head, reason, strlen(reason));
	json_decref(json);
}

void verdict_of_http(long status, const char *body, size_t len, bool is_cut, struct verdict *out)
{
	char head[80];

	snprintf(head, sizeof(head), "HTTP status %ld", status);
	if (status >= 500 || status == 408 || status == 429)
		say(out, VERDICT_NONE, head, body, len);
	else if (status >= 300 && status < 400)
		say(out, VERDICT_NO, head, "redirects are not followed", 26);
	else if (status < 200 || status >= 300)
		say(out, VERDICT_NO, head, body, len);
	else if (is_cut)
		say(out, VERDICT_NO, head, "its answer is too long to be read", 33);
	else
		judge_body(head, body, len, out);
}

/* ---- looks ---- */

static const struct finding_word {
	const char *name;
	enum rollout_finding finding;
} words[] = {
	/* From the best to the worst. */
	{"good", ROLLOUT_GOOD},
	{"unknown", ROLLOUT_UNKNOWN},
	{"inconclusive", ROLLOUT_INCONCLUSIVE},
	{"bad", ROLLOUT_BAD},
};

#define WORDS (sizeof(words) / sizeof(*words))

const char *verdict_finding_name(enum rollout_finding f)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].finding == f)
			return words[i].name;
	return words[1].name;
}

/* How bad an entry is, or -1 where it is none. */
static int rank_of(json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "finding"));

	if (!name || !json_is_string(json_object_get(entry, "why")))
		return -1;
	for (size_t i = 0; i < WORDS; i++)
		if (!strcmp(words[i].name, name))
			return (int)i;
	return -1;
}

static void read_lines(const char *text, size_t len, json_t *entries)
{
	while (len && json_array_size(entries) < VERDICT_ENTRIES_MAX) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;
		json_t *json = json_loadb(text, line, JSON_REJECT_DUPLICATES, NULL);

		if (json && rank_of(json) >= 0)
			json_array_append(entries, json);
		json_decref(json);
		line += end ? 1 : 0;
		text += line;
		len -= line;
	}
}

static void set_why(struct verdict_look *l, const char *why, size_t others)
{
	char more[48] = "", line[ROLLOUT_WHY_LEN];

	if (l->finding == ROLLOUT_GOOD && others)
		snprintf(more, sizeof(more), "; %zu more %s good", others,
			 others == 1 ? "is" : "are");
	verdict_first_line(why, strlen(why), line);
	snprintf(l->why, sizeof(l->why), "%.*s%s", (int)(sizeof(l->why) - 1 - strlen(more)), line,
		 more);
	mend_end(l->why);
}

void verdict_of_look(const char *text, size_t len, const char *trouble, struct verdict_look *out)
{
	const char *why = "nothing but dry runs was looked at";
	size_t i, acting = 0;
	json_t *entry;
	int worst = 0;

	*out = (struct verdict_look){.finding = ROLLOUT_INCONCLUSIVE, .entries = json_array()};
	read_lines(text, len, out->entries);
	json_array_foreach(out->entries, i, entry)
	{
		int rank = rank_of(entry);

		if (json_is_true(json_object_get(entry, "dry_run")))
			continue;
		if (!acting++ || rank > worst) {
			worst = rank;
			why = json_string_value(json_object_get(entry, "why"));
		}
	}
	if (!json_array_size(out->entries) && !trouble)
		trouble = "nothing was looked at";
	if (trouble && words[worst].finding != ROLLOUT_BAD)
		why = trouble;
	else
		out->finding = words[worst].finding;
	set_why(out, why, acting ? acting - 1 : 0);
}

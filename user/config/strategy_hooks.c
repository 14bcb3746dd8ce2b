// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/strategy_parts.h"
#include "config/strings.h"
#include "config/values.h"
#include "model/model.h"
#include "lib/count_of.h"

#define TIMEOUT_MS	30000u
#define TIMEOUT_MAX_MS	86400000u
#define RETRIES_MAX	100
#define WEBHOOK_RETRIES 3
#define WORDS_MAX	64u

#define HOOK(member) offsetof(struct strategy_hook, member)

/* ---- exec ---- */

struct words {
	char **list;
	size_t count;
};

static const struct schema_list word_list = {
	.item = "word",
	.item_size = sizeof(char *),
	.count_offset = offsetof(struct words, count),
	.max = WORDS_MAX,
	.read_item = string_read_word,
};

static bool are_read(const struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (!w->list[i])
			return false;
	return w->count;
}

static void words_free(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->list[i]);
	free(w->list);
}

static void read_exec(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object)
{
	struct strategy_hook *hook = object;
	struct schema_field field = {.key = f->key, .type = &word_list};
	struct words words = {};

	schema_read_list(r, value, &field, &words);
	if (are_read(&words))
		hook->argv = calloc(words.count + 1, sizeof(*hook->argv));
	if (!hook->argv) {
		r->errors.is_no_memory |= are_read(&words);
		words_free(&words);
		return;
	}
	memcpy(hook->argv, words.list, words.count * sizeof(*words.list));
	free(words.list);
	if (!string_is_path(hook->argv[0]))
		errors_add(&r->errors, value->first->at,
			   "'exec' must begin with a program's whole path, not '%.40s'",
			   hook->argv[0]);
}

/* ---- the mapping ---- */

static const struct string_rule name_rule = {string_is_not_empty, "a name"};
static const struct string_rule url_rule = {strategy_is_url,
					    "a URL like https://hooks.example.com/"};

static const struct value_word moments[] = {
	{"start", STRATEGY_AT_START},	  {"step", STRATEGY_AT_STEP},
	{"batch", STRATEGY_AT_BATCH},	  {"promotion", STRATEGY_AT_PROMOTION},
	{"upgrade", STRATEGY_AT_UPGRADE}, {"rollback", STRATEGY_AT_ROLLBACK},
	{"end", STRATEGY_AT_END},	  {"event", STRATEGY_AT_EVENT},
};
_Static_assert(COUNT_OF(moments) == STRATEGY_MOMENT_MAX, "a word each");
static const struct value_words moment_words = {moments, COUNT_OF(moments),
						sizeof(enum strategy_moment)};
static const struct value_words payload_words = {
	.list = (const struct value_word[]){{"generic", STRATEGY_GENERIC},
					    {"slack", STRATEGY_SLACK}},
	.count = STRATEGY_PAYLOAD_MAX,
	.size = sizeof(enum strategy_payload),
};

static const struct schema_field hook_fields[] = {
	{"at", value_read_word, HOOK(at), true, &moment_words},
	{"name", string_read, HOOK(name), false, &name_rule},
	{"exec", read_exec, 0, false, NULL},
	{"webhook", string_read, HOOK(url), false, &url_rule},
	{"payload", value_read_word, HOOK(payload), false, &payload_words},
	{"timeout", duration_read_wide, HOOK(timeout_ms), false,
	 &(const struct duration_limits){STRATEGY_TIME_MIN_MS, TIMEOUT_MAX_MS}},
	{"retries", value_read_number, HOOK(retries), false,
	 &(const struct value_number){.max = RETRIES_MAX, .size = sizeof(uint32_t)}},
};
static const struct schema hook_schema = {"a hook", hook_fields, COUNT_OF(hook_fields)};

/* A program's file, a URL's host: what follows that may be a secret. */
static void name_hook(struct reader *r, struct strategy_hook *hook)
{
	const char *start = hook->argv ? strrchr(hook->argv[0], '/') + 1
				       : strstr(hook->url, "://") + 3;

	hook->name = strndup(start, hook->argv ? strlen(start) : strcspn(start, "/:?#@"));
	r->errors.is_no_memory |= !hook->name;
}

static void read_hook(struct reader *r, const struct node *value, void *item)
{
	const struct node *webhook = node_find(value, "webhook");
	const struct node *exec = node_find(value, "exec");
	struct strategy_hook *hook = item;
	size_t errors = r->errors.all.count;

	hook->timeout_ms = TIMEOUT_MS;
	hook->retries = webhook ? WEBHOOK_RETRIES : 0;
	schema_read_map(r, value, &hook_schema, hook);
	if (r->errors.all.count != errors || value->kind != NODE_MAP)
		return;
	if (!exec == !webhook)
		errors_add(&r->errors, exec ? webhook->at : value->at,
			   "a hook is either a program, 'exec', or a URL, 'webhook'");
	else if (exec && node_find(value, "payload"))
		errors_add(&r->errors, node_place(value, "payload"),
			   "'payload' is for webhooks; a program has generic JSON on its standard "
			   "input");
	else if (!hook->name && (hook->argv || hook->url))
		name_hook(r, hook);
}

const struct schema_list strategy_hook_list = {
	.item = "hook",
	.item_size = sizeof(struct strategy_hook),
	.count_offset = offsetof(struct model_strategy, hook_count),
	.max = STRATEGY_HOOKS_MAX,
	.read_item = read_hook,
};

void strategy_check_hooks(struct reader *r, const struct node *node, const struct model_strategy *s)
{
	const struct node *hook = node_items(node, "hooks");

	for (size_t i = 0; i < s->hook_count; i++, hook = hook->next) {
		enum strategy_moment at = s->hooks[i].at;

		if (at == STRATEGY_AT_BATCH && s->type != STRATEGY_ROLLING)
			errors_add(&r->errors, node_place(hook, "at"),
				   "'batch' is for strategies of type rolling, not %s",
				   strategy_type_name(s->type));
		if (at == STRATEGY_AT_PROMOTION && s->type == STRATEGY_ROLLING)
			errors_add(&r->errors, node_place(hook, "at"),
				   "a strategy of type rolling promotes nothing; 'end' is its last "
				   "moment");
		if (at == STRATEGY_AT_UPGRADE &&
		    (s->type == STRATEGY_ROLLING || s->finish != STRATEGY_RETURN))
			errors_add(&r->errors, node_place(hook, "at"),
				   "'upgrade' is for strategies with 'finish: return'");
	}
}

static bool has_hook(const struct model_strategy *s, enum strategy_moment at)
{
	for (size_t i = 0; i < s->hook_count; i++)
		if (s->hooks[i].at == at)
			return true;
	return false;
}

void strategy_check_upgrade(struct reader *r, const struct node *node,
			    const struct model_strategy *s)
{
	bool is_rolling = s->type == STRATEGY_ROLLING;

	if (is_rolling && !has_hook(s, STRATEGY_AT_BATCH))
		errors_add(&r->errors, node_place(node, "type"),
			   "a strategy of type rolling needs a hook at 'batch': nothing else would "
			   "upgrade its backends");
	if (!is_rolling && s->finish == STRATEGY_RETURN && !has_hook(s, STRATEGY_AT_UPGRADE))
		errors_add(&r->errors, node_place(node, "finish"),
			   "'finish: return' needs a hook at 'upgrade': nothing else would upgrade "
			   "the primary before it has the traffic again");
}

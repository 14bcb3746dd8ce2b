// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/health.h"

#include <stdlib.h>
#include <string.h>

#include "config/duration.h"
#include "config/strings.h"
#include "config/values.h"
#include "lib/count_of.h"
#include "model/model.h"

#define NUMBER(type, member, least, most) \
	(&(const struct value_number){    \
		.min = (least), .max = (most), .size = sizeof(((type *)NULL)->member)})
#define DURATION(least, most) (&(const struct duration_limits){.min_ms = (least), .max_ms = (most)})

/* ---- texts ---- */

static bool is_host(const char *text)
{
	return *text && string_is_graph(text);
}

static bool is_method(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return len && !text[len];
}

static bool is_escaped(const char *text)
{
	char *bytes = malloc(strlen(text) + 1);
	bool is_right = *text && bytes && model_unescape(text, bytes) > 0;

	free(bytes);
	return is_right;
}

static const struct string_rule path_rule = {string_is_path, "a path that begins with '/'"};
static const struct string_rule host_rule = {is_host, "a host's name"};
static const struct string_rule method_rule = {is_method, "a method like GET"};
static const struct string_rule expect_rule = {string_is_not_empty, "text"};
static const struct string_rule file_rule = {string_is_not_empty, "a file's name"};
static const struct string_rule send_rule = {is_escaped, "text; bytes are \\x00, \\n, \\\\"};

/* ---- lists ---- */

static void refuse_status(struct reader *r, const struct node *value)
{
	errors_add(&r->errors, value->at,
		   "'status' must be codes like 200-299 or 200,301, not '%.40s'", value->text);
}

static void add_statuses(struct reader *r, const struct node *item, struct model_statuses *out)
{
	struct model_statuses more;

	if (!schema_expect(r, item, NODE_TEXT, "a status"))
		return;
	if (model_statuses_parse(item->text, &more))
		refuse_status(r, item);
	else if (out->count + more.count > MODEL_STATUS_RANGES_MAX)
		errors_add(&r->errors, item->at, "'status' has more than %u ranges",
			   MODEL_STATUS_RANGES_MAX);
	else
		for (size_t i = 0; i < more.count; i++)
			out->range[out->count++] = more.range[i];
}

static void read_status(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object)
{
	struct model_health_check *c = object;
	size_t errors = r->errors.all.count;

	c->statuses.count = 0;
	if (value->kind != NODE_LIST) {
		if (value_is_text(r, value, f, "codes like 200-299"))
			add_statuses(r, value, &c->statuses);
		return;
	}
	for (const struct node *item = value->first; item && r->errors.all.count == errors;
	     item = item->next)
		add_statuses(r, item, &c->statuses);
	if (!value->first)
		errors_add(&r->errors, value->at, "'status' needs at least one code");
}

static const struct schema_list command_list = {
	.item = "word",
	.item_size = sizeof(char *),
	.count_offset = offsetof(struct model_health_check, command_count),
	.max = MODEL_COMMAND_MAX,
	.read_item = string_read_word,
};

static void read_command(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object)
{
	struct model_health_check *c = object;

	for (size_t i = 0; i < c->command_count; i++)
		free(c->command[i]);
	free(c->command);
	c->command = NULL;
	c->command_count = 0;
	schema_read_list(r, value, f, object);
	if (c->command && c->command[0] && c->command[0][0] != '/')
		errors_add(&r->errors, value->first->at,
			   "'command' must begin with a program's whole path, not '%.40s'",
			   c->command[0]);
}

/* ---- the mapping ---- */

static const struct value_word type_words[] = {
	{"none", MODEL_CHECK_NONE},   {"tcp", MODEL_CHECK_TCP}, {"http", MODEL_CHECK_HTTP},
	{"https", MODEL_CHECK_HTTPS}, {"udp", MODEL_CHECK_UDP}, {"exec", MODEL_CHECK_EXEC},
};

#define FIELD(name, read, type)                                                     \
	{                                                                           \
#name, read, offsetof(struct model_health_check, name), false, type \
	}
#define WORDS(words, bytes) \
	(&(const struct value_words){.list = (words), .count = COUNT_OF(words), .size = (bytes)})
#define RUNS NUMBER(struct model_health_check, rise, 1, MODEL_CHECK_RUNS_MAX)

static const struct schema_field check_fields[] = {
	FIELD(type, value_read_word, WORDS(type_words, sizeof(enum model_check_type))),
	FIELD(port, value_read_number, NUMBER(struct model_health_check, port, 1, 65535)),
	FIELD(path, string_read, &path_rule),
	FIELD(host, string_read, &host_rule),
	FIELD(method, string_read, &method_rule),
	{"status", read_status, 0, false, NULL},
	FIELD(expect, string_read, &expect_rule),
	FIELD(send, string_read, &send_rule),
	FIELD(sni, string_read, &host_rule),
	FIELD(verify, value_read_word, &value_truths),
	FIELD(reuse, value_read_word, &value_truths),
	FIELD(ca_file, string_read, &file_rule),
	FIELD(command, read_command, &command_list),
	{"interval", duration_read, offsetof(struct model_health_check, interval_ms), false,
	 DURATION(MODEL_CHECK_INTERVAL_MIN_MS, MODEL_CHECK_MAX_MS)},
	{"timeout", duration_read, offsetof(struct model_health_check, timeout_ms), false,
	 DURATION(MODEL_CHECK_TIMEOUT_MIN_MS, MODEL_CHECK_MAX_MS)},
	{"jitter", duration_read, offsetof(struct model_health_check, jitter_ms), false,
	 DURATION(0, MODEL_CHECK_MAX_MS)},
	FIELD(rise, value_read_number, RUNS),
	FIELD(fall, value_read_number, RUNS),
};
static const struct schema check_schema = {"'health_check'", check_fields, COUNT_OF(check_fields)};
_Static_assert(COUNT_OF(check_fields) <= SCHEMA_FIELDS_MAX, "the walker keeps one key of each");

#define OF(type) (1u << MODEL_CHECK_##type)
#define OF_HTTP	 (OF(HTTP) | OF(HTTPS))

/* Keys that not every type has. */
static const struct {
	const char *key;
	unsigned int types;
	const char *whose;
} particular[] = {
	{"path", OF_HTTP, "http and https"},
	{"host", OF_HTTP, "http and https"},
	{"method", OF_HTTP, "http and https"},
	{"status", OF_HTTP, "http and https"},
	{"reuse", OF_HTTP, "http and https"},
	{"sni", OF(HTTPS), "https"},
	{"verify", OF(HTTPS), "https"},
	{"ca_file", OF(HTTPS), "https"},
	{"send", OF(UDP), "udp"},
	{"expect", OF_HTTP | OF(UDP), "http, https and udp"},
	{"command", OF(EXEC), "exec"},
};

static void check_keys(struct reader *r, const struct node *node,
		       const struct model_health_check *c)
{
	for (size_t i = 0; i < COUNT_OF(particular); i++)
		if (node_find(node, particular[i].key) && !(particular[i].types & 1u << c->type))
			errors_add(&r->errors, node_place(node, particular[i].key),
				   "'%s' is for checks of type %s, not %s", particular[i].key,
				   particular[i].whose, model_check_type_name(c->type));
	if (c->type == MODEL_CHECK_EXEC && !node_find(node, "command") && !c->command)
		errors_add(&r->errors, node->at, "an exec check needs the key 'command'");
	if (c->type == MODEL_CHECK_UDP && !node_find(node, "send") && !c->send)
		errors_add(&r->errors, node->at, "a udp check needs the key 'send'");
}

/* Times not given follow the interval that is. */
static void check_times(struct reader *r, const struct node *node, struct model_health_check *c)
{
	char time[DURATION_TEXT_LEN], interval[DURATION_TEXT_LEN];

	if (node_find(node, "interval") && !node_find(node, "jitter"))
		c->jitter_ms = c->interval_ms / 10;
	if (!node_find(node, "timeout") && c->timeout_ms > c->interval_ms)
		c->timeout_ms = c->interval_ms;
	duration_format(c->interval_ms, interval);
	if (c->timeout_ms > c->interval_ms)
		errors_add(&r->errors, node_place(node, "timeout"),
			   "a 'timeout' of %s is longer than the 'interval' of %s: a check has to "
			   "end before the next one begins",
			   duration_format(c->timeout_ms, time), interval);
	if (c->jitter_ms > c->interval_ms)
		errors_add(&r->errors, node_place(node, "jitter"),
			   "a 'jitter' of %s is longer than the 'interval' of %s",
			   duration_format(c->jitter_ms, time), interval);
}

static void read_check(struct reader *r, const struct node *value, bool needs_type,
		       struct model_health_check *c)
{
	size_t errors = r->errors.all.count;

	schema_read_map(r, value, &check_schema, c);
	if (r->errors.all.count != errors || value->kind != NODE_MAP)
		return;
	if (needs_type && !node_find(value, "type")) {
		errors_add(&r->errors, value->at, "'health_check' needs the key 'type'");
		return;
	}
	check_keys(r, value, c);
	check_times(r, value, c);
}

void health_read_check(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object)
{
	read_check(r, value, true, (struct model_health_check *)((char *)object + f->offset));
}

static void keep_times(struct model_health_check *c)
{
	struct model_health_check fresh;

	model_health_check_init(&fresh);
	fresh.interval_ms = c->interval_ms;
	fresh.timeout_ms = c->timeout_ms;
	fresh.jitter_ms = c->jitter_ms;
	fresh.rise = c->rise;
	fresh.fall = c->fall;
	model_health_check_fini(c);
	*c = fresh;
}

void health_read_pool_check(struct reader *r, const struct node *value,
			    const struct schema_field *f, void *object)
{
	struct model_health_check *c = (void *)((char *)object + f->offset);
	bool is_anew = node_find(value, "type");

	if (is_anew)
		keep_times(c);
	read_check(r, value, c->type == MODEL_CHECK_NONE, c);
}

/* ---- outliers ---- */

#define OUTLIER(key, read, member, needed, type)                                \
	{                                                                       \
		key, read, offsetof(struct model_outlier, member), needed, type \
	}
#define OUTLIER_TIME DURATION(1000, MODEL_CHECK_MAX_MS)

static const struct schema_field outlier_fields[] = {
	OUTLIER("failures", value_read_number, failures, true,
		NUMBER(struct model_outlier, failures, 1, 1000000)),
	OUTLIER("ratio", value_read_number, ratio, false,
		NUMBER(struct model_outlier, ratio, 1, 100)),
	OUTLIER("interval", duration_read, interval_ms, false, OUTLIER_TIME),
	OUTLIER("eject", duration_read, eject_ms, false, OUTLIER_TIME),
	OUTLIER("max_eject", duration_read, max_eject_ms, false, OUTLIER_TIME),
	OUTLIER("max_percent", value_read_number, max_percent, false,
		NUMBER(struct model_outlier, max_percent, 1, 100)),
};
static const struct schema outlier_schema = {"'outlier'", outlier_fields, COUNT_OF(outlier_fields)};

void health_read_outlier(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object)
{
	struct model_outlier *o = (void *)((char *)object + f->offset);
	size_t errors = r->errors.all.count;
	char eject[DURATION_TEXT_LEN], most[DURATION_TEXT_LEN];

	*o = (struct model_outlier){
		.ratio = MODEL_OUTLIER_RATIO,
		.interval_ms = MODEL_OUTLIER_INTERVAL_MS,
		.eject_ms = MODEL_OUTLIER_EJECT_MS,
		.max_eject_ms = MODEL_OUTLIER_MAX_EJECT_MS,
		.max_percent = MODEL_OUTLIER_MAX_PERCENT,
	};
	schema_read_map(r, value, &outlier_schema, o);
	if (!node_find(value, "max_eject") && o->max_eject_ms < o->eject_ms)
		o->max_eject_ms = o->eject_ms;
	if (r->errors.all.count == errors && o->eject_ms > o->max_eject_ms)
		errors_add(&r->errors, node_place(value, "max_eject"),
			   "a 'max_eject' of %s is shorter than 'eject', %s",
			   duration_format(o->max_eject_ms, most),
			   duration_format(o->eject_ms, eject));
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/strategies.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/strategy_parts.h"
#include "config/suggest.h"
#include "config/values.h"
#include "model/model.h"
#include "lib/count_of.h"

#define STRATEGIES_MAX 1000

#define DRAIN_MS	 30000
#define STANDBY_MS	 600000
#define LOOKBACK_MS	 600000
#define KAYENTA_PASS	 75 /* as `serin judge` has them */
#define KAYENTA_MARGINAL 50

#define FIELD(member) offsetof(struct model_strategy, member)

static const struct value_words type_words = {
	.list = (const struct value_word[]){{"canary", STRATEGY_CANARY},
					    {"blue-green", STRATEGY_BLUE_GREEN},
					    {"rolling", STRATEGY_ROLLING}},
	.count = STRATEGY_TYPE_MAX,
	.size = sizeof(enum strategy_type),
};
static const struct value_words finish_words = {
	.list = (const struct value_word[]){{"swap", STRATEGY_SWAP}, {"return", STRATEGY_RETURN}},
	.count = STRATEGY_FINISH_MAX,
	.size = sizeof(enum strategy_finish),
};
static const struct value_words flows_words = {
	.list = (const struct value_word[]){{"leave", STRATEGY_FLOWS_LEAVE},
					    {"drain", STRATEGY_FLOWS_DRAIN},
					    {"reset", STRATEGY_FLOWS_RESET}},
	.count = STRATEGY_FLOWS_MAX,
	.size = sizeof(enum strategy_flows),
};

/* "2" backends, or "25%" of them. */
static void read_batch(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object)
{
	struct model_strategy *s = object;
	char number[8] = "";
	size_t digits;
	uint64_t count;

	if (!value_is_text(r, value, f, "a number"))
		return;
	digits = strspn(value->text, "0123456789");
	strncat(number, value->text, digits < sizeof(number) ? digits : 0);
	s->batch = s->batch_percent = 0;
	if (value_parse_number(number, &count) || !count)
		digits = 0;
	if (digits && !value->text[digits] && count <= SERIN_MAX_BACKENDS)
		s->batch = (uint32_t)count;
	else if (digits && !strcmp(value->text + digits, "%") && count <= 100)
		s->batch_percent = (uint32_t)count;
	else
		errors_add(
			&r->errors, value->at,
			"'batch' must be so many backends, like 2, or a part of them, like 25%%, "
			"not '%.40s'",
			value->text);
}

static const struct schema_field strategy_fields[] = {
	{"type", value_read_word, FIELD(type), true, &type_words},
	{"candidate", value_read_name, FIELD(candidate), false, NULL},
	{"baseline", value_read_name, FIELD(baseline), false, NULL},
	{"steps", schema_read_list, FIELD(steps), false, &strategy_step_list},
	{"finish", value_read_word, FIELD(finish), false, &finish_words},
	{"flows", value_read_word, FIELD(flows), false, &flows_words},
	{"drain", duration_read_wide, FIELD(drain_ms), false, STRATEGY_TIME(0)},
	{"standby", duration_read_wide, FIELD(standby_ms), false, STRATEGY_TIME(0)},
	{"batch", read_batch, 0, false, NULL},
	{"min_healthy", value_read_number, FIELD(min_healthy), false,
	 &(const struct value_number){.max = SERIN_MAX_BACKENDS, .size = sizeof(uint32_t)}},
	{"health_timeout", duration_read_wide, FIELD(health_ms), false,
	 STRATEGY_TIME(STRATEGY_TIME_MIN_MS)},
	{"after_batch", schema_read_submap, 0, false, &strategy_after_batch},
	{"analysis", strategy_read_analysis, FIELD(analysis), false, NULL},
	{"hooks", schema_read_list, FIELD(hooks), false, &strategy_hook_list},
};
static const struct schema strategy_schema = {"a strategy", strategy_fields,
					      COUNT_OF(strategy_fields)};

#define OF(type)    (1u << STRATEGY_##type)
#define OF_SHIFTING (OF(CANARY) | OF(BLUE_GREEN))

/* Keys that not every type has. */
static const struct {
	const char *key;
	unsigned int types, needed_by;
	const char *whose;
} particular[] = {
	{"candidate", OF_SHIFTING, OF_SHIFTING, "canary and blue-green"},
	{"baseline", OF_SHIFTING, 0, "canary and blue-green"},
	{"steps", OF_SHIFTING, OF(CANARY), "canary and blue-green"},
	{"finish", OF_SHIFTING, 0, "canary and blue-green"},
	{"flows", OF_SHIFTING, 0, "canary and blue-green"},
	{"standby", OF_SHIFTING, 0, "canary and blue-green"},
	{"batch", OF(ROLLING), 0, "rolling"},
	{"min_healthy", OF(ROLLING), 0, "rolling"},
	{"health_timeout", OF(ROLLING), 0, "rolling"},
	{"after_batch", OF(ROLLING), 0, "rolling"},
};

static void check_keys(struct reader *r, const struct node *node, const struct model_strategy *s)
{
	const char *type = strategy_type_name(s->type);

	for (size_t i = 0; i < COUNT_OF(particular); i++) {
		const char *key = particular[i].key;
		bool is_given = node_find(node, key);

		if (is_given && !(particular[i].types & 1u << s->type))
			errors_add(&r->errors, node_place(node, key),
				   "'%s' is for strategies of type %s, not %s", key,
				   particular[i].whose, type);
		else if (!is_given && particular[i].needed_by & 1u << s->type)
			errors_add(&r->errors, node->at, "a strategy of type %s needs the key '%s'",
				   type, key);
	}
	if (*s->baseline && !strcmp(s->baseline, s->candidate))
		errors_add(&r->errors, node_place(node, "baseline"),
			   "'%s' is the candidate; the baseline runs the old version", s->baseline);
}

/* What a file means that does not say it; an analysis that looks at once and for ever is nobody's wish. */
static void init_strategy(struct model_strategy *s)
{
	strategy_init(s);
	s->drain_ms = DRAIN_MS;
	s->standby_ms = STANDBY_MS;
	s->analysis.lookback_ms = LOOKBACK_MS;
	s->analysis.kayenta_pass = KAYENTA_PASS;
	s->analysis.kayenta_marginal = KAYENTA_MARGINAL;
}

static void read_strategy(struct reader *r, const struct node *key, struct model_strategy *s)
{
	static const struct schema_field name = {.key = "a strategy's name", .offset = FIELD(name)};
	const struct node *node = key->value;
	size_t errors = r->errors.all.count;

	value_read_name(r, key, &name, s);
	if (node_is_null(node))
		errors_add(&r->errors, key->at, "'%.40s' has no value", key->text);
	else
		schema_read_map(r, node, &strategy_schema, s);
	if (r->errors.all.count != errors || node->kind != NODE_MAP)
		return;
	check_keys(r, node, s);
	strategy_check_steps(r, node, s);
	strategy_check_rolling(r, node, s);
	strategy_check_hooks(r, node, s);
	strategy_set_hold(s);
	if (s->type == STRATEGY_ROLLING)
		s->analysis.on_failure = STRATEGY_PAUSE;
	if (r->errors.all.count == errors)
		strategy_check_upgrade(r, node, s);
}

static bool is_new(struct reader *r, const struct node *first, const struct node *key)
{
	for (const struct node *k = first; k != key; k = k->next) {
		if (k->kind != NODE_TEXT || strcmp(k->text, key->text))
			continue;
		errors_add(&r->errors, key->at,
			   "duplicate strategy '%.40s', first given on line %u", key->text,
			   k->at.line);
		return false;
	}
	return true;
}

void strategies_read(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object)
{
	struct model *m = object;
	size_t count = 0;

	(void)f;
	if (!schema_expect(r, value, NODE_MAP, "'strategies'"))
		return;
	for (const struct node *key = value->first; key; key = key->next)
		count++;
	if (count > STRATEGIES_MAX) {
		errors_add(&r->errors, value->at, "there are more than %d strategies",
			   STRATEGIES_MAX);
		return;
	}
	m->strategies = calloc(count + 1, sizeof(*m->strategies));
	r->errors.is_no_memory |= !m->strategies;
	for (const struct node *key = m->strategies ? value->first : NULL; key; key = key->next) {
		struct model_strategy *s = &m->strategies[m->strategy_count];

		if (!schema_expect(r, key, NODE_TEXT, "a strategy's name") ||
		    !is_new(r, value->first, key))
			continue;
		init_strategy(s);
		m->strategy_count++;
		read_strategy(r, key, s);
	}
}

void strategies_read_name(struct reader *r, const struct node *value, const struct schema_field *f,
			  void *object)
{
	struct model_service *svc = object;
	const struct model *m = r->model;
	const struct model_strategy *s;
	struct suggest near = {0};
	char hint[SUGGEST_HINT_LEN];

	if (!value_is_text(r, value, f, "a strategy's name"))
		return;
	s = model_find_strategy(m, value->text);
	if (s) {
		svc->strategy = 1 + (size_t)(s - m->strategies);
		return;
	}
	near.text = value->text;
	for (size_t i = 0; i < m->strategy_count; i++)
		suggest_offer(&near, m->strategies[i].name);
	errors_add(&r->errors, value->at, "there is no strategy '%.40s' under 'strategies'%s",
		   value->text, suggest_hint(&near, hint));
}

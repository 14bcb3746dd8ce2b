// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "config/decimal.h"
#include "config/strategy_parts.h"
#include "config/strings.h"
#include "config/suggest.h"
#include "config/values.h"
#include "model/model.h"
#include "model/query.h"
#include "lib/count_of.h"

#define LIMIT_MAX 10000

bool strategy_is_url(const char *text)
{
	size_t scheme = !strncmp(text, "http://", 7) ? 7 : !strncmp(text, "https://", 8) ? 8 : 0;

	return scheme && strlen(text) < STRATEGY_TEXT_MAX && string_is_graph(text) &&
	       strcspn(text + scheme, "/:?#@") > 0;
}

static bool is_metric_name(const char *text)
{
	return *text && strlen(text) < SERIN_NAME_LEN;
}

static bool is_query(const char *text)
{
	return text[strspn(text, " \t\n")] && strlen(text) < STRATEGY_TEXT_MAX;
}

static const struct string_rule url_rule = {strategy_is_url, "a URL like http://127.0.0.1:9090"};
static const struct string_rule file_rule = {string_is_path, "a file's whole path"};
static const struct string_rule metric_name_rule = {is_metric_name, "a name of 63 bytes at most"};
static const struct string_rule query_rule = {is_query, "PromQL of 4095 bytes at most"};

/* ---- metrics ---- */

#define METRIC(member) offsetof(struct strategy_metric, member)
#define BOUND	       (&(const struct decimal_limits){.min = -HUGE_VAL, .max = HUGE_VAL})

static const struct schema_field metric_fields[] = {
	{"name", string_read, METRIC(name), true, &metric_name_rule},
	{"query", string_read, METRIC(query), true, &query_rule},
	{"min", decimal_read, METRIC(min), false, BOUND},
	{"max", decimal_read, METRIC(max), false, BOUND},
	{"dry_run", value_read_word, METRIC(is_dry_run), false, &value_truths},
};
static const struct schema metric_schema = {"a metric", metric_fields, COUNT_OF(metric_fields)};

static void check_query(struct reader *r, const struct node *query, const char *text)
{
	struct query_error error;
	struct suggest near = {.text = error.unknown};
	char hint[SUGGEST_HINT_LEN];

	if (!query_check(text, &error))
		return;
	for (size_t i = 0; i < QUERY_PLACES_MAX; i++)
		suggest_offer(&near, query_places[i]);
	errors_add(&r->errors, query->at, "'query', character %zu: %s%s", error.column, error.text,
		   suggest_hint(&near, hint));
}

static void read_metric(struct reader *r, const struct node *value, void *item)
{
	struct strategy_metric *metric = item;
	size_t errors = r->errors.all.count;

	metric->min = NAN;
	metric->max = NAN;
	schema_read_map(r, value, &metric_schema, metric);
	if (r->errors.all.count != errors || value->kind != NODE_MAP)
		return;
	check_query(r, node_find(value, "query"), metric->query);
	if (isnan(metric->min) && isnan(metric->max))
		errors_add(&r->errors, value->at,
			   "a metric needs 'min', 'max', or both: what is good?");
	else if (metric->min > metric->max)
		errors_add(&r->errors, node_place(value, "min"),
			   "no value is at least %g and at most %g", metric->min, metric->max);
}

static const struct schema_list metric_list = {
	.item = "metric",
	.item_size = sizeof(struct strategy_metric),
	.count_offset = offsetof(struct strategy_analysis, metric_count),
	.max = STRATEGY_METRICS_MAX,
	.read_item = read_metric,
};

static void check_metric_names(struct reader *r, const struct node *list,
			       const struct strategy_analysis *a)
{
	const struct node *node = list;

	for (size_t i = 0; i < a->metric_count; i++, node = node->next)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(a->metrics[i].name, a->metrics[j].name))
				errors_add(&r->errors, node_place(node, "name"),
					   "there is a metric '%s' already", a->metrics[i].name);
}

/* ---- the mapping ---- */

#define ANALYSIS(member) offsetof(struct strategy_analysis, member)
#define CHANCE		 (&(const struct decimal_limits){.max = 1, .is_open = true})
#define RATIO		 (&(const struct decimal_limits){.min = 1, .max = 1000})
#define SCORE		 (&(const struct decimal_limits){.max = 100})
#define LOOKS		 (&(const struct value_number){.max = LIMIT_MAX, .size = sizeof(uint32_t)})

static const struct schema_field prometheus_fields[] = {
	{"url", string_read, ANALYSIS(prometheus_url), true, &url_rule},
	{"config", string_read, ANALYSIS(prometheus_auth), false, &file_rule},
};
static const struct schema prometheus_schema = {"'prometheus'", prometheus_fields,
						COUNT_OF(prometheus_fields)};

static const struct schema_field kayenta_fields[] = {
	{"config", string_read, ANALYSIS(kayenta_config), true, &file_rule},
	{"pass", decimal_read, ANALYSIS(kayenta_pass), false, SCORE},
	{"marginal", decimal_read, ANALYSIS(kayenta_marginal), false, SCORE},
};
static const struct schema kayenta_schema = {"'kayenta'", kayenta_fields, COUNT_OF(kayenta_fields)};

static const struct value_words failure_words = {
	.list = (const struct value_word[]){{"rollback", STRATEGY_ROLLBACK},
					    {"pause", STRATEGY_PAUSE}},
	.count = STRATEGY_ON_FAILURE_MAX,
	.size = sizeof(enum strategy_on_failure),
};

/* There is one right answer; the key is for files that say so. */
static void read_on_no_traffic(struct reader *r, const struct node *value,
			       const struct schema_field *f, void *object)
{
	(void)object;
	if (value_is_text(r, value, f, "wait") && strcmp(value->text, "wait"))
		errors_add(&r->errors, value->at,
			   "'on_no_traffic' must be wait, not '%.40s': a release without traffic "
			   "never fails; 'deadline' pauses it",
			   value->text);
}

static const struct schema_field analysis_fields[] = {
	{"kernel", value_read_word, ANALYSIS(has_kernel), false, &value_truths},
	{"alpha", decimal_read, ANALYSIS(alpha), false, CHANCE},
	{"beta", decimal_read, ANALYSIS(beta), false, CHANCE},
	{"harm_ratio", decimal_read, ANALYSIS(harm_ratio), false, RATIO},
	{"fine_ratio", decimal_read, ANALYSIS(fine_ratio), false, RATIO},
	{"initial_delay", duration_read_wide, ANALYSIS(initial_delay_ms), false, STRATEGY_TIME(0)},
	{"interval", duration_read_wide, ANALYSIS(interval_ms), false, STRATEGY_TIME(1000)},
	{"lookback", duration_read_wide, ANALYSIS(lookback_ms), false, STRATEGY_TIME(0)},
	{"failure_limit", value_read_number, ANALYSIS(failure_limit), false, LOOKS},
	{"inconclusive_limit", value_read_number, ANALYSIS(inconclusive_limit), false, LOOKS},
	{"dry_run", value_read_word, ANALYSIS(is_dry_run), false, &value_truths},
	{"on_failure", value_read_word, ANALYSIS(on_failure), false, &failure_words},
	{"on_no_traffic", read_on_no_traffic, 0, false, NULL},
	{"deadline", duration_read_wide, ANALYSIS(deadline_ms), false, STRATEGY_TIME(1000)},
	{"prometheus", schema_read_submap, 0, false, &prometheus_schema},
	{"metrics", schema_read_list, ANALYSIS(metrics), false, &metric_list},
	{"kayenta", schema_read_submap, 0, false, &kayenta_schema},
};
static const struct schema analysis_schema = {"'analysis'", analysis_fields,
					      COUNT_OF(analysis_fields)};
_Static_assert(COUNT_OF(analysis_fields) <= SCHEMA_FIELDS_MAX, "the walker keeps one key of each");

void strategy_read_analysis(struct reader *r, const struct node *value,
			    const struct schema_field *f, void *object)
{
	struct strategy_analysis *a = (void *)((char *)object + f->offset);
	const struct node *metrics = node_find(value, "metrics");
	const struct node *kayenta = node_find(value, "kayenta");
	size_t errors = r->errors.all.count;

	schema_read_map(r, value, &analysis_schema, a);
	if (r->errors.all.count != errors || value->kind != NODE_MAP)
		return;
	if (metrics)
		check_metric_names(r, metrics->first, a);
	if (metrics && !a->prometheus_url)
		errors_add(&r->errors, metrics->at,
			   "'metrics' need 'prometheus: {url: ...}': who is asked?");
	if (kayenta && !a->prometheus_url)
		errors_add(&r->errors, kayenta->at,
			   "'kayenta' needs 'prometheus: {url: ...}': who is asked?");
	if (kayenta && a->kayenta_marginal > a->kayenta_pass)
		errors_add(&r->errors, node_place(kayenta, "marginal"),
			   "a 'marginal' score of %g is above the one to 'pass', %g",
			   a->kayenta_marginal, a->kayenta_pass);
}

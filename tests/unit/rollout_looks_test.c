// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks at metrics: within bounds or not, and whatever a Prometheus can do, neither good nor bad. */
#include "asks_server.h"

#include <jansson.h>
#include <math.h>

#include "agent/rollout_asked.h"
#include "agent/rollout_asks.h"

static struct rollout_answer heard;
static json_t *details;
static size_t answers;

static void note(const struct rollout_answer *a, void *arg)
{
	(void)arg;
	answers++;
	heard = *a;
	details = json_incref(a->details);
}

static struct rollout_ask *ask(const struct strategy_analysis *analysis)
{
	const struct rollout_look_ask look = {.analysis = analysis,
					      .service = "web",
					      .candidate = "canary",
					      .control = "stable",
					      .start_s = 1700000000,
					      .end_s = 1700000600};
	struct rollout_ask *a = NULL;

	json_decref(details);
	details = NULL;
	answers = 0;
	assert_int_equal(rollout_ask_look(lab_event, &look, note, NULL, &a), 0);
	assert_int_equal(answers, 0);
	return a;
}

static void look_at(const struct strategy_analysis *analysis)
{
	ask(analysis);
	while (!answers)
		lab_turn();
	assert_int_equal(answers, 1);
	assert_int_equal(heard.tries, 1);
}

static void expect(enum rollout_finding finding, const char *why)
{
	if (heard.finding != finding || strcmp(heard.why, why))
		fail_msg("%d \"%s\", wanted %d \"%s\"", heard.finding, heard.why, finding, why);
}

/* One metric of at most 0.01, of what the path says. */
static void look_at_path(const char *path, enum rollout_finding finding, const char *why)
{
	struct strategy_metric m = {
		.name = (char *)"errors", .query = (char *)"x", .min = NAN, .max = 0.01};
	struct strategy_analysis a = {.prometheus_url = server_url(path),
				      .metrics = &m,
				      .metric_count = 1,
				      .interval_ms = 1000};

	look_at(&a);
	expect(finding, why);
	assert_int_equal(json_array_size(details), 1);
}

static void numbers_are_held_against_bounds(void **state)
{
	(void)state;
	look_at_path("/value/0.002", ROLLOUT_GOOD, "errors: 0.002 is within bounds");
	assert_true(json_real_value(json_object_get(json_array_get(details, 0), "value")) == 0.002);
	look_at_path("/value/0.01", ROLLOUT_GOOD, "errors: 0.01 is within bounds");
	look_at_path("/value/0.02", ROLLOUT_BAD, "errors: 0.02 is above 0.01");
	look_at_path("/value/1/-5", ROLLOUT_GOOD, "errors: -5 is within bounds");
	/* The newest there is. */
	look_at_path("/value/1/NaN", ROLLOUT_BAD, "errors: 1 is above 0.01");
	look_at_path("/value/0/+Inf", ROLLOUT_GOOD, "errors: 0 is within bounds");
}

static void what_is_no_number_is_neither_good_nor_bad(void **state)
{
	(void)state;
	look_at_path("/value/NaN", ROLLOUT_INCONCLUSIVE,
		     "errors: its query finds no number (NaN, Inf or gaps)");
	look_at_path("/value/+Inf", ROLLOUT_INCONCLUSIVE,
		     "errors: its query finds no number (NaN, Inf or gaps)");
	look_at_path("/none", ROLLOUT_INCONCLUSIVE, "errors: its query finds nothing");
	look_at_path("/broken", ROLLOUT_INCONCLUSIVE, "errors: HTTP status 500");
	look_at_path("/moved", ROLLOUT_INCONCLUSIVE, "errors: HTTP status 302");
	look_at_path("/hang", ROLLOUT_INCONCLUSIVE, "errors: no whole answer within 1s");
	look_at_path("/huge", ROLLOUT_INCONCLUSIVE,
		     "errors: the answer is larger than 4194304 bytes");
	look_at_path("/value/word", ROLLOUT_INCONCLUSIVE,
		     "errors: $.data.result[0].values[0]: must be a time and a number as text");
}

static void a_prometheus_that_is_not_there(void **state)
{
	struct strategy_metric m = {.name = (char *)"errors", .query = (char *)"x", .max = 1};
	struct strategy_analysis a = {
		.prometheus_url = (char *)"http://127.0.0.1:1", .metrics = &m, .metric_count = 1};

	(void)state;
	look_at(&a);
	assert_int_equal(heard.finding, ROLLOUT_INCONCLUSIVE);
	assert_memory_equal(heard.why, "errors: cannot be asked: ", 25);
	a.prometheus_url = (char *)"nonsense";
	look_at(&a);
	assert_int_equal(heard.finding, ROLLOUT_INCONCLUSIVE);
	a.prometheus_url = server_url("/value/0");
	a.prometheus_auth = (char *)"/nonexistent/auth.yaml";
	look_at(&a);
	assert_int_equal(heard.finding, ROLLOUT_INCONCLUSIVE);
	assert_non_null(strstr(heard.why, "/nonexistent/auth.yaml"));
}

/* The server's values are by the first pool that a query names. */
static void the_worst_of_those_not_dry_counts(void **state)
{
	struct strategy_metric metrics[] = {
		{(char *)"a", (char *)"x{p=\"${pool}\"}", 1, 2, false},
		{(char *)"b", (char *)"x{p=\"${control}\"}", NAN, 10, false},
		{(char *)"c", (char *)"x{p=\"${nonsense}\"}", NAN, NAN, false},
		{(char *)"d", (char *)"x{p=\"${control}\"}", 100, NAN, false},
	};
	struct strategy_analysis a = {.prometheus_url = server_url("/pools/1/9"),
				      .metrics = metrics,
				      .metric_count = 2,
				      .interval_ms = 60000};
	const char *query;

	(void)state;
	look_at(&a);
	expect(ROLLOUT_GOOD, "a: 1.4 is within bounds; 1 more is good");
	query = strstr(lab_read("asked"), "query=");
	assert_memory_equal(query,
			    "query=x%7Bp%3D%22stable%22%7D&start=1700000560.000&"
			    "end=1700000600.000&step=10.000",
			    79);
	a.metric_count = 3;
	look_at(&a);
	assert_int_equal(heard.finding, ROLLOUT_INCONCLUSIVE);
	assert_memory_equal(heard.why, "c: character 6 of its query: ${nonsense} is not known", 53);
	a.metric_count = 4;
	look_at(&a);
	expect(ROLLOUT_BAD, "d: 9.4 is below 100");
	assert_int_equal(json_array_size(details), 4);
	metrics[3].is_dry_run = metrics[2].is_dry_run = true;
	look_at(&a);
	expect(ROLLOUT_GOOD, "a: 1.4 is within bounds; 1 more is good");
	metrics[0].is_dry_run = metrics[1].is_dry_run = true;
	look_at(&a);
	expect(ROLLOUT_GOOD, "nothing but dry runs was looked at");
}

/* ---- Kayenta's judge ---- */

static void write_canary(const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"metrics\": [{\"name\": \"m\", \"groups\": [\"g\"], \"query\": "
		 "{\"customInlineTemplate\": \"x{p='${scope}'}\"}, \"analysisConfigurations\": "
		 "{\"canary\": {\"direction\": \"increase\"%s}}}], \"classifier\": "
		 "{\"groupWeights\": "
		 "{\"g\": 100}}}",
		 more);
	lab_write("canary.json", text);
}

static void judge_path(const char *path, enum rollout_finding finding, const char *why)
{
	struct strategy_analysis a = {.prometheus_url = server_url(path),
				      .kayenta_config = (char *)lab_path("canary.json"),
				      .kayenta_pass = 75,
				      .kayenta_marginal = 50,
				      .interval_ms = 1000};

	look_at(&a);
	expect(finding, why);
	assert_int_equal(json_array_size(details), 1);
}

static void kayenta_judges_the_whole_stretch(void **state)
{
	char why[ROLLOUT_WHY_LEN];
	json_t *entry;

	(void)state;
	write_canary("");
	judge_path("/pools/5/5", ROLLOUT_GOOD, "kayenta: score 100 (pass 75, marginal 50)");
	entry = json_array_get(details, 0);
	assert_true(json_number_value(json_object_get(entry, "score")) == 100);
	assert_int_equal(json_array_size(json_object_get(entry, "results")), 1);
	judge_path("/pools/8/5", ROLLOUT_BAD, "kayenta: score 0 (pass 75, marginal 50)");
	write_canary(", \"mustHaveData\": true, \"critical\": true");
	judge_path("/none", ROLLOUT_INCONCLUSIVE, "kayenta: no query finds a number");
	judge_path("/value/NaN", ROLLOUT_INCONCLUSIVE, "kayenta: no query finds a number");
	lab_write("canary.json", "{\"metrics\": }");
	judge_path("/pools/5/5", ROLLOUT_INCONCLUSIVE, "kayenta: unexpected token near '}'");
	unlink(lab_path("canary.json"));
	snprintf(why, sizeof(why), "kayenta: %s cannot be read: No such file or directory",
		 lab_path("canary.json"));
	judge_path("/pools/5/5", ROLLOUT_INCONCLUSIVE, why);
}

/* It hangs: what was found before counts, but never as good. */
static void what_takes_too_long_is_not_all(void **state)
{
	struct strategy_metric metrics[8];
	struct strategy_analysis a = {.prometheus_url = server_url("/hang"),
				      .metrics = metrics,
				      .metric_count = 8,
				      .interval_ms = 1000};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		metrics[i] = (struct strategy_metric){(char *)"slow", (char *)"x", NAN, 1, true};
	look_at(&a);
	expect(ROLLOUT_INCONCLUSIVE, "not all was looked at within 6 s");
	assert_in_range(json_array_size(details), 1, 7);
}

static void nobody_hears_of_what_is_cancelled(void **state)
{
	struct strategy_metric m = {.name = (char *)"errors", .query = (char *)"x", .max = 1};
	struct strategy_analysis a = {.prometheus_url = server_url("/hang"),
				      .metrics = &m,
				      .metric_count = 1,
				      .interval_ms = 60000};
	struct rollout_ask *look = ask(&a);

	(void)state;
	lab_turn();
	rollout_ask_cancel(look);
	lab_end(NULL);
	assert_int_equal(answers, 0);
	lab_begin(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_begin, lab_end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_are_held_against_bounds),
		TEST(what_is_no_number_is_neither_good_nor_bad),
		TEST(a_prometheus_that_is_not_there),
		TEST(the_worst_of_those_not_dry_counts),
		TEST(kayenta_judges_the_whole_stretch),
		TEST(what_takes_too_long_is_not_all),
		TEST(nobody_hears_of_what_is_cancelled),
	};
	int failed;

	if (rollout_is_asked(argc, argv))
		return rollout_asked_run();
	failed = cmocka_run_group_tests(tests, server_start, server_stop);
	json_decref(details);
	return failed;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What the judge reads and writes: configuration, samples, reports. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judge_io/canary.h"
#include "judge_io/report.h"
#include "judge_io/samples.h"
#include "lib/count_of.h"
#include "judge_lab.h"
#include "observe/judgement.h"

/* What was said of a text, after it has been read. */
struct heard {
	char *text;
	size_t len;
	FILE *file;
	struct source source;
};

static void listen(struct heard *h)
{
	h->file = open_memstream(&h->text, &h->len);
	assert_non_null(h->file);
	h->source = (struct source){"in", h->file};
}

static void expect_heard(struct heard *h, const char *wanted)
{
	fclose(h->file);
	if (*wanted ? !strstr(h->text, wanted) : h->len > 0)
		fail_msg("\"%s\", wanted \"%s\"", h->text, wanted);
	free(h->text);
}

/* A text that is refused, and a part of what is said of it. */
struct refused {
	const char *text, *heard;
};

/* ---- the configuration ---- */

static void reads_what_is_said_of_a_metric(void **state)
{
	static const char text[] =
		"{\"name\": \"c\", \"configVersion\": \"1\", \"metrics\": [{\"name\": \"a\","
		"\"query\": {\"type\": \"prometheus\"}, \"groups\": [\"g\", \"h\"],"
		"\"analysisConfigurations\": {\"canary\": {\"direction\": \"decrease\","
		"\"nanStrategy\": \"replace\", \"critical\": true, \"mustHaveData\": true,"
		"\"muted\": true, \"outliers\": {\"strategy\": \"remove\", \"outlierFactor\": 2},"
		"\"effectSize\": {\"measure\": \"cles\", \"allowedIncrease\": 0.7}}}},"
		"{\"name\": \"b\"}],"
		"\"classifier\": {\"groupWeights\": {\"g\": 60, \"x\": 10.5}}}";
	struct canary c;
	struct heard h;

	(void)state;
	listen(&h);
	assert_int_equal(canary_parse(&h.source, text, strlen(text), &c), 0);
	expect_heard(&h, "");
	assert_int_equal(c.config.metric_count, 2);
	assert_true(c.metrics[0].direction == JUDGE_DECREASE && c.metrics[0].is_critical);
	assert_true(c.metrics[0].nan == JUDGE_NAN_REPLACE && c.metrics[0].must_have_data);
	assert_true(c.metrics[0].is_muted && c.metrics[0].removes_outliers);
	assert_true(c.metrics[0].outlier_factor == 2.0 && c.metrics[0].effect == JUDGE_CLES);
	assert_true(c.metrics[0].allowed_increase == 0.7 && c.metrics[0].allowed_decrease == 0.5);
	assert_string_equal(c.metrics[0].groups[1], "h");
	assert_true(c.metrics[1].allowed_increase == 1.0 && !c.metrics[1].group_count);
	assert_true(c.metrics[1].outlier_factor == 3.0 && !c.metrics[1].removes_outliers);
	assert_true(c.config.weight_count == 2 && c.weights[1].weight == 10.5);
	canary_fini(&c);
}

static void says_what_is_wrong_with_a_configuration(void **state)
{
#define METRIC(inner)                                                                              \
	"{\"metrics\": [{\"name\": \"a\", \"analysisConfigurations\": {\"canary\": {" inner "}}}]" \
	"}"
	static const struct refused cases[] = {
		{"{\n  \"metrics\": [}\n", "in:2:15: error: "},
		{"{\"metrics\": [], \"metrics\": []}", "in:1:"},
		{"[]", "in: error: $: must be"},
		{"{}", "in: error: $.metrics: must be"},
		{"{\"metrics\": [1]}", "$.metrics[0]: must be an object"},
		{"{\"metrics\": [{\"name\": 1}]}", "$.metrics[0].name: must be text"},
		{"{\"metrics\": [{\"name\": \"\"}]}", "$.metrics[0].name: must be text"},
		{"{\"metrics\": [{\"name\": \"a\", \"groups\": [1]}]}", "$.metrics[0].groups[0]:"},
		{METRIC("\"critical\": 1"),
		 "$.metrics[0].analysisConfigurations.canary.critical: must be true or false"},
		{METRIC("\"effectSize\": {\"allowedIncrease\": \"1\"}"),
		 "canary.effectSize.allowedIncrease: must be a number"},
		{METRIC("\"outliers\": {\"strategy\": \"remove\", \"outlierFactor\": 0}"),
		 "canary.outliers.outlierFactor: must be above 0"},
		{METRIC("\"outliers\": 3"), "canary.outliers: must be an object"},
		{METRIC("\"direction\": true"), "canary.direction: must be text"},
		{"{\"metrics\": [], \"classifier\": {\"groupWeights\": {\"g\": \"1\"}}}",
		 "$.classifier.groupWeights[\"g\"]: must be a number"},
	};
	struct canary c;
	struct heard h;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		listen(&h);
		assert_int_equal(canary_parse(&h.source, cases[i].text, strlen(cases[i].text), &c),
				 -EINVAL);
		expect_heard(&h, cases[i].heard);
	}
}

static void warns_of_words_that_mean_nothing(void **state)
{
	static const char text[] = METRIC("\"direction\": \"up\\u001b[2J\", \"outliers\": null");
	struct canary c;
	struct heard h;

	(void)state;
	listen(&h);
	assert_int_equal(canary_parse(&h.source, text, strlen(text), &c), 0);
	expect_heard(&h, "warning: $.metrics[0].analysisConfigurations.canary.direction: "
			 "\"up?[2J\" is not known and taken as \"either\"");
	assert_int_equal(c.metrics[0].direction, JUDGE_EITHER);
	canary_fini(&c);
}

/* ---- samples ---- */

typedef int samples_parser(const struct source *s, const char *text, size_t len,
			   struct samples *out);

static void read_silently(samples_parser *parse, const char *text, struct samples *out)
{
	struct heard h;

	listen(&h);
	assert_int_equal(parse(&h.source, text, strlen(text), out), 0);
	expect_heard(&h, "");
}

static void expect_refused(samples_parser *parse, const struct refused *cases, size_t count)
{
	struct samples s;
	struct heard h;

	for (size_t i = 0; i < count; i++) {
		listen(&h);
		assert_int_equal(parse(&h.source, cases[i].text, strlen(cases[i].text), &s),
				 -EINVAL);
		expect_heard(&h, cases[i].heard);
	}
}

static void reads_pairs(void **state)
{
	static const char text[] =
		"[{\"name\": \"a\", \"id\": \"x\", \"tags\": {\"zone\": \"b\"}, \"values\": "
		"{\"experiment\": [1, 2.5, null, \"NaN\", \"Infinity\", 18446744073709551616], "
		"\"control\": []}}]";
	struct samples s;

	(void)state;
	read_silently(samples_parse_json, text, &s);
	assert_true(s.count == 1 && s.pairs[0].control.count == 0);
	assert_int_equal(s.pairs[0].experiment.count, 6);
	assert_true(s.pairs[0].experiment.values[1] == 2.5);
	assert_true(isnan(s.pairs[0].experiment.values[2]));
	assert_true(isnan(s.pairs[0].experiment.values[3]));
	assert_true(isinf(s.pairs[0].experiment.values[4]));
	assert_true(s.pairs[0].experiment.values[5] == 0x1p64);
	assert_string_equal(json_string_value(json_object_get(s.tags[0], "zone")), "b");
	samples_fini(&s);
}

static void says_what_is_wrong_with_pairs(void **state)
{
	static const struct refused cases[] = {
		{"[{\"name\": \"a\",}]", "in:1:15: error: "},
		{"{}", "$: must be a list"},
		{"[{\"name\": \"a\"}]", "$[0].values: must be an object"},
		{"[{\"name\": \"a\", \"values\": {\"experiment\": [1]}}]", "$[0].values.control:"},
		{"[{\"name\": \"a\", \"values\": {\"experiment\": [1, true], \"control\": []}}]",
		 "$[0].values.experiment[1]: must be a number, null or \"NaN\""},
		{"[{\"name\": \"a\", \"values\": {\"experiment\": [], \"control\": [\"1\"]}}]",
		 "$[0].values.control[0]:"},
		{"[1e999]", "in:1:"},
	};

	(void)state;
	expect_refused(samples_parse_json, cases, COUNT_OF(cases));
}

static void reads_csv(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "time,name,pool,value\r\n"
				   "30,\"a,\"\"b\"\"\",canary,3\r\n"
				   "10,\"a,\"\"b\"\"\",experiment,1\n"
				   "\n"
				   "1970-01-01T00:00:20Z,\"a,\"\"b\"\"\",canary,\n"
				   "10,c,baseline,-2e3\n"
				   "10,c,control,NaN";
	struct samples s;

	(void)state;
	read_silently(samples_parse_csv, text, &s);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.pairs[0].name, "a,\"b\"");
	assert_int_equal(s.pairs[0].experiment.count, 3);
	assert_true(s.pairs[0].experiment.values[0] == 1.0);
	assert_true(isnan(s.pairs[0].experiment.values[1]));
	assert_true(s.pairs[0].experiment.values[2] == 3.0);
	assert_true(s.pairs[0].control.count == 0 && s.pairs[1].control.count == 2);
	assert_true(s.pairs[1].control.values[0] == -2000.0);
	samples_fini(&s);
}

static void says_what_is_wrong_with_csv(void **state)
{
#define HEAD "name,pool,time,value\n"
	static const struct refused cases[] = {
		{"", "in:1:1: error: there is no row"},
		{"name,pool,time\n", "in:1:1: error: the first row must name"},
		{HEAD "a,canary,1\n", "in:2:1: error: this row has too few fields"},
		{HEAD "a,canary,1,2\nb,prod,1,2\n", "in:3:3: error: the pool must be"},
		{HEAD "a,canary,noon,2\n", "in:2:10: error: the time must be"},
		{HEAD "a,canary,1,0x10\n", "in:2:12: error: the value must be"},
		{HEAD "a,canary,1,1e999\n", "in:2:12: error: the value must be"},
		{HEAD ",canary,1,2\n", "in:2:1: error: the name must not be empty"},
		{HEAD "\"a,canary,1,2\n", "in:2:1: error: this quote has no end"},
		{HEAD "\"a\"b,canary,1,2\n", "in:2:4: error: a comma should be here"},
		{HEAD "\xff,canary,1,2\n", "in:2:1: error: the name must be UTF-8"},
		{HEAD ",,,,,,,,,,,,,,,,,,,\n", "error: too many fields"},
	};

	(void)state;
	expect_refused(samples_parse_csv, cases, COUNT_OF(cases));
}

/* ---- reports ---- */

/* A run of one metric whose name is a trap in every format. */
static void report_of(enum judge_mode mode, void (*check)(const struct judgement *j))
{
	static const char config[] =
		"{\"metrics\": [{\"name\": \"<script>|`@you`\\n&\\\"'\", \"groups\": [\"<g>\"]}]}";
	static const char pairs[] =
		"[{\"name\": \"<script>|`@you`\\n&\\\"'\", \"values\": {\"experiment\": "
		"[11,12,13,14,15], \"control\": [1,2,3,null,4,5]}}]";
	struct judge_report report;
	struct judgement j;
	struct samples s;
	struct canary c;
	struct heard h;

	listen(&h);
	assert_int_equal(canary_parse(&h.source, config, strlen(config), &c), 0);
	assert_int_equal(samples_parse_json(&h.source, pairs, strlen(pairs), &s), 0);
	expect_heard(&h, "");
	c.config.mode = mode;
	assert_int_equal(judge_run(&c.config, s.pairs, s.count, &report), 0);
	j = (struct judgement){&c.config, &s, &report};
	check(&j);
	judge_report_fini(&report);
	samples_fini(&s);
	canary_fini(&c);
}

static char *written(int (*write)(const struct judgement *j, FILE *out), const struct judgement *j)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(write(j, out), 0);
	fclose(out);
	return text;
}

static void check_html(const struct judgement *j)
{
	char *text = written(judgement_write_html, j);

	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "<g>"));
	assert_null(strstr(text, "http"));
	assert_non_null(strstr(text, "&lt;script&gt;|`@you` &amp;&quot;&#39;"));
	assert_non_null(strstr(text, "&lt;g&gt;"));
	assert_non_null(strstr(text, "<svg"));
	assert_null(strstr(text, "\"nan\""));
	assert_null(strstr(text, "inf "));
	free(text);
}

static void check_md(const struct judgement *j)
{
	char *text = written(judgement_write_md, j);

	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "@you"));
	assert_non_null(strstr(text, "| &lt;script&gt;\\|\\`&#64;you\\` &amp;&quot;&#39; |"));
	free(text);
}

static void check_json(const struct judgement *j)
{
	json_t *json = judgement_json(j),
	       *result = json_array_get(json_object_get(json, "results"), 0);
	bool is_exact = j->config->mode == JUDGE_EXACT;
	const char *word = NULL, *text = NULL;
	double low = 0.0;

	assert_int_equal(json_unpack(json, "{s:s, s:[{s:s}], s:{s:s}}", "judgeName", &word,
				     "groupScores", "name", &text, "score", "classification",
				     &word),
			 0);
	assert_string_equal(text, "<g>");
	assert_string_equal(word, "Fail");
	assert_int_equal(json_unpack(result, "{s:s, s:{s:{s:f}}}", "classification", &word,
				     "controlMetadata", "stats", "min", &low),
			 0);
	assert_string_equal(word, "High");
	assert_true(low == 1.0);
	assert_int_equal(json_object_get(result, "why") != NULL, is_exact);
	if (is_exact)
		assert_int_equal(json_unpack(result, "{s:{s:{s:f}, s:f}}", "why", "shift", "low",
					     &low, "pValue", &low),
				 0);
	json_decref(json);
}

static void reports_escape_names(void **state)
{
	(void)state;
	report_of(JUDGE_EXACT, check_html);
	report_of(JUDGE_KAYENTA, check_html);
	report_of(JUDGE_EXACT, check_md);
}

static void json_speaks_kayentas_words(void **state)
{
	(void)state;
	report_of(JUDGE_EXACT, check_json);
	report_of(JUDGE_KAYENTA, check_json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_said_of_a_metric),
		cmocka_unit_test(says_what_is_wrong_with_a_configuration),
		cmocka_unit_test(warns_of_words_that_mean_nothing),
		cmocka_unit_test(reads_pairs),
		cmocka_unit_test(says_what_is_wrong_with_pairs),
		cmocka_unit_test(reads_csv),
		cmocka_unit_test(says_what_is_wrong_with_csv),
		cmocka_unit_test(reports_escape_names),
		cmocka_unit_test(json_speaks_kayentas_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

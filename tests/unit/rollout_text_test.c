// SPDX-License-Identifier: GPL-2.0-or-later
/* What a rollout's screen and reports say, in which form, and what they let through. */
#include <ctype.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/rollout_screen.h"
#include "observe/plain.h"
#include "observe/rollout_report.h"
#include "lib/count_of.h"

static const char *const names[] = {"stepping", "promoted", "aborted",
				    "foreign",	"hook",	    "rolling"};

static json_t *load(const char *name)
{
	json_error_t error;
	char path[128];
	json_t *json;

	snprintf(path, sizeof(path), "tests/unit/rollouts/%s.json", name);
	json = json_load_file(path, 0, &error);
	if (!json)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return json;
}

/* Not inlined: gcc 12 takes what the stream leaves in text for the address of text. */
__attribute__((noinline)) static char *written(int (*write)(const json_t *, FILE *),
					       const json_t *json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(write(json, out), 0);
	fclose(out);
	assert_int_equal(strlen(text), len);
	return text;
}

static struct rollout_screen look = {.columns = 80};

static int write_screen(const json_t *json, FILE *out)
{
	return rollout_screen_write(&look, json, out);
}

static char *screen_of(const char *name, size_t rows, bool is_ascii)
{
	json_t *json = load(name);
	char *text;

	look = (struct rollout_screen){.columns = 80, .rows = rows, .is_ascii = is_ascii};
	text = written(write_screen, json);
	json_decref(json);
	return text;
}

static void expect_all(const char *text, const char *const *wanted)
{
	for (; *wanted; wanted++)
		if (!strstr(text, *wanted))
			fail_msg("\"%s\" is not in:\n%s", *wanted, text);
}

#define EXPECT(text, ...) expect_all(text, (const char *const[]){__VA_ARGS__, NULL})

/* ---- the screen ---- */

static void expect_fits(const char *name, const char *text, size_t rows)
{
	size_t lines = 0;

	for (const char *at = text; *at; lines++) {
		size_t len = strcspn(at, "\n");
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)len, at);
		if (plain_width(line) > 80)
			fail_msg("%s: %zu columns: %s", name, plain_width(line), line);
		at += len + (at[len] == '\n');
	}
	if (rows && lines >= rows)
		fail_msg("%s: %zu lines of %zu:\n%s", name, lines, rows, text);
}

static void a_screen_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		for (size_t rows = 0; rows <= 48; rows += 24) {
			char *text = screen_of(names[i], rows, rows == 48);

			expect_fits(names[i], text, rows);
			EXPECT(text, "phase  ", "finding  ", "can do     serin rollout ");
			free(text);
		}
}

/* Whatever is told: words, wide ones, and one without an end. */
static void long_texts_fit(void **state)
{
	static const char *const words[] = {"a word ", "\u4e2d", "xxxxxxxxx"};
	static const char *const keys[] = {"why",    "release",	 "who",
					   "reason", "strategy", "service"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		json_t *json = load("stepping");
		char *text, words_of[400] = "";

		while (strlen(words_of) + strlen(words[i]) < 300)
			strcat(words_of, words[i]);
		for (size_t k = 0; k < COUNT_OF(keys); k++)
			json_object_set_new(json, keys[k], json_string(words_of));
		look = (struct rollout_screen){.columns = 80, .is_ascii = i != 1};
		text = written(write_screen, json);
		expect_fits(words[i], text, 0);
		free(text);
		json_decref(json);
	}
}

static void says_what_happens_and_what_can_be_done(void **state)
{
	char *text = screen_of("stepping", 0, true);

	(void)state;
	EXPECT(text, "rollout    12 of web: release v2.4.1 by careful (canary)\n",
	       "phase      stepping, step 3/8: hold, candidate at 10 %\n",
	       "why        holds at 10 % while the analysis watches\n",
	       "waits      4m12s left of 10m00s [###########---------]\n",
	       "steps      +1% +5% >10% .pause .25% .analysis .50% .100% \n",
	       "this one: 10 %, hold 10m00s\n",
	       "seed       18364758544493064720, of this release\n",
	       "finding    unknown: not enough is known yet\n",
	       "kernel     continue (failures), 348 looks; failed 74/12034 : 37/11987\n",
	       "  worse    [#############-------] log e 3.1, aborts at 4.6\n",
	       "failures        0.61 : 0.31 %     worse 3.1/4.6  fine 0.4/4.6\n", "proven fine\n",
	       "p99 latency 0.412 (at most 0.4): bad (dry run)\n",
	       "13:53:04Z stepping: held for 5m: canary at 10 %\n", "serin rollout promote web",
	       "serin rollout pause web", "serin rollout abort web");
	EXPECT(text, "|-canary           candidate: v2.4.1 2/2 up   10 % 10.03 % 12034     74\n",
	       "10.0.0.13:8080                   down");
	free(text);
}

static void says_why_it_waits(void **state)
{
	char *text = screen_of("hook", 24, true);

	(void)state;
	EXPECT(text,
	       "waits      for hook gate (step), asked 1m08s ago, try 4: connection refused\n",
	       "step 4/8: gate");
	free(text);
	text = screen_of("rolling", 0, true);
	EXPECT(text, "phase      stepping, batch 2: drains\n", "waits      41s left\n",
	       "backends   2 of 6 upgraded [######--------------]; drained: 10.0.0.13:8080\n",
	       "[2001:db8:1:2:3:4:5:6]:8080");
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "seed"));
	free(text);
	text = screen_of("foreign", 0, true);
	EXPECT(text, "phase      paused (foreign), step 3/8", "canary 10 -> 7 % by weight (anna)",
	       "serin rollout resume web", "serin rollout abort web");
	free(text);
}

static void says_how_it_ended(void **state)
{
	char *text = screen_of("aborted", 0, true);

	(void)state;
	EXPECT(text, "phase      aborted, step 2/8, candidate at 0 %\n",
	       "why        worse: failures, 0.61 % against 0.31 % (log e 4.8 of 4.6)\n",
	       "steps      +1% x5% .10%", "seed       18364758544493064720, as before it\n",
	       "finding    bad\n", "serin rollout report web", "serin rollout retry web");
	free(text);
	text = screen_of("promoted", 0, true);
	EXPECT(text, "phase      promoted, step 8/8, candidate at 100 %\n", "+50% +100%",
	       "new: v2.4.1", "finding    unknown: nothing bad was found since it was promoted\n",
	       "in steps   not worse", "since      continue, 30 looks", "serin rollout undo web");
	assert_true(strstr(text, "\nin steps ") < strstr(text, "\nsince "));
	free(text);
}

static void strip_colours(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '\033')
			text = strchr(text, 'm');
		else
			*to++ = *text;
	}
	*to = '\0';
}

static void colours_say_nothing_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char *plain = screen_of(names[i], 0, true), *coloured;
		json_t *json = load(names[i]);

		look.has_colours = true;
		coloured = written(write_screen, json);
		assert_null(strchr(plain, '\033'));
		assert_non_null(strchr(coloured, '\033'));
		strip_colours(coloured);
		assert_string_equal(coloured, plain);
		json_decref(json);
		free(coloured);
		free(plain);
	}
}

static void many_steps_show_the_one_of_now(void **state)
{
	json_t *json = load("stepping"), *steps = json_object_get(json, "steps");
	char *text, *line;

	(void)state;
	for (int i = 0; i < 50; i++)
		json_array_append(steps, json_array_get(steps, 0));
	for (int step = 0; step < 58; step += 19) {
		json_object_set_new(json, "step", json_integer(step));
		look = (struct rollout_screen){.columns = 80, .is_ascii = true};
		text = written(write_screen, json);
		expect_fits("many steps", text, 0);
		line = strstr(text, "steps  ");
		assert_non_null(line);
		if (strcspn(line, ">") > strcspn(line, "\n"))
			fail_msg("step %d is not shown", step);
		free(text);
	}
	json_decref(json);
}

static void steps_passed_over_are_not_told_as_done(void **state)
{
	json_t *json = load("promoted"), *steps = json_object_get(json, "steps");
	char *text, *html;

	(void)state;
	json_object_set_new(json_array_get(steps, json_array_size(steps) - 1), "is_skipped",
			    json_true());
	look = (struct rollout_screen){.columns = 80, .is_ascii = true};
	text = written(write_screen, json);
	html = written(rollout_write_html, json);
	EXPECT(text, "+50% -100%");
	EXPECT(html, "\u00bb skipped");
	free(text);
	free(html);
	json_decref(json);
}

/* ---- what is from elsewhere ---- */

static void expect_tame(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if ((*c < ' ' && *c != '\n') || *c == 0x7f)
			fail_msg("control character %#x", *c);
	assert_null(strstr(text, "\xc2\x9b"));
}

static void nothing_instructs_a_terminal(void **state)
{
	char *text = screen_of("foreign", 0, false), line[ROLLOUT_TRANSITION_LEN];
	json_t *v = json_pack("{s:i}", "step_count", 3);
	json_t *t = json_pack("{s:s, s:s, s:i, s:s}", "from", "a\033]0;x\007", "to", "b\u202e",
			      "step", 3, "why", "c\r\nd");

	(void)state;
	expect_tame(text);
	assert_null(strstr(text, "\u202e"));
	EXPECT(text, "v2?[2J|<img src=x>", "\"too hot?[31m <b>?\"");
	free(text);
	assert_non_null(strstr(rollout_transition(v, t, line), " a?]0;x? -> b?, step 3/3: c??d"));
	json_decref(t);
	json_decref(v);
	text = screen_of("promoted", 0, true);
	for (const char *c = text; *c; c++)
		assert_true(isascii(*c));
	free(text);
}

static void nothing_is_markup(void **state)
{
	json_t *json = load("foreign");
	char *html = written(rollout_write_html, json), *md = written(rollout_write_md, json);

	(void)state;
	expect_tame(html);
	assert_null(strstr(html, "<script"));
	assert_null(strstr(html, "<img"));
	assert_null(strstr(html, "<b>\""));
	assert_null(strstr(html, "\u202e"));
	EXPECT(html, "&lt;script&gt;alert(1)&lt;/script&gt;", "v2 [2J|&lt;img src=x&gt;");
	assert_null(strstr(md, "<"));
	assert_null(strstr(md, "@you"));
	EXPECT(md, "v2 \\[2J\\|&lt;img src=x&gt;", "\\`&#64;you\\`");
	free(html);
	free(md);
	json_decref(json);
}

/* ---- reports ---- */

static bool has_no_end(const char *name)
{
	return !strcmp(name, "meta") || !strcmp(name, "!doctype");
}

/* Of one tag, from after its "<" to after its ">"; name out. */
static const char *read_tag(const char *at, char name[32], bool *is_closed)
{
	size_t len = strcspn(at, " />\n");
	char quote = 0;

	assert_in_range(len, 1, 31);
	snprintf(name, 32, "%.*s", (int)len, at);
	for (at += len; *at != '>' || quote; at++) {
		assert_true(*at);
		if (*at == '"')
			quote ^= 1;
		else
			assert_true(quote ? *at != '<' : *at != '&');
	}
	*is_closed = at[-1] == '/';
	return at + 1;
}

/* Each tag ends, in order; text has no bare signs. */
static void expect_well_formed(const char *html)
{
	char open[64][32], name[32];
	size_t depth = 0;
	bool is_closed;

	for (const char *at = html; (at = strchr(at, '<'));) {
		if (at[1] == '/') {
			at = read_tag(at + 2, name, &is_closed);
			assert_true(depth > 0);
			assert_string_equal(name, open[--depth]);
			continue;
		}
		at = read_tag(at + 1, name, &is_closed);
		if (is_closed || has_no_end(name))
			continue;
		assert_true(depth < COUNT_OF(open));
		strcpy(open[depth++], name);
	}
	assert_int_equal(depth, 0);
	for (const char *at = html; (at = strchr(at, '&')); at++)
		if (at[1 + strspn(at + 1, "#abcdefghijklmnopqrstuvwxyz0123456789")] != ';')
			fail_msg("a bare &: %.40s", at);
}

static void a_page_stands_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		json_t *json = load(names[i]);
		char *html = written(rollout_write_html, json);

		expect_well_formed(html);
		assert_null(strstr(html, "http"));
		assert_null(strstr(html, "<link"));
		assert_null(strstr(html, "nan"));
		assert_null(strstr(html, "inf "));
		EXPECT(html, "<!doctype html>", "What happened", "</html>");
		free(html);
		json_decref(json);
	}
}

static size_t count_of(const char *text, const char *what)
{
	size_t count = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		count++;
	return count;
}

static void a_record_has_pictures(void **state)
{
	json_t *json = load("aborted");
	char *html = written(rollout_write_html, json), *md = written(rollout_write_md, json);

	(void)state;
	assert_int_equal(count_of(html, "<svg"), 5);
	assert_int_equal(count_of(html, "class=\"event\""), 5 * 5);
	EXPECT(html, "Weight of each pool", "Failures per second", "class=\"bound line\"",
	       ">decides<", "4.8 of 4.6", "no answer within 500 ms", "\u2716 ended here",
	       "18364758544493064720, as before it",
	       "<title>web: v2.4.1 "
	       "aborted</title>");
	EXPECT(md, "### \u274c web: release v2.4.1 aborted\n",
	       "**worse&#58; failures, 0.61 % against 0.31 % \\(log e 4.8 of 4.6\\)**\n",
	       ", seed 18364758544493064720, as before it",
	       "| failures | 0.61 | 0.31 | 1.97 | 4.8 of 4.6 |",
	       "| page | rollback | no | 2084 ms |");
	free(html);
	free(md);
	json_decref(json);
}

/* What made it good stays to be seen after the judge began to look for something else. */
static void a_promoted_one_says_why_it_was_good(void **state)
{
	json_t *json = load("promoted");
	char *html = written(rollout_write_html, json), *md = written(rollout_write_md, json);

	(void)state;
	EXPECT(html, "Kernel's signals until it was promoted",
	       "Kernel's signals since it was promoted", ">aborts<", ">good<");
	EXPECT(md, "\nKernel's signals until it was promoted: **not worse",
	       "\nKernel's signals since it was promoted: **continue** after 30 looks");
	free(html);
	free(md);
	json_object_del(json, "kernel_steps");
	md = written(rollout_write_md, json);
	EXPECT(md, "\nKernel's signals: **continue** after 30 looks");
	free(md);
	json_decref(json);
}

/* Whatever is missing or of another kind. */
static void bears_what_it_does_not_know(void **state)
{
	static const char *const odd[] = {
		"{}",
		"{\"steps\": {}, \"pools\": [1, null, {}], \"kernel\": {}, \"metrics\": {}, "
		"\"question\": {}, \"transitions\": [3, {}], \"samples\": [{}, {\"at_ms\": -5}], "
		"\"shifts\": [{}, 7], \"hooks\": [[]], \"looks\": [0], \"batches\": {}, \"step\": "
		"9, \"left_ms\": \"x\", \"phase\": \"stepping\", \"step_count\": 2}",
		"{\"step\": -4, \"left_ms\": 99999999999999, \"steps\": [{\"hold_ms\": -1}], "
		"\"started_ms\": 999999999999999999, \"service\": 3, \"phase\": \"stepping\", "
		"\"kernel\": {\"log_e\": 1e300, \"log_bound\": 0, \"tests\": [[], {\"log_e\": "
		"1}]}}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		json_t *json = json_loads(odd[i], 0, NULL);

		look = (struct rollout_screen){.columns = 80, .rows = 24};
		free(written(write_screen, json));
		free(written(rollout_write_md, json));
		free(written(rollout_write_html, json));
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_screen_fits),
		cmocka_unit_test(long_texts_fit),
		cmocka_unit_test(says_what_happens_and_what_can_be_done),
		cmocka_unit_test(says_why_it_waits),
		cmocka_unit_test(says_how_it_ended),
		cmocka_unit_test(colours_say_nothing_alone),
		cmocka_unit_test(many_steps_show_the_one_of_now),
		cmocka_unit_test(steps_passed_over_are_not_told_as_done),
		cmocka_unit_test(nothing_instructs_a_terminal),
		cmocka_unit_test(nothing_is_markup),
		cmocka_unit_test(a_page_stands_alone),
		cmocka_unit_test(a_record_has_pictures),
		cmocka_unit_test(a_promoted_one_says_why_it_was_good),
		cmocka_unit_test(bears_what_it_does_not_know),
	};

	/* or the tree shows what is not ASCII as bytes; the rest does not ask */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

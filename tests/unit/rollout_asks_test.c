// SPDX-License-Identifier: GPL-2.0-or-later
/* Hooks of both kinds: what is a yes, what a no, and what is asked again. */
#include "asks_server.h"

#include <jansson.h>

#include "agent/rollout_asked.h"
#include "agent/rollout_asks.h"

struct outcome {
	size_t answers;
	struct rollout_answer answer;
	char *details; /* as text */
};

static struct outcome heard;

static void forget(void)
{
	free(heard.details);
	memset(&heard, 0, sizeof(heard));
}

static void note(const struct rollout_answer *a, void *arg)
{
	assert_ptr_equal(arg, &heard);
	heard.answers++;
	free(heard.details);
	heard.answer = *a;
	heard.details = a->details ? json_dumps(a->details, JSON_COMPACT) : NULL;
}

static json_t *make_payload(void)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s}", "service", "web", "release",
			 "2.1 <b>", "moment", "step", "step", 3, "rollout", 7, "key", "7-12",
			 "phase", "rolling back", "why", "errors & more");
}

static struct rollout_ask *ask(const struct strategy_hook *hook)
{
	struct rollout_ask *a = NULL;
	json_t *payload = make_payload();

	forget();
	assert_int_equal(rollout_ask_hook(lab_event, hook, payload, note, &heard, &a), 0);
	json_decref(payload);
	assert_non_null(a);
	assert_int_equal(heard.answers, 0);
	return a;
}

static void hear(const struct strategy_hook *hook)
{
	ask(hook);
	while (!heard.answers)
		lab_turn();
	assert_int_equal(heard.answers, 1);
}

static void expect(bool is_yes, uint32_t tries, const char *why)
{
	if (heard.answer.is_yes != is_yes || strcmp(heard.answer.why, why))
		fail_msg("%d \"%s\", wanted %d \"%s\"", heard.answer.is_yes, heard.answer.why,
			 is_yes, why);
	assert_int_equal(heard.answer.tries, tries);
}

static void run_program(const char *body, uint64_t timeout_ms, uint32_t retries)
{
	char *argv[] = {(char *)lab_program("hook", body), (char *)"an argument", NULL};

	hear(&(struct strategy_hook){.argv = argv, .timeout_ms = timeout_ms, .retries = retries});
}

static void post(const char *path, uint64_t timeout_ms, uint32_t retries)
{
	hear(&(struct strategy_hook){
		.url = server_url(path), .timeout_ms = timeout_ms, .retries = retries});
}

/* ---- programs ---- */

static void programs_say_yes_and_no(void **state)
{
	(void)state;
	run_program("", 60000, 3);
	expect(true, 1, "exit status 0");
	assert_string_equal(heard.details, "{\"status\":0,\"output\":\"\",\"is_cut\":false}");
	run_program("printf '\\n  fine \\nmore\\n'", 60000, 0);
	expect(true, 1, "fine");
	run_program("echo \"$1\" >&2; exit 7", 60000, 3);
	expect(false, 1, "exit status 7: an argument");
	assert_string_equal(heard.details,
			    "{\"status\":7,\"output\":\"an argument\\n\",\"is_cut\":false}");
}

static void programs_are_told_of_what(void **state)
{
	(void)state;
	run_program("cat >stdin; env | grep SERIN_ | sort", 60000, 0);
	assert_string_equal(heard.details,
			    "{\"status\":0,\"output\":\"SERIN_KEY=7-12\\nSERIN_MOMENT=step\\n"
			    "SERIN_RELEASE=2.1 <b>\\nSERIN_ROLLOUT=7\\nSERIN_SERVICE=web\\n"
			    "SERIN_STEP=3\\n\",\"is_cut\":false}");
	assert_non_null(strstr(lab_read("stdin"), "\"why\":\"errors & more\""));
}

static void programs_are_told_which_backends_are_meant(void **state)
{
	char *argv[] = {(char *)lab_program("hook", "echo \"$SERIN_BACKENDS\""), NULL};
	struct strategy_hook hook = {.argv = argv, .timeout_ms = 60000};
	json_t *payload = make_payload();
	struct rollout_ask *a = NULL;

	(void)state;
	json_object_set_new(payload, "backends",
			    json_pack("[s, s]", "10.0.0.11:8080", "[2001:db8::1]:80"));
	forget();
	assert_int_equal(rollout_ask_hook(lab_event, &hook, payload, note, &heard, &a), 0);
	json_decref(payload);
	while (!heard.answers)
		lab_turn();
	expect(true, 1, "10.0.0.11:8080 [2001:db8::1]:80");
}

static void programs_that_give_no_answer_are_asked_again(void **state)
{
	(void)state;
	run_program("echo \"$SERIN_KEY\" >>tries; echo sorry; kill -9 $$", 60000, 1);
	expect(false, 2, "killed by signal 9: sorry (2 tries)");
	assert_string_equal(lab_read("tries"), "7-12\n7-12\n");
	run_program("[ -e once ] || { touch once; kill -9 $$; }; echo well", 60000, 5);
	expect(true, 2, "well");
	run_program("echo so far; sleep 1000", 300, 0);
	expect(false, 1, "no answer within 0.3 s: so far");
}

static void what_programs_say_is_made_fit_to_be_shown(void **state)
{
	json_t *why;

	(void)state;
	run_program("printf 'a\\033[1m\\377\\tb\\n\\340\\200\\200'; exit 1", 60000, 0);
	expect(false, 1, "exit status 1: a?[1m?\tb");
	assert_non_null(strstr(heard.details, "\"output\":\"a?[1m?\\tb\\n"));
	run_program("head -c 100000 /dev/zero; exit 1", 60000, 0);
	assert_non_null(strstr(heard.details, "\"is_cut\":true"));
	run_program(
		"i=0; while [ $i -lt 200 ]; do printf '\\303\\244\\303\\266'; i=$((i + 1)); done; "
		"exit 1",
		60000, 0);
	assert_non_null(strstr(heard.answer.why, "\303\244\303\266"));
	why = json_string(heard.answer.why);
	assert_non_null(why);
	json_decref(why);
}

static void programs_that_are_not_there(void **state)
{
	char *argv[] = {(char *)"/nonexistent/hook", NULL};

	(void)state;
	hear(&(struct strategy_hook){.argv = argv, .timeout_ms = 1000});
	expect(false, 1, "/nonexistent/hook cannot be run: No such file or directory");
}

/* ---- webhooks ---- */

static void webhooks_say_yes_and_no(void **state)
{
	(void)state;
	post("/yes", 60000, 3);
	expect(true, 1, "HTTP status 200: ok");
	assert_string_equal(heard.details, "{\"status\":200,\"output\":\"ok\"}");
	post("/deny", 60000, 3);
	expect(false, 1, "frozen until Monday");
	post("/forbidden", 60000, 3);
	expect(false, 1, "HTTP status 403: not you");
	post("/moved", 60000, 3);
	expect(false, 1, "HTTP status 302: redirects are not followed");
	post("/huge", 60000, 3);
	expect(false, 1, "HTTP status 200: its answer is too long to be read");
}

static void webhooks_are_told_of_what(void **state)
{
	const char *request = lab_read("asked");

	(void)state;
	post("/yes", 60000, 0);
	request = lab_read("asked");
	assert_memory_equal(request, "POST /yes HTTP/1.1\r\n", 20);
	assert_non_null(strstr(request, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(request, "Idempotency-Key: 7-12\r\n"));
	assert_non_null(strstr(request, "\r\n\r\n{\"service\":\"web\",\"release\":\"2.1 <b>\","));
	hear(&(struct strategy_hook){
		.url = server_url("/yes"), .timeout_ms = 60000, .payload = STRATEGY_SLACK});
	assert_non_null(
		strstr(lab_read("asked"),
		       "\r\n\r\n{\"text\":\"web: release 2.1 &lt;b&gt; is rolling back: errors "
		       "&amp; more\"}"));
}

static void webhooks_that_give_no_answer_are_asked_again(void **state)
{
	(void)state;
	post("/flaky", 60000, 1);
	expect(true, 2, "HTTP status 200");
	post("/broken", 60000, 1);
	expect(false, 2, "HTTP status 500: oops (2 tries)");
	post("/hang", 300, 0);
	assert_false(heard.answer.is_yes);
	assert_non_null(strstr(heard.answer.why, "timed out"));
	post("/cut", 60000, 0);
	assert_false(heard.answer.is_yes);
	/* TLS where there is none. */
	hear(&(struct strategy_hook){.url = (char *)"https://127.0.0.1:1/", .timeout_ms = 60000});
	assert_false(heard.answer.is_yes);
	assert_non_null(strstr(heard.answer.why, "127.0.0.1"));
	hear(&(struct strategy_hook){.url = (char *)"file:///etc/passwd", .timeout_ms = 60000});
	assert_false(heard.answer.is_yes);
	assert_non_null(strstr(heard.answer.why, "rotocol"));
}

/* ---- the end ---- */

static void ask_again(const struct rollout_answer *a, void *arg)
{
	struct rollout_ask *next = NULL;

	note(a, &heard);
	if (heard.answers == 1)
		assert_int_equal(rollout_ask_hook(lab_event, arg, NULL, ask_again, arg, &next), 0);
}

static void who_hears_may_ask_anew(void **state)
{
	char *argv[] = {(char *)lab_program("hook", "exit 0"), NULL};
	struct strategy_hook hook = {.argv = argv, .timeout_ms = 60000};
	struct rollout_ask *a = NULL;

	(void)state;
	forget();
	assert_int_equal(rollout_ask_hook(lab_event, &hook, NULL, ask_again, &hook, &a), 0);
	while (heard.answers < 2)
		lab_turn();
}

/* Before the first try, within one, and between two. */
static void nobody_hears_of_what_is_cancelled(void **state)
{
	char *argv[] = {(char *)lab_program("hook", "echo x >>turns; kill -9 $$"), NULL};
	struct strategy_hook hook = {.argv = argv, .timeout_ms = 60000, .retries = 100};
	struct rollout_ask *a;

	(void)state;
	rollout_ask_cancel(ask(&hook));
	assert_string_equal(lab_read("turns"), "");
	a = ask(&hook);
	lab_turn();
	rollout_ask_cancel(a);
	a = ask(&hook);
	while (strlen(lab_read("turns")) < 4)
		lab_turn();
	rollout_ask_cancel(a);
	rollout_ask_cancel(NULL);
	lab_end(NULL);
	assert_int_equal(heard.answers, 0);
	lab_begin(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_begin, lab_end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(programs_say_yes_and_no),
		TEST(programs_are_told_of_what),
		TEST(programs_are_told_which_backends_are_meant),
		TEST(programs_that_give_no_answer_are_asked_again),
		TEST(what_programs_say_is_made_fit_to_be_shown),
		TEST(programs_that_are_not_there),
		TEST(webhooks_say_yes_and_no),
		TEST(webhooks_are_told_of_what),
		TEST(webhooks_that_give_no_answer_are_asked_again),
		TEST(who_hears_may_ask_anew),
		TEST(nobody_hears_of_what_is_cancelled),
	};
	int failed;

	if (rollout_is_asked(argc, argv))
		return rollout_asked_run();
	failed = cmocka_run_group_tests(tests, server_start, server_stop);
	forget();
	return failed;
}

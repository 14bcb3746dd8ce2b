// SPDX-License-Identifier: GPL-2.0-or-later
/* The web configuration: what it may say, and who is let in by it. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/web_auth.h"
#include "config/config.h"
#include "config/web.h"

/* Of "secret" and "open sesame", as crypt(3) makes them with cost 4. */
#define SECRET "$2b$04$wkCTLkj.YLDNKqKnfoSbOeakWmC8d.hv4rsvEw/4VMcqd4MLq8VDK"
#define SESAME "$2b$04$GN3G6MANfuW1JUH0lcSE8OyIUz04cwoRgfrPxHHn51Y/TnU/zgnSK"

static struct web_config config;
static struct web_auth *auth;

static int setup(void **state)
{
	static const char text[] = "basic_auth_users: {alice: " SECRET ", bob: " SESAME "}\n";
	struct config_errors errors;

	(void)state;
	assert_int_equal(web_config_parse(text, strlen(text), &config, &errors), 0);
	config_errors_fini(&errors);
	auth = web_auth_new();
	return !auth;
}

static int teardown(void **state)
{
	(void)state;
	web_auth_free(auth);
	web_config_fini(&config);
	return 0;
}

static void all_keys_are_read(void **state)
{
	static const char text[] = "tls_server_config:\n"
				   "  cert_file: a.crt\n"
				   "  key_file: /etc/b.key\n"
				   "  client_ca_file: ca.crt\n"
				   "  client_auth_type: RequireAndVerifyClientCert\n"
				   "  min_version: TLS13\n"
				   "basic_auth_users:\n"
				   "  alice: " SECRET "\n";
	struct config_errors errors;
	struct web_config w;

	(void)state;
	assert_int_equal(web_config_parse(text, strlen(text), &w, &errors), 0);
	assert_string_equal(w.tls.cert, "a.crt");
	assert_string_equal(w.tls.key, "/etc/b.key");
	assert_string_equal(w.tls.client_ca, "ca.crt");
	assert_true(w.tls.is_client_cert_needed);
	assert_int_equal(w.tls.min_version, WEB_TLS13);
	assert_int_equal(w.user_count, 1);
	assert_string_equal(w.users[0].name, "alice");
	assert_string_equal(w.users[0].hash, SECRET);
	web_config_fini(&w);
	config_errors_fini(&errors);
}

static void expect_error(const char *text, size_t line, size_t column, const char *part)
{
	struct config_errors errors;
	struct web_config w;

	assert_int_not_equal(web_config_parse(text, strlen(text), &w, &errors), 0);
	assert_int_equal(errors.count, 1);
	if (errors.list[0].line != line || errors.list[0].column != column ||
	    !strstr(errors.list[0].message, part))
		fail_msg("%s\n%zu:%zu: %s", text, errors.list[0].line, errors.list[0].column,
			 errors.list[0].message);
	web_config_fini(&w);
	config_errors_fini(&errors);
}

static void errors_have_their_place(void **state)
{
	(void)state;
	expect_error("tls_server_confg: {}\n", 1, 1, "unknown key 'tls_server_confg'");
	expect_error("tls_server_config: {cert_file: a}\n", 1, 20, "needs the key 'key_file'");
	expect_error("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}\n", 1, 61,
		     "TLS12 or TLS13");
	expect_error("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}\n", 1, 20,
		     "need each other");
	expect_error("basic_auth_users:\n  a: secret\n", 2, 6, "must be a bcrypt hash");
	expect_error("basic_auth_users:\n  'a:b': " SECRET "\n", 2, 3, "no colon");
	expect_error("basic_auth_users:\n  a: " SECRET "\n  a: " SESAME "\n", 3, 3,
		     "duplicate user 'a'");
	expect_error("basic_auth_users: [a]\n", 1, 19, "must be a mapping");
}

/* What is secret is not repeated, and what would stop the agent for seconds is refused. */
static void hashes_are_bounded(void **state)
{
	char text[120] = "basic_auth_users:\n  a: " SECRET "\n";
	char *cost = strstr(text, "$04$");

	(void)state;
	memcpy(cost, "$13$", 4);
	expect_error(text, 2, 6, "has cost 13; at most 12");
	memcpy(cost, "$03$", 4);
	expect_error(text, 2, 6, "must be a bcrypt hash");
	memcpy(cost, "$04$", 4);
	text[strlen(text) - 2] = '!';
	expect_error(text, 2, 6, "must be a bcrypt hash");
}

/* alice:secret, bob:open sesame, alice:Secret, mallory:secret */
#define ALICE	"Basic YWxpY2U6c2VjcmV0"
#define BOB	"basic Ym9iOm9wZW4gc2VzYW1l"
#define WRONG	"Basic YWxpY2U6U2VjcmV0"
#define MALLORY "Basic bWFsbG9yeTpzZWNyZXQ="

static void expect(const char *authorization, uint64_t now_ms, enum web_verdict wanted)
{
	enum web_verdict verdict;

	do /* the thread takes milliseconds */
		verdict = web_auth_check(auth, &config, authorization, now_ms);
	while (verdict == WEB_PENDING && !sched_yield());
	assert_int_equal(verdict, wanted);
}

static void right_passwords_admit(void **state)
{
	(void)state;
	expect(ALICE, 0, WEB_ADMITTED);
	expect(BOB, 0, WEB_ADMITTED);
	expect(NULL, 0, WEB_REFUSED);
	expect("", 0, WEB_REFUSED);
	expect("Bearer YWxpY2U6c2VjcmV0", 0, WEB_REFUSED);
	expect("Basic !", 0, WEB_REFUSED);
	expect("Basic YWxpY2U=", 10000, WEB_REFUSED); /* "alice" */
	expect(MALLORY, 20000, WEB_REFUSED);
	expect(WRONG, 30000, WEB_REFUSED);
}

static void guesses_are_tried_once_a_second(void **state)
{
	(void)state;
	expect(ALICE, 0, WEB_ADMITTED);
	expect(WRONG, 10, WEB_REFUSED);
	expect(WRONG, 11, WEB_REFUSED); /* it is known to be wrong */
	expect(MALLORY, 12, WEB_LATER);
	expect(BOB, 13, WEB_LATER); /* it is not known yet that he is right */
	expect(ALICE, 14, WEB_ADMITTED);
	expect(BOB, 10 + WEB_AUTH_PAUSE_MS, WEB_ADMITTED);
	expect(MALLORY, 11 + WEB_AUTH_PAUSE_MS, WEB_REFUSED);
	expect(WRONG, 12 + WEB_AUTH_PAUSE_MS, WEB_LATER);
	expect(BOB, 13 + WEB_AUTH_PAUSE_MS, WEB_ADMITTED);
}

/* Whoever waits for the thread holds nobody up. */
static void the_rest_goes_on_meanwhile(void **state)
{
	(void)state;
	expect(ALICE, 0, WEB_ADMITTED);
	assert_int_equal(web_auth_check(auth, &config, BOB, 1), WEB_PENDING);
	expect(ALICE, 1, WEB_ADMITTED);
	web_auth_forget(auth);
	expect(BOB, 1 + WEB_AUTH_PAUSE_MS, WEB_ADMITTED); /* tried anew */
}

static void what_was_right_is_forgotten(void **state)
{
	(void)state;
	expect(ALICE, 0, WEB_ADMITTED);
	strcpy(config.users[0].hash, SESAME);
	expect(ALICE, 1, WEB_ADMITTED);
	web_auth_forget(auth);
	expect(ALICE, 2, WEB_REFUSED);
}

static void without_users_all_are_admitted(void **state)
{
	const struct web_config none = {};

	(void)state;
	assert_int_equal(web_auth_check(auth, &none, NULL, 0), WEB_ADMITTED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_keys_are_read),   cmocka_unit_test(errors_have_their_place),
		cmocka_unit_test(hashes_are_bounded),  TEST(right_passwords_admit),
		TEST(guesses_are_tried_once_a_second), TEST(what_was_right_is_forgotten),
		TEST(the_rest_goes_on_meanwhile),      TEST(without_users_all_are_admitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

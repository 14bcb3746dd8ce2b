// SPDX-License-Identifier: GPL-2.0-or-later
/* How backends are checked: what is read, what a pool has of its service, and what is refused. */
#include "config/duration.h"

#include "config_lab.h"

/* The service's own keys are on line 9, its second pool's on line 8. */
#define TOP                                                        \
	"version: 1\ninterfaces: [eth0]\nservices:\n- name: web\n" \
	"  vip: 192.0.2.10\n  port: 80\n"                          \
	"  pools: [{name: stable, backends: [{address: 10.0.0.11}]},\n"
#define OTHER(keys)  TOP "   {name: canary, backends: [{address: 10.0.0.21}]" keys "}]\n"
#define SERVICE(key) OTHER("") "  " key "\n"
#define CHECK(keys)  SERVICE("health_check: {" keys "}")

static void test_defaults(void **state)
{
	struct model *none = parse(OTHER("")), *m = parse(CHECK("type: tcp"));
	const struct model_health_check *c = &m->services[0].pools[1].health_check;

	(void)state;
	assert_int_equal(none->services[0].pools[0].health_check.type, MODEL_CHECK_NONE);
	assert_int_equal(none->services[0].outlier.failures, 0);
	assert_int_equal(c->type, MODEL_CHECK_TCP);
	assert_int_equal(c->port, 0);
	assert_int_equal(c->interval_ms, 2000);
	assert_int_equal(c->timeout_ms, 1000);
	assert_int_equal(c->jitter_ms, 200);
	assert_int_equal(c->rise, 2);
	assert_int_equal(c->fall, 3);
	assert_true(c->verify);
	assert_false(c->reuse);
	model_free(none);
	model_free(m);
}

static void test_all_keys(void **state)
{
	struct model *m = parse(
		CHECK("type: https, port: 8443, path: /healthz?deep=1, host: www.example.com, "
		      "method: POST, status: [200-204, \"301, 304\"], expect: well, "
		      "sni: a.example.com, verify: false, reuse: true, ca_file: /etc/ca.pem, "
		      "interval: 1m, "
		      "timeout: 1500ms, jitter: 0, rise: 1, fall: 100"));
	const struct model_health_check *c = &m->services[0].pools[0].health_check;

	(void)state;
	assert_int_equal(c->type, MODEL_CHECK_HTTPS);
	assert_int_equal(c->port, 8443);
	assert_string_equal(c->path, "/healthz?deep=1");
	assert_string_equal(c->host, "www.example.com");
	assert_string_equal(c->method, "POST");
	assert_string_equal(c->expect, "well");
	assert_string_equal(c->sni, "a.example.com");
	assert_string_equal(c->ca_file, "/etc/ca.pem");
	assert_false(c->verify);
	assert_true(c->reuse);
	assert_int_equal(c->statuses.count, 3);
	assert_true(model_statuses_match(&c->statuses, 204));
	assert_false(model_statuses_match(&c->statuses, 205));
	assert_true(model_statuses_match(&c->statuses, 304));
	assert_int_equal(c->interval_ms, 60000);
	assert_int_equal(c->timeout_ms, 1500);
	assert_int_equal(c->jitter_ms, 0);
	assert_int_equal(c->rise, 1);
	assert_int_equal(c->fall, 100);
	model_free(m);
}

static void test_command_and_send(void **state)
{
	struct model *m = parse(OTHER(", health_check: {type: udp, send: 'a\\x00\\n', expect: "
				      "'b\\\\'}") "  health_check: {type: exec, command: "
						  "[/bin/test, -e, \"/a b\"]}\n");
	const struct model_health_check *c = &m->services[0].pools[0].health_check;
	const struct model_health_check *udp = &m->services[0].pools[1].health_check;
	char bytes[8];

	(void)state;
	assert_int_equal(c->command_count, 3);
	assert_string_equal(c->command[2], "/a b");
	assert_null(c->command[3]);
	assert_int_equal(udp->type, MODEL_CHECK_UDP);
	assert_null(udp->command);
	assert_int_equal(model_unescape(udp->send, bytes), 3);
	assert_memory_equal(bytes, "a\0\n", 3);
	assert_int_equal(model_unescape(udp->expect, bytes), 2);
	assert_memory_equal(bytes, "b\\", 2);
	model_free(m);
}

/* A pool's keys take the place of its service's; with a type it keeps the times alone. */
static void test_pools(void **state)
{
	struct model *m = parse(OTHER(
		", health_check: {path: /canary, interval: 500ms}") "  health_check: {type: http, "
								    "path: /all, host: h, "
								    "interval: 3s, fall: 5}\n");
	struct model *other = parse(
		OTHER(", health_check: {type: tcp}") "  health_check: {type: http, path: /all, "
						     "interval: 3s, timeout: 2s, fall: 5}\n");
	struct model *none =
		parse(OTHER(", health_check: {type: none}") "  health_check: {type: http}\n");
	const struct model_health_check *c = &m->services[0].pools[1].health_check;

	(void)state;
	assert_string_equal(m->services[0].pools[0].health_check.path, "/all");
	assert_string_equal(c->path, "/canary");
	assert_string_equal(c->host, "h");
	assert_int_equal(c->fall, 5);
	assert_int_equal(c->interval_ms, 500);
	assert_int_equal(c->timeout_ms, 500);
	assert_int_equal(c->jitter_ms, 50);
	c = &other->services[0].pools[1].health_check;
	assert_int_equal(c->type, MODEL_CHECK_TCP);
	assert_null(c->path);
	assert_int_equal(c->interval_ms, 3000);
	assert_int_equal(c->timeout_ms, 2000);
	assert_int_equal(c->fall, 5);
	assert_int_equal(none->services[0].pools[0].health_check.type, MODEL_CHECK_HTTP);
	assert_int_equal(none->services[0].pools[1].health_check.type, MODEL_CHECK_NONE);
	assert_false(model_health_check_equal(c, &m->services[0].pools[1].health_check));
	assert_true(model_health_check_equal(c, c));
	model_free(m);
	model_free(other);
	model_free(none);
}

static void test_outlier(void **state)
{
	struct model *m = parse(SERVICE("outlier: {failures: 7, eject: 10m}"));
	const struct model_outlier *o = &m->services[0].outlier;

	(void)state;
	assert_int_equal(o->failures, 7);
	assert_int_equal(o->ratio, 50);
	assert_int_equal(o->interval_ms, 10000);
	assert_int_equal(o->eject_ms, 600000);
	assert_int_equal(o->max_eject_ms, 600000);
	assert_int_equal(o->max_percent, 50);
	model_free(m);
}

/* ---- what is wrong ---- */

static void test_errors(void **state)
{
	static const struct wrong wrong[] = {
		{CHECK("port: 80"), 9, 17, "'health_check' needs the key 'type'"},
		{CHECK("type: htp"), 9, 24, "not 'htp'; did you mean 'http'?"},
		{CHECK("type: tcp, intervall: 2s"), 9, 29, "did you mean 'interval'?"},
		{CHECK("type: tcp, path: /"), 9, 35, "for checks of type http and https, not tcp"},
		{CHECK("type: http, sni: a"), 9, 35, "for checks of type https, not http"},
		{CHECK("type: tcp, timeout: 3s"), 9, 38,
		 "a 'timeout' of 3s is longer than the 'interval' of 2s"},
		{CHECK("type: tcp, interval: 1s, jitter: 1500ms"), 9, 51,
		 "a 'jitter' of 1500ms is longer than the 'interval' of 1s"},
		{CHECK("type: tcp, interval: 10ms"), 9, 39, "a time from 100ms to 1h"},
		{CHECK("type: tcp, interval: 2 s"), 9, 39, "like 500ms, 2s or 1m, not '2 s'"},
		{CHECK("type: tcp, interval: -1s"), 9, 39, "not '-1s'"},
		{CHECK("type: tcp, interval: 99999999999s"), 9, 39, "not '99999999999s'"},
		{CHECK("type: tcp, rise: 0"), 9, 35, "from 1 to 100"},
		{CHECK("type: tcp, port: 65536"), 9, 35, "from 1 to 65535"},
		{CHECK("type: http, status: 2xx"), 9, 38, "codes like 200-299 or 200,301"},
		{CHECK("type: http, status: 299-200"), 9, 38, "codes like 200-299"},
		{CHECK("type: http, status: 600"), 9, 38, "codes like 200-299"},
		{CHECK("type: http, status: []"), 9, 38, "at least one code"},
		{CHECK("type: http, status: [200, 20]"), 9, 44, "not '20'"},
		{CHECK("type: http, path: healthz"), 9, 36, "a path that begins with '/'"},
		{CHECK("type: http, path: \"/a\\r\\nb: c\""), 9, 36, "a path that begins"},
		{CHECK("type: http, host: \"a b\""), 9, 36, "a host's name"},
		{CHECK("type: http, method: get"), 9, 38, "a method like GET"},
		{CHECK("type: https, verify: no"), 9, 39, "must be true or false, not 'no'"},
		{CHECK("type: exec"), 9, 17, "an exec check needs the key 'command'"},
		{CHECK("type: exec, command: []"), 9, 39, "at least one word"},
		{CHECK("type: exec, command: [true]"), 9, 40, "a program's whole path"},
		{CHECK("type: udp"), 9, 17, "a udp check needs the key 'send'"},
		{CHECK("type: udp, send: 'a\\x0'"), 9, 35, "bytes are"},
		{OTHER(", health_check: {path: /}"), 8, 67, "'health_check' needs the key 'type'"},
		{SERVICE("outlier: {interval: 5s}"), 9, 12, "'outlier' needs the key 'failures'"},
		{SERVICE("outlier: {failures: 1, max_percent: 101}"), 9, 39, "from 1 to 100"},
		{SERVICE("outlier: {failures: 1, eject: 1m, max_eject: 30s}"), 9, 48,
		 "a 'max_eject' of 30s is shorter than 'eject', 1m"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_durations(void **state)
{
	static const char *const bad[] = {
		"", "s", "1d", "1.5s", "01s", "1ss", "4294967296ms", "1193h1", "1194h"};
	char text[DURATION_TEXT_LEN];
	uint32_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(duration_parse(bad[i], &ms), -EINVAL);
	assert_int_equal(duration_parse("4294967295ms", &ms), 0);
	assert_true(ms == UINT32_MAX);
	assert_int_equal(duration_parse("7", &ms), 0);
	assert_int_equal(ms, 7000);
	assert_string_equal(duration_format(90000, text), "90s");
	assert_string_equal(duration_format(7200000, text), "2h");
	assert_string_equal(duration_format(0, text), "0s");
}

static void test_statuses(void **state)
{
	static const char *const bad[] = {"",	  "2",	     "20",  "2000",    "200-",	  "-200",
					  "200,", "200 201", "099", "200-600", "200--201"};
	struct model_statuses s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(model_statuses_parse(bad[i], &s), -EINVAL);
	assert_int_equal(model_statuses_parse(" 200 , 400-499 ", &s), 0);
	assert_int_equal(s.count, 2);
	assert_true(model_statuses_match(&s, 200));
	assert_true(model_statuses_match(&s, 400));
	assert_true(model_statuses_match(&s, 499));
	assert_false(model_statuses_match(&s, 199));
	assert_false(model_statuses_match(&s, 201));
	assert_false(model_statuses_match(&s, 500));
	assert_false(model_statuses_match(&s, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),	 cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_command_and_send), cmocka_unit_test(test_pools),
		cmocka_unit_test(test_outlier),		 cmocka_unit_test(test_errors),
		cmocka_unit_test(test_durations),	 cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

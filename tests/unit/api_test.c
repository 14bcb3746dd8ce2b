// SPDX-License-Identifier: GPL-2.0-or-later
/* The API's routes, what its requests may say, and that docs/openapi.yaml tells just these routes. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/body.h"
#include "api/routes.h"
#include "config/read_file.h"
#include "config/tree.h"
#include "lib/net.h"

static char why[API_WHY_LEN];

static void expect_route(const char *method, const char *path, enum api_call call,
			 const char *service)
{
	struct api_target target;
	const char *allow;

	assert_int_equal(api_find(method, path, &target, &allow), 0);
	assert_int_equal(target.call, call);
	assert_string_equal(target.service, service);
}

static void expect_none(const char *method, const char *path, int error, const char *wanted)
{
	struct api_target target;
	const char *allow;

	assert_int_equal(api_find(method, path, &target, &allow), error);
	if (wanted)
		assert_string_equal(allow, wanted);
	else
		assert_null(allow);
}

static void routes_are_found(void **state)
{
	(void)state;
	expect_route("GET", "/api/v1/status", API_STATUS, "");
	expect_route("HEAD", "/api/v1/status", API_STATUS, "");
	expect_route("GET", "/api/v1/status/web", API_STATUS_SERVICE, "web");
	expect_route("POST", "/api/v1/services/web/weights", API_WEIGHTS, "web");
	expect_route("POST", "/api/v1/services/weights/undrain", API_UNDRAIN, "weights");
	expect_route("GET", "/api/v1/services/web/rollout", API_ROLLOUT, "web");
	expect_route("POST", "/api/v1/services/web/rollout", API_ORDER_ROLLOUT, "web");
	expect_route("GET", "/api/v1/services/web/rollout/record", API_ROLLOUT_RECORD, "web");
	expect_route("GET", "/api/v1/status/2345678901234567890123456789012", API_STATUS_SERVICE,
		     "2345678901234567890123456789012");
}

static void other_paths_are_not(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/api/v1",
		"/api/v1/status/",
		"/api/v1/status/web/",
		"/api/v1/statusx",
		"/api/v1/services//weights",
		"/api/v1/services/web/weights/",
		"/api/v1/services/web/weight",
		"/api/v1/services/a/b/weights",
		"/api/v1/status/23456789012345678901234567890123",
		"/api/v1/services/{service}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		expect_none("GET", paths[i], -ENOENT, NULL);
	expect_none("POST", "/api/v1/status", -EOPNOTSUPP, "GET, HEAD");
	expect_none("GET", "/api/v1/reload", -EOPNOTSUPP, "POST");
	expect_none("HEAD", "/api/v1/services/web/drain", -EOPNOTSUPP, "POST");
	expect_none("PUT", "/api/v1/services/web/weights", -EOPNOTSUPP, "POST");
	expect_none("PUT", "/api/v1/services/web/rollout", -EOPNOTSUPP, "GET, HEAD, POST");
}

/* What changes something, and what tells of single clients, is not for everybody who can connect. */
static void few_are_public(void **state)
{
	(void)state;
	for (int call = 0; call < API_CALL_MAX; call++)
		assert_int_equal(api_routes[call].is_public,
				 call == API_STATUS || call == API_STATUS_SERVICE ||
					 call == API_ROLLOUTS || call == API_ROLLOUT ||
					 call == API_ROLLOUT_RECORD);
}

static void weights_are_read(void **state)
{
	static const char text[] = "{\"weights\": {\"canary\": 5.5, \"v2\": 0.0001, \"v3\": 100},"
				   " \"expect_epoch\": 7, \"reason\": \"v2\"}";
	struct api_weights w;

	(void)state;
	assert_int_equal(api_read_weights(text, strlen(text), &w, why), 0);
	assert_int_equal(w.count, 3);
	assert_string_equal(w.list[0].pool, "canary");
	assert_int_equal(w.list[0].ppm, 55000);
	assert_int_equal(w.list[1].ppm, 1);
	assert_int_equal(w.list[2].ppm, 1000000);
	assert_int_equal(w.expect_epoch, 7);
	assert_string_equal(w.change.reason, "v2");
	assert_false(w.change.is_dry_run);
	assert_int_equal(api_read_weights("{\"weights\":{\"a\":0}}", 19, &w, why), 0);
	assert_int_equal(w.expect_epoch, -1);
}

/* Every step there is, as a text a client writes. */
static void every_step_is_exact(void **state)
{
	struct api_weights w;
	char text[64];

	(void)state;
	for (uint32_t ppm = 0; ppm <= 1000000; ppm += 7) {
		int len = snprintf(text, sizeof(text), "{\"weights\": {\"a\": %u.%04u}}",
				   ppm / 10000, ppm % 10000);

		assert_int_equal(api_read_weights(text, (size_t)len, &w, why), 0);
		assert_int_equal(w.list[0].ppm, ppm);
	}
}

static void expect_refused(const char *text, int error, const char *part)
{
	struct api_weights w;

	assert_int_equal(api_read_weights(text, strlen(text), &w, why), error);
	if (!strstr(why, part))
		fail_msg("%s: %s", text, why);
}

static void wrong_weights_are_refused(void **state)
{
	(void)state;
	expect_refused("", -EBADMSG, "not JSON");
	expect_refused("{\"weights\": {\"a\": 1}", -EBADMSG, "line 1");
	expect_refused("{\"weights\": {\"a\": 1}, \"weights\": {}}", -EBADMSG, "duplicate");
	expect_refused("{\"weights\": {\"a\": 1, \"a\": 2}}", -EBADMSG, "duplicate");
	expect_refused("[]", -EBADMSG, "object");
	expect_refused("{}", -EINVAL, "\"weights\" is missing");
	expect_refused("{\"weights\": {}}", -EINVAL, "like {\"canary\"");
	expect_refused("{\"weights\": {\"a\": \"5\"}}", -EINVAL, "a number");
	expect_refused("{\"weights\": {\"a\": 100.0001}}", -EINVAL, "0 to 100");
	expect_refused("{\"weights\": {\"a\": -1}}", -EINVAL, "0 to 100");
	expect_refused("{\"weights\": {\"a\": 5.00005}}", -EINVAL, "steps");
	expect_refused("{\"weights\": {\"\": 1}}", -EINVAL, "name");
	expect_refused("{\"weights\": {\"23456789012345678901234567890123\": 1}}", -EINVAL, "name");
	expect_refused("{\"weight\": {\"a\": 1}}", -EINVAL, "unknown key \"weight\"");
	expect_refused("{\"weights\": {\"a\": 1}, \"expect_epoch\": 4294967296}", -EINVAL, "whole");
	expect_refused("{\"weights\": {\"a\": 1}, \"expect_epoch\": 1.0}", -EINVAL, "whole");
	expect_refused("{\"weights\": {\"a\": 1}, \"expect_epoch\": null}", -EINVAL, "whole");
	expect_refused("{\"weights\": {\"a\": 1}, \"reason\": 5}", -EINVAL, "a string");
	expect_refused("{\"weights\": {\"a\": 1}, \"reason\": \"a\\nb\"}", -EINVAL, "control");
	expect_refused("{\"weights\": {\"a\": 1}, \"dry_run\": 1}", -EINVAL, "true or false");
	expect_refused("{\"weights\": {\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,"
		       "\"h\":0,\"i\":0}}",
		       -EINVAL, "at most 8");
}

static void reasons_fit(void **state)
{
	char text[200];
	struct api_weights w;
	int len;

	(void)state;
	len = snprintf(text, sizeof(text), "{\"weights\": {\"a\": 1}, \"reason\": \"%079d\"}", 0);
	assert_int_equal(api_read_weights(text, (size_t)len, &w, why), 0);
	len = snprintf(text, sizeof(text), "{\"weights\": {\"a\": 1}, \"reason\": \"%080d\"}", 0);
	assert_int_equal(api_read_weights(text, (size_t)len, &w, why), -EINVAL);
}

static void drains_are_read(void **state)
{
	static const char text[] = "{\"backend\": \"[2001:db8::1]:80\", \"force\": true}";
	static const char *const wrong[] = {
		"{}",
		"{\"backend\": 5}",
		"{\"backend\": \"web\"}",
		"{\"backend\": \"10.0.0.1:70000\"}",
		"{\"backend\": \"10.0.0.1\", \"force\": \"yes\"}",
		"{\"backend\": \"10.0.0.1\", \"weights\": {}}",
	};
	struct in6_addr wanted;
	struct api_drain d;

	(void)state;
	assert_int_equal(api_read_drain(text, strlen(text), &d, why), 0);
	inet_pton(AF_INET6, "2001:db8::1", &wanted);
	assert_memory_equal(&d.address, &wanted, sizeof(wanted));
	assert_int_equal(d.port, 80);
	assert_true(d.is_forced);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(api_read_drain(wrong[i], strlen(wrong[i]), &d, why), -EINVAL);
}

static void a_reload_may_be_empty(void **state)
{
	struct api_reload r;

	(void)state;
	assert_int_equal(api_read_reload(NULL, 0, &r, why), 0);
	assert_string_equal(r.reason, "");
	assert_int_equal(api_read_reload("{\"reason\":\"a\"}", 14, &r, why), 0);
	assert_string_equal(r.reason, "a");
	assert_int_equal(api_read_reload("{\"force\":true}", 14, &r, why), -EINVAL);
}

static void parameters_are_read(void **state)
{
	uint64_t seed = 0;
	bool flag;

	(void)state;
	assert_int_equal(api_read_seed(NULL, &flag, &seed, why), 0);
	assert_false(flag);
	assert_int_equal(api_read_seed("18446744073709551615", &flag, &seed, why), 0);
	assert_true(flag && seed == UINT64_MAX);
	assert_int_equal(api_read_seed("18446744073709551616", &flag, &seed, why), -EINVAL);
	assert_int_equal(api_read_seed("-1", &flag, &seed, why), -EINVAL);
	assert_int_equal(api_read_seed("", &flag, &seed, why), -EINVAL);
	assert_int_equal(api_read_flag("follow", "1", &flag, why), 0);
	assert_true(flag);
	assert_int_equal(api_read_flag("follow", NULL, &flag, why), 0);
	assert_false(flag);
	assert_int_equal(api_read_flag("follow", "yes", &flag, why), -EINVAL);
}

static int read_order(const char *text, struct api_rollout_order *out)
{
	return api_read_rollout(text, strlen(text), out, why);
}

static void orders_are_read(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"{\"command\": 1}",
		"{\"command\": \"0123456789abcdef\"}",
		"{\"command\": \"start\", \"release\": \"a\\nb\"}",
		"{\"command\": \"start\", \"id\": 0}",
		"{\"command\": \"start\", \"id\": 1.5}",
		"{\"command\": \"start\", \"when\": \"now\"}",
		"{\"command\": \"start\", \"dry_run\": 1}",
	};
	struct api_rollout_order order;

	(void)state;
	assert_int_equal(
		read_order("{\"command\": \"start\", \"release\": \"v2\", \"strategy\": "
			   "\"careful\", \"reason\": \"because\", \"id\": 7, \"dry_run\": true}",
			   &order),
		0);
	assert_string_equal(order.command, "start");
	assert_string_equal(order.release, "v2");
	assert_string_equal(order.strategy, "careful");
	assert_string_equal(order.reason, "because");
	assert_int_equal(order.id, 7);
	assert_true(order.is_dry_run);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(read_order(wrong[i], &order), -EINVAL);
	assert_int_equal(read_order("start", &order), -EBADMSG);
}

static void counts_are_read(void **state)
{
	int64_t n = 0;

	(void)state;
	assert_int_equal(api_read_count("limit", NULL, -1, &n, why), 0);
	assert_int_equal(n, -1);
	assert_int_equal(api_read_count("limit", "25", -1, &n, why), 0);
	assert_int_equal(n, 25);
	assert_int_equal(api_read_count("limit", "-1", -1, &n, why), -EINVAL);
	assert_int_equal(api_read_count("limit", "2x", -1, &n, why), -EINVAL);
	assert_int_equal(api_read_count("limit", "9223372036854775808", -1, &n, why), -EINVAL);
}

static bool has_route(const char *path, const char *method)
{
	for (int call = 0; call < API_CALL_MAX; call++)
		if (!strcmp(api_routes[call].pattern, path) &&
		    !strcasecmp(api_routes[call].method, method))
			return true;
	return false;
}

/* Each path and method of the description is a route. How many there are. */
static size_t count_described(const struct node *paths)
{
	size_t count = 0;

	for (const struct node *path = paths->first; path; path = path->next)
		for (const struct node *key = path->value->first; key; key = key->next) {
			if (!strcmp(key->text, "parameters"))
				continue;
			if (!has_route(path->text, key->text))
				fail_msg("openapi.yaml: %s %s is no route", key->text, path->text);
			count++;
		}
	return count;
}

static void the_description_is_of_these_routes(void **state)
{
	struct errors errors = {};
	struct tree tree = {};
	const struct node *paths;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(config_read_file("docs/openapi.yaml", &text, &len), 0);
	assert_int_equal(tree_read(&tree, text, len, &errors), 0);
	assert_int_equal(errors.all.count, 0);
	paths = node_find(tree.root, "paths");
	assert_non_null(paths);
	assert_int_equal(count_described(paths), API_CALL_MAX);
	tree_fini(&tree);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_are_found),
		cmocka_unit_test(other_paths_are_not),
		cmocka_unit_test(few_are_public),
		cmocka_unit_test(weights_are_read),
		cmocka_unit_test(every_step_is_exact),
		cmocka_unit_test(wrong_weights_are_refused),
		cmocka_unit_test(reasons_fit),
		cmocka_unit_test(drains_are_read),
		cmocka_unit_test(a_reload_may_be_empty),
		cmocka_unit_test(orders_are_read),
		cmocka_unit_test(counts_are_read),
		cmocka_unit_test(parameters_are_read),
		cmocka_unit_test(the_description_is_of_these_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

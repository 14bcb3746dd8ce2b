// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/model.h"

static void test_a_new_model_is_empty_with_limits(void **state)
{
	struct model *m = model_new();

	(void)state;
	assert_non_null(m);
	assert_int_equal(m->service_count, 0);
	assert_int_equal(m->interface_count, 0);
	assert_true(m->limits.services > 0);
	assert_true(m->limits.backends > 0 && m->limits.backends <= SERIN_MAX_BACKENDS);
	assert_true(m->limits.flows > 0);
	assert_true(m->limits.targets >= 100000);
	model_free(m);
	model_free(NULL);
}

/* The seeds of two hosts, or two releases of this program, must not differ: FNV-1a's own vectors.
 */
static void test_the_default_seed_is_fnv1a(void **state)
{
	(void)state;
	assert_true(model_default_seed("") == 0xcbf29ce484222325ull);
	assert_true(model_default_seed("a") == 0xaf63dc4c8601ec8cull);
	assert_true(model_default_seed("foobar") == 0x85944171f73967e8ull);
}

/* Nor must those of a release: of the file's seed and the name, by nothing that a host has of its own. */
static void test_a_release_has_a_seed_of_its_own(void **state)
{
	(void)state;
	assert_true(model_release_seed(0, "v2") == 0x9ed10b95e0686d6ull);
	assert_true(model_release_seed(model_default_seed("web"), "v2") == 0x6d68c98dca4211aaull);
	assert_true(model_release_seed(7, "v2") != model_release_seed(7, "v3"));
	assert_true(model_release_seed(7, "v2") != model_release_seed(8, "v2"));
	assert_true(model_release_seed(7, "v2") != 7);
}

static void test_services_and_pools_are_found_by_name(void **state)
{
	struct model_pool pools[2] = {{.name = "canary"}, {.name = "stable"}};
	struct model_service services[2] = {{.name = "web", .pools = pools, .pool_count = 2},
					    {.name = "dns"}};
	struct model m = {.services = services, .service_count = 2};

	(void)state;
	assert_ptr_equal(model_find_service(&m, "web"), &services[0]);
	assert_ptr_equal(model_find_service(&m, "dns"), &services[1]);
	assert_null(model_find_service(&m, "we"));
	assert_int_equal(model_find_pool(&services[0], "stable"), 1);
	assert_int_equal(model_find_pool(&services[0], "canary"), 0);
	assert_int_equal(model_find_pool(&services[0], "Canary"), -1);
	assert_int_equal(model_find_pool(&services[1], "stable"), -1);
}

static void test_backends_are_counted(void **state)
{
	struct model_pool a[2] = {{.backend_count = 3}, {.backend_count = 4}};
	struct model_pool b[1] = {{.backend_count = 5}};
	struct model_service services[2] = {{.pools = a, .pool_count = 2},
					    {.pools = b, .pool_count = 1}};
	struct model m = {.services = services, .service_count = 2};

	(void)state;
	assert_int_equal(model_count_backends(&m), 12);
	m.service_count = 0;
	assert_int_equal(model_count_backends(&m), 0);
}

static void test_names_of_numbers(void **state)
{
	(void)state;
	assert_string_equal(model_xdp_mode_name(MODEL_XDP_NATIVE), "native");
	assert_string_equal(model_xdp_mode_name(MODEL_XDP_GENERIC), "generic");
	assert_null(model_xdp_mode_name(MODEL_XDP_MODE_MAX));
	assert_string_equal(model_affinity_name(SERIN_AFFINITY_CONNECTION), "connection");
	assert_string_equal(model_affinity_name(SERIN_AFFINITY_CLIENT), "client");
	assert_null(model_affinity_name(SERIN_AFFINITY_MAX));
	assert_string_equal(model_forwarding_name(SERIN_FORWARDING_NAT), "nat");
	assert_null(model_forwarding_name(SERIN_FORWARDING_MAX));
	assert_null(model_forwarding_name((enum serin_forwarding) - 1));
	assert_string_equal(model_protocol_name(IPPROTO_TCP), "tcp");
	assert_string_equal(model_protocol_name(IPPROTO_UDP), "udp");
	assert_null(model_protocol_name(IPPROTO_ICMP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_model_is_empty_with_limits),
		cmocka_unit_test(test_the_default_seed_is_fnv1a),
		cmocka_unit_test(test_a_release_has_a_seed_of_its_own),
		cmocka_unit_test(test_services_and_pools_are_found_by_name),
		cmocka_unit_test(test_backends_are_counted),
		cmocka_unit_test(test_names_of_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

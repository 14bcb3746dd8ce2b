// SPDX-License-Identifier: GPL-2.0-or-later
/* Live states: finding and comparing them, their JSON, and an act's account by service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net.h"
#include "store/internal.h"

static struct live_service *add(struct live *l, const char *name, uint32_t ppm)
{
	struct live_service *s = live_add(l);

	strcpy(s->name, name);
	strcpy(s->primary, "stable");
	strcpy(s->pools[0].name, "canary");
	strcpy(s->pools[1].name, "stable");
	s->pools[0].ppm = ppm;
	s->pools[1].ppm = 1000000 - ppm;
	s->pool_count = 2;
	return s;
}

static void drain(struct live_service *s, const char *address, uint16_t port)
{
	struct in6_addr addr;

	assert_int_equal(net_parse_addr(address, &addr), 0);
	assert_int_equal(live_add_drained(s, &addr, port), 0);
}

static void test_services_are_found_by_name(void **state)
{
	struct live *l = live_new();
	char name[8];

	(void)state;
	for (int i = 40; i > 0; i--) {
		snprintf(name, sizeof(name), "s%d", i);
		add(l, name, (uint32_t)i);
	}
	live_sort(l);
	assert_int_equal(live_find(l, "s17")->pools[0].ppm, 17);
	assert_null(live_find(l, "s41"));
	assert_null(live_find(l, "a name that is longer than any service can have"));
	assert_null(live_find(NULL, "s1"));
	live_free(l);
}

static void test_a_release_is_a_weight_outside_the_primary(void **state)
{
	struct live *l = live_new();
	uint32_t ppm = 5;

	(void)state;
	add(l, "web", 0);
	assert_false(live_has_release(&l->services[0]));
	l->services[0].pools[0].ppm = 1;
	assert_true(live_has_release(&l->services[0]));
	assert_false(live_weight(&l->services[0], "stable", &ppm));
	assert_false(live_weight(&l->services[0], "gone", &ppm));
	assert_false(live_share(&l->services[0], "gone", &ppm));
	assert_int_equal(ppm, 5);
	assert_true(live_share(&l->services[0], "stable", &ppm));
	assert_int_equal(ppm, l->services[0].pools[1].ppm);
	live_free(l);
}

static void test_what_is_the_same(void **state)
{
	struct live *l = live_new();
	struct live_service *a, *b;

	(void)state;
	add(l, "a", 5);
	add(l, "b", 5);
	a = &l->services[0];
	b = &l->services[1];
	b->epoch = 9;
	assert_true(live_equal(a, b));
	drain(a, "10.0.0.1", 80);
	drain(a, "2001:db8::1", 81);
	assert_false(live_equal(a, b));
	drain(b, "2001:db8::1", 81);
	drain(b, "10.0.0.1", 81);
	assert_false(live_equal(a, b));
	b->drained[1].port = 80;
	assert_true(live_equal(a, b));
	b->pools[0].ppm = 6;
	assert_false(live_equal(a, b));
	b->pools[0].ppm = 5;
	strcpy(b->file_primary, "canary");
	assert_false(live_equal(a, b));
	strcpy(a->file_primary, "canary");
	assert_true(live_equal(a, b));
	b->seed = 1;
	assert_false(live_equal(a, b));
	a->seed = 1;
	b->has_file_seed = true;
	assert_false(live_equal(a, b));
	a->has_file_seed = true;
	assert_true(live_equal(a, b));
	a->file_seed = 7;
	assert_false(live_equal(a, b));
	live_free(l);
}

static void test_json_and_back(void **state)
{
	struct live *l = live_new(), *again = live_new();
	struct live_service *s = add(l, "web", 1);
	char *text;

	(void)state;
	s->seed = UINT64_MAX;
	s->epoch = UINT32_MAX;
	drain(s, "10.0.0.1", 80);
	drain(s, "2001:db8::1", 65535);
	text = live_to_json(s);
	assert_string_equal(text, "{\"epoch\":4294967295,\"seed\":\"18446744073709551615\","
				  "\"primary\":\"stable\",\"weights\":{\"canary\":0.0001,"
				  "\"stable\":99.9999},\"drained\":[\"10.0.0.1:80\","
				  "\"[2001:db8::1]:65535\"]}");
	assert_int_equal(live_from_json("web", text, again), 0);
	assert_int_equal(again->count, 1);
	assert_true(live_equal(s, &again->services[0]));
	assert_int_equal(again->services[0].epoch, UINT32_MAX);
	assert_string_equal(again->services[0].file_primary, "");
	assert_false(again->services[0].has_file_seed);
	free(text);
	strcpy(s->file_primary, "canary");
	s->has_file_seed = true;
	s->file_seed = UINT64_MAX - 1;
	text = live_to_json(s);
	assert_non_null(strstr(text, "\"file_primary\":\"canary\""));
	assert_non_null(strstr(text, "\"file_seed\":\"18446744073709551614\""));
	assert_int_equal(live_from_json("web", text, again), 0);
	assert_true(live_equal(s, &again->services[1]));
	free(text);
	live_free(l);
	live_free(again);
}

static void test_json_that_makes_no_sense(void **state)
{
#define STATE(weights, drained, seed)                                                      \
	"{\"epoch\":1,\"seed\":" seed ",\"primary\":\"stable\",\"weights\":{" weights "}," \
	"\"drained\":[" drained "]}"
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		STATE("\"a\":101", "", "\"1\""),
		STATE("\"a\":-1", "", "\"1\""),
		STATE("\"a\":60,\"b\":41", "", "\"1\""),
		STATE("\"a\":\"5\"", "", "\"1\""),
		STATE("\"\":5", "", "\"1\""),
		STATE("\"a\":1,\"a\":2", "", "\"1\""),
		STATE("\"a23456789012345678901234567890123\":5", "", "\"1\""),
		STATE("\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1", "",
		      "\"1\""),
		STATE("\"a\":5", "\"host\"", "\"1\""),
		STATE("\"a\":5", "\"10.0.0.1\"", "\"1\""),
		STATE("\"a\":5", "\"10.0.0.1:80\",7", "\"1\""),
		STATE("\"a\":5", "", "\"-1\""),
		STATE("\"a\":5", "", "\"18446744073709551616\""),
		STATE("\"a\":5", "", "1"),
	};
	struct live *l = live_new();

	(void)state;
	assert_int_equal(live_from_json("web", STATE("\"a\":5", "", "\"1\""), l), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (live_from_json("web", bad[i], l) != -EINVAL)
			fail_msg("taken for sense: %s", bad[i]);
	assert_int_equal(live_from_json("", STATE("\"a\":5", "", "\"1\""), l), -EINVAL);
	assert_int_equal(l->count, 1);
	live_free(l);
}

static void test_an_account_by_service(void **state)
{
	struct live_change c = {.before = live_new(), .after = live_new()};
	struct rows r;

	(void)state;
	add(c.before, "gone", 1);
	add(c.before, "moved", 1);
	add(c.before, "same", 1);
	add(c.before, "told", 1);
	add(c.after, "moved", 2);
	add(c.after, "new", 1);
	add(c.after, "same", 1);
	add(c.after, "told", 1);
	c.told = strdup("+ interface eth0 (native XDP)\n- service gone\n"
			"= service same: pool canary keeps its live weight 1 % (file: 5 %)\n"
			"+ service told: pool canary: backend 10.0.0.1:80\n"
			"~ service told: 3 DSCP rules\n~ service unheard-of: new seed\n");
	assert_int_equal(rows_make(&c, NULL, &r), 0);
	assert_int_equal(r.count, 5);
	assert_null(r.list[0].service);
	assert_string_equal(r.list[0].detail, "+ interface eth0 (native XDP)\n"
					      "~ service unheard-of: new seed");
	assert_string_equal(r.list[1].service, "gone");
	assert_non_null(r.list[1].before);
	assert_null(r.list[1].after);
	assert_string_equal(r.list[2].service, "moved");
	assert_null(r.list[2].detail);
	assert_int_equal(r.list[2].after->pools[0].ppm, 2);
	assert_string_equal(r.list[3].service, "new");
	assert_null(r.list[3].before);
	assert_string_equal(r.list[4].service, "told");
	assert_string_equal(r.list[4].detail, "+ service told: pool canary: backend 10.0.0.1:80\n"
					      "~ service told: 3 DSCP rules");
	rows_fini(&r);
	live_change_fini(&c);
}

static void test_an_account_is_never_empty_nor_endless(void **state)
{
	struct live_change c = {};
	struct rows r;

	(void)state;
	assert_int_equal(rows_make(&c, "web", &r), 0);
	assert_int_equal(r.count, 1);
	assert_string_equal(r.list[0].service, "web");
	rows_fini(&r);
	c.told = malloc(100001);
	for (size_t i = 0; i < 100000; i += 10)
		memcpy(c.told + i, "+ a line.\n", 11);
	assert_int_equal(rows_make(&c, NULL, &r), 0);
	assert_int_equal(r.count, 1);
	assert_true(strlen(r.list[0].detail) < ROWS_DETAIL_MAX + 32);
	assert_non_null(strstr(r.list[0].detail, "\n(and 9591 more)"));
	rows_fini(&r);
	live_change_fini(&c);
}

static void test_only_root_has_come_from_sudo(void **state)
{
	(void)state;
	assert_int_equal(who_sudo_uid(0, "1000"), 1000);
	assert_int_equal(who_sudo_uid(1, "1000"), -1);
	assert_int_equal(who_sudo_uid(0, NULL), -1);
	assert_int_equal(who_sudo_uid(0, ""), -1);
	assert_int_equal(who_sudo_uid(0, "-5"), -1);
	assert_int_equal(who_sudo_uid(0, "12x"), -1);
	assert_int_equal(who_sudo_uid(0, "99999999999"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services_are_found_by_name),
		cmocka_unit_test(test_a_release_is_a_weight_outside_the_primary),
		cmocka_unit_test(test_what_is_the_same),
		cmocka_unit_test(test_json_and_back),
		cmocka_unit_test(test_json_that_makes_no_sense),
		cmocka_unit_test(test_an_account_by_service),
		cmocka_unit_test(test_an_account_is_never_empty_nor_endless),
		cmocka_unit_test(test_only_root_has_come_from_sudo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

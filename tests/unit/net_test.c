// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/count_of.h"
#include "lib/net.h"

static void test_addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *written;
		bool is_v4;
	} good[] = {
		{"192.0.2.1", "192.0.2.1", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"255.255.255.255", "255.255.255.255", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"2001:db8::1", "2001:db8::1", false},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", false},
		{"::", "::", false},
		{"::1", "::1", false},
	};
	char buf[NET_ADDR_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct in6_addr addr;

		assert_int_equal(net_parse_addr(good[i].text, &addr), 0);
		assert_int_equal(net_is_v4(&addr), good[i].is_v4);
		assert_string_equal(net_format_addr(&addr, buf), good[i].written);
	}
}

static void test_ipv4_is_mapped(void **state)
{
	static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
	struct in6_addr addr;

	(void)state;
	assert_int_equal(net_parse_addr("192.0.2.1", &addr), 0);
	assert_memory_equal(&addr, mapped, sizeof(mapped));
}

static void test_what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	      " 192.0.2.1",	   "192.0.2.1 ",
		"192.0.2",    "192.0.2.256",	   "192.0.2.1.1",
		"192.0.2.01", "192.0.2.1/24",	   "0xc0000201",
		"3221225985", "fe80::1%lo",	   "[::1]",
		":::",	      "1:2:3:4:5:6:7:8:9", "localhost",
		"-1.2.3.4",   "1.2.3.4:80",	   "\xff",
	};
	struct in6_addr addr, before;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		addr = before;
		assert_int_equal(net_parse_addr(bad[i], &addr), -EINVAL);
		assert_memory_equal(&addr, &before, sizeof(addr));
	}
}

static void test_prefixes_are_read_and_cleared(void **state)
{
	static const struct {
		const char *text, *network;
		uint8_t len;
		const char *written;
	} good[] = {
		{"198.51.100.0/24", "198.51.100.0", 120, "198.51.100.0/24"},
		{"198.51.100.255/24", "198.51.100.0", 120, "198.51.100.0/24"},
		{"198.51.100.255/25", "198.51.100.128", 121, "198.51.100.128/25"},
		{"192.0.2.1", "192.0.2.1", 128, "192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1", 128, "192.0.2.1"},
		{"255.255.255.255/0", "0.0.0.0", 96, "0.0.0.0/0"},
		{"2001:db8::/32", "2001:db8::", 32, "2001:db8::/32"},
		{"2001:db8:ffff::1/33", "2001:db8:8000::", 33, "2001:db8:8000::/33"},
		{"2001:db8::1", "2001:db8::1", 128, "2001:db8::1"},
		{"::/0", "::", 0, "::/0"},
		{"2001:db8::1/128", "2001:db8::1", 128, "2001:db8::1"},
		{"1111:2222:3333:4444:5555:6666:7777:8888/127",
		 "1111:2222:3333:4444:5555:6666:7777:8888", 127,
		 "1111:2222:3333:4444:5555:6666:7777:8888/127"},
	};
	char buf[NET_PREFIX_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct in6_addr addr;
		uint8_t len;

		assert_int_equal(net_parse_prefix(good[i].text, &addr, &len), 0);
		assert_string_equal(net_format_addr(&addr, buf), good[i].network);
		assert_int_equal(len, good[i].len);
		assert_string_equal(net_format_prefix(&addr, len, buf), good[i].written);
	}
}

static void test_what_is_no_prefix_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/24",
		"192.0.2.0/",
		"192.0.2.0/33",
		"192.0.2.0/-1",
		"192.0.2.0/+1",
		"192.0.2.0/ 1",
		"192.0.2.0/24/24",
		"::/129",
		"::/1x",
		"::/99999999999999999999",
		"192.0.2.0/255.255.255.0",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/64",
	};
	struct in6_addr addr;
	uint8_t len = 77;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(net_parse_prefix(bad[i], &addr, &len), -EINVAL);
	assert_int_equal(len, 77);
}

static void test_endpoints_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *written;
		uint16_t port;
	} good[] = {
		{"192.0.2.1:80", "192.0.2.1:80", 80},
		{"192.0.2.1:65535", "192.0.2.1:65535", 65535},
		{"192.0.2.1", "192.0.2.1:0", 0},
		{"[2001:db8::1]:80", "[2001:db8::1]:80", 80},
		{"2001:db8::1", "[2001:db8::1]:0", 0},
		{"[2001:db8::1]", "[2001:db8::1]:0", 0},
	};
	char buf[NET_ENDPOINT_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct in6_addr addr;
		uint16_t port;

		assert_int_equal(net_parse_endpoint(good[i].text, &addr, &port), 0);
		assert_int_equal(port, good[i].port);
		assert_string_equal(net_format_endpoint(&addr, port, buf), good[i].written);
	}
}

static void test_what_is_no_endpoint_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		":80",
		"192.0.2.1:",
		"192.0.2.1:0",
		"192.0.2.1:65536",
		"192.0.2.1:80:80",
		"192.0.2.1: 80",
		"[2001:db8::1",
		"[2001:db8::1]80",
		"[2001:db8::1]:",
		"host:80",
		"[]:80",
		"192.0.2.1:8a",
	};
	struct in6_addr addr;
	uint16_t port = 77;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(net_parse_endpoint(bad[i], &addr, &port), -EINVAL);
	assert_int_equal(port, 77);
}

static void test_the_longest_endpoint_fits(void **state)
{
	char buf[NET_ENDPOINT_LEN];
	struct in6_addr addr;

	(void)state;
	assert_int_equal(net_parse_addr("1111:2222:3333:4444:5555:6666:7777:8888", &addr), 0);
	assert_string_equal(net_format_endpoint(&addr, 65535, buf),
			    "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

static void test_dscp_values(void **state)
{
	static const struct {
		const char *text, *written;
		uint8_t dscp;
	} good[] = {
		{"0", "0 (DF)", 0},	   {"46", "46 (EF)", 46}, {"0x2e", "46 (EF)", 46},
		{"EF", "46 (EF)", 46},	   {"ef", "46 (EF)", 46}, {"AF11", "10 (AF11)", 10},
		{"af43", "38 (AF43)", 38}, {"CS0", "0 (DF)", 0},  {"BE", "0 (DF)", 0},
		{"cs7", "56 (CS7)", 56},   {"LE", "1 (LE)", 1},	  {"VA", "44 (VA)", 44},
		{"63", "63", 63},	   {"0X3f", "63", 63},	  {"3", "3", 3},
	};
	static const char *const bad[] = {
		"",    "64",  "-1",  "046", "0x", "0x40", "0x2g", "AF44", "AF14", "AF50",
		"CS8", "EF ", " EF", "4.6", "E",  "EFF",  "+1",	  "00",	  "0x-1", "99999999999999"};
	char written[NET_DSCP_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		uint8_t dscp = 99;

		assert_int_equal(net_parse_dscp(good[i].text, &dscp), 0);
		assert_int_equal(dscp, good[i].dscp);
		assert_string_equal(net_format_dscp(dscp, written), good[i].written);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t dscp = 99;

		if (net_parse_dscp(bad[i], &dscp) != -EINVAL || dscp != 99)
			fail_msg("'%s' is taken for %u", bad[i], dscp);
	}
	for (uint8_t x = 1; x <= 4; x++) /* RFC 2597: AFxy is 8 x + 2 y */
		for (uint8_t y = 1; y <= 3; y++) {
			char name[8];
			uint8_t dscp;

			snprintf(name, sizeof(name), "AF%u%u", x, y);
			assert_int_equal(net_parse_dscp(name, &dscp), 0);
			assert_int_equal(dscp, 8 * x + 2 * y);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_read_and_written),
		cmocka_unit_test(test_ipv4_is_mapped),
		cmocka_unit_test(test_what_is_no_address_is_refused),
		cmocka_unit_test(test_prefixes_are_read_and_cleared),
		cmocka_unit_test(test_what_is_no_prefix_is_refused),
		cmocka_unit_test(test_endpoints_are_read_and_written),
		cmocka_unit_test(test_what_is_no_endpoint_is_refused),
		cmocka_unit_test(test_the_longest_endpoint_fits),
		cmocka_unit_test(test_dscp_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Text from elsewhere on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/plain.h"

static void expect_plain(const char *text, const char *wanted)
{
	char buf[64];

	assert_string_equal(plain_text(text, buf, sizeof(buf)), wanted);
}

static void nothing_instructs(void **state)
{
	(void)state;
	expect_plain(NULL, "");
	expect_plain("a\033[31mb\177\r\n\t", "a?[31mb????");
	expect_plain("c1 \xc2\x9b"
		     "1m",
		     "c1 ?1m");
	expect_plain("turned \u202e\u2066\u200f", "turned ???");
	expect_plain("\u00e9\u4e2d\U0001f600", "\u00e9\u4e2d\U0001f600");
}

static void what_is_no_utf8(void **state)
{
	(void)state;
	expect_plain("a\xff\xc0\xaf", "a???");
	expect_plain("cut \xe4\xb8", "cut ??");
	expect_plain("\xc3(", "?(");
}

static void in_ascii(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(plain_ascii("\u00e9\u4e2dx\n", buf, sizeof(buf)), "??x?");
}

static void no_character_is_cut(void **state)
{
	char buf[4];

	(void)state;
	assert_string_equal(plain_text("abcdef", buf, sizeof(buf)), "abc");
	assert_string_equal(plain_text("ab\u00e9", buf, sizeof(buf)), "ab");
	assert_string_equal(plain_text("a\u00e9", buf, sizeof(buf)), "a\u00e9");
}

static void columns(void **state)
{
	(void)state;
	assert_int_equal(plain_width("ab\u00e9"), 3);
	assert_int_equal(plain_width("\u4e2d\U0001f600"), 4);
	assert_int_equal(plain_width("e\u0301"), 1);
	assert_int_equal(plain_fit("ab\u4e2dc", 3), 2);
	assert_int_equal(plain_fit("ab\u4e2dc", 4), 5);
	assert_int_equal(plain_fit("e\u0301x", 1), 3);
	assert_int_equal(plain_fit("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_instructs), cmocka_unit_test(what_is_no_utf8),
		cmocka_unit_test(in_ascii),	     cmocka_unit_test(no_character_is_cut),
		cmocka_unit_test(columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/logfmt.h"

static void expect(const char *value, const char *wanted)
{
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	assert_non_null(out);
	logfmt_pair(out, "key", value);
	fclose(out);
	assert_memory_equal(got, "key=", 4);
	assert_string_equal(got + 4, wanted);
	free(got);
}

static void plain_values_have_no_quotes(void **state)
{
	(void)state;
	expect("web", "web");
	expect("[2001:db8::1]:80", "[2001:db8::1]:80");
	expect("10.0.0.1:8080", "10.0.0.1:8080");
	expect("33.3%", "33.3%");
}

static void what_would_end_a_value_is_quoted(void **state)
{
	(void)state;
	expect("", "\"\"");
	expect("a b", "\"a b\"");
	expect("a=b", "\"a=b\"");
	expect("say \"no\"", "\"say \\\"no\\\"\"");
	expect("\"", "\"\\\"\"");
	expect("C:\\x", "\"C:\\\\x\"");
	expect("\\", "\"\\\\\"");
}

/* A record is a line: nobody can forge another by what a name or a file holds. */
static void control_characters_are_told_not_written(void **state)
{
	(void)state;
	expect("one\ntwo", "\"one\\ntwo\"");
	expect("one\r\ntwo", "\"one\\r\\ntwo\"");
	expect("a\tb", "\"a\\tb\"");
	expect("\x1b[31mred", "\"\\u001b[31mred\"");
	expect("\x01\x7f", "\"\\u0001\\u007f\"");
	expect("\xc2\x9b", "\"\\u009b\""); /* a control sequence introducer in one character */
}

static void utf8_stays(void **state)
{
	(void)state;
	expect("größe", "\"größe\"");
	expect("日本", "\"日本\"");
	expect("😀", "\"😀\"");
	expect("\xc2\xa0", "\"\xc2\xa0\"");
	expect("\xef\xbf\xbd", "\"\xef\xbf\xbd\""); /* U+FFFD itself */
	expect("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");
}

static void what_is_no_utf8_is_replaced_byte_by_byte(void **state)
{
	(void)state;
	expect("\xff", "\"\\ufffd\"");
	expect("a\x80z", "\"a\\ufffdz\"");
	expect("\xc3", "\"\\ufffd\"");
	expect("\xc3\"", "\"\\ufffd\\\"\"");
	expect("\xe2\x82", "\"\\ufffd\\ufffd\"");
	expect("\xc0\xaf", "\"\\ufffd\\ufffd\"");	     /* overlong */
	expect("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""); /* a surrogate */
	expect("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	expect("\xf8\x88\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static void a_text_always_has_quotes(void **state)
{
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	(void)state;
	assert_non_null(out);
	logfmt_text(out, "msg", "event");
	fclose(out);
	assert_string_equal(got, "msg=\"event\"");
	free(got);
}

/* Every byte by itself and in every pair: no line ever ends early, and no quote is left open. */
static void any_bytes_are_one_line_and_end_their_quotes(void **state)
{
	(void)state;
	for (unsigned int pair = 0x0101; pair < 0x10000; pair++) {
		char value[3] = {(char)(pair >> 8), (char)(pair & 0xff), '\0'};
		char *got = NULL;
		size_t size, at = 5;
		FILE *out = open_memstream(&got, &size);

		assert_non_null(out);
		logfmt_text(out, "key", value);
		fclose(out);
		for (; got[at] && got[at] != '"'; at++) {
			assert_true((unsigned char)got[at] >= ' ' && got[at] != 0x7f);
			at += got[at] == '\\';
		}
		assert_int_equal(at + 1, size);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_have_no_quotes),
		cmocka_unit_test(what_would_end_a_value_is_quoted),
		cmocka_unit_test(control_characters_are_told_not_written),
		cmocka_unit_test(utf8_stays),
		cmocka_unit_test(what_is_no_utf8_is_replaced_byte_by_byte),
		cmocka_unit_test(a_text_always_has_quotes),
		cmocka_unit_test(any_bytes_are_one_line_and_end_their_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

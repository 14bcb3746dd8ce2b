// SPDX-License-Identifier: GPL-2.0-or-later
/* Files, and how what is wrong in them is shown. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "model/model.h"

/* What is written after it is line 10. */
#define GOOD                                                                                      \
	"version: 1\ninterfaces: [eth0]\nservices:\n- name: web\n  vip: 192.0.2.10\n  port: 80\n" \
	"  pools:\n  - name: stable\n    backends: [{address: 10.0.0.11}]\n"

/* What config_load() says of a text, and what it returns. */
static char *load(const char *text, int *err)
{
	char path[] = "/tmp/serin-config-XXXXXX", *said = NULL, *name;
	struct model *m = NULL;
	size_t size;
	int fd = mkstemp(path);
	FILE *out = open_memstream(&said, &size);

	assert_true(fd >= 0 && out);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*err = config_load(path, &m, out);
	fclose(out);
	unlink(path);
	model_free(m);
	while ((name = strstr(said, path))) { /* it differs each time */
		*name = 'F';
		memmove(name + 1, name + strlen(path), strlen(name + strlen(path)) + 1);
	}
	return said;
}

static void assert_said(const char *text, const char *wanted)
{
	int err;
	char *said = load(text, &err);

	assert_int_equal(err, -EINVAL);
	assert_string_equal(said, wanted);
	free(said);
}

static void test_print_line_and_caret(void **state)
{
	(void)state;
	assert_said(
		GOOD "  prot: tcp\n  seed: x\n",
		"F:10:3: error: unknown key 'prot' in a service; did you mean 'port'?\n"
		"  prot: tcp\n"
		"  ^\n"
		"F:11:9: error: 'seed' must be a whole number from 0 to 18446744073709551615, in "
		"digits alone, not 'x'\n"
		"  seed: x\n"
		"        ^\n"
		"2 errors; nothing was changed\n");
	assert_said("[]", "F:1:1: error: the configuration must be a mapping, not a list\n"
			  "[]\n"
			  "^\n"
			  "1 error; nothing was changed\n");
}

static void test_caret_stands_under_tabs_and_wide_text(void **state)
{
	(void)state;
	assert_said(
		GOOD "  seed:\t\"\xc3\xa9\"\t# \xc3\xa9\n  port:\t80\n",
		"F:10:9: error: 'seed' must be a whole number from 0 to 18446744073709551615, in "
		"digits alone, not '\xc3\xa9'\n"
		"  seed:\t\"\xc3\xa9\"\t# \xc3\xa9\n"
		"       \t^\n"
		"F:11:3: error: duplicate key 'port', first given on line 6\n"
		"  port:\t80\n"
		"  ^\n"
		"2 errors; nothing was changed\n");
}

/* CR LF is one break, and so are the breaks of YAML 1.1 that no editor shows as one. */
static void test_lines_are_counted_as_yaml_does(void **state)
{
	(void)state;
	assert_said("version: 1\r\n# a\xc2\x85# b\xe2\x80\xa8# c\r- x\n",
		    "F:5:1: error: not valid YAML: a key was expected; is the indentation right? "
		    "(while parsing a block mapping that begins on line 1)\n"
		    "- x\n"
		    "^\n"
		    "1 error; nothing was changed\n");
}

static void test_what_a_terminal_would_obey_is_not_printed(void **state)
{
	(void)state;
	assert_said("version: 1\n# \x1b[2J\n",
		    "F:2:3: error: the control character U+001B is not allowed in YAML\n"
		    "# ?[2J\n"
		    "  ^\n"
		    "1 error; nothing was changed\n");
}

static void test_long_lines_are_cut(void **state)
{
	char text[1024], *said, *line;
	int err, len = snprintf(text, sizeof(text), "version: 1\nx: [%0300d, *a, %0300d]\n", 0, 0);

	(void)state;
	assert_true(len < (int)sizeof(text));
	said = load(text, &err);
	assert_int_equal(err, -EINVAL);
	line = strstr(said, "\n...0000");
	assert_non_null(line);
	line++;
	assert_true(strcspn(line, "\n") < 140);
	assert_ptr_equal(strstr(line, "*a") - line + 1 + strcspn(line, "\n"),
			 strchr(line, '^') - line);
	free(said);
}

static void test_files_that_cannot_be_read(void **state)
{
	struct model *m = NULL;
	char *said = NULL;
	size_t size;
	FILE *out = open_memstream(&said, &size);

	(void)state;
	assert_int_equal(config_load("/nowhere/serin.yaml", &m, out), -ENOENT);
	assert_int_equal(config_load("/tmp", &m, out), -EISDIR);
	assert_int_equal(config_load("/dev/zero", &m, out), -EFBIG);
	fclose(out);
	assert_null(m);
	assert_string_equal(said, "/nowhere/serin.yaml: error: cannot read this file: "
				  "No such file or directory\n"
				  "/tmp: error: cannot read this file: Is a directory\n"
				  "/dev/zero: error: larger than 64 MiB\n");
	free(said);
}

static void test_standard_input(void **state)
{
	static const char text[] = "version: 1\nx: [\n";
	int ends[2], saved = dup(STDIN_FILENO);
	struct model *m = NULL;
	char *said = NULL;
	size_t size;
	FILE *out = open_memstream(&said, &size);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	close(ends[1]);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	assert_int_equal(config_load("-", &m, out), -EINVAL);
	dup2(saved, STDIN_FILENO);
	close(saved);
	fclose(out);
	assert_ptr_equal(strstr(said, "<stdin>:3:1: error: "), said);
	free(said);
}

static void test_a_good_file_says_nothing(void **state)
{
	int err;
	char *said = load(GOOD, &err);

	(void)state;
	assert_int_equal(err, 0);
	assert_string_equal(said, "");
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_line_and_caret),
		cmocka_unit_test(test_caret_stands_under_tabs_and_wide_text),
		cmocka_unit_test(test_lines_are_counted_as_yaml_does),
		cmocka_unit_test(test_what_a_terminal_would_obey_is_not_printed),
		cmocka_unit_test(test_long_lines_are_cut),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_standard_input),
		cmocka_unit_test(test_a_good_file_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

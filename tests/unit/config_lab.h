/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how the tests of configurations read one that is right, and what they ask of the error of one that
 * is wrong. For inclusion by one test program each. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/config.h"
#include "lib/count_of.h"
#include "model/model.h"

/* What must be right; the caller frees it. */
static inline struct model *parse(const char *text)
{
	struct config_errors errors = {0};
	struct model *m = NULL;
	int err = config_parse(text, strlen(text), &m, &errors);

	if (err || errors.count || !m)
		fail_msg("%s\n%zu:%zu: %s", text, errors.count ? errors.list[0].line : 0,
			 errors.count ? errors.list[0].column : 0,
			 errors.count ? errors.list[0].message : "?");
	config_errors_fini(&errors);
	return m;
}

struct wrong {
	const char *text;
	size_t line, column;
	const char *message; /* a part of it */
};

static inline void assert_wrong(const struct wrong *w)
{
	struct config_errors errors = {0};
	struct model *m = NULL;
	int err = config_parse(w->text, strlen(w->text), &m, &errors);

	if (err != -EINVAL || errors.count != 1 || errors.list[0].line != w->line ||
	    errors.list[0].column != w->column || !strstr(errors.list[0].message, w->message)) {
		print_error("%s\nwanted %zu:%zu: %s\n", w->text, w->line, w->column, w->message);
		for (size_t i = 0; i < errors.count; i++)
			print_error("   got %zu:%zu: %s\n", errors.list[i].line,
				    errors.list[i].column, errors.list[i].message);
		fail();
	}
	assert_null(m);
	config_errors_fini(&errors);
}

static inline void assert_all_wrong(const struct wrong *wrong, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_wrong(&wrong[i]);
}

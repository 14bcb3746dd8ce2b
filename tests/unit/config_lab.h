/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the tests of wrong configurations begin with, and what is asked of an error. For inclusion
 * by one test program each. */
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
#include "model/model.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* What is written after TOP is line 3; after SERVICE 7, GOOD 10, CANARY 12. */
#define TOP		    "version: 1\ninterfaces: [eth0]\n"
#define SERVICE		    TOP "services:\n- name: web\n  vip: 192.0.2.10\n  port: 80\n"
#define POOL(name, address) "  - name: " name "\n    backends: [{address: " address "}]\n"
#define GOOD		    SERVICE "  pools:\n" POOL("stable", "10.0.0.11")
#define CANARY		    GOOD "  - name: canary\n    backends: [{address: 10.0.0.21}]\n"

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the list of what is wrong with a text, while it is being made. */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "config/text.h"

#define ERRORS_MAX 1000 /* more help nobody, and a hostile file could ask for gigabytes of them */

struct errors {
	struct config_errors all;
	size_t room;
	bool has_more;	   /* than ERRORS_MAX */
	bool is_no_memory; /* something could not be allocated: the result is -ENOMEM */
};

/* The message is cleaned of what a terminal would obey; give long texts a precision ("%.40s"). */
void errors_add(struct errors *e, struct place at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Sorts what was added and moves it to @out. Returns 0 (there was none), -EINVAL or -ENOMEM. */
int errors_finish(struct errors *e, struct config_errors *out);

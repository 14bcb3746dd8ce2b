/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the way from YAML text to a checked model. A text is either wholly right and gives a model,
 * or wrong and gives every error in it, each with its place; there is nothing between.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct model;

struct config_error {
	size_t line;   /* from 1; 0 where the error has no place (an unreadable file) */
	size_t column; /* from 1, in characters */
	char *message; /* what is wrong, and where one can say it, what was probably meant */
};

struct config_errors {
	struct config_error *list; /* in the order of the text */
	size_t count;
};

/*
 * config_parse() - turn YAML text into a model.
 * @text, @len: the text, not necessarily NUL-terminated
 * @out: a new model, the caller's to free; untouched on failure
 * @errors: receives all errors; config_errors_fini() it whatever the result
 *
 * Returns 0, -EINVAL (see @errors), or -ENOMEM.
 */
int config_parse(const char *text, size_t len, struct model **out, struct config_errors *errors);

/*
 * config_load() - config_parse() of a file ("-": standard input), printing the errors to @messages:
 * "file:line:column: error: message", the line of text, and a caret under the place.
 *
 * Returns 0, -EINVAL, -ENOMEM, or the errno of reading the file, negated (printed too).
 */
int config_load(const char *path, struct model **out, FILE *messages);

typedef int config_parser(const char *text, size_t len, void *out, struct config_errors *errors);

/* The same of a file of another kind. */
int config_load_with(const char *path, config_parser *parse, void *out, FILE *messages);

void config_errors_fini(struct config_errors *errors);

/*
 * config_parse_percent() - "5", "0.5", "12.0001" or "5%" to millionths of the unit.
 * Takes 0 .. 100 in steps of 0.0001, digits and one point alone: no sign, no exponent, no nan.
 *
 * Returns 0 or -EINVAL with a sentence for the user in @why (static storage).
 */
int config_parse_percent(const char *text, unsigned int *ppm, const char **why);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns PromQL with places to fill: ${service}, ${pool} (Kayenta's ${scope}), ${control} (the
 * pool it is compared with), ${start} and ${end} (Unix seconds), ${step} (a PromQL duration). Pure.
 *
 * A name never ends the string it is put into: in '' and "" it is escaped, after =~ and !~ as a
 * regular expression, too, so that it matches itself alone. Outside of strings only what may be part
 * of a metric's name is put in. "$\{" is read as "${": Spinnaker's way past its own templates.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct query_values {
	const char *service;
	const char *pool;
	int64_t start_ms, end_ms, step_ms;
	const char *control;
};

#define QUERY_PLACES_MAX 7
#define QUERY_PLACE_LEN	 32

struct query_error {
	size_t column; /* from 1, in bytes: where the "$" is, or the quote or bracket */
	char text[160];
	char unknown[QUERY_PLACE_LEN]; /* the name in a place that has none of the known; or "" */
};

/* "service", "pool", ... */
extern const char *const query_places[QUERY_PLACES_MAX];

/*
 * query_expand() - the query of a template.
 * @out: the caller's to free; unchanged on failure
 *
 * Returns 0; -EINVAL, with @error; or -ENOMEM.
 */
int query_expand(const char *template, const struct query_values *v, char **out,
		 struct query_error *error);

/* What of a template is wrong whatever it is filled with: an unknown place, a string or a bracket that does
 * not end. Returns 0 or -EINVAL, with @error. */
int query_check(const char *template, struct query_error *error);

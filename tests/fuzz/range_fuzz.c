// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any answer of Prometheus: an error that can be shown, or a value a step. The first byte chooses the
 * grid and whether series are added up. What is no answer is taken as a template, too: its query has
 * the name in no place where it could do harm.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics_source/range.h"
#include "model/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void expand(const char *text)
{
	struct query_values v = {"web", "a\"'\n", 0, 60000, 1000, "base"};
	struct query_error error = {0};
	char *query = NULL;
	int err = query_expand(text, &v, &query, &error);

	must(!err == (query != NULL));
	must(!err || (error.column >= 1 && error.column <= strlen(text) && *error.text));
	free(query);
	err = query_check(text, &error);
	must(!err || (error.column >= 1 && error.column <= strlen(text) && *error.text));
}

static void read_text(uint8_t choice, const char *text, size_t len, FILE *messages)
{
	struct source source = {"fuzz", messages};
	struct range_grid grid = {1700000000000, 1700000000000 + (choice >> 1) * INT64_C(500),
				  1000};
	struct range range = {0};
	int error = range_parse(&source, text, len, &grid, choice & 1, &range);
	char *refusal = range_refusal(text, len);

	must(!error || !range.values);
	must(!refusal || error);
	must(!range.count || range.count == range_steps(&grid));
	range_fini(&range);
	free(refusal);
	if (error)
		expand(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *messages;
	char *text = size ? strndup((const char *)data + 1, size - 1) : NULL;

	messages = messages ? messages : fopen("/dev/null", "w");
	if (text && messages)
		read_text(*data, text, strlen(text), messages);
	free(text);
	return 0;
}

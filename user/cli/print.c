// SPDX-License-Identifier: GPL-2.0-or-later
/* How verbs end, and how they print. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

int cli_exit_code(int error)
{
	switch (error) {
	case 0:
		return CLI_OK;
	case -EINVAL:
		return CLI_USAGE;
	case -ESTALE:
		return CLI_CONFLICT;
	default:
		return CLI_FAILED;
	}
}

bool cli_has_colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
}

int cli_print_json(struct json_t *json)
{
	int error = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : -1;

	json_decref(json);
	if (error) {
		log_error("out of memory");
		return CLI_FAILED;
	}
	putchar('\n');
	return CLI_OK;
}

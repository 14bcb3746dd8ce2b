// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/rollout_asked.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

bool rollout_is_asked(int argc, char **argv)
{
	return argc == 2 && !strcmp(argv[1], ROLLOUT_ASKED);
}

int rollout_asked_tell(json_t *line)
{
	int err = line ? json_dumpf(line, stdout, JSON_COMPACT) : -1;

	json_decref(line);
	if (err)
		return -ENOMEM;
	putchar('\n');
	/* Each as it is known: what comes after may take too long. */
	return fflush(stdout) ? -EIO : 0;
}

int rollout_asked_run(void)
{
	json_error_t error;
	json_t *ask = json_loadf(stdin, 0, &error);
	const char *what = json_string_value(json_object_get(ask, "ask"));
	int err = -EINVAL;

	if (what && !strcmp(what, "webhook"))
		err = rollout_asked_webhook(ask);
	else if (what && !strcmp(what, "look"))
		err = rollout_asked_look(ask);
	else
		fputs("serin: error: " ROLLOUT_ASKED " is for the agent alone\n", stderr);
	json_decref(ask);
	return err ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what every verb that changes something does around the change: who does it, and its record. */
#pragma once

#include "cli/cli.h"
#include "dataplane/dataplane.h"

struct cli_act {
	struct live_change change;
	struct dataplane_author author;
};

/* For the data plane to be called with act->author. */
void cli_act_begin(const struct cli *cli, const char *actor, struct cli_act *act);
/* After it returned @error. The record is kept last: nobody waits for the disk to see what was done.
 * @service: that was asked for; NULL: all */
void cli_act_end(const struct cli *cli, struct cli_act *act, const char *service, int error);

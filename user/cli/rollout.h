/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the verbs of `rollout` share: what they ask the agent, and how they wait. */
#pragma once

#include <stdint.h>

#include "cli/agent_client.h"

struct cli;

/* A rollout of the service that is the verb's first argument; @id -1: the one under way, or the newest.
 * @what: "" or "/record". Returns agent_ask()'s. */
int rollout_get(const struct cli *cli, const char *what, int64_t id, struct agent_answer *out);
/* Does --timeout make sense? 0, or -EINVAL, said. Before anything is done. */
int rollout_check_timeout(const struct cli *cli);
/* Shows that rollout until it has ended, or --timeout has passed. Returns the exit code. */
int rollout_follow(const struct cli *cli, int64_t id);

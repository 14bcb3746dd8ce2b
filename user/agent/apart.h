/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how the agent's children are kept apart from it. */
#pragma once

#include <spawn.h>

/* A process group of its own, no signal blocked, and SIGPIPE as programs expect it. 0 or errno. */
int apart_set(posix_spawnattr_t *attributes);

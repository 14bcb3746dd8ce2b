/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the end of all that a program of somebody's began: a warden, forked from the agent, stands between
 * the two and inherits whoever loses his parent, whatever session or group he went to. When the program
 * ends, SIGTERM comes to the warden or the agent is gone, all of them are killed. The kernel has to tell
 * of children (CONFIG_PROC_CHILDREN); who has gained rights that the agent lacks is left.
 */
#pragma once

#include <spawn.h>
#include <sys/types.h>

/* @pid: the warden, which ends as the program ends. 0 or errno: then nothing runs. */
int warden_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
		 char *const *argv, char *const *environment);

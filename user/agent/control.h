/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the agent's unix socket: its file, whose it is, and who may ask anything there. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define CONTROL_DEFAULT_PATH "/run/serin/serin.sock"
#define CONTROL_ENV	     "SERIN_SOCKET"
#define CONTROL_GROUP	     "serin"

struct control;

/*
 * control_open() - listen at @path, whose directory is made where it is missing.
 * A file of an agent that is dead gives way; one of an agent that lives, and what is no socket, stay.
 * Returns 0, -EADDRINUSE (an agent lives there), or -errno; says why.
 */
int control_open(const char *path, struct control **out);
/* Its listening socket; the caller's from here on. */
int control_take_fd(struct control *c);
/* Root, this process's own user, and members of the socket file's group. */
bool control_admits(const struct control *c, int fd, uid_t uid);
/* Takes the file away unless it is somebody else's by now. */
void control_close(struct control *c);

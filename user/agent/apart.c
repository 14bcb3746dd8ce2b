// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/apart.h"

#include <signal.h>

int apart_set(posix_spawnattr_t *attributes)
{
	sigset_t none, pipe;
	int err;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							   POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawnattr_setpgroup(attributes, 0);
	if (!err)
		err = posix_spawnattr_setsigmask(attributes, &none);
	return err ? err : posix_spawnattr_setsigdefault(attributes, &pipe);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns having what time alone ends counted in time: handshakes and datagrams that nobody answered. */
#pragma once

#include <systemd/sd-event.h>

struct sweeper;

/* @dir: of the pins; nothing need be loaded there. 0 or -errno, said through log_error(). */
int sweeper_open(sd_event *event, const char *dir, struct sweeper **out);
void sweeper_close(struct sweeper *s);

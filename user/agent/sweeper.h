/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns having what time alone ends counted in time: handshakes and datagrams that nobody answered. */
#pragma once

#include <stdint.h>

#include <systemd/sd-event.h>

struct sweeper;

/* @dir: of the pins; nothing need be loaded there. 0 or -errno, said through log_error(). */
int sweeper_open(sd_event *event, const char *dir, struct sweeper **out);
/* How many of its sweeps failed. */
uint64_t sweeper_errors(const struct sweeper *s);
void sweeper_close(struct sweeper *s);

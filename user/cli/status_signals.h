/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the table of how pools are doing, below the one of what they are. */
#pragma once

struct snapshot;

/* @only: a service's name, or NULL for all. 0 or -ENOMEM */
int status_print_signals(const struct snapshot *s, const char *only);

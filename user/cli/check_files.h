/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what `check` tells of files that a configuration names: those that are not there are no error,
 * for they may come before they are needed, and on another host.
 */
#pragma once

#include <stdio.h>

struct model;

/* "FILE: note: ..." for each that cannot be used here: programs of hooks, files of analyses. */
void check_files(const struct model *m, const char *file, FILE *out);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns reading of /proc/sys; net/ is that of this process's network namespace. */
#pragma once

#include <stdbool.h>

#include "doctor/facts.h"

/* @format: what is below /proc/sys. False: it is not there, or may not be read. */
bool sysctl_read(unsigned int *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether it is anything but 0. */
enum fact sysctl_fact(const char *path);

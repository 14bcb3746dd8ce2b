/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns moments as text: "1709208000", "2024-02-29T12:00:00Z", "now", "now-30m". Pure. */
#pragma once

#include <stdint.h>

/* @out: Unix time, not before 1970; unchanged on failure. 0 or -EINVAL. */
int moment_parse(const char *text, int64_t now_ms, int64_t *out);

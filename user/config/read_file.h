/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns getting a whole file into memory. */
#pragma once

#include <stddef.h>

#define CONFIG_SIZE_MAX (64u << 20)

/* "-" is standard input. 0 and *text, the caller's to free; -EFBIG above CONFIG_SIZE_MAX; or
 * -errno. */
int config_read_file(const char *path, char **text, size_t *len);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns a rollout's whole record as a page to keep or print, and as text for a pull request. Pure. */
#pragma once

#include <stdio.h>

#include <jansson.h>

/* Both return 0, -ENOMEM or -EIO. */
int rollout_write_html(const json_t *record, FILE *out);
int rollout_write_md(const json_t *record, FILE *out);

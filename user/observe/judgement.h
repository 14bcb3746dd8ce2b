/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns reports of a judgement for people. */
#pragma once

#include <stdio.h>

#include "judge_io/report.h"

/* One file without scripts and without anything from elsewhere, to look at or to print. Returns 0, or
 * -EIO where @out took not all. */
int judgement_write_html(const struct judgement *j, FILE *out);
/* Markdown as pull requests show it. */
int judgement_write_md(const struct judgement *j, FILE *out);

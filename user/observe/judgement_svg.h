/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the pictures of a judgement's samples, as SVG inside HTML. Canary and baseline differ by shape
 * (whole against dashed, full against striped), not by colour alone. */
#pragma once

#include <stdio.h>

#include "judge/judge.h"

/* Both sides over time. */
void judgement_svg_series(FILE *out, const struct judge_pair *pair);
/* How both sides' values are spread: canary upwards, baseline downwards, medians marked. */
void judgement_svg_spread(FILE *out, const struct judge_pair *pair, const struct judge_why *why);
/* The shift's interval about zero and the bound; nothing where there is none. */
void judgement_svg_shift(FILE *out, const struct judge_why *why);

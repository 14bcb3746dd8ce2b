/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what all pictures are made of, as SVG inside HTML. */
#pragma once

#include <stdio.h>

void svg_begin(FILE *out, int width, int height, const char *label);
void svg_end(FILE *out);
/* @anchor: "start", "middle", "end"; @text: of this program, not from elsewhere */
void svg_text(FILE *out, double x, double y, const char *anchor, const char *text);
void svg_number(FILE *out, double x, double y, const char *anchor, long double value);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns text from elsewhere inside markup: nothing in it is an instruction there. */
#pragma once

#include <stdio.h>

/* In HTML and SVG, between tags or in a quoted attribute. */
void markup_put_html(FILE *out, const char *text);
/* In a line of Markdown, in a cell of a table too; it names nobody and links to nothing by itself. */
void markup_put_md(FILE *out, const char *text);

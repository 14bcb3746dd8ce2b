// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/svg.h"

void svg_begin(FILE *out, int width, int height, const char *label)
{
	fprintf(out,
		"<svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\">",
		label, width, height, width, height);
}

void svg_end(FILE *out)
{
	fputs("</svg>\n", out);
}

void svg_text(FILE *out, double x, double y, const char *anchor, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor,
		text);
}

void svg_number(FILE *out, double x, double y, const char *anchor, long double value)
{
	char text[48];

	snprintf(text, sizeof(text), "%.4Lg", value);
	svg_text(out, x, y, anchor, text);
}

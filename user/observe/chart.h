/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns pictures of lines over time, as SVG. Lines differ by how they are drawn, not by colour alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct chart {
	FILE *out;
	const char *label;	/* of this program */
	int64_t from_ms, to_ms; /* Unix time */
	double low, high;	/* values; what is below or above is drawn there */
	double key_x, event_x;	/* where the next goes */
};

struct chart_point {
	int64_t at_ms;
	double value; /* NAN: a gap */
};

struct chart_line {
	const char *class; /* of the style sheet */
	const char *name;  /* escaped here */
	const struct chart_point *points;
	size_t count;
	bool is_stepped; /* a value holds until the next */
};

void chart_begin(struct chart *c);
void chart_line(struct chart *c, const struct chart_line *line);
/* A value that decides. */
void chart_bound(struct chart *c, double value, const char *text);
/* Something that happened then: a number, which a table explains. */
void chart_event(struct chart *c, int64_t at_ms, size_t number);
void chart_end(struct chart *c);

// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/chart.h"

#include <math.h>

#include "observe/markup.h"
#include "observe/rollout_view.h"
#include "observe/svg.h"

#define WIDTH	  900
#define HEIGHT	  200
#define LEFT	  62 /* room for the numbers of the axis */
#define RIGHT	  8
#define TOP	  36 /* room for the key and events' numbers */
#define BOTTOM	  22
#define ACROSS	  ((double)(WIDTH - LEFT - RIGHT))
#define DOWN	  ((double)(HEIGHT - TOP - BOTTOM))
#define KEY_LINE  30
#define LETTER	  6.5 /* about as wide as one */
#define EVENT_GAP 14  /* pixels between two events' numbers */

static double x_of(const struct chart *c, int64_t at_ms)
{
	double part = (double)(at_ms - c->from_ms) / (double)(c->to_ms - c->from_ms);

	return LEFT + ACROSS * (part > 0.0 ? part < 1.0 ? part : 1.0 : 0.0);
}

static double y_of(const struct chart *c, double value)
{
	double part = (value - c->low) / (c->high - c->low);

	return TOP + DOWN * (1.0 - (part > 0.0 ? part < 1.0 ? part : 1.0 : 0.0));
}

void chart_begin(struct chart *c)
{
	char time[VIEW_TEXT_LEN];

	c->to_ms = c->to_ms > c->from_ms ? c->to_ms : c->from_ms + 1;
	c->high = c->high > c->low ? c->high : c->low + 1.0;
	c->key_x = LEFT;
	c->event_x = 0.0;
	fputs("<figure><figcaption>", c->out);
	markup_put_html(c->out, c->label);
	fputs("</figcaption>", c->out);
	svg_begin(c->out, WIDTH, HEIGHT, c->label);
	fprintf(c->out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>", LEFT, TOP, HEIGHT - BOTTOM,
		WIDTH - RIGHT);
	svg_number(c->out, LEFT - 4, TOP + 8, "end", c->high);
	svg_number(c->out, LEFT - 4, HEIGHT - BOTTOM, "end", c->low);
	svg_text(c->out, LEFT, HEIGHT - 7, "start", view_clock(c->from_ms, time));
	svg_text(c->out, WIDTH - RIGHT, HEIGHT - 7, "end", view_clock(c->to_ms, time));
}

void chart_end(struct chart *c)
{
	svg_end(c->out);
	fputs("</figure>\n", c->out);
}

static void put_key(struct chart *c, const struct chart_line *line)
{
	size_t letters = 0;

	for (const char *at = line->name; *at; at++)
		letters += ((unsigned char)*at & 0xc0) != 0x80;
	fprintf(c->out,
		"<path class=\"%s line\" d=\"M%.1f 10h%d\"/><text class=\"key\" x=\"%.1f\" "
		"y=\"14\">",
		line->class, c->key_x, KEY_LINE - 6, c->key_x + KEY_LINE);
	markup_put_html(c->out, line->name);
	fputs("</text>", c->out);
	c->key_x += KEY_LINE + 20 + LETTER * (double)letters;
}

static void put_steps(const struct chart *c, const struct chart_line *line)
{
	bool is_drawn = false;

	for (size_t i = 0; i < line->count; i++) {
		double x = x_of(c, line->points[i].at_ms), y = y_of(c, line->points[i].value);

		if (isnan(line->points[i].value))
			continue;
		fprintf(c->out, is_drawn ? "H%.1fV%.1f" : "M%.1f %.1f", x, y);
		is_drawn = true;
	}
}

/* Up to two points a column, its least and greatest, so that no spike of a long line is lost. */
static void put_points(const struct chart *c, const struct chart_line *line)
{
	bool is_drawn = false;
	size_t i = 0;

	while (i < line->count) {
		double x = x_of(c, line->points[i].at_ms), low = NAN, high = NAN;
		bool is_gap = false;

		for (; i < line->count && x_of(c, line->points[i].at_ms) < x + 1.0; i++) {
			low = fmin(low, line->points[i].value);
			high = fmax(high, line->points[i].value);
			is_gap = isnan(line->points[i].value);
		}
		if (!isnan(low)) {
			fprintf(c->out, "%c%.1f %.1f", is_drawn ? 'L' : 'M', x, y_of(c, low));
			if (high > low)
				fprintf(c->out, "L%.1f %.1f", x, y_of(c, high));
			else if (!is_drawn)
				fputs("h2", c->out); /* a lone point would not be seen */
		}
		is_drawn = !isnan(low) && !is_gap;
	}
}

void chart_line(struct chart *c, const struct chart_line *line)
{
	put_key(c, line);
	fprintf(c->out, "<path class=\"%s line\" d=\"", line->class);
	if (line->is_stepped)
		put_steps(c, line);
	else
		put_points(c, line);
	fputs("\"/>", c->out);
}

void chart_bound(struct chart *c, double value, const char *text)
{
	double y = y_of(c, value);

	if (isnan(value))
		return;
	fprintf(c->out, "<path class=\"bound\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
	svg_text(c->out, WIDTH - RIGHT, y + 12, "end", text);
}

void chart_event(struct chart *c, int64_t at_ms, size_t number)
{
	double x = x_of(c, at_ms);

	fprintf(c->out, "<path class=\"event\" d=\"M%.1f %dV%d\"/>", x, TOP, HEIGHT - BOTTOM);
	if (x < c->event_x)
		return;
	svg_number(c->out, x, TOP - 4, "middle", (long double)number);
	c->event_x = x + EVENT_GAP;
}

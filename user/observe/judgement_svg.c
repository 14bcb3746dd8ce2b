// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/judgement_svg.h"

#include <math.h>
#include <stdbool.h>

#include "observe/svg.h"

#define WIDTH	 440
#define HEIGHT	 150
#define LEFT	 62 /* room for the numbers of the axis */
#define RIGHT	 8
#define TOP	 10
#define BOTTOM	 22
#define BINS	 32
#define BIN_GAP	 0.6
#define COLUMNS	 (WIDTH - LEFT - RIGHT)
#define ACROSS	 ((double)COLUMNS)
#define DOWN	 ((double)(HEIGHT - TOP - BOTTOM))
#define BAR	 260 /* the interval's picture: width and height */
#define BAR_HIGH 34

/* The finite values of both sides. Wider than double: their span may not be one. */
struct span {
	long double low, high;
	bool is_any;
};

static void widen(struct span *s, double value)
{
	if (!isfinite(value))
		return;
	s->low = s->is_any && s->low < value ? s->low : value;
	s->high = s->is_any && s->high > value ? s->high : value;
	s->is_any = true;
}

static void widen_all(struct span *s, const struct judge_series *series)
{
	for (size_t i = 0; i < series->count; i++)
		widen(s, series->values[i]);
}

static struct span span_of(const struct judge_pair *pair)
{
	struct span s = {0};

	widen_all(&s, &pair->experiment);
	widen_all(&s, &pair->control);
	return s;
}

/* Where a value lies, 0 .. 1; what does not vary lies in the middle. */
static double place_of(const struct span *s, double value)
{
	if (!(s->high > s->low))
		return 0.5;
	return (double)(((long double)value - s->low) / (s->high - s->low));
}

static void put_frame(FILE *out)
{
	fprintf(out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>", LEFT, TOP, HEIGHT - BOTTOM,
		WIDTH - RIGHT);
}

static void put_nothing(FILE *out)
{
	svg_text(out, LEFT + ACROSS / 2, TOP + DOWN / 2, "middle", "no values");
}

/* ---- over time ---- */

static double y_of(const struct span *s, double value)
{
	return TOP + DOWN * (1.0 - place_of(s, value));
}

/* Up to two points a column, its least and greatest, so that no spike of a long series is lost. */
static void put_column(FILE *out, const struct span *s, const struct judge_series *series,
		       size_t column, size_t columns, bool *is_drawn)
{
	size_t begin = series->count * column / columns;
	size_t end = series->count * (column + 1) / columns;
	double x = LEFT + ACROSS * ((double)column + 0.5) / (double)columns;
	struct span here = {0};

	for (size_t i = begin; i < end; i++)
		widen(&here, series->values[i]);
	if (!here.is_any) {
		*is_drawn = false;
		return;
	}
	fprintf(out, "%c%.1f %.1f", *is_drawn ? 'L' : 'M', x, y_of(s, (double)here.low));
	if (here.high > here.low)
		fprintf(out, "L%.1f %.1f", x, y_of(s, (double)here.high));
	else if (!*is_drawn)
		fputs("h3", out); /* a lone point would have no length, and not be seen */
	*is_drawn = true;
}

static void put_series(FILE *out, const struct span *s, const struct judge_series *series,
		       const char *class)
{
	size_t columns = series->count < COLUMNS / 2 ? series->count : COLUMNS / 2;
	bool is_drawn = false;

	fprintf(out, "<path class=\"%s\" d=\"", class);
	for (size_t column = 0; column < columns; column++)
		put_column(out, s, series, column, columns, &is_drawn);
	fputs("\"/>", out);
}

void judgement_svg_series(FILE *out, const struct judge_pair *pair)
{
	struct span s = span_of(pair);
	size_t longest = pair->experiment.count > pair->control.count ? pair->experiment.count
								      : pair->control.count;

	svg_begin(out, WIDTH, HEIGHT, "canary and baseline over time");
	put_frame(out);
	if (s.is_any) {
		svg_number(out, LEFT - 4, TOP + 8, "end", s.high);
		if (s.high > s.low)
			svg_number(out, LEFT - 4, HEIGHT - BOTTOM, "end", s.low);
		put_series(out, &s, &pair->control, "baseline line");
		put_series(out, &s, &pair->experiment, "canary line");
	} else {
		put_nothing(out);
	}
	svg_text(out, LEFT, HEIGHT - 7, "start", "first point");
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">point %zu</text></svg>\n",
		WIDTH - RIGHT, HEIGHT - 7, longest);
}

/* ---- spread ---- */

struct histogram {
	double share[BINS];
};

static void count_bins(const struct span *s, const struct judge_series *series, struct histogram *h,
		       double *greatest)
{
	size_t all = 0;

	*h = (struct histogram){0};
	for (size_t i = 0; i < series->count; i++) {
		int bin;

		if (!isfinite(series->values[i]))
			continue;
		bin = (int)(place_of(s, series->values[i]) * BINS);
		h->share[bin < BINS ? bin : BINS - 1]++;
		all++;
	}
	for (int bin = 0; all && bin < BINS; bin++) {
		h->share[bin] /= (double)all;
		*greatest = h->share[bin] > *greatest ? h->share[bin] : *greatest;
	}
}

static double bin_height(const struct histogram *h, int bin, double greatest)
{
	return greatest > 0.0 ? h->share[bin] / greatest * (DOWN / 2 - 2) : 0.0;
}

/* Upwards from the middle, or with @sign -1 downwards. */
static void put_bins(FILE *out, const struct histogram *h, double greatest, int sign,
		     const char *class)
{
	double middle = TOP + DOWN / 2, width = ACROSS / BINS;

	for (int bin = 0; bin < BINS; bin++) {
		double high = bin_height(h, bin, greatest);

		if (high > 0.0)
			fprintf(out,
				"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
				"height=\"%.1f\"/>",
				class, LEFT + bin * width, sign > 0 ? middle - high : middle,
				width - BIN_GAP, high);
	}
}

/* Over bins that go downwards. Each is a dashed stroke as wide as the bin, from the middle on: so the
 * stripes of all lie on the same lines. */
static void put_stripes(FILE *out, const struct histogram *h, double greatest)
{
	double middle = TOP + DOWN / 2, width = ACROSS / BINS;

	fprintf(out, "<path class=\"stripes\" stroke-width=\"%.1f\" d=\"", width - BIN_GAP);
	for (int bin = 0; bin < BINS; bin++)
		if (h->share[bin] > 0.0)
			fprintf(out, "M%.1f %.1fv%.1f", LEFT + bin * width + (width - BIN_GAP) / 2,
				middle, bin_height(h, bin, greatest));
	fputs("\"/>", out);
}

static void put_median(FILE *out, const struct span *s, double median, int sign)
{
	double x = LEFT + ACROSS * place_of(s, median), middle = TOP + DOWN / 2;

	if (!isfinite(median))
		return;
	fprintf(out, "<path class=\"median\" d=\"M%.1f %.1fV%.1f\"/>", x, middle,
		middle - sign * DOWN / 2);
}

void judgement_svg_spread(FILE *out, const struct judge_pair *pair, const struct judge_why *why)
{
	struct span s = span_of(pair);
	struct histogram experiment, control;
	double greatest = 0.0, middle = TOP + DOWN / 2;

	svg_begin(out, WIDTH, HEIGHT, "how canary and baseline are spread");
	if (s.is_any) {
		count_bins(&s, &pair->experiment, &experiment, &greatest);
		count_bins(&s, &pair->control, &control, &greatest);
		put_bins(out, &experiment, greatest, 1, "canary");
		put_bins(out, &control, greatest, -1, "baseline");
		put_stripes(out, &control, greatest);
		put_median(out, &s, why->experiment_median, 1);
		put_median(out, &s, why->control_median, -1);
		svg_number(out, LEFT, HEIGHT - 7, "start", s.low);
		svg_number(out, WIDTH - RIGHT, HEIGHT - 7, "end", s.high);
	} else {
		put_nothing(out);
	}
	svg_text(out, LEFT - 6, middle - 8, "end", "canary");
	svg_text(out, LEFT - 6, middle + 14, "end", "baseline");
	fprintf(out, "<path class=\"axis\" d=\"M%d %.1fH%d\"/></svg>\n", LEFT, middle,
		WIDTH - RIGHT);
}

/* ---- the shift ---- */

static double across(const struct span *s, double value)
{
	return 10 + (BAR - 20) * place_of(s, value);
}

void judgement_svg_shift(FILE *out, const struct judge_why *why)
{
	const struct judge_interval *shift = &why->shift;
	double middle = BAR_HIGH / 2.0 - 4;
	struct span s = {0};

	if (!isfinite(shift->low) || !isfinite(shift->high) || !isfinite(shift->estimate))
		return;
	widen(&s, 0.0);
	widen(&s, shift->low);
	widen(&s, shift->high);
	widen(&s, shift->estimate);
	svg_begin(out, BAR, BAR_HIGH, "the shift and its interval, beside zero");
	fprintf(out, "<path class=\"axis\" d=\"M%.1f 2V%d\"/>", across(&s, 0.0), BAR_HIGH - 12);
	svg_text(out, across(&s, 0.0), BAR_HIGH - 2, "middle", "0");
	fprintf(out,
		"<path class=\"canary line\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv10M%.1f %.1fv10\"/>",
		across(&s, shift->low), middle, across(&s, shift->high), across(&s, shift->low),
		middle - 5, across(&s, shift->high), middle - 5);
	fprintf(out, "<circle class=\"canary\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/></svg>",
		across(&s, shift->estimate), middle);
}

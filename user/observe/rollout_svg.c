// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/rollout_svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "observe/chart.h"
#include "observe/rollout_view.h"

#define FLOOR 2.0 /* evidence below so many bounds is as good as none */

/* The one that matters is drawn last, over the others. */
static const char *const sides[] = {"production", "baseline", "canary"};
#define SIDES (sizeof(sides) / sizeof(*sides))

/* ---- what all share ---- */

static void widen_time(struct chart *c, int64_t at_ms)
{
	if (at_ms <= 0)
		return;
	c->from_ms = !c->from_ms || at_ms < c->from_ms ? at_ms : c->from_ms;
	c->to_ms = at_ms > c->to_ms ? at_ms : c->to_ms;
}

static struct chart chart_of(FILE *out, const json_t *record, const char *label)
{
	const json_t *samples = json_object_get(record, "samples"), *t;
	struct chart c = {.out = out, .label = label};
	size_t i;

	widen_time(&c, view_int(record, "started_ms", 0));
	widen_time(&c, view_int(record, "ended_ms", 0));
	if (!view_has_ended(record))
		widen_time(&c, view_int(record, "now_ms", 0));
	json_array_foreach(json_object_get(record, "transitions"), i, t)
		widen_time(&c, view_int(t, "at_ms", 0));
	if (json_array_size(samples))
		widen_time(&c, view_int(json_array_get(samples, json_array_size(samples) - 1),
					"at_ms", 0));
	return c;
}

static void put_events(struct chart *c, const json_t *record)
{
	const json_t *t;
	size_t i;

	json_array_foreach(json_object_get(record, "transitions"), i, t)
		chart_event(c, view_int(t, "at_ms", 0), i + 1);
}

static void widen(struct chart *c, const struct chart_point *points, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		c->low = fmin(c->low, points[i].value);
		c->high = fmax(c->high, points[i].value);
	}
}

/* ---- weights ---- */

static const char *class_of(const char *role)
{
	return !strcmp(role, "candidate")  ? "canary"
	       : !strcmp(role, "baseline") ? "baseline"
					   : "production";
}

static int put_weight(struct chart *c, const json_t *shifts, const json_t *pool)
{
	const char *name = view_text(pool, "name");
	size_t count = json_array_size(shifts), i;
	struct chart_point *points = calloc(count + 2, sizeof(*points));
	struct chart_line line = {.class = class_of(view_text(pool, "role")),
				  .name = name,
				  .points = points,
				  .count = count + 2,
				  .is_stepped = true};
	const json_t *s;

	if (!points)
		return -ENOMEM;
	s = json_array_get(shifts, 0);
	points[0] = (struct chart_point){c->from_ms, view_real(json_object_get(s, "before"), name)};
	json_array_foreach(shifts, i, s) points[i + 1] = (struct chart_point){
		view_int(s, "at_ms", 0), view_real(json_object_get(s, "after"), name)};
	points[count + 1] = (struct chart_point){c->to_ms, points[count].value};
	chart_line(c, &line);
	free(points);
	return 0;
}

int rollout_svg_weights(FILE *out, const json_t *record)
{
	const json_t *shifts = json_object_get(record, "shifts"), *pool;
	struct chart c = chart_of(out, record, "Weight of each pool, percent");
	int error = 0;
	size_t i;

	if (!json_array_size(shifts))
		return 0;
	c.high = 100.0;
	chart_begin(&c);
	json_array_foreach(json_object_get(record, "pools"), i, pool) if (!error)
		error = put_weight(&c, shifts, pool);
	put_events(&c, record);
	chart_end(&c);
	return error;
}

/* ---- evidence ---- */

static struct chart_point *points_of(const json_t *samples, const char *key)
{
	struct chart_point *points = calloc(json_array_size(samples) + 1, sizeof(*points));
	const json_t *s;
	size_t i;

	if (points)
		json_array_foreach(samples, i, s) points[i] =
			(struct chart_point){view_int(s, "at_ms", 0), view_real(s, key)};
	return points;
}

enum { WORSE, FINE, WORSE_BOUND, FINE_BOUND, EVIDENCE_LINES };

/* NAN: none of them is a number. */
static double highest(const struct chart_line *line)
{
	double high = NAN;

	for (size_t i = 0; i < line->count; i++)
		high = fmax(high, line->points[i].value);
	return high;
}

static bool are_alike(const struct chart_line *a, const struct chart_line *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!(fabs(a->points[i].value - b->points[i].value) < 0.05))
			return false;
	return true;
}

/* Bounds change with what is looked for: after promotion it is something else. */
static void put_evidence(struct chart *c, const json_t *record, struct chart_line *lines)
{
	bool has_one_bound = are_alike(&lines[WORSE_BOUND], &lines[FINE_BOUND]);
	double bound = highest(&lines[WORSE_BOUND]);

	for (size_t i = 0; i < EVIDENCE_LINES; i++)
		widen(c, lines[i].points, lines[i].count);
	c->high = fmax(c->high, 1.15 * fmax(bound, highest(&lines[FINE_BOUND])));
	c->low = fmax(c->low, -FLOOR * fmax(bound, 1.0));
	chart_begin(c);
	if (has_one_bound)
		lines[WORSE_BOUND].name = "decides";
	for (size_t i = 0; i < (has_one_bound ? FINE_BOUND : EVIDENCE_LINES); i++)
		if (!isnan(highest(&lines[i])))
			chart_line(c, &lines[i]);
	put_events(c, record);
	chart_end(c);
}

int rollout_svg_evidence(FILE *out, const json_t *record)
{
	static const char *const keys[] = {"log_e", "fine_log_e", "log_bound", "fine_log_bound"};
	const json_t *samples = json_object_get(record, "samples");
	struct chart c = chart_of(out, record, "Evidence of the kernel's signals, log e");
	struct chart_line lines[EVIDENCE_LINES] = {
		[WORSE] = {.class = "canary", .name = "worse"},
		[FINE] = {.class = "baseline", .name = "not worse"},
		[WORSE_BOUND] = {.class = "bound", .name = "aborts", .is_stepped = true},
		[FINE_BOUND] = {.class = "production", .name = "good", .is_stepped = true},
	};
	struct chart_point *points[EVIDENCE_LINES];
	int error = 0;

	for (size_t i = 0; i < EVIDENCE_LINES; i++) {
		lines[i].points = points[i] = points_of(samples, keys[i]);
		lines[i].count = json_array_size(samples);
		if (!points[i])
			error = -ENOMEM;
	}
	if (!error && lines[WORSE].count)
		put_evidence(&c, record, lines);
	for (size_t i = 0; i < EVIDENCE_LINES; i++)
		free(points[i]);
	return error;
}

/* ---- by pool ---- */

typedef double value_of(const json_t *samples, size_t i, const json_t *pool, const char *key);

static double latency_of(const json_t *samples, size_t i, const json_t *pool, const char *key)
{
	(void)samples;
	(void)i;
	return view_real(pool, key) / 1000.0;
}

/* A sample counts what there was since the one before; of the first that is not known. */
static double rate_of(const json_t *samples, size_t i, const json_t *pool, const char *key)
{
	int64_t at = view_int(json_array_get(samples, i), "at_ms", 0);
	int64_t before = view_int(json_array_get(samples, i ? i - 1 : 0), "at_ms", 0);

	return at > before ? 1000.0 * view_real(pool, key) / (double)(at - before) : NAN;
}

/* All sides' points, one side after the other. */
static struct chart_point *points_by_pool(const json_t *samples, value_of *value, const char *key)
{
	size_t count = json_array_size(samples), i;
	struct chart_point *points = calloc(SIDES * count + 1, sizeof(*points));
	const json_t *s;

	for (size_t side = 0; points && side < SIDES; side++)
		json_array_foreach(samples, i, s) points[side * count + i] = (struct chart_point){
			view_int(s, "at_ms", 0),
			value(samples, i, json_object_get(json_object_get(s, "pools"), sides[side]),
			      key)};
	return points;
}

static bool is_any(const struct chart_point *points, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isnan(points[i].value))
			return true;
	return false;
}

static int put_by_pool(struct chart *c, const json_t *record, value_of *value, const char *key)
{
	const json_t *samples = json_object_get(record, "samples");
	size_t count = json_array_size(samples);
	struct chart_point *points = points_by_pool(samples, value, key);

	if (!points)
		return -ENOMEM;
	if (is_any(points, SIDES * count)) {
		widen(c, points, SIDES * count);
		chart_begin(c);
		for (size_t side = 0; side < SIDES; side++) {
			const struct chart_line line = {.class = sides[side],
							.name = sides[side],
							.points = points + side * count,
							.count = count};

			if (is_any(line.points, count))
				chart_line(c, &line);
		}
		put_events(c, record);
		chart_end(c);
	}
	free(points);
	return 0;
}

int rollout_svg_failures(FILE *out, const json_t *record)
{
	struct chart c = chart_of(out, record, "Failures per second");

	return put_by_pool(&c, record, rate_of, "failures");
}

int rollout_svg_latency(FILE *out, const json_t *record, const char *key, const char *label)
{
	struct chart c = chart_of(out, record, label);

	return put_by_pool(&c, record, latency_of, key);
}

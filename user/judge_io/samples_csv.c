// SPDX-License-Identifier: GPL-2.0-or-later
/* Samples from comma-separated values. */
#include "judge_io/samples.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "judge_io/csv.h"

enum column {
	COLUMN_NAME,
	COLUMN_POOL,
	COLUMN_TIME,
	COLUMN_VALUE,
	COLUMN_MAX,
};

static const char *const column_names[] = {"name", "pool", "time", "value"};
_Static_assert(sizeof(column_names) / sizeof(*column_names) == COLUMN_MAX, "a name each");

struct point {
	double time_s, value;
	size_t row; /* what keeps points of one time in order */
};

/* One side of one metric while rows come. */
struct growing {
	struct point *points;
	size_t count, room;
};

struct reader {
	struct csv csv;
	size_t place[COLUMN_MAX]; /* which field a column is */
	json_t *index;		  /* name -> its number */
	struct growing *sides;	  /* two a name: canary, baseline */
	size_t room;
	size_t row;
	struct samples *out; /* names and count, while rows come */
};

/* ---- fields ---- */

static const struct csv_field *field_of(const struct reader *r, enum column column)
{
	return &r->csv.fields[r->place[column]];
}

static int complain_of(const struct reader *r, enum column column, const char *what)
{
	const struct csv_field *f = field_of(r, column);

	return csv_complain(&r->csv, f->offset, what, f->text);
}

/* Decimal only: "0x10" and "infinity and more" are mistakes. */
static bool read_decimal(const char *text, double *out)
{
	char *end;

	if (!*text || strspn(text, "+-.0123456789eE") != strlen(text))
		return false;
	*out = strtod(text, &end);
	return !*end && isfinite(*out);
}

static bool read_date(const char *text, double *out)
{
	struct tm utc = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	double fraction = 0.0;
	char *after = (char *)end;

	if (end && *end == '.')
		fraction = strtod(end, &after);
	if (!end || strcmp(after, "Z") != 0)
		return false;
	*out = (double)timegm(&utc) + fraction;
	return true;
}

static int read_time(const struct reader *r, double *out)
{
	const char *text = field_of(r, COLUMN_TIME)->text;

	if (read_decimal(text, out) || read_date(text, out))
		return 0;
	return complain_of(r, COLUMN_TIME,
			   "the time must be seconds or a date like 2024-02-29T12:00:00Z");
}

static int read_value(const struct reader *r, double *out)
{
	const char *text = field_of(r, COLUMN_VALUE)->text;

	*out = NAN;
	if (!*text || !strcasecmp(text, "nan") || read_decimal(text, out))
		return 0;
	if (!strcmp(text, "Infinity") || !strcmp(text, "-Infinity")) {
		*out = *text == '-' ? -INFINITY : INFINITY;
		return 0;
	}
	return complain_of(r, COLUMN_VALUE, "the value must be a number, empty or NaN");
}

/* 0: canary, 1: baseline. */
static int read_pool(const struct reader *r, size_t *out)
{
	static const char *const pools[2][2] = {{"experiment", "canary"}, {"control", "baseline"}};
	const char *text = field_of(r, COLUMN_POOL)->text;

	for (*out = 0; *out < 2; (*out)++)
		if (!strcmp(text, pools[*out][0]) || !strcmp(text, pools[*out][1]))
			return 0;
	return complain_of(r, COLUMN_POOL,
			   "the pool must be experiment (canary) or control (baseline)");
}

/* ---- rows ---- */

static int read_head(struct reader *r)
{
	bool is_known[CSV_FIELDS_MAX] = {false};
	int status = csv_next(&r->csv);

	if (status <= 0)
		return status ? status : csv_complain(&r->csv, 0, "there is no row", NULL);
	for (size_t i = 0; i < COLUMN_MAX; i++) {
		size_t at = 0;

		while (at < r->csv.count && strcmp(r->csv.fields[at].text, column_names[i]))
			at++;
		if (at == r->csv.count)
			return csv_complain(&r->csv, r->csv.fields[0].offset,
					    "the first row must name name, pool, time and value",
					    r->csv.fields[0].text);
		is_known[at] = true;
		r->place[i] = at;
	}
	for (size_t at = 0; at < r->csv.count; at++)
		if (!is_known[at])
			complain_warn(r->csv.source, "column \"%.40s\" is passed over",
				      r->csv.fields[at].text);
	return 0;
}

static int make_room(struct reader *r)
{
	size_t room = r->room ? 2 * r->room : 64;
	struct growing *sides;
	char **names;

	if (r->out->count < r->room)
		return 0;
	names = realloc(r->out->names, room * sizeof(*names));
	if (names)
		r->out->names = names;
	sides = realloc(r->sides, 2 * room * sizeof(*sides));
	if (sides)
		r->sides = sides;
	if (!names || !sides)
		return -ENOMEM;
	r->room = room;
	return 0;
}

/* The number of a name, new or not. */
static int find_name(struct reader *r, size_t *out)
{
	const struct csv_field *name = field_of(r, COLUMN_NAME);
	json_t *known = json_object_get(r->index, name->text);

	if (known) {
		*out = (size_t)json_integer_value(known);
		return 0;
	}
	if (!*name->text)
		return csv_complain(&r->csv, name->offset, "the name must not be empty", NULL);
	*out = r->out->count;
	if (make_room(r))
		return -ENOMEM;
	r->out->names[*out] = strdup(name->text);
	if (!r->out->names[*out])
		return -ENOMEM;
	memset(&r->sides[2 * *out], 0, 2 * sizeof(*r->sides));
	r->out->count++;
	if (json_object_set_new(r->index, name->text, json_integer((json_int_t)*out)))
		return csv_complain(&r->csv, name->offset, "the name must be UTF-8", NULL);
	return 0;
}

static int append(struct growing *side, struct point point)
{
	if (side->count == side->room) {
		size_t room = side->room ? 2 * side->room : 64;
		struct point *points = realloc(side->points, room * sizeof(*points));

		if (!points)
			return -ENOMEM;
		side->points = points;
		side->room = room;
	}
	side->points[side->count++] = point;
	return 0;
}

static int read_point(struct reader *r)
{
	struct point point = {.row = r->row++};
	size_t last = 0, name = 0, pool = 0;
	int error;

	for (size_t i = 0; i < COLUMN_MAX; i++)
		last = r->place[i] > last ? r->place[i] : last;
	if (r->csv.count <= last)
		return csv_complain(&r->csv, r->csv.fields[0].offset, "this row has too few fields",
				    NULL);
	error = read_pool(r, &pool);
	error = error ? error : read_time(r, &point.time_s);
	error = error ? error : read_value(r, &point.value);
	error = error ? error : find_name(r, &name);
	return error ? error : append(&r->sides[2 * name + pool], point);
}

/* ---- pairs ---- */

static int by_time(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->time_s != y->time_s)
		return x->time_s < y->time_s ? -1 : 1;
	return x->row < y->row ? -1 : 1;
}

static int take_side(struct growing *side, double **values, struct judge_series *series)
{
	*values = calloc(side->count + 1, sizeof(**values));
	if (!*values)
		return -ENOMEM;
	if (side->count)
		qsort(side->points, side->count, sizeof(*side->points), by_time);
	for (size_t i = 0; i < side->count; i++)
		(*values)[i] = side->points[i].value;
	*series = (struct judge_series){*values, side->count};
	return 0;
}

static int make_pairs(struct reader *r)
{
	struct samples *out = r->out;
	int error = 0;

	out->pairs = calloc(out->count + 1, sizeof(*out->pairs));
	out->tags = calloc(out->count + 1, sizeof(*out->tags));
	out->values = calloc(out->count + 1, 2 * sizeof(*out->values));
	if (!out->pairs || !out->tags || !out->values)
		return -ENOMEM;
	for (size_t i = 0; !error && i < out->count; i++) {
		struct judge_pair *pair = &out->pairs[i];

		pair->name = out->names[i];
		error = take_side(&r->sides[2 * i], &out->values[2 * i], &pair->experiment);
		if (!error)
			error = take_side(&r->sides[2 * i + 1], &out->values[2 * i + 1],
					  &pair->control);
	}
	return error;
}

int samples_parse_csv(const struct source *s, const char *text, size_t len, struct samples *out)
{
	struct samples made = {0};
	struct reader r = {.out = &made, .index = json_object()};
	int error = r.index ? csv_init(&r.csv, s, text, len) : -ENOMEM;
	int status = 1;

	if (!error)
		error = read_head(&r);
	while (!error && (status = csv_next(&r.csv)) > 0)
		error = read_point(&r);
	error = status < 0 ? status : error;
	if (!error)
		error = make_pairs(&r);
	for (size_t i = 0; i < 2 * made.count; i++)
		free(r.sides[i].points);
	free(r.sides);
	json_decref(r.index);
	csv_fini(&r.csv);
	if (error)
		samples_fini(&made);
	else
		*out = made;
	return error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/decimal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/values.h"

int decimal_parse(const char *text, double *out)
{
	const char *first = text + (*text == '-');
	double value;
	char *end;

	/* strtod() takes blanks, words and hexadecimal numbers, too. */
	if (*first < '0' || *first > '9' || text[strspn(text, "0123456789.eE+-")])
		return -EINVAL;
	value = strtod(text, &end);
	if (*end || !isfinite(value))
		return -EINVAL;
	*out = value;
	return 0;
}

static bool is_within(double value, const struct decimal_limits *limits)
{
	if (limits->is_open)
		return value > limits->min && value < limits->max;
	return value >= limits->min && value <= limits->max;
}

void decimal_read(struct reader *r, const struct node *value, const struct schema_field *f,
		  void *object)
{
	const struct decimal_limits *limits = f->type;
	double number;

	if (!value_is_text(r, value, f, "a number"))
		return;
	if (decimal_parse(value->text, &number))
		errors_add(&r->errors, value->at, "'%s' must be a number, like 0.05, not '%.40s'",
			   f->key, value->text);
	else if (!value->is_plain)
		errors_add(&r->errors, value->at, "'%s' must be a number: take off the quotes",
			   f->key);
	else if (!is_within(number, limits))
		errors_add(&r->errors, value->at, "'%s' must be a number %s %g %s %g, not %.40s",
			   f->key, limits->is_open ? "between" : "from", limits->min,
			   limits->is_open ? "and" : "to", limits->max, value->text);
	else
		memcpy((char *)object + f->offset, &number, sizeof(number));
}

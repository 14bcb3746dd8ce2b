/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns numbers with a point: "0.01", "-3", "1e-6". */
#pragma once

#include "config/schema.h"

/* The type of decimal_read(), whose field is a double. */
struct decimal_limits {
	double min, max; /* both included, unless */
	bool is_open;	 /* neither */
};

void decimal_read(struct reader *r, const struct node *value, const struct schema_field *f,
		  void *object);
/* Digits, a point, an exponent; no words, no hexadecimal ones. 0 or -EINVAL. */
int decimal_parse(const char *text, double *out);

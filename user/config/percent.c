// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.h"

#include <errno.h>
#include <string.h>

#include "model/model.h"

#define PPM_PER_PERCENT (MODEL_PPM_ALL / 100)
#define DECIMALS	4 /* PPM_PER_PERCENT is ten to the power of these */

static int refuse(const char **why, const char *sentence)
{
	*why = sentence;
	return -EINVAL;
}

static unsigned int digits_value(const char *text, size_t len)
{
	unsigned int value = 0;

	for (size_t i = 0; i < len; i++)
		value = value * 10 + (unsigned int)(text[i] - '0');
	return value;
}

int config_parse_percent(const char *text, unsigned int *ppm, const char **why)
{
	static const char digits[] = "0123456789";
	static const char form[] = "a percentage is a number from 0 to 100, like 5, 0.5 or 12.25%";
	size_t whole = strspn(text, digits), decimals = 0;
	const char *rest = text + whole;
	unsigned int value;

	if (!whole || (whole > 1 && *text == '0'))
		return refuse(why, form);
	if (*rest == '.') {
		decimals = strspn(rest + 1, digits);
		if (!decimals)
			return refuse(why, form);
		rest += 1 + decimals;
	}
	if (strcmp(rest, "") && strcmp(rest, "%"))
		return refuse(why, form);
	if (decimals > DECIMALS)
		return refuse(why, "a percentage has at most four digits after the point");
	if (whole > 3)
		return refuse(why, "a percentage is at most 100");
	value = digits_value(text + whole + 1, decimals);
	for (; decimals < DECIMALS; decimals++)
		value *= 10;
	value += digits_value(text, whole) * PPM_PER_PERCENT;
	if (value > MODEL_PPM_ALL)
		return refuse(why, "a percentage is at most 100");
	*ppm = value;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics_source/moment.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "config/duration.h"
#include "config/values.h"

#define SECONDS_MAX UINT64_C(253402300799) /* the year 9999 */

static int parse_date(const char *text, int64_t *out)
{
	struct tm utc = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
	time_t seconds = timegm(&utc);

	if (!end || *end || seconds < 0)
		return -EINVAL;
	*out = (int64_t)seconds * 1000;
	return 0;
}

int moment_parse(const char *text, int64_t now_ms, int64_t *out)
{
	uint64_t seconds;
	uint32_t ago_ms = 0;

	if (!strncmp(text, "now", 3)) {
		if (text[3] && (text[3] != '-' || duration_parse(text + 4, &ago_ms)))
			return -EINVAL;
		if (ago_ms > now_ms)
			return -EINVAL;
		*out = now_ms - ago_ms;
		return 0;
	}
	if (value_parse_number(text, &seconds))
		return parse_date(text, out);
	if (seconds > SECONDS_MAX)
		return -EINVAL;
	*out = (int64_t)seconds * 1000;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the agent says of maps that are nearly full: once, and once when they no longer are. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

#define FULLNESS_HIGH 90 /* percent: nearly full from here on */
#define FULLNESS_LOW  80 /* and no longer below this */

struct fullness {
	bool is_high[USAGE_MAX];
};

enum fullness_news {
	FULLNESS_NONE,
	FULLNESS_RISES,
	FULLNESS_FALLS,
};

/* One look at a map. Pure. */
enum fullness_news fullness_judge(bool *is_high, uint64_t used, uint64_t capacity);

/* Looks at all maps and logs the news. 0 or -errno. */
int fullness_look(struct fullness *f, struct dataplane *dp);

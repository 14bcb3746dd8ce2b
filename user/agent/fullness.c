// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/fullness.h"

#include "lib/log.h"

enum fullness_news fullness_judge(bool *is_high, uint64_t used, uint64_t capacity)
{
	bool was_high = *is_high;

	if (used * 100 >= capacity * FULLNESS_HIGH)
		*is_high = capacity != 0;
	else if (used * 100 < capacity * FULLNESS_LOW)
		*is_high = false;
	if (*is_high == was_high)
		return FULLNESS_NONE;
	return *is_high ? FULLNESS_RISES : FULLNESS_FALLS;
}

static void tell(const struct usage_view *u, enum fullness_news news)
{
	if (news == FULLNESS_RISES)
		log_warning("the map %s is nearly full: %llu of %llu places; raise %s, which takes "
			    "effect when the program is loaded anew",
			    u->map, (unsigned long long)u->used, (unsigned long long)u->capacity,
			    u->limit);
	if (news == FULLNESS_FALLS)
		log_info("the map %s has room again: %llu of %llu places are in use", u->map,
			 (unsigned long long)u->used, (unsigned long long)u->capacity);
}

int fullness_look(struct fullness *f, struct dataplane *dp)
{
	struct usage_view usage[USAGE_MAX];
	int error = dataplane_usage(dp, usage);

	for (int i = 0; !error && i < USAGE_MAX; i++)
		tell(&usage[i], fullness_judge(&f->is_high[i], usage[i].used, usage[i].capacity));
	return error;
}

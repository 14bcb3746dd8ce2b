// SPDX-License-Identifier: GPL-2.0-or-later
#include "health/judge.h"

struct health_state health_adopt(bool is_down)
{
	return (struct health_state){.is_down = is_down, .is_known = is_down};
}

bool health_judge(struct health_state *s, const struct health_rules *rules, bool has_passed)
{
	if (has_passed != s->is_down) { /* as it was */
		s->streak = 0;
		s->is_known = true;
		return false;
	}
	s->streak++;
	if (s->streak < (s->is_down ? rules->rise : rules->fall))
		return false;
	s->is_down = !s->is_down;
	s->is_known = true;
	s->streak = 0;
	return true;
}

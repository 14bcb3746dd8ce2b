// SPDX-License-Identifier: GPL-2.0-or-later
#include "health/outlier.h"

static uint64_t time_out_ms(const struct outlier_rules *rules, uint32_t times)
{
	uint64_t ms = rules->eject_ms * times;

	return ms < rules->max_eject_ms ? ms : rules->max_eject_ms;
}

struct outlier_state outlier_adopt(const struct outlier_rules *rules, bool is_ejected,
				   uint64_t now_ms)
{
	struct outlier_state s = {.is_ejected = is_ejected, .times = is_ejected};

	s.until_ms = is_ejected ? now_ms + time_out_ms(rules, s.times) : 0;
	return s;
}

/* A counter that has fallen is another backend's, of the same number. */
static uint64_t grown(uint64_t *last, uint64_t now)
{
	uint64_t more = now < *last ? now : now - *last;

	*last = now;
	return more;
}

static bool is_failing(const struct outlier_rules *rules, uint64_t answered, uint64_t failed)
{
	return failed >= rules->failures && failed * 100 >= (failed + answered) * rules->ratio;
}

bool outlier_judge(struct outlier_state *s, const struct outlier_rules *rules, uint64_t answered,
		   uint64_t failed, bool may_eject, uint64_t now_ms)
{
	bool is_first = !s->has_counts;

	answered = grown(&s->answered, answered);
	failed = grown(&s->failed, failed);
	s->has_counts = true;
	if (s->is_ejected) {
		s->is_ejected = now_ms < s->until_ms;
		return !s->is_ejected;
	}
	if (is_first)
		return false;
	if (!is_failing(rules, answered, failed)) {
		s->times -= s->times > 0;
		return false;
	}
	if (!may_eject)
		return false;
	s->times++;
	s->is_ejected = true;
	s->until_ms = now_ms + time_out_ms(rules, s->times);
	return true;
}

bool outlier_has_room(const struct outlier_rules *rules, size_t backends, size_t ejected)
{
	return (ejected + 1) * 100 <= backends * rules->max_percent;
}

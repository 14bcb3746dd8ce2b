// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/explain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const rule_names[] = {
	[JUDGE_RULE_NO_DATA] = "no_data",
	[JUDGE_RULE_TOO_FEW] = "too_few",
	[JUDGE_RULE_IDENTICAL] = "identical",
	[JUDGE_RULE_ONE_VALUE] = "one_value",
	[JUDGE_RULE_CONSTANTS_NEAR] = "constants_near",
	[JUDGE_RULE_CONSTANTS] = "constants",
	[JUDGE_RULE_INTERVAL] = "interval",
	[JUDGE_RULE_FAILED] = "failed",
};
_Static_assert(sizeof(rule_names) / sizeof(*rule_names) == JUDGE_RULE_MAX, "a name each");

const char *judge_rule_name(enum judge_rule rule)
{
	return rule_names[rule];
}

struct text {
	char *buf;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	size_t room = JUDGE_EXPLAIN_LEN - t->len;
	va_list args;
	int written;

	va_start(args, format);
	written = vsnprintf(t->buf + t->len, room, format, args);
	va_end(args);
	t->len += written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
}

static void say_shift(struct text *t, const struct judge_why *why)
{
	if (why->rule == JUDGE_RULE_INTERVAL)
		say(t, "shift %.4g (%.4g .. %.4g at %g %%)", why->shift.estimate, why->shift.low,
		    why->shift.high, why->shift.confidence * 100.0);
	else
		say(t, "constants %.4g apart", why->shift.estimate);
}

static void say_effect(struct text *t, const struct judge_result *r)
{
	if (isnan(r->why.effect))
		say(t, "no %s, as a mean is 0", judge_effect_name(r->metric->effect));
	else
		say(t, "%s %.4g", judge_effect_name(r->metric->effect), r->why.effect);
}

/* Found High or Low. */
static void say_found(struct text *t, const struct judge_result *r)
{
	bool is_high = r->label == JUDGE_HIGH;

	if ((is_high ? r->why.shift.low : r->why.shift.high) == 0.0)
		say(t, "; the test refuses a shift of 0; ");
	else
		say(t, "; all of it %s %.4g; ", is_high ? "above" : "below",
		    is_high ? r->why.bound : -r->why.bound);
	say_effect(t, r);
	if (!isnan(r->why.effect))
		say(t, ", allowed %s %.4g", is_high ? "below" : "above",
		    is_high ? r->metric->allowed_increase : r->metric->allowed_decrease);
}

/* Compared, and passed all the same. */
static void say_passed(struct text *t, const struct judge_result *r)
{
	const struct judge_why *why = &r->why;

	if (why->shift.is_low_clamped || why->shift.is_high_clamped) {
		say(t, "; the test could not close the interval");
	} else if (!why->is_above && !why->is_below) {
		if (why->shift.low > 0.0 || why->shift.high < 0.0)
			say(t, "; its near end is within %.4g", why->bound);
		else
			say(t, "; the interval holds 0, no difference is shown");
	} else if (why->is_above ? r->metric->direction == JUDGE_DECREASE
				 : r->metric->direction == JUDGE_INCREASE) {
		say(t, "; %s, which is not watched for",
		    why->is_above ? "an increase" : "a decrease");
	} else {
		say(t, "; ");
		say_effect(t, r);
		say(t, " does not reach the %.4g that is allowed",
		    why->is_above ? r->metric->allowed_increase : r->metric->allowed_decrease);
	}
}

static void say_comparison(struct text *t, const struct judge_result *r)
{
	say(t, "%zu : %zu points, medians %.4g : %.4g; ", r->experiment.count, r->control.count,
	    r->why.experiment_median, r->why.control_median);
	say_shift(t, &r->why);
	if (r->label == JUDGE_PASS)
		say_passed(t, r);
	else
		say_found(t, r);
	if (!isnan(r->why.p_value))
		say(t, "; p = %.3g", r->why.p_value);
}

const char *judge_explain(const struct judge_result *r, char buf[JUDGE_EXPLAIN_LEN])
{
	struct text t = {.buf = buf};

	*buf = '\0';
	switch (r->why.rule) {
	case JUDGE_RULE_NO_DATA:
		say(&t, "%s has no values", r->experiment.count ? "the baseline" : "the canary");
		break;
	case JUDGE_RULE_TOO_FEW:
		say(&t, "%zu against %zu points tell nothing, whatever they are",
		    r->experiment.count, r->control.count);
		break;
	case JUDGE_RULE_IDENTICAL:
		say(&t, "both sides have the same values");
		break;
	case JUDGE_RULE_ONE_VALUE:
		say(&t, "both sides have one value and no other, %.4g", r->experiment.min);
		break;
	case JUDGE_RULE_CONSTANTS_NEAR:
		say(&t, "both sides are constant, and %.4g apart, next to nothing",
		    r->why.shift.estimate);
		break;
	case JUDGE_RULE_FAILED:
		say(&t, "%zu against %zu points, none of which varies, cannot be compared",
		    r->experiment.count, r->control.count);
		break;
	case JUDGE_RULE_CONSTANTS:
	case JUDGE_RULE_INTERVAL:
	case JUDGE_RULE_MAX:
		say_comparison(&t, r);
		break;
	}
	return buf;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/rollout_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE_MS (INT64_C(60) * 1000)
#define HOUR_MS	  (60 * MINUTE_MS)
#define DAY_MS	  (24 * HOUR_MS)

const char *view_text(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

int64_t view_int(const json_t *of, const char *key, int64_t otherwise)
{
	const json_t *value = json_object_get(of, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

double view_real(const json_t *of, const char *key)
{
	const json_t *value = json_object_get(of, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- where it is ---- */

bool view_is_in(const json_t *view, const char *phase)
{
	return !strcmp(view_text(view, "phase"), phase);
}

bool view_ended_well(const json_t *view)
{
	return view_is_in(view, "promoted");
}

bool view_has_ended(const json_t *view)
{
	return view_ended_well(view) || view_is_in(view, "aborted") || view_is_in(view, "undone") ||
	       view_is_in(view, "superseded");
}

bool view_went_wrong(const json_t *view)
{
	return view_is_in(view, "rolling back") || (view_has_ended(view) && !view_ended_well(view));
}

static bool is_rolling(const json_t *view)
{
	return !strcmp(view_text(view, "type"), "rolling");
}

int64_t view_step_number(const json_t *view, int64_t step)
{
	int64_t count = view_int(view, "step_count", 0);

	return step < count || is_rolling(view) ? step + 1 : count;
}

const char *view_step_text(const json_t *view, int64_t step, char buf[VIEW_TEXT_LEN])
{
	int64_t number = view_step_number(view, step), count = view_int(view, "step_count", 0);

	*buf = '\0';
	if (is_rolling(view))
		snprintf(buf, VIEW_TEXT_LEN, "batch %lld", (long long)number);
	else if (count)
		snprintf(buf, VIEW_TEXT_LEN, "step %lld/%lld", (long long)number, (long long)count);
	return buf;
}

enum view_step view_step_state(const json_t *view, size_t step)
{
	int64_t now = view_int(view, "step", 0);
	const json_t *of = json_array_get(json_object_get(view, "steps"), step);

	if (json_is_true(json_object_get(of, "is_skipped")))
		return VIEW_STEP_SKIPPED;
	if ((int64_t)step < now || view_ended_well(view) || view_is_in(view, "promoting") ||
	    view_is_in(view, "standby") || view_is_in(view, "undone"))
		return VIEW_STEP_DONE;
	if ((int64_t)step > now || view_is_in(view, "starting"))
		return VIEW_STEP_LATER;
	return view_went_wrong(view) ? VIEW_STEP_FAILED : VIEW_STEP_NOW;
}

/* ---- words ---- */

const char *view_duration(int64_t ms, char buf[VIEW_TEXT_LEN])
{
	long long s = ms > 0 ? ms / 1000 : 0;

	if (ms < MINUTE_MS)
		snprintf(buf, VIEW_TEXT_LEN, "%llds", s);
	else if (ms < HOUR_MS)
		snprintf(buf, VIEW_TEXT_LEN, "%lldm%02llds", s / 60, s % 60);
	else if (ms < DAY_MS)
		snprintf(buf, VIEW_TEXT_LEN, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(buf, VIEW_TEXT_LEN, "%lldd%02lldh", s / 86400, s / 3600 % 24);
	return buf;
}

static const char *put_time(int64_t at_ms, const char *format, char buf[VIEW_TEXT_LEN])
{
	time_t at = (time_t)(at_ms / 1000);
	struct tm utc;

	if (!gmtime_r(&at, &utc) || !strftime(buf, VIEW_TEXT_LEN, format, &utc))
		*buf = '\0';
	return buf;
}

const char *view_clock(int64_t at_ms, char buf[VIEW_TEXT_LEN])
{
	return put_time(at_ms, "%TZ", buf);
}

const char *view_time(int64_t at_ms, char buf[VIEW_TEXT_LEN])
{
	return put_time(at_ms, "%F %TZ", buf);
}

const char *view_step_label(const json_t *step, char buf[VIEW_TEXT_LEN])
{
	double weight = view_real(step, "weight");

	if (!isnan(weight))
		snprintf(buf, VIEW_TEXT_LEN, "%.6g%%", weight);
	else
		snprintf(buf, VIEW_TEXT_LEN, "%s",
			 json_is_true(json_object_get(step, "pauses")) ? "pause"
			 : view_int(step, "analysis_ms", 0) > 0	       ? "analysis"
								       : "hold");
	return buf;
}

static void add(char buf[VIEW_TEXT_LEN], const char *before, int64_t ms, const char *after)
{
	size_t len = strlen(buf);
	char time[VIEW_TEXT_LEN];

	snprintf(buf + len, VIEW_TEXT_LEN - len, "%s%s%s%s", len ? ", " : "", before,
		 ms ? view_duration(ms, time) : "", after);
}

const char *view_step_words(const json_t *step, char buf[VIEW_TEXT_LEN])
{
	int64_t ramp = view_int(step, "ramp_ms", 0), hold = view_int(step, "hold_ms", 0);
	int64_t analysis = view_int(step, "analysis_ms", 0);
	double weight = view_real(step, "weight");
	char percent[32];

	*buf = '\0';
	snprintf(percent, sizeof(percent), ramp ? "to %.6g %% over " : "%.6g %%", weight);
	if (!isnan(weight))
		add(buf, percent, ramp, "");
	if (hold)
		add(buf, "hold ", hold, "");
	if (analysis)
		add(buf, "analysis for ", analysis, " at most");
	if (json_is_true(json_object_get(step, "pauses")))
		add(buf, "then waits for resume", 0, "");
	return buf;
}

static bool have_changed_places(const json_t *view)
{
	return !strcmp(view_text(view, "finish"), "swap") && !is_rolling(view) &&
	       (view_is_in(view, "standby") || view_is_in(view, "promoted"));
}

static bool has_upgraded_production(const json_t *view)
{
	return view_is_in(view, "promoted") &&
	       (is_rolling(view) || !strcmp(view_text(view, "finish"), "return"));
}

const char *view_role(const json_t *view, const json_t *pool, char buf[VIEW_TEXT_LEN])
{
	const char *role = view_text(pool, "role");
	bool is_candidate = !strcmp(role, "candidate");
	const char *release = "";

	if (is_candidate)
		release = view_text(view, "release");
	else if (!strcmp(role, "production"))
		release = view_text(view, has_upgraded_production(view) ? "release"
									: "production_release");
	if (have_changed_places(view))
		role = is_candidate		     ? "new"
		       : strcmp(role, "production")  ? role
		       : view_is_in(view, "standby") ? "old, warm"
						     : "old";
	snprintf(buf, VIEW_TEXT_LEN, "%s%s%s", !strcmp(role, "other") ? "" : role,
		 *release ? ": " : "", release);
	return buf;
}

const char *view_change(const json_t *transition, char buf[VIEW_TEXT_LEN])
{
	const char *from = view_text(transition, "from"), *to = view_text(transition, "to");
	bool is_within = !strcmp(from, to);

	snprintf(buf, VIEW_TEXT_LEN, "%s%s%s", is_within ? "" : from, is_within ? "" : " -> ", to);
	return buf;
}

const char *view_seed(const json_t *view, char buf[VIEW_TEXT_LEN])
{
	bool is_own = json_is_true(json_object_get(view, "is_own_seed"));
	const char *seed = view_text(view, "seed");

	*buf = '\0';
	if (*seed && strcmp(view_text(view, "type"), "rolling"))
		snprintf(buf, VIEW_TEXT_LEN, "%.20s, %s", seed,
			 is_own ? "of this release" : "as before it");
	return buf;
}

const char *view_count(const json_t *of, const char *key, char buf[VIEW_TEXT_LEN])
{
	if (json_is_integer(json_object_get(of, key)))
		snprintf(buf, VIEW_TEXT_LEN, "%lld", (long long)view_int(of, key, 0));
	else
		strcpy(buf, "-");
	return buf;
}

const char *view_metric(const json_t *detail, char buf[VIEW_TEXT_LEN])
{
	double min = view_real(detail, "min"), max = view_real(detail, "max");
	double value = view_real(detail, "value");
	size_t len;

	if (isnan(value))
		snprintf(buf, VIEW_TEXT_LEN, "no value");
	else
		snprintf(buf, VIEW_TEXT_LEN, "%.4g", value);
	len = strlen(buf);
	if (!isnan(min) && !isnan(max))
		snprintf(buf + len, VIEW_TEXT_LEN - len, " (%.4g to %.4g)", min, max);
	else if (!isnan(min))
		snprintf(buf + len, VIEW_TEXT_LEN - len, " (at least %.4g)", min);
	else if (!isnan(max))
		snprintf(buf + len, VIEW_TEXT_LEN - len, " (at most %.4g)", max);
	return buf;
}

/* ---- evidence ---- */

struct view_evidence view_evidence(const json_t *of, const char *line)
{
	struct view_evidence e;
	char key[32];

	snprintf(key, sizeof(key), "%slog_e", line);
	e.log_e = view_real(of, key);
	snprintf(key, sizeof(key), "%slog_bound", line);
	e.log_bound = view_real(of, key);
	return e;
}

const char *view_until_promoted(const json_t *view)
{
	return is_rolling(view) ? " until the last batch" : " until it was promoted";
}

const char *view_since_promoted(const json_t *view)
{
	if (!json_is_object(json_object_get(view, "kernel_steps")))
		return "";
	return is_rolling(view) ? " since the last batch" : " since it was promoted";
}

double view_evidence_part(const struct view_evidence *e)
{
	double part = e->log_e / e->log_bound;

	return !(e->log_bound > 0.0) || !(part > 0.0) ? 0.0 : part < 1.0 ? part : 1.0;
}

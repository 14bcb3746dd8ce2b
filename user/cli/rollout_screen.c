// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/rollout_screen.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rollout_screen_internal.h"
#include "observe/plain.h"
#include "observe/rollout_view.h"

/* ---- lines ---- */

static const char *colour_of(enum screen_colour colour)
{
	static const char *const codes[] = {"", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};

	_Static_assert(sizeof(codes) / sizeof(*codes) == SCREEN_COLOUR_MAX, "a code each");
	return codes[colour];
}

/* How many bytes go on this line: whole words, unless one is too long for any. */
static size_t break_at(const char *text, size_t columns)
{
	size_t most = plain_fit(text, columns), end = most;

	if (!text[most])
		return most;
	while (end && text[end] != ' ')
		end--;
	return end ? end : most;
}

void screen_put(struct screen *s, enum screen_colour colour, const char *label, const char *format,
		...)
{
	size_t columns = s->look.columns - SCREEN_LABEL;
	const char *on = s->look.has_colours ? colour_of(colour) : "";
	char raw[SCREEN_TEXT_LEN], text[SCREEN_TEXT_LEN];
	const char *at = text;
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	if (s->look.is_ascii)
		plain_ascii(raw, text, sizeof(text));
	else
		plain_text(raw, text, sizeof(text));
	for (size_t line = 0; line < SCREEN_WRAP && (*at || !line); line++) {
		bool is_last = line + 1 == SCREEN_WRAP;
		size_t len = is_last ? plain_fit(at, columns) : break_at(at, columns);

		if (is_last && at[len])
			len = plain_fit(at, columns - 3);
		fprintf(s->out, "%-*s%s%.*s%s%s\n", SCREEN_LABEL, line ? "" : label, on, (int)len,
			at, is_last && at[len] ? "..." : "", *on ? "\033[0m" : "");
		at += len + (at[len] == ' ');
	}
}

void screen_put_line(struct screen *s, const char *label, const char *text)
{
	size_t most = s->look.columns - SCREEN_LABEL;
	char line[SCREEN_TEXT_LEN];

	snprintf(line, sizeof(line) - 3, "%s", text);
	if (line[plain_fit(line, most)])
		strcpy(line + plain_fit(line, most - 3), "...");
	screen_put(s, SCREEN_PLAIN, label, "%s", line);
}

const char *screen_bar(double part, char bar[SCREEN_BAR_LEN])
{
	char *at = bar;

	*at++ = '[';
	for (int i = 0; i < SCREEN_BAR_LEN - 3; i++)
		*at++ = part * (SCREEN_BAR_LEN - 3) >= i + 1 ? '#' : '-';
	*at++ = ']';
	*at = '\0';
	return bar;
}

/* ---- what happens ---- */

static enum screen_colour colour_of_phase(const json_t *view)
{
	if (view_went_wrong(view))
		return SCREEN_RED;
	if (view_is_in(view, "paused"))
		return SCREEN_YELLOW;
	return view_ended_well(view) || view_is_in(view, "standby") ? SCREEN_GREEN : SCREEN_BOLD;
}

static void put_title(struct screen *s)
{
	const json_t *v = s->view;
	int64_t now = view_int(v, "now_ms", 0), ended = view_int(v, "ended_ms", 0);
	int64_t began = view_int(v, "started_ms", 0);
	char ago[VIEW_TEXT_LEN], took[VIEW_TEXT_LEN], at[VIEW_TEXT_LEN], line[SCREEN_TEXT_LEN];

	screen_put(s, SCREEN_BOLD, "rollout", "%lld of %s: release %s by %s (%s)",
		   (long long)view_int(v, "id", 0), view_text(v, "service"),
		   view_text(v, "release"), view_text(v, "strategy"), view_text(v, "type"));
	view_duration(now - (ended ? ended : began), ago);
	view_duration((ended ? ended : now) - began, took);
	snprintf(line, sizeof(line), "%s, %s ago%s%s%s%s%s%s", view_time(ended ? ended : began, at),
		 ago, ended ? ", after " : "", ended ? took : "",
		 *view_text(v, "who") ? ended ? ", begun by " : " by " : "", view_text(v, "who"),
		 *view_text(v, "reason") ? ": " : "", view_text(v, "reason"));
	screen_put_line(s, ended ? "ended" : "begun", line);
}

static bool is_rolling(const json_t *view)
{
	return !strcmp(view_text(view, "type"), "rolling");
}

/* What a stage does, where that is not its name: a rolling one's batch. */
static const char *stage_of(const json_t *view)
{
	static const char *const words[][2] = {
		{"shift", "drains"}, {"ramp", "upgrades"}, {"hold", "waits for health"}};
	const char *stage = view_text(view, "stage");

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (is_rolling(view) && !strcmp(stage, words[i][0]))
			return words[i][1];
	return stage;
}

static void put_phase(struct screen *s)
{
	const json_t *v = s->view;
	int64_t count = view_int(v, "step_count", 0);
	const char *cause = view_text(v, "cause");
	bool is_paused = view_is_in(v, "paused") && *cause;
	double weight = view_real(v, "weight");
	char step[VIEW_TEXT_LEN], at[64] = "";

	view_step_text(v, view_int(v, "step", 0), step);
	if (view_is_in(v, "starting"))
		snprintf(step, sizeof(step), count && !is_rolling(v) ? "%lld steps to go" : "",
			 (long long)count);
	if (!isnan(weight))
		snprintf(at, sizeof(at), ", candidate at %.6g %%", weight);
	screen_put(s, colour_of_phase(v), "phase", "%s%s%s%s%s%s%s%s%s", view_text(v, "phase"),
		   is_paused ? " (" : "", is_paused ? cause : "", is_paused ? ")" : "",
		   *step ? ", " : "", step, view_is_in(v, "stepping") ? ": " : "",
		   view_is_in(v, "stepping") ? stage_of(v) : "", at);
	if (*view_text(v, "why"))
		screen_put(s, SCREEN_PLAIN, "why", "%s", view_text(v, "why"));
}

/* ---- why it waits ---- */

static void put_hold(struct screen *s)
{
	const json_t *step = json_array_get(json_object_get(s->view, "steps"),
					    (size_t)view_int(s->view, "step", 0));
	int64_t left = view_int(s->view, "left_ms", -1), all = 0;
	char bar[SCREEN_BAR_LEN], left_text[VIEW_TEXT_LEN], all_text[VIEW_TEXT_LEN];

	if (left < 0)
		return;
	if (view_is_in(s->view, "stepping")) {
		const char *stage = view_text(s->view, "stage");

		all = view_int(step,
			       !strcmp(stage, "ramp")	   ? "ramp_ms"
			       : !strcmp(stage, "analyse") ? "analysis_ms"
							   : "hold_ms",
			       0);
	}
	if (all >= left && all > 0)
		screen_put(s, SCREEN_PLAIN, "waits", "%s left of %s %s",
			   view_duration(left, left_text), view_duration(all, all_text),
			   screen_bar(1.0 - (double)left / (double)all, bar));
	else
		screen_put(s, SCREEN_PLAIN, "waits", "%s left", view_duration(left, left_text));
}

static void put_question(struct screen *s)
{
	const json_t *q = json_object_get(s->view, "question");
	int64_t tries = view_int(q, "tries", 0);
	char ago[VIEW_TEXT_LEN];

	if (!json_is_object(q))
		return;
	view_duration(view_int(s->view, "now_ms", 0) - view_int(q, "asked_ms", 0), ago);
	screen_put(s, SCREEN_YELLOW, "waits", "for hook %s (%s), asked %s ago%s%.0lld%s%s",
		   view_text(q, "name"), view_text(q, "at"), ago, tries > 1 ? ", try " : "",
		   (long long)(tries > 1 ? tries : 0), *view_text(q, "why") ? ": " : "",
		   view_text(q, "why"));
}

/* ---- the steps ---- */

static const char *mark_of(const struct screen *s, enum view_step state)
{
	static const char *const marks[][2] = {
		[VIEW_STEP_DONE] = {"\u2713", "+"},    [VIEW_STEP_NOW] = {"\u25b6", ">"},
		[VIEW_STEP_FAILED] = {"\u2717", "x"},  [VIEW_STEP_LATER] = {"\u00b7", "."},
		[VIEW_STEP_SKIPPED] = {"\u00bb", "-"},
	};

	return marks[state][s->look.is_ascii];
}

static size_t put_step(const struct screen *s, size_t i, char text[VIEW_TEXT_LEN])
{
	const json_t *step = json_array_get(json_object_get(s->view, "steps"), i);
	char label[VIEW_TEXT_LEN];

	snprintf(text, VIEW_TEXT_LEN, "%s%.64s ", mark_of(s, view_step_state(s->view, i)),
		 view_step_label(step, label));
	return plain_width(text);
}

/* A part of them that has the one of now, where all do not fit. */
static void put_steps(struct screen *s)
{
	size_t count = json_array_size(json_object_get(s->view, "steps"));
	size_t now = (size_t)view_int(s->view, "step", 0),
	       columns = s->look.columns - SCREEN_LABEL - 8;
	size_t width = 0, first, last;
	char line[SCREEN_TEXT_LEN] = "", text[VIEW_TEXT_LEN];

	now = now < count ? now : count ? count - 1 : 0;
	for (first = now + 1; first > 0; first--) {
		size_t wide = put_step(s, first - 1, text);

		if (width + wide > columns)
			break;
		width += wide;
	}
	if (first)
		strcat(line, "... ");
	for (width = 0, last = first; last < count; last++) {
		size_t wide = put_step(s, last, text);

		if (width + wide > columns || strlen(line) + strlen(text) + 4 >= sizeof(line))
			break;
		strcat(line, text);
		width += wide;
	}
	if (last < count)
		strcat(line, "...");
	if (count)
		screen_put(s, SCREEN_PLAIN, "steps", "%s", line);
	if (count && view_is_in(s->view, "stepping"))
		screen_put(s, SCREEN_PLAIN, "", "this one: %s",
			   view_step_words(json_array_get(json_object_get(s->view, "steps"), now),
					   text));
}

static void put_seed(struct screen *s)
{
	char seed[VIEW_TEXT_LEN];

	if (s->limits->backends == SCREEN_BACKENDS_ALL && *view_seed(s->view, seed))
		screen_put(s, SCREEN_PLAIN, "seed", "%s", seed);
}

static void put_batches(struct screen *s)
{
	const json_t *b = json_object_get(s->view, "batches"), *backend;
	size_t done = json_array_size(json_object_get(b, "done")), i;
	int64_t of = view_int(b, "of", 0);
	char bar[SCREEN_BAR_LEN], list[SCREEN_TEXT_LEN] = "";

	if (!json_is_object(b))
		return;
	json_array_foreach(json_object_get(b, "drained"), i, backend) snprintf(
		list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "; drained: ",
		json_string_value(backend) ? json_string_value(backend) : "?");
	screen_put(s, SCREEN_PLAIN, "backends", "%zu of %lld upgraded %s%s", done, (long long)of,
		   screen_bar(of > 0 ? (double)done / (double)of : 0.0, bar), list);
}

/* ---- what was, and what can be done ---- */

const char *rollout_transition(const json_t *view, const json_t *t,
			       char buf[ROLLOUT_TRANSITION_LEN])
{
	char raw[ROLLOUT_TRANSITION_LEN], time[VIEW_TEXT_LEN], step[VIEW_TEXT_LEN];
	char change[VIEW_TEXT_LEN];
	const char *why = view_text(t, "why");

	view_step_text(view, view_int(t, "step", 0), step);
	snprintf(raw, sizeof(raw), "%s %s%s%s%s%s", view_time(view_int(t, "at_ms", 0), time),
		 view_change(t, change), *step ? ", " : "", step, *why ? ": " : "", why);
	return plain_text(raw, buf, ROLLOUT_TRANSITION_LEN);
}

static void put_transitions(struct screen *s)
{
	const json_t *all = json_object_get(s->view, "transitions");
	size_t count = json_array_size(all);
	size_t first = count > s->limits->transitions ? count - s->limits->transitions : 0;

	for (size_t i = first; i < count; i++) {
		const json_t *t = json_array_get(all, i);
		const char *why = view_text(t, "why");
		char line[SCREEN_TEXT_LEN], time[VIEW_TEXT_LEN], change[VIEW_TEXT_LEN];

		snprintf(line, sizeof(line), "%s %s%s%s", view_clock(view_int(t, "at_ms", 0), time),
			 view_change(t, change), *why ? ": " : "", why);
		screen_put_line(s, i == first ? "last" : "", line);
	}
}

static void put_command(struct screen *s, const char *verb, const char *what)
{
	screen_put(s, SCREEN_PLAIN, s->commands++ ? "" : "can do", "serin rollout %s %s  (%s)",
		   verb, view_text(s->view, "service"), what);
}

static bool can(const json_t *view, const char *command)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(view, "can"), i, name)
	{
		const char *text = json_string_value(name);

		if (text && !strcmp(text, command))
			return true;
	}
	return false;
}

/* Those that the agent would take: what is in the way of each, it knows. */
static void put_commands(struct screen *s)
{
	static const struct {
		const char *command, *what;
	} of[] = {
		{"resume", "go on, with this rollout's own weights"},
		{"promote", "past what it waits for"},
		{"pause", "stay at this weight"},
		{"undo", "back to what was before"},
		{"abort", "back to 0 %, at once"},
		{"retry", "again, from the start"},
	};
	bool is_full = can(s->view, "promote full");

	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		bool is_promote = !strcmp(of[i].command, "promote");

		if (can(s->view, of[i].command))
			put_command(s, of[i].command,
				    is_promote && is_full
					    ? "past what it waits for; --full: to 100 %"
					    : of[i].what);
		else if (is_promote && is_full)
			put_command(s, "promote --full", "to 100 %");
	}
	if (view_has_ended(s->view))
		put_command(s, "report", "all that was seen");
}

/* ---- all of it ---- */

/* From all there is to what must not be missing. */
static const struct screen_limits limits[] = {
	{SCREEN_BACKENDS_ALL, 8, 8},  {SCREEN_BACKENDS_ALL, 8, 4},  {SCREEN_BACKENDS_ALL, 3, 3},
	{SCREEN_BACKENDS_BAD, 3, 3},  {SCREEN_BACKENDS_BAD, 2, 2},  {SCREEN_BACKENDS_NONE, 2, 2},
	{SCREEN_BACKENDS_NONE, 1, 1}, {SCREEN_BACKENDS_NONE, 0, 1}, {SCREEN_BACKENDS_NONE, 0, 0},
};

static int write_all(struct screen *s)
{
	int error;

	s->commands = 0;
	put_title(s);
	put_phase(s);
	put_question(s);
	put_hold(s);
	put_steps(s);
	put_seed(s);
	put_batches(s);
	fputc('\n', s->out);
	error = screen_put_tree(s);
	fputc('\n', s->out);
	screen_put_evidence(s);
	put_transitions(s);
	put_commands(s);
	return error;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')); text++)
		lines++;
	return lines;
}

int rollout_screen_write(const struct rollout_screen *look, const json_t *view, FILE *out)
{
	size_t count = sizeof(limits) / sizeof(*limits);

	for (size_t i = 0; i < count; i++) {
		struct screen s = {.look = *look, .limits = &limits[i], .view = view};
		char *text = NULL;
		size_t size = 0;
		bool is_short;
		int error;

		s.out = open_memstream(&text, &size);
		if (!s.out)
			return -ENOMEM;
		error = write_all(&s);
		if (fclose(s.out))
			error = -ENOMEM;
		is_short = !error && (!look->rows || count_lines(text) < look->rows);
		if (!error && (is_short || i + 1 == count))
			fputs(text, out);
		free(text);
		if (error || is_short)
			return error;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The screen's middle: pools with their backends, and what the verdict is made of. */
#include "cli/rollout_screen_internal.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cli/table.h"
#include "observe/plain.h"
#include "observe/rollout_view.h"

#define TESTS_MAX 16
#define NAME_LEN  256

static const struct table_column columns[] = {
	{.name = "NAME", .is_tree = true},
	{.name = "ROLE"},
	{.name = "STATE"},
	{.name = "WANTED", .is_number = true},
	{.name = "ACTUAL", .is_number = true},
	{.name = "FLOWS", .is_number = true},
	{.name = "FAILED", .is_number = true},
};

/* ---- the tree ---- */

/* So many columns of it at most: the tree keeps its place for names. */
static void set_text(const struct screen *s, struct libscols_line *row, size_t column,
		     const char *text, size_t most)
{
	char plain[NAME_LEN];

	if (s->look.is_ascii)
		plain_ascii(text, plain, sizeof(plain));
	else
		plain_text(text, plain, sizeof(plain));
	if (plain[plain_fit(plain, most)])
		strcpy(plain + plain_fit(plain, most - 2), "..");
	table_set(row, column, "%s", plain);
}

static bool is_up(const json_t *backend)
{
	return !strcmp(view_text(backend, "state"), "up");
}

static void add_backend(struct screen *s, struct libscols_table *t, struct libscols_line *parent,
			const json_t *b)
{
	struct libscols_line *row = table_row(t, parent);
	const char *address = view_text(b, "address");
	char name[NAME_LEN];

	snprintf(name, sizeof(name), strchr(address, ':') ? "[%.200s]:%lld" : "%.200s:%lld",
		 address, (long long)view_int(b, "port", 0));
	set_text(s, row, 0, name, 48);
	set_text(s, row, 2, view_text(b, "state"), 12);
	if (!is_up(b))
		table_warn(row);
}

static void set_share(struct libscols_line *row, size_t column, double percent)
{
	if (isnan(percent))
		table_set(row, column, "-");
	else
		table_set(row, column, "%.4g %%", percent);
}

static void add_pool(struct screen *s, struct libscols_table *t, struct libscols_line *parent,
		     const json_t *pool)
{
	const json_t *backends = json_object_get(pool, "backends"), *b;
	struct libscols_line *row = table_row(t, parent);
	bool is_known = json_is_integer(json_object_get(pool, "flows"));
	size_t up = 0, i;
	char role[VIEW_TEXT_LEN], count[VIEW_TEXT_LEN];

	json_array_foreach(backends, i, b) up += is_up(b);
	set_text(s, row, 0, view_text(pool, "name"), 24);
	set_text(s, row, 1, view_role(s->view, pool, role), 22);
	if (is_known)
		table_set(row, 2, "%zu/%zu up", up, json_array_size(backends));
	set_share(row, 3, view_real(pool, "wanted"));
	set_share(row, 4, view_real(pool, "actual_share"));
	table_set(row, 5, "%s", view_count(pool, "flows", count));
	/* of a sample: no part of the flows */
	table_set(row, 6, "%s", view_count(pool, "failures", count));
	if (!up && is_known)
		table_warn(row);
	json_array_foreach(backends, i, b) if (s->limits->backends == SCREEN_BACKENDS_ALL ||
					       (s->limits->backends == SCREEN_BACKENDS_BAD &&
						!is_up(b))) add_backend(s, t, row, b);
}

int screen_put_tree(struct screen *s)
{
	struct libscols_table *t = table_new(columns, sizeof(columns) / sizeof(*columns));
	struct libscols_line *root;
	const json_t *pool;
	size_t i;

	if (!t)
		return -ENOMEM;
	table_fit(t, s->out, s->look.columns, s->look.is_ascii, s->look.has_colours);
	root = table_row(t, NULL);
	set_text(s, root, 0, view_text(s->view, "service"), 24);
	json_array_foreach(json_object_get(s->view, "pools"), i, pool) add_pool(s, t, root, pool);
	table_print(t);
	table_free(t);
	return 0;
}

/* ---- the kernel's signals ---- */

static void put_evidence(struct screen *s, const char *label, const json_t *of, const char *line,
			 const char *then)
{
	struct view_evidence e = view_evidence(of, line);
	char bar[SCREEN_BAR_LEN];

	if (isnan(e.log_e) || isnan(e.log_bound))
		return;
	screen_put(s, SCREEN_PLAIN, label, "%s log e %.1f, %s at %.1f",
		   screen_bar(view_evidence_part(&e), bar), e.log_e, then, e.log_bound);
}

static double part_of(const json_t *test)
{
	struct view_evidence e = view_evidence(test, "");

	return view_evidence_part(&e);
}

/* "harm 3.1/4.6" */
static void add_evidence(const json_t *test, const char *line, const char *label, char *buf,
			 size_t size)
{
	struct view_evidence e = view_evidence(test, line);
	size_t len = strlen(buf);

	if (!isnan(e.log_e) && !isnan(e.log_bound))
		snprintf(buf + len, size - len, "  %s %.1f/%.1f", label, e.log_e, e.log_bound);
}

static void put_test(struct screen *s, const json_t *test)
{
	double canary = view_real(test, "canary"), baseline = view_real(test, "baseline");
	double effect = view_real(test, "effect");
	char line[SCREEN_TEXT_LEN], found[64] = "-";

	if (!isnan(canary) && !isnan(baseline))
		snprintf(found, sizeof(found), "%.3g : %.3g %%", 100.0 * canary, 100.0 * baseline);
	else if (!isnan(effect))
		snprintf(found, sizeof(found), "P(slower) %.3f", effect);
	snprintf(line, sizeof(line), "%-15.32s %-16s", view_text(test, "name"), found);
	add_evidence(test, "", "worse", line, sizeof(line));
	if (json_is_true(json_object_get(test, "is_proven")))
		strcat(line, "  proven fine");
	else
		add_evidence(test, "fine_", "fine", line, sizeof(line));
	screen_put(s, SCREEN_PLAIN, "", "%s", line);
}

/* Nothing was measured, and it tells neither way. */
static bool is_empty(const json_t *test)
{
	return isnan(view_real(test, "canary")) && isnan(view_real(test, "effect")) &&
	       isnan(view_real(test, "log_e")) && isnan(view_real(test, "fine_log_e"));
}

/* Those furthest on their way to an abort. */
static void put_tests(struct screen *s, const json_t *tests)
{
	bool is_put[TESTS_MAX] = {0};
	size_t count = json_array_size(tests);

	count = count < TESTS_MAX ? count : TESTS_MAX;
	for (size_t n = 0; n < count && n < s->limits->tests; n++) {
		size_t best = count;

		for (size_t i = 0; i < count; i++)
			if (!is_put[i] &&
			    (best == count || part_of(json_array_get(tests, i)) >
						      part_of(json_array_get(tests, best))))
				best = i;
		is_put[best] = true;
		if (!is_empty(json_array_get(tests, best)))
			put_test(s, json_array_get(tests, best));
	}
}

static void put_kernel(struct screen *s, const json_t *k, const char *label)
{
	const json_t *totals = json_object_get(k, "totals");
	const json_t *canary = json_object_get(totals, "canary");
	const json_t *baseline = json_object_get(totals, "baseline");
	const char *reason = view_text(k, "reason"), *decider = view_text(k, "decider");

	screen_put(s, SCREEN_PLAIN, label, "%s%s%s%s%s%s, %lld looks; failed %lld/%lld : %lld/%lld",
		   view_text(k, "verdict"), *reason ? ", " : "", reason, *decider ? " (" : "",
		   decider, *decider ? ")" : "", (long long)view_int(k, "ticks", 0),
		   (long long)view_int(canary, "failures", 0),
		   (long long)view_int(canary, "flows", 0),
		   (long long)view_int(baseline, "failures", 0),
		   (long long)view_int(baseline, "flows", 0));
	put_evidence(s, "  worse", k, "", "aborts");
	put_evidence(s, "  fine", k, "fine_", "proven");
	put_tests(s, json_object_get(k, "tests"));
}

/* ---- metrics ---- */

static void put_metrics(struct screen *s, const json_t *m)
{
	const json_t *details = json_object_get(m, "details"), *d;
	char ago[VIEW_TEXT_LEN], score[32] = "", value[VIEW_TEXT_LEN];
	size_t i;

	if (!isnan(view_real(m, "score")))
		snprintf(score, sizeof(score), ", score %.3g", view_real(m, "score"));
	screen_put(s, SCREEN_PLAIN, "metrics", "%s%s, %s ago, %lld bad looks of %lld borne%s%s",
		   view_text(m, "finding"), score,
		   view_duration(view_int(s->view, "now_ms", 0) - view_int(m, "at_ms", 0), ago),
		   (long long)view_int(m, "bad_looks", 0),
		   (long long)view_int(m, "failure_limit", 0), *view_text(m, "why") ? ": " : "",
		   view_text(m, "why"));
	json_array_foreach(details, i, d)
	{
		if (i >= s->limits->tests)
			break;
		screen_put(s, SCREEN_PLAIN, "", "%s %s: %s%s", view_text(d, "name"),
			   view_metric(d, value), view_text(d, "finding"),
			   json_is_true(json_object_get(d, "dry_run")) ? " (dry run)" : "");
	}
}

/* What the steps had shown stands above what was found since. */
static void put_kernels(struct screen *s)
{
	const json_t *kernel = json_object_get(s->view, "kernel");
	const json_t *steps = json_object_get(s->view, "kernel_steps");

	if (json_is_object(steps))
		put_kernel(s, steps, "in steps");
	if (json_is_object(kernel))
		put_kernel(s, kernel, json_is_object(steps) ? "since" : "kernel");
}

static const char *remark_on(const json_t *view, const char *finding)
{
	if (!strcmp(finding, "no traffic"))
		return ": nothing to judge by, it waits";
	if (!strcmp(finding, "good"))
		return ": not worse, within bounds";
	if (strcmp(finding, "unknown") != 0)
		return "";
	return json_is_object(json_object_get(view, "kernel_steps"))
		       ? ": nothing bad was found since it was promoted"
		       : ": not enough is known yet";
}

void screen_put_evidence(struct screen *s)
{
	const json_t *metrics = json_object_get(s->view, "metrics");
	const char *finding = view_text(s->view, "finding");
	bool is_bad = !strcmp(finding, "bad"), is_good = !strcmp(finding, "good");

	screen_put(s,
		   is_bad    ? SCREEN_RED
		   : is_good ? SCREEN_GREEN
			     : SCREEN_YELLOW,
		   "finding", "%s%s", *finding ? finding : "none", remark_on(s->view, finding));
	put_kernels(s);
	if (json_is_object(metrics))
		put_metrics(s, metrics);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor/findings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "doctor/facts.h"

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = {"ok", "note", "slow", "stop"};

	_Static_assert(sizeof(names) / sizeof(*names) == DOCTOR_LEVEL_MAX, "a name each");
	return level < DOCTOR_LEVEL_MAX ? names[level] : "";
}

struct doctor_finding *doctor_find(struct doctor_report *r, enum doctor_level level,
				   const char *check, const char *where, const char *format, ...)
{
	static struct doctor_finding lost;
	struct doctor_finding *list = reallocarray(r->list, r->count + 1, sizeof(*list));
	struct doctor_finding *f = list ? &list[r->count] : &lost;
	va_list args;

	if (list) {
		r->list = list;
		r->count++;
		r->count_of[level]++;
	} else {
		r->error = -ENOMEM;
	}
	*f = (struct doctor_finding){.level = level, .check = check};
	snprintf(f->where, sizeof(f->where), "%s", where);
	va_start(args, format);
	vsnprintf(f->what, sizeof(f->what), format, args);
	va_end(args);
	return f;
}

void doctor_found(struct doctor_finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->found, sizeof(f->found), format, args);
	va_end(args);
}

void doctor_remedy(struct doctor_finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->remedy, sizeof(f->remedy), format, args);
	va_end(args);
}

/* A pass for each level keeps the order within it. */
static int sort_worst_first(struct doctor_report *r)
{
	struct doctor_finding *sorted = calloc(r->count + 1, sizeof(*sorted));
	size_t count = 0;

	if (!sorted)
		return -ENOMEM;
	for (int level = DOCTOR_LEVEL_MAX - 1; level >= 0; level--)
		for (size_t i = 0; i < r->count; i++)
			if (r->list[i].level == (enum doctor_level)level)
				sorted[count++] = r->list[i];
	free(r->list);
	r->list = sorted;
	return 0;
}

int doctor_judge(const struct doctor_facts *facts, struct doctor_report *out)
{
	doctor_judge_host(facts, out);
	for (size_t i = 0; i < facts->nic_count; i++)
		doctor_judge_nic(facts, &facts->nics[i], out);
	doctor_judge_backends(facts, out);
	return out->error ? out->error : sort_worst_first(out);
}

void doctor_report_fini(struct doctor_report *r)
{
	free(r->list);
}

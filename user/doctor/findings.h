/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the judgement of a host: facts go in, findings come out. Pure. */
#pragma once

#include <stddef.h>

struct doctor_facts;
struct doctor_host;
struct doctor_nic;
struct doctor_backend;

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE, /* nothing need be done */
	DOCTOR_SLOW, /* it would run, but slower, or some packets would be lost */
	DOCTOR_STOP, /* it would not run */
	DOCTOR_LEVEL_MAX,
};

struct doctor_finding {
	enum doctor_level level;
	const char *check; /* its name: a promise to those who read JSON */
	char where[64];	   /* an interface, a backend; "" the host */
	char what[192];
	char found[128];  /* the value; "" where `what` says all */
	char remedy[192]; /* a command, or what to write; "" where nothing need be done */
};

struct doctor_report {
	struct doctor_finding *list;
	size_t count;
	size_t count_of[DOCTOR_LEVEL_MAX];
	int error; /* -ENOMEM: some are missing */
};

/* Findings of all facts, the worst first, in the order of their making within a level. */
int doctor_judge(const struct doctor_facts *facts, struct doctor_report *out);
void doctor_report_fini(struct doctor_report *r);
const char *doctor_level_name(enum doctor_level level);

/* Its parts. */
void doctor_judge_host(const struct doctor_facts *facts, struct doctor_report *out);
void doctor_judge_nic(const struct doctor_facts *facts, const struct doctor_nic *nic,
		      struct doctor_report *out);
void doctor_judge_backends(const struct doctor_facts *facts, struct doctor_report *out);

/* Adds a finding, whose `what` is a format; found and remedy are empty. Never NULL. */
struct doctor_finding *doctor_find(struct doctor_report *r, enum doctor_level level,
				   const char *check, const char *where, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void doctor_found(struct doctor_finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void doctor_remedy(struct doctor_finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

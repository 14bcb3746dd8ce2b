/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns one program that runs beside the loop: its input is there whole before it begins, its output is
 * kept up to a size, and it ends in time. What it leaves running, in whatever session, ends with it.
 * SIGCHLD is blocked, as sd-event wants it of who watches children.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct job;

struct job_spec {
	const char *path;
	char *const *argv;
	char *const *environment;
	const char *input; /* its stdin, a file */
	size_t input_len;
	size_t output_max; /* what is kept of stdout and stderr; it may write more */
	uint64_t limit_ms; /* then it is killed, with all it began */
};

struct job_result {
	bool is_late; /* killed at its limit; there is no status */
	int signal;   /* that killed it, or 0 */
	int status;   /* exit status */
	char *output; /* with NUL behind it; the job's */
	size_t len;
	bool is_cut; /* it wrote more */
};

/* Called once, never from within job_start(). The job is gone then, but for what @r holds. */
typedef void job_ended(const struct job_result *r, void *arg);

/* @spec: not needed after this. Returns 0 or -errno (a program that cannot be run, too). */
int job_start(sd_event *event, const struct job_spec *spec, job_ended *ended, void *arg,
	      struct job **out);
/* Ends it; nobody hears of it. NULL is fine. */
void job_cancel(struct job *j);

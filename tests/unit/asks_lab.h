/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the tests of asks have in common: a directory of programs, a loop, and what has to be as it
 * was when a test ends: open files, and children. For inclusion by one test program each.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#define LAB_PATIENCE_US 20000000u

static char lab_dir[] = "/tmp/serin-asks-XXXXXX";
static sd_event *lab_event;
static size_t lab_fds;

static inline size_t lab_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline int lab_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline int lab_open(void **state)
{
	sigset_t child;

	(void)state;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(lab_dir) ? 0 : -1;
}

static inline int lab_close(void **state)
{
	(void)state;
	return nftw(lab_dir, lab_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int lab_begin(void **state)
{
	(void)state;
	lab_fds = lab_count_fds();
	return sd_event_new(&lab_event) < 0 ? -1 : 0;
}

/* One turn of the loop, which something comes to in time. */
static inline void lab_turn(void)
{
	assert_true(sd_event_run(lab_event, LAB_PATIENCE_US) > 0);
}

/* Until the loop has reaped what it was left with. */
static inline int lab_end(void **state)
{
	siginfo_t info = {0};

	(void)state;
	while (!waitid(P_ALL, 0, &info, WEXITED | WNOWAIT))
		lab_turn();
	assert_int_equal(errno, ECHILD);
	lab_event = sd_event_unref(lab_event);
	assert_int_equal(lab_count_fds(), lab_fds);
	return 0;
}

static inline const char *lab_path(const char *name)
{
	static char paths[4][96];
	static size_t at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(*paths), "%s/%s", lab_dir, name);
	return path;
}

static inline void lab_write(const char *name, const char *text)
{
	FILE *f = fopen(lab_path(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What a file holds; "" where there is none. */
static inline const char *lab_read(const char *name)
{
	static char text[65536];
	FILE *f = fopen(lab_path(name), "re");
	size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[len] = '\0';
	return text;
}

/* A program of the shell's. */
static inline const char *lab_program(const char *name, const char *body)
{
	char text[1024];

	snprintf(text, sizeof(text), "#!/bin/sh\ncd '%s'\n%s\n", lab_dir, body);
	lab_write(name, text);
	assert_int_equal(chmod(lab_path(name), 0755), 0);
	return lab_path(name);
}

/* Neither there nor a zombie that awaits its parent. */
static inline bool lab_is_running(pid_t pid)
{
	char path[32], state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	if (f)
		fclose(f);
	return state != 'Z';
}

static inline void lab_wait_for_end_of(pid_t pid)
{
	struct timespec moment = {.tv_nsec = 1000000};

	assert_true(pid > 1);
	for (int i = 0; lab_is_running(pid); i++) {
		assert_true(i < 20000);
		nanosleep(&moment, NULL);
	}
}

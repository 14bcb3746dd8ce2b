/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns how a test waits, for something to come true or for its threads, and how what fails in a thread
 * fails the test: cmocka lets the main thread alone do that; and that who has failed keeps nobody
 * waiting. For inclusion by lab.h.
 */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static inline uint64_t lab_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* For a loop that waits for something to come true: fails when it has taken too long. */
static inline void lab_wait(uint64_t since_ms, const char *what)
{
	const struct timespec step = {.tv_nsec = 20000000};

	if (lab_now_ms() - since_ms > 20000)
		fail_msg("waited 20 s for %s", what);
	nanosleep(&step, NULL);
}

/* ---- threads ---- */

static atomic_bool lab_thread_failed;
static char lab_thread_said[200]; /* the first of them to fail */

/* Returns in any thread but the main one: what calls it goes on as well as it can, to lab_join(). */
static inline __attribute__((format(printf, 1, 2))) void lab_fail(const char *format, ...)
{
	char said[sizeof(lab_thread_said)];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	if (gettid() == getpid())
		fail_msg("%s", said);
	if (!atomic_exchange(&lab_thread_failed, true))
		memcpy(lab_thread_said, said, sizeof(said));
}

/* Fails if a thread has, when all have ended. With the data plane open to write this would be the end:
 * lab_teardown() would wait for its lock. */
static inline void lab_expect_threads(void)
{
	if (atomic_exchange(&lab_thread_failed, false))
		fail_msg("in a thread: %s", lab_thread_said);
}

/* Waits for all of a test's threads, and fails if one of them has. */
static inline void lab_join(const pthread_t *threads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	lab_expect_threads();
}

/* What a test that failed had open to write; whoever takes the lock next would wait for ever. */
static inline void lab_let_go(const char *dir)
{
	DIR *fds = opendir("/proc/self/fd");
	const struct dirent *entry;
	char path[PATH_MAX];

	while (fds && (entry = readdir(fds))) {
		ssize_t len = readlinkat(dirfd(fds), entry->d_name, path, sizeof(path));

		if (len == (ssize_t)strlen(dir) && !memcmp(path, dir, (size_t)len))
			close(atoi(entry->d_name));
	}
	if (fds)
		closedir(fds);
}

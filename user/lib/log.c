// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static bool is_daemon;

void log_as_daemon(void)
{
	is_daemon = true;
}

static void print_logfmt(const char *level, const char *text, const char *fields)
{
	struct timespec now;
	struct tm utc;
	char stamp[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	fprintf(stderr, "time=%s.%03ldZ level=%s msg=\"", stamp, now.tv_nsec / 1000000, level);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', stderr);
		fputc(*text == '\n' ? ' ' : *text, stderr);
	}
	fprintf(stderr, "\"%s%s\n", *fields ? " " : "", fields);
}

void log_fields(enum log_level level, const char *text, const char *fields)
{
	static const char *const names[] = {"error", "warning", "info"};
	const char *space = *fields ? " " : "";

	_Static_assert(sizeof(names) / sizeof(*names) == LOG_LEVEL_MAX, "a name each");
	if (is_daemon)
		print_logfmt(names[level], text, fields);
	else if (level == LOG_LEVEL_INFO)
		fprintf(stderr, "serin: %s%s%s\n", text, space, fields);
	else
		fprintf(stderr, "serin: %s: %s%s%s\n", names[level], text, space, fields);
}

void log_message(enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_fields(level, text, "");
}
